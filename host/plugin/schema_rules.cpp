#include "plugin/schema_rules.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/nearest_name.hpp"
#include "base/text.hpp"

namespace perch::plugin {
namespace {

using Json = nlohmann::json;

enum class Rule {
  schema,
  schemas,       // an array of them
  schema_map,    // an object of them
  items,         // one or an array
  dependencies,  // an object of schemas or arrays of names
  ref,
  type_names,
  values,
  names,
  text,
  pattern,
  number,
  positive_number,
  count,
  boolean,
  anything,
  unused,  // an annotation that is taken out
  unsupported,
};

struct Keyword {
  std::string_view name;
  Rule rule;
};

constexpr auto keywords = std::to_array<Keyword>({
    {"$comment", Rule::unused},
    {"$defs", Rule::schema_map},
    {"$id", Rule::unused},
    {"$ref", Rule::ref},
    {"$schema", Rule::unused},
    {"additionalItems", Rule::schema},
    {"additionalProperties", Rule::schema},
    {"allOf", Rule::schemas},
    {"anyOf", Rule::schemas},
    {"const", Rule::anything},
    {"contains", Rule::schema},
    {"contentEncoding", Rule::unused},
    {"contentMediaType", Rule::unused},
    {"default", Rule::anything},
    {"definitions", Rule::schema_map},
    {"dependencies", Rule::dependencies},
    {"deprecated", Rule::unused},
    {"description", Rule::text},
    {"else", Rule::schema},
    {"enum", Rule::values},
    {"examples", Rule::unused},
    {"exclusiveMaximum", Rule::number},
    {"exclusiveMinimum", Rule::number},
    {"format", Rule::unused},
    {"id", Rule::unused},
    {"if", Rule::schema},
    {"items", Rule::items},
    {"maxItems", Rule::count},
    {"maxLength", Rule::count},
    {"maxProperties", Rule::count},
    {"maximum", Rule::number},
    {"minItems", Rule::count},
    {"minLength", Rule::count},
    {"minProperties", Rule::count},
    {"minimum", Rule::number},
    {"multipleOf", Rule::positive_number},
    {"not", Rule::schema},
    {"oneOf", Rule::schemas},
    {"pattern", Rule::pattern},
    {"patternProperties", Rule::unsupported},
    {"properties", Rule::schema_map},
    {"propertyNames", Rule::schema},
    {"readOnly", Rule::unused},
    {"required", Rule::names},
    {"then", Rule::schema},
    {"title", Rule::text},
    {"type", Rule::type_names},
    {"uniqueItems", Rule::boolean},
    {"writeOnly", Rule::unused},
    {"x-pattern-words", Rule::text},
});

const Keyword* find_keyword(std::string_view name) {
  const auto found =
      std::find_if(keywords.begin(), keywords.end(), [name](const Keyword& k) { return k.name == name; });
  return found == keywords.end() ? nullptr : &*found;
}

/// Those are followed where they stand: the value that they are applied to is the same one.
bool is_in_place(std::string_view keyword) {
  static constexpr auto in_place = std::to_array<std::string_view>(
      {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependencies"});
  return std::find(in_place.begin(), in_place.end(), keyword) != in_place.end();
}

bool is_type_name(const Json& value) {
  static constexpr auto types =
      std::to_array<std::string_view>({"array", "boolean", "integer", "null", "number", "object", "string"});
  return value.is_string() && std::find(types.begin(), types.end(), value.get<std::string>()) != types.end();
}

bool are_strings(const Json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); });
}

/// What each simple rule wants of a value, in words; empty when the value is so.
std::string_view broken_rule(Rule rule, const Json& value) {
  const auto unless = [](bool is_good, std::string_view text) { return is_good ? std::string_view() : text; };
  switch (rule) {
    case Rule::type_names:
      return unless(is_type_name(value) || (value.is_array() && !value.empty() &&
                                            std::all_of(value.begin(), value.end(), is_type_name)),
                    "must be array, boolean, integer, null, number, object or string, or an array of those");
    case Rule::values:
      return unless(value.is_array() && !value.empty(), "must be an array of at least one value");
    case Rule::names:
      return unless(are_strings(value), "must be an array of member names");
    case Rule::text:
    case Rule::pattern:
    case Rule::ref:
      return unless(value.is_string(), "must be a string");
    case Rule::number:
      return unless(value.is_number(), "must be a number");
    case Rule::positive_number:
      return unless(value.is_number() && value.get<double>() > 0, "must be a number over 0");
    case Rule::count:
      return unless(value.is_number_unsigned(), "must be a whole number of 0 or more");
    case Rule::boolean:
      return unless(value.is_boolean(), "must be true or false");
    case Rule::schemas:
      return unless(value.is_array() && !value.empty(), "must be an array of at least one schema");
    case Rule::schema_map:
    case Rule::dependencies:
      return unless(value.is_object(), "must be an object");
    case Rule::unsupported:
      return "is not supported; say additionalProperties and propertyNames instead";
    default:
      return {};
  }
}

/// How large the automaton of a pattern becomes, in characters: x{n,m} counts as so many x. Reads groups,
/// sets and counts exactly as libstdc++ does, so that nothing repeated is missed.
class PatternSize {
 public:
  explicit PatternSize(std::string_view pattern) : text_(pattern) {}

