#include "plugin/config_problems.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/nearest_name.hpp"
#include "base/text.hpp"
#include "plugin/schema_rules.hpp"

namespace perch::plugin {
namespace {

using Json = nlohmann::json;
using Lines = std::vector<std::string>;

constexpr std::size_t lines_max = 20;
constexpr std::size_t steps_max = 100'000;
constexpr std::size_t depth_max = 128;
constexpr std::size_t value_chars_max = 60;
constexpr std::size_t description_chars_max = 160;

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > value_chars_max) text = clean_text(text, value_chars_max) + "…";
  return text;
}

std::string type_phrase(const std::string& type) {
  if (type == "integer") return "a whole number";
  if (type == "boolean") return "true or false";
  if (type == "null") return "null";
  return (type == "array" || type == "object" ? "an " : "a ") + type;
}

bool is_of_type(const Json& value, const std::string& type) {
  if (type == "array") return value.is_array();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  if (type == "object") return value.is_object();
  return value.is_string();
}

/// Exact for each number that JSON integers have here; the library's own comparison wraps the large ones.
long double exact(const Json& number) {
  if (number.is_number_unsigned()) return static_cast<long double>(number.get<std::uint64_t>());
  if (number.is_number_integer()) return static_cast<long double>(number.get<std::int64_t>());
  return number.get<double>();
}

/// "3 items", "1 item"
std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// Whole numbers exactly; others as far as a double's digits tell: 0.3 is a multiple of 0.1.
bool is_multiple(long double value, long double divisor) {
  const long double rest = std::fabs(std::remainder(value, divisor));
  const bool are_whole = std::trunc(value) == value && std::trunc(divisor) == divisor;
  constexpr long double rounding = 4 * std::numeric_limits<double>::epsilon();
  return rest <= (are_whole ? 0 : std::fabs(value) * rounding);
}

/// Numbers are equal by their value: 1 and 1.0. The library's own comparison takes -1 for 2^64 - 1.
bool is_equal(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return exact(a) == exact(b);
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), is_equal);
  if (!a.is_object()) return a == b;
  for (const auto& [name, value] : a.items()) {
    const auto other = b.find(name);
    if (other == b.end() || !is_equal(value, *other)) return false;
  }
  return true;
}

/// A member's place; names that are no plain words are quoted.
std::string member_place(const std::string& place, const std::string& name) {
  const bool is_plain =
      !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-';
      });
  return is_plain ? place + "." + name : place + "[" + shown(Json(name)) + "]";
}

class Finder {
 public:
  Finder(const Json& root, const MatchesPattern& matches) : root_(root), matches_(matches) {}

  Lines find(const Json& config) {
    Lines lines;
    check(root_, config, "config", lines);
    if (!too_large_.empty()) lines = std::move(too_large_);
    if (lines.size() > lines_max) {
      const std::size_t more = lines.size() - lines_max;
      lines.resize(lines_max);
      lines.push_back("… and " + std::to_string(more) + " more");
    }
    return lines;
  }

 private:
  // One value against one schema: problems are added to `lines`.
  void check(const Json& given, const Json& value, const std::string& place, Lines& lines) {
    if (!too_large_.empty()) return;
    if (++steps_ > steps_max || depth_ >= depth_max) {
      too_large_.push_back(place +
                           ": nested too deep, or too much for its schema to be checked in a bounded time");
      return;
    }
    const Json& schema = follow_ref(root_, given);
    if (!schema.is_object()) {
      if (schema == false) lines.push_back(place + ": must not be there");
      return;
    }
    ++depth_;
    check_value(schema, value, place, lines);
    check_combinations(schema, value, place, lines);
    if (value.is_object()) check_members(schema, value, place, lines);
    if (value.is_array()) check_items(schema, value, place, lines);
    --depth_;
  }

  Lines problems_with(const Json& schema, const Json& value, const std::string& place) {
    Lines lines;
    check(schema, value, place, lines);
    return lines;
  }

