#include "rows/json_text.hpp"

#include <charconv>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

namespace perch::rows {
namespace {

constexpr std::string_view blanks = " \t\r\n";

/// Walks over values of a text that is known to be JSON.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) { skip_blanks(); }

  bool at(char c) const { return !text_.empty() && text_.front() == c; }
  bool take_if(char c) {
    if (!at(c)) return false;
    text_.remove_prefix(1);
    skip_blanks();
    return true;
  }
  /// The value that comes next, without blanks around it.
  std::string_view take_value() {
    const std::string_view from = text_;
    if (at('"')) {
      skip_string();
    } else if (at('{') || at('[')) {
      skip_nested();
    } else {
      text_.remove_prefix(std::min(text_.find_first_of(" \t\r\n,]}"), text_.size()));
    }
    const std::string_view value = from.substr(0, from.size() - text_.size());
    skip_blanks();
    return value;
  }

 private:
  void skip_blanks() { text_.remove_prefix(std::min(text_.find_first_not_of(blanks), text_.size())); }
  void skip_string() {
    std::size_t at = 1;
    while (at < text_.size() && text_[at] != '"') at += text_[at] == '\\' ? 2 : 1;
    text_.remove_prefix(std::min(at + 1, text_.size()));
  }
  void skip_nested() {
    std::size_t depth = 0;
    do {
      if (at('"')) {
        skip_string();
        continue;
      }
      if (at('{') || at('[')) ++depth;
      if (at('}') || at(']')) --depth;
      text_.remove_prefix(1);
    } while (depth > 0 && !text_.empty());
  }

  std::string_view text_;
};

bool is_name(std::string_view quoted, std::string_view name) {
  if (quoted.find('\\') == std::string_view::npos) return quoted.substr(1, quoted.size() - 2) == name;
  const auto text = nlohmann::json::parse(quoted, nullptr, false);
  return text.is_string() && text.get_ref<const std::string&>() == name;
}

std::string_view member(std::string_view object, std::string_view name) {
  std::string_view found;
  Walker walker(object);
  walker.take_if('{');
  while (walker.at('"')) {
    const bool is_it = is_name(walker.take_value(), name);
    walker.take_if(':');
    const std::string_view value = walker.take_value();
    if (is_it) found = value;
    if (!walker.take_if(',')) break;
  }
  return found;
}

std::string_view element(std::string_view array, std::string_view place) {
  std::size_t left = 0;
  const auto [end, error] = std::from_chars(place.data(), place.data() + place.size(), left);
  if (error != std::errc{} || end != place.data() + place.size()) return {};
  Walker walker(array);
  walker.take_if('[');
  if (walker.at(']')) return {};
  for (;; --left) {
    const std::string_view value = walker.take_value();
    if (left == 0) return value;
    if (!walker.take_if(',')) return {};
  }
}

}  // namespace

std::string_view json_text_at(std::string_view json, std::span<const std::string_view> path) {
  std::string_view value = Walker(json).take_value();
  for (const std::string_view step : path) {
    if (value.starts_with('{')) {
      value = member(value, step);
    } else if (value.starts_with('[')) {
      value = element(value, step);
    } else {
      return {};
    }
  }
  return value;
}

}  // namespace perch::rows