  std::size_t measure() {
    while (at_ < text_.size()) take_next();
    while (groups_.size() > 1) close_group();
    return groups_.front();
  }
  /// Such as a{9}{9}: no regular expression by the standard, but libstdc++ takes it. Known once measured.
  bool repeats_a_repetition() const { return repeats_a_repetition_; }

 private:
  enum class Before { nothing_repeated, repetition, lazy_repetition };

  void take_next() {
    const char c = text_[at_++];
    if (c == '*' || c == '+' || c == '?' || c == '{') return repeat(c);
    before_ = Before::nothing_repeated;
    if (c == '(') return open_group();
    if (c == ')' && groups_.size() > 1) return close_group();
    if (c == '\\') skip_escaped();
    if (c == '[') skip_set();
    last_ = 1;
    add(1);
  }
  /// A `?` after a repetition makes it lazy and repeats nothing.
  void repeat(char c) {
    if (c == '?' && before_ == Before::repetition) {
      before_ = Before::lazy_repetition;
      return;
    }
    repeats_a_repetition_ |= before_ != Before::nothing_repeated;
    before_ = Before::repetition;
    add(c == '{' ? (largest_count() - 1) * last_ : 1);
  }
  void open_group() {
    if (at_ < text_.size() && text_[at_] == '?') at_ += 2;  // (?: (?= (?!
    groups_.push_back(0);
  }
  void close_group() {
    last_ = groups_.back() + 1;
    groups_.pop_back();
    add(last_);
  }
  void add(std::size_t size) { groups_.back() = std::min(groups_.back() + size, pattern_size_max + 1); }
  /// One character, and of \cX two. The digits of \x and \u count as characters; they open and close nothing.
  void skip_escaped() { at_ += at_ < text_.size() && text_[at_] == 'c' ? 2 : 1; }
  /// Up to the bracket that ends it, which none within [:alpha:], [.x.] or [=x=] does.
  void skip_set() {
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == ']') return;
      if (c == '\\') skip_escaped();
      if (c == '[' && at_ < text_.size() &&
          std::string_view(":.=").find(text_[at_]) != std::string_view::npos) {
        const std::size_t end = text_.find(text_[at_], at_ + 1);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      }
    }
  }
  /// The larger number of {n,m}, at least 1.
  std::size_t largest_count() {
    std::size_t largest = 1;
    std::size_t count = 0;
    for (; at_ < text_.size() && text_[at_] != '}'; ++at_) {
      const char c = text_[at_];
      count = c >= '0' && c <= '9'
                  ? std::min(count * 10 + static_cast<std::size_t>(c - '0'), pattern_size_max + 1)
                  : 0;
      largest = std::max(largest, count);
    }
    ++at_;
    return largest;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::size_t> groups_{0};  // sizes so far; the last one is open
  std::size_t last_ = 0;                // of what a count would repeat
  Before before_ = Before::nothing_repeated;
  bool repeats_a_repetition_ = false;
};