  /// "place: must … (description)"
  static void add(Lines& lines, const Json& schema, const std::string& place, const std::string& what) {
    std::string line = place + ": " + what;
    if (const auto description = schema.find("description");
        description != schema.end() && description->is_string()) {
      line += " (" + clean_text(description->get_ref<const std::string&>(), description_chars_max) + ")";
    }
    lines.push_back(std::move(line));
  }

  // The value itself

  void check_value(const Json& schema, const Json& value, const std::string& place, Lines& lines) {
    if (!check_type(schema, value, place, lines)) return;  // what else it should be would only repeat that
    check_choice(schema, value, place, lines);
    if (value.is_number()) check_number(schema, value, place, lines);
    if (value.is_string()) check_string(schema, value.get_ref<const std::string&>(), place, lines);
    if (value.is_array()) check_count(schema, value, place, "item", "minItems", "maxItems", lines);
    if (value.is_object())
      check_count(schema, value, place, "member", "minProperties", "maxProperties", lines);
  }

  static bool check_type(const Json& schema, const Json& value, const std::string& place, Lines& lines) {
    const auto type = schema.find("type");
    if (type == schema.end()) return true;
    const Json types = type->is_array() ? *type : Json::array({*type});
    std::string wanted;
    for (const Json& each : types) {
      const auto name = each.get<std::string>();
      if (is_of_type(value, name)) return true;
      wanted += (wanted.empty() ? "" : " or ") + type_phrase(name);
    }
    add(lines, schema, place, "must be " + wanted + ", not " + shown(value));
    return false;
  }

  static void check_choice(const Json& schema, const Json& value, const std::string& place, Lines& lines) {
    if (const auto only = schema.find("const"); only != schema.end() && !is_equal(*only, value)) {
      add(lines, schema, place, "must be " + shown(*only) + ", not " + shown(value));
    }
    const auto choice = schema.find("enum");
    const auto is_value = [&value](const Json& each) { return is_equal(each, value); };
    if (choice == schema.end() || std::any_of(choice->begin(), choice->end(), is_value)) return;
    std::string all;
    std::vector<std::string> texts;
    for (const Json& each : *choice) {
      all += (all.empty() ? "" : ", ") + shown(each);
      if (each.is_string()) texts.push_back(each.get<std::string>());
    }
    const std::string nearest =
        value.is_string() ? nearest_name(value.get_ref<const std::string&>(), texts) : "";
    add(lines, schema, place,
        "must be " + std::string(choice->size() > 1 ? "one of " : "") + all + ", not " + shown(value) +
            (nearest.empty() ? "" : " (did you mean " + shown(Json(nearest)) + "?)"));
  }

  static void check_number(const Json& schema, const Json& value, const std::string& place, Lines& lines) {
    const auto limit = [&](const char* keyword, const char* phrase, auto&& is_broken) {
      const auto bound = schema.find(keyword);
      if (bound != schema.end() && is_broken(*bound)) {
        add(lines, schema, place,
            std::string("must be ") + phrase + " " + shown(*bound) + ", not " + shown(value));
      }
    };
    limit("minimum", "at least", [&](const Json& bound) { return exact(value) < exact(bound); });
    limit("maximum", "at most", [&](const Json& bound) { return exact(value) > exact(bound); });
    limit("exclusiveMinimum", "more than", [&](const Json& bound) { return exact(value) <= exact(bound); });
    limit("exclusiveMaximum", "less than", [&](const Json& bound) { return exact(value) >= exact(bound); });
    limit("multipleOf", "a multiple of",
          [&](const Json& bound) { return !is_multiple(exact(value), exact(bound)); });
  }

