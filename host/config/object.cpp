#include "config/object.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/assert.hpp"
#include "base/nearest_name.hpp"
#include "base/text.hpp"
#include "base/units.hpp"

namespace perch {
namespace {

std::string found_instead(const ConfigJson& value) {
  constexpr std::size_t shown_max = 40;
  std::string text = value.dump(-1, ' ', false, ConfigJson::error_handler_t::replace);
  if (text.size() > shown_max)
    return std::string("an ") + (value.is_array() ? "array" : "object or long text");
  return text;
}

bool is_text(const ConfigJson& value) { return value.is_string(); }
bool is_flag(const ConfigJson& value) { return value.is_boolean(); }
bool is_count(const ConfigJson& value) { return value.is_number_unsigned(); }
bool is_array(const ConfigJson& value) { return value.is_array(); }
bool is_object(const ConfigJson& value) { return value.is_object(); }

bool is_name(std::string_view text) {
  constexpr std::size_t name_bytes_max = 64;
  const auto letter = [](unsigned char c) { return std::isalpha(c) || c == '_'; };
  const auto inner = [&](unsigned char c) { return letter(c) || std::isdigit(c) || c == '.' || c == '-'; };
  return !text.empty() && text.size() <= name_bytes_max && letter(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(), inner);
}

}  // namespace

void ConfigProblem::report(std::string_view place, std::string_view message) {
  if (found()) return;
  message_ = file_.string() + ": ";
  if (!place.empty()) message_ += std::string(place) + ": ";
  message_ += message;
}

std::string suggest(std::string_view name, std::string_view what, const std::vector<std::string>& valid) {
  const std::string nearest = nearest_name(name, valid);
  std::string text = nearest.empty() ? " (" : "; did you mean " + in_quotes(nearest) + "? (";
  text += std::string(what) + ":";
  for (std::size_t i = 0; i < valid.size(); ++i) text += (i == 0 ? " " : ", ") + valid[i];
  return text + ")";
}

ObjectReader::ObjectReader(const ConfigJson* object, std::string place, const std::vector<std::string>& names,
                           ConfigProblem& problem)
    : object_(object), place_(std::move(place)), names_(names), problem_(problem) {
  if (object_ == nullptr) return;
  if (!object_->is_object()) {
    problem_.report(place_, "must be an object, not " + found_instead(*object_));
    object_ = nullptr;
    return;
  }
  for (const auto& [name, value] : object_->items()) {
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      problem_.report(this->place(name), "unknown name" + suggest(name, "valid names", names_));
    }
  }
}

const ConfigJson* ObjectReader::find(std::string_view name) const {
  PERCH_ASSERT(std::find(names_.begin(), names_.end(), name) != names_.end(),
               "a name that its section does not have");
  if (object_ == nullptr || problem_.found()) return nullptr;
  const auto member = object_->find(std::string(name));
  return member == object_->end() ? nullptr : &*member;
}

const ConfigJson* ObjectReader::find_typed(std::string_view name, bool (*is_type)(const ConfigJson&),
                                           std::string_view expected) {
  const ConfigJson* value = find(name);
  if (value == nullptr || is_type(*value)) return value;
  problem_.report(place(name), "must be " + std::string(expected) + ", not " + found_instead(*value));
  return nullptr;
}

void ObjectReader::require(std::string_view name) {
  if (!has(name)) problem_.report(place_, "needs " + in_quotes(name));
}

void ObjectReader::forbid(std::string_view name, std::string_view why) {
  if (has(name)) problem_.report(place(name), why);
}

std::string ObjectReader::text(std::string_view name, std::string_view fallback) {
  const ConfigJson* value = find_typed(name, is_text, "a text");
  if (value == nullptr) return std::string(fallback);
  std::string text = value->get<std::string>();
  if (text.empty()) problem_.report(place(name), "must not be empty");
  if (text.find('\0') != std::string::npos) problem_.report(place(name), "must not contain NUL");
  return text;
}

std::string ObjectReader::name(std::string_view name) {
  require(name);
  std::string text = this->text(name, "");
  if (!problem_.found() && !is_name(text)) {
    problem_.report(
        place(name),
        in_quotes(text) + " is no name: letters, digits, '_', '.' and '-', 64 at most, a letter first");
  }
  return text;
}