constexpr std::string_view ref_starts[] = {"#/definitions/", "#/$defs/"};

/// Null: it leads nowhere that is allowed.
const Json* ref_target(const Json& root, const std::string& ref) {
  if (ref == "#") return &root;
  for (const std::string_view start : ref_starts) {
    if (!ref.starts_with(start)) continue;
    const std::string name = ref.substr(start.size());
    const auto is_plain = [](char c) { return c != '/' && c != '~' && c != '%'; };
    const auto map = root.find(std::string(start.substr(2, start.size() - 3)));
    if (!std::all_of(name.begin(), name.end(), is_plain) || map == root.end() || !map->is_object())
      return nullptr;
    const auto found = map->find(name);
    return found == map->end() ? nullptr : &*found;
  }
  return nullptr;
}

/// One walk over all schemas in a schema. The first problem ends it.
class Checker {
 public:
  explicit Checker(const Json& root) : root_(root) {}

  void check_all() {
    check(root_, "config_schema", 0);
    if (!problem_) check_in_place(root_, 0, "config_schema");
    for (const std::string_view start : ref_starts) {
      const auto map = root_.find(std::string(start.substr(2, start.size() - 3)));
      if (map != root_.end() && map->is_object()) definitions_ += map->size();
    }
    if (definitions_ > schema_definitions_max) {
      report("config_schema", "has over " + std::to_string(schema_definitions_max) + " definitions");
    }
  }
  const std::optional<std::string>& problem() const { return problem_; }
  std::vector<std::string> take_patterns() { return std::move(patterns_); }

 private:
  void report(const std::string& place, const std::string& what) {
    if (!problem_) problem_ = clean_text(place, 200) + ": " + what;
  }

  /// Counts a schema against both bounds.
  bool is_within_bounds(const std::string& place, std::size_t level) {
    if (level > schema_levels_max) {
      report(place, "is nested deeper than " + std::to_string(schema_levels_max) +
                        " schemas, or refers to itself without end");
    } else if (++steps_ > schema_steps_max) {
      report("config_schema", "is too large: over " + std::to_string(schema_steps_max) + " schemas");
    }
    return !problem_;
  }

  void check(const Json& schema, const std::string& place, std::size_t level) {
    if (!is_within_bounds(place, level) || schema.is_boolean()) return;
    if (!schema.is_object()) return report(place, "must be a schema: an object, true or false");
    for (const auto& [name, value] : schema.items()) {
      const std::string here = place + "." + name;
      const Keyword* const keyword = find_keyword(name);
      if (keyword == nullptr) {
        if (!name.starts_with("x-")) report_unknown(place, name);
      } else if (const auto broken = broken_rule(keyword->rule, value); !broken.empty()) {
        report(here, std::string(broken));
      } else {
        check_keyword(keyword->rule, value, here, level + 1);
      }
      if (problem_) return;
    }
    check_in_place(schema, 0, place);
  }

  void report_unknown(const std::string& place, const std::string& name) {
    std::vector<std::string> names;
    for (const Keyword& keyword : keywords) names.emplace_back(keyword.name);
    const std::string nearest = nearest_name(name, names);
    report(place + "." + name,
           "is no keyword that this host judges by" +
               (nearest.empty() ? "; names of your own begin with x-" : " (did you mean " + nearest + "?)"));
  }

  void check_keyword(Rule rule, const Json& value, const std::string& place, std::size_t level) {
    if (rule == Rule::schema || (rule == Rule::items && !value.is_array())) return check(value, place, level);
    if (rule == Rule::ref && ref_target(root_, value.get<std::string>()) == nullptr) {
      return report(place,
                    "must be \"#\", \"#/definitions/NAME\" or \"#/$defs/NAME\" of this schema; nothing is "
                    "fetched from elsewhere");
    }
    if (rule == Rule::pattern) return check_pattern(value.get<std::string>(), place);
    if (rule == Rule::schemas || rule == Rule::items) {
      for (std::size_t i = 0; i < value.size(); ++i)
        check(value[i], place + "[" + std::to_string(i) + "]", level);
    }
    if (rule != Rule::schema_map && rule != Rule::dependencies) return;
    for (const auto& [name, member] : value.items()) {
      if (rule == Rule::dependencies && are_strings(member)) continue;
      check(member, place + "." + name, level);
    }
  }