  void check_string(const Json& schema, const std::string& text, const std::string& place, Lines& lines) {
    const std::size_t length = characters_in(text);
    if (const auto least = schema.find("minLength"); least != schema.end() && length < *least) {
      add(lines, schema, place,
          "must have at least " + counted(least->get<std::uint64_t>(), "character") + ", not " +
              (length == 0 ? "none" : std::to_string(length)));
    }
    if (const auto most = schema.find("maxLength"); most != schema.end() && length > *most) {
      add(lines, schema, place,
          "must have at most " + counted(most->get<std::uint64_t>(), "character") + ", not " +
              std::to_string(length));
    }
    const auto pattern = schema.find("pattern");
    if (pattern == schema.end()) return;
    const std::size_t bytes_max = matched_bytes_max_of(pattern->get_ref<const std::string&>());
    if (text.size() > bytes_max) {
      too_large_.push_back(place + ": has " + std::to_string(text.size()) +
                           " bytes; a text for this member's pattern has at most " +
                           std::to_string(bytes_max));
    } else if (!matches_(pattern->get<std::string>(), text)) {
      const auto words = schema.find("x-pattern-words");
      add(lines, schema, place,
          "must " +
              (words != schema.end() ? "be " + clean_text(words->get_ref<const std::string&>(), 160)
                                     : "match the pattern " + pattern->get<std::string>()) +
              ", not " + shown(Json(text)));
    }
  }

  void check_count(const Json& schema, const Json& value, const std::string& place, const char* what,
                   const char* min, const char* max, Lines& lines) {
    if (const auto least = schema.find(min); least != schema.end() && value.size() < *least) {
      add(lines, schema, place,
          "must have at least " + counted(least->get<std::uint64_t>(), what) + ", not " +
              std::to_string(value.size()));
    }
    if (const auto most = schema.find(max); most != schema.end() && value.size() > *most) {
      add(lines, schema, place,
          "must have at most " + counted(most->get<std::uint64_t>(), what) + ", not " +
              std::to_string(value.size()));
    }
  }

  // Several schemas for one value

  void check_combinations(const Json& schema, const Json& value, const std::string& place, Lines& lines) {
    if (const auto all = schema.find("allOf"); all != schema.end()) {
      for (const Json& each : *all) check(each, value, place, lines);
    }
    check_alternatives(schema, "anyOf", value, place, lines);
    check_alternatives(schema, "oneOf", value, place, lines);
    if (const auto forbidden = schema.find("not"); forbidden != schema.end()) {
      if (problems_with(*forbidden, value, place).empty())
        add(lines, schema, place, "must not be like " + shown(value));
    }
    if (const auto condition = schema.find("if"); condition != schema.end()) {
      const bool holds = problems_with(*condition, value, place).empty();
      const auto consequence = schema.find(holds ? "then" : "else");
      if (consequence != schema.end()) check(*consequence, value, place, lines);
    }
  }

  void check_alternatives(const Json& schema, const char* keyword, const Json& value,
                          const std::string& place, Lines& lines) {
    const auto alternatives = schema.find(keyword);
    if (alternatives == schema.end()) return;
    std::size_t fitting = 0;
    std::string reasons;
    for (const Json& each : *alternatives) {
      const Lines problems = problems_with(each, value, place);
      if (problems.empty()) {
        ++fitting;
      } else {
        reasons += (reasons.empty() ? "" : "; or ") + problems.front();
      }
    }
    if (fitting == 0) {
      add(lines, schema, place, "fits none of the forms that the schema allows: " + reasons);
    } else if (fitting > 1 && std::string_view(keyword) == "oneOf") {
      add(lines, schema, place, "fits " + std::to_string(fitting) + " forms of which it may fit one only");
    }
  }

  // Members