std::string ObjectReader::choice(std::string_view name, const std::vector<std::string>& choices) {
  const std::string text = this->text(name, choices.front());
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
    problem_.report(place(name), in_quotes(text) + " is not known" + suggest(text, "valid", choices));
  }
  return text;
}

bool ObjectReader::flag(std::string_view name, bool fallback) {
  const ConfigJson* value = find_typed(name, is_flag, "true or false");
  return value == nullptr ? fallback : value->get<bool>();
}

std::uint64_t ObjectReader::integer(std::string_view name, std::uint64_t fallback, std::uint64_t min,
                                    std::uint64_t max) {
  const std::string range = "from " + std::to_string(min) + " to " + std::to_string(max);
  const ConfigJson* value = find_typed(name, is_count, "a whole number " + range);
  if (value == nullptr) return fallback;
  const auto number = value->get<std::uint64_t>();
  if (number < min || number > max) {
    problem_.report(place(name), "must be a whole number " + range + ", not " + std::to_string(number));
  }
  return number;
}

std::chrono::nanoseconds ObjectReader::duration(std::string_view name, std::chrono::nanoseconds fallback,
                                                std::chrono::nanoseconds min, std::chrono::nanoseconds max) {
  const ConfigJson* value = find_typed(name, is_text, "a duration such as \"5ms\"");
  if (value == nullptr) return fallback;
  const auto parsed = parse_duration(value->get<std::string>());
  if (!parsed) {
    problem_.report(place(name), parsed.error().message);
    return fallback;
  }
  if (*parsed < min || *parsed > max) {
    problem_.report(place(name), "must be from " + format_duration(min) + " to " + format_duration(max) +
                                     ", not " + format_duration(*parsed));
  }
  return *parsed;
}

std::uint64_t ObjectReader::size(std::string_view name, std::uint64_t fallback, std::uint64_t min,
                                 std::uint64_t max) {
  const ConfigJson* value = find_typed(name, is_text, "a size such as \"4GiB\"");
  if (value == nullptr) return fallback;
  const auto parsed = parse_size(value->get<std::string>());
  if (!parsed) {
    problem_.report(place(name), parsed.error().message);
    return fallback;
  }
  if (*parsed < min || *parsed > max) {
    problem_.report(place(name), "must be from " + format_size(min) + " to " + format_size(max) + ", not " +
                                     format_size(*parsed));
  }
  return *parsed;
}

unsigned ObjectReader::file_mode(std::string_view name, unsigned fallback) {
  if (!has(name)) return fallback;
  const std::string text = this->text(name, "");
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error == std::errc{} && end == text.data() + text.size() && mode <= 0777) return mode;
  problem_.report(place(name), in_quotes(text) + " is no file mode; write octal digits such as \"0660\"");
  return fallback;
}

std::vector<std::string> ObjectReader::texts(std::string_view name) {
  std::vector<std::string> texts;
  const auto values = elements(name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string at = join_place(place(name), i);
    if (!values[i]->is_string()) {
      problem_.report(at, "must be a text, not " + found_instead(*values[i]));
      return {};
    }
    texts.push_back(values[i]->get<std::string>());
    if (texts.back().find('\0') != std::string::npos) problem_.report(at, "must not contain NUL");
  }
  return texts;
}

std::filesystem::path ObjectReader::path(std::string_view name, std::string_view fallback) {
  const std::filesystem::path path = text(name, fallback);
  if (path.empty()) return path;
  return (std::filesystem::absolute(problem_.file()).parent_path() / path).lexically_normal();
}

std::vector<std::filesystem::path> ObjectReader::paths(std::string_view name) {
  std::vector<std::filesystem::path> paths;
  for (const std::string& text : texts(name))
    paths.push_back((std::filesystem::absolute(problem_.file()).parent_path() / text).lexically_normal());
  return paths;
}

const ConfigJson* ObjectReader::object(std::string_view name) {
  return find_typed(name, is_object, "an object");
}

std::vector<const ConfigJson*> ObjectReader::elements(std::string_view name) {
  std::vector<const ConfigJson*> elements;
  if (const ConfigJson* array = find_typed(name, is_array, "an array")) {
    for (const ConfigJson& element : *array) elements.push_back(&element);
  }
  return elements;
}

}  // namespace perch