  void check_pattern(const std::string& pattern, const std::string& place) {
    PatternSize measured(pattern);
    const std::size_t size = measured.measure();
    patterns_size_ += size;
    if (patterns_size_ > patterns_size_max)
      return report("config_schema", "has too many and too large patterns");
    if (pattern.size() > pattern_size_max || size > pattern_size_max) {
      return report(place, "is too large: over " + std::to_string(pattern_size_max) +
                               " characters, x{n} counted as n times x");
    }
    if (measured.repeats_a_repetition()) {
      return report(place, "repeats a repetition, as in a{2}{3}; write (a{2}){3}");
    }
    // Looks ahead within looks ahead take a time that no size bounds.
    if (pattern.find("(?=") != std::string::npos || pattern.find("(?!") != std::string::npos) {
      return report(place, "looks ahead with (?= or (?!, which is not supported");
    }
    patterns_.push_back(pattern);
  }

  /// Walks what is applied to one value, `$ref` followed: that must end.
  void check_in_place(const Json& schema, std::size_t level, const std::string& place) {
    if (!is_within_bounds(place, level) || !schema.is_object()) return;
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      const Json* const target = ref->is_string() ? ref_target(root_, ref->get<std::string>()) : nullptr;
      if (target != nullptr) check_in_place(*target, level + 1, place);
      return;
    }
    for (const auto& [name, value] : schema.items()) {
      if (!is_in_place(name)) continue;
      if (name == "allOf" || name == "anyOf" || name == "oneOf" || name == "dependencies") {
        for (const Json& each : value) check_in_place(each, level + 1, place);
      } else {
        check_in_place(value, level + 1, place);
      }
    }
  }

  const Json& root_;
  std::optional<std::string> problem_;
  std::vector<std::string> patterns_;
  std::size_t patterns_size_ = 0;
  std::size_t steps_ = 0;
  std::size_t definitions_ = 0;
};

/// Takes what is not judged by out of a checked schema.
void strip(Json& schema) {
  if (!schema.is_object()) return;
  for (auto at = schema.begin(); at != schema.end();) {
    const Keyword* const keyword = find_keyword(at.key());
    if (keyword == nullptr || keyword->rule == Rule::unused) {
      at = schema.erase(at);
      continue;
    }
    const Rule rule = keyword->rule;
    if (rule == Rule::schema) strip(*at);
    if (rule == Rule::schemas || rule == Rule::schema_map || rule == Rule::dependencies ||
        rule == Rule::items) {
      if (at->is_object() && rule == Rule::items) {
        strip(*at);
      } else if (at->is_structured()) {
        for (Json& each : *at) strip(each);
      }
    }
    ++at;
  }
}

}  // namespace

std::size_t matched_bytes_max_of(const std::string& pattern) {
  // Matching may begin at each byte: the time grows with the text's square times the pattern's size.
  constexpr std::size_t work_max = 100 * matched_bytes_max;
  return std::min(matched_bytes_max, work_max / (PatternSize(pattern).measure() + 1));
}

const Json& follow_ref(const Json& root, const Json& schema) {
  const Json* at = &schema;
  while (at->is_object()) {
    const auto ref = at->find("$ref");
    if (ref == at->end()) break;
    at = ref_target(root, ref->get_ref<const std::string&>());
  }
  return *at;
}

Result<UsableSchema> check_schema_rules(Json schema) {
  if (!schema.is_object()) return fail(ErrorKind::refused, "config_schema: must be an object");
  Checker checker(schema);
  checker.check_all();
  if (checker.problem()) return fail(ErrorKind::refused, *checker.problem());
  UsableSchema usable{std::move(schema), checker.take_patterns()};
  strip(usable.schema);
  return usable;
}

}  // namespace perch::plugin