  void check_members(const Json& schema, const Json& object, const std::string& place, Lines& lines) {
    const auto properties = schema.find("properties");
    const auto others = schema.find("additionalProperties");
    const auto names = schema.find("propertyNames");
    for (const auto& [name, value] : object.items()) {
      const std::string here = member_place(place, name);
      if (names != schema.end()) check(*names, Json(name), here + ", its name", lines);
      if (properties != schema.end() && properties->contains(name)) {
        check((*properties)[name], value, here, lines);
      } else if (others != schema.end() && *others == false) {
        lines.push_back(here + ": unknown member" +
                        hint(properties == schema.end() ? Json::object() : *properties, name));
      } else if (others != schema.end()) {
        check(*others, value, here, lines);
      }
    }
    if (const auto required = schema.find("required"); required != schema.end()) {
      for (const Json& name : *required) require(schema, object, name.get<std::string>(), place, "", lines);
    }
    check_dependencies(schema, object, place, lines);
  }

  static std::string hint(const Json& properties, const std::string& name) {
    std::vector<std::string> known;
    std::string all;
    for (const auto& [each, schema] : properties.items()) {
      known.push_back(each);
      all += (all.empty() ? "" : ", ") + each;
    }
    if (const std::string nearest = nearest_name(name, known); !nearest.empty())
      return " (did you mean " + nearest + "?)";
    return all.empty() ? " (it takes none)" : " (known: " + clean_text(all, 400) + ")";
  }

  void require(const Json& schema, const Json& object, const std::string& name, const std::string& place,
               const std::string& since, Lines& lines) {
    if (object.contains(name)) return;
    const auto properties = schema.find("properties");
    const bool is_described = properties != schema.end() && properties->contains(name);
    const Json& member = is_described ? follow_ref(root_, (*properties)[name]) : root_;
    add(lines, is_described && member.is_object() ? member : Json::object(), place,
        "member " + shown(Json(name)) + " is missing" + since);
  }

  void check_dependencies(const Json& schema, const Json& object, const std::string& place, Lines& lines) {
    const auto dependencies = schema.find("dependencies");
    if (dependencies == schema.end()) return;
    for (const auto& [name, needed] : dependencies->items()) {
      if (!object.contains(name)) continue;
      if (!needed.is_array()) {
        check(needed, object, place, lines);
        continue;
      }
      for (const Json& other : needed) {
        require(schema, object, other.get<std::string>(), place, ", which " + shown(Json(name)) + " needs",
                lines);
      }
    }
  }

  // Items

  void check_items(const Json& schema, const Json& array, const std::string& place, Lines& lines) {
    const auto items = schema.find("items");
    const auto others = schema.find("additionalItems");
    for (std::size_t i = 0; i < array.size() && items != schema.end(); ++i) {
      const std::string here = place + "[" + std::to_string(i) + "]";
      if (!items->is_array()) {
        check(*items, array[i], here, lines);
      } else if (i < items->size()) {
        check((*items)[i], array[i], here, lines);
      } else if (others != schema.end()) {
        check(*others, array[i], here, lines);
      }
    }
    if (const auto contains = schema.find("contains"); contains != schema.end()) {
      const bool found = std::any_of(array.begin(), array.end(), [&](const Json& item) {
        return problems_with(*contains, item, place).empty();
      });
      if (!found) add(lines, schema, place, "has no item of the kind that it must contain");
    }
    check_unique(schema, array, place, lines);
  }

  void check_unique(const Json& schema, const Json& array, const std::string& place, Lines& lines) {
    if (!schema.value("uniqueItems", false)) return;
    if (array.size() > unique_items_max) {
      too_large_.push_back(place + ": has " + std::to_string(array.size()) +
                           " items; an array of different ones has at most " +
                           std::to_string(unique_items_max));
      return;
    }
    for (std::size_t i = 0; i < array.size(); ++i) {
      const auto end = array.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::none_of(array.begin(), end, [&](const Json& item) { return is_equal(item, array[i]); }))
        continue;
      add(lines, schema, place, "has " + shown(array[i]) + " twice; its items must differ");
      return;
    }
  }

  const Json& root_;
  const MatchesPattern& matches_;
  Lines too_large_;
  std::size_t steps_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

Lines find_config_problems(const Json& schema, const Json& config, const MatchesPattern& matches) {
  return Finder(schema, matches).find(config);
}

}  // namespace perch::plugin
