// What JSON values mean in C++: texts that a JsonScanner has stepped over become numbers, strings, durations.
#pragma once

#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "perch/detail/json_scan.hpp"
#include "perch/detail/utf8.hpp"
#include "perch/types.hpp"

namespace perch {

/// The config is wrong: thrown in a reader's constructor it stops the reader for good, with this text for the
/// user.
class BadConfig : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// A value of the config with its name, for messages. `json`: without space around it.
struct NamedJson {
  std::string name;
  std::string_view json;
};

[[noreturn]] inline void wrong_value(const NamedJson& value, const std::string& wanted) {
  throw BadConfig("\"" + value.name + "\" must be " + wanted + ", not " + std::string(value.json));
}

constexpr std::string_view without_space_behind(std::string_view json) noexcept {
  return json.substr(0, json.find_last_not_of(" \t\r\n") + 1);
}

inline std::uint32_t hex4(std::string_view digits) noexcept {
  std::uint32_t unit = 0;
  std::from_chars(digits.data(), digits.data() + 4, unit, 16);
  return unit;
}

/// The text of a JSON string that was scanned, quotes included. Half a surrogate pair becomes U+FFFD.
inline std::string unescape(std::string_view json) {
  std::string out;
  for (std::size_t i = 1; i + 1 < json.size(); ++i) {
    if (json[i] != '\\') {
      out += json[i];
    } else if (json[++i] == 'u') {
      std::uint32_t code_point = hex4(json.substr(i + 1));
      i += 4;
      if (code_point >= 0xD800 && code_point < 0xDC00 && json.substr(i + 1, 2) == "\\u") {
        const std::uint32_t low = hex4(json.substr(i + 3));
        if (low >= 0xDC00 && low < 0xE000) {
          code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
          i += 6;
        }
      }
      append_utf8(out, code_point >= 0xD800 && code_point < 0xE000 ? 0xFFFD : code_point);
    } else {
      constexpr std::string_view letters = "bfnrt";
      constexpr std::string_view controls = "\b\f\n\r\t";
      const std::size_t letter = letters.find(json[i]);
      out += letter == std::string_view::npos ? json[i] : controls[letter];
    }
  }
  return out;
}

/// Calls `take(name, value)` for each member of a scanned object; the value without space around it.
template <class Take>
void for_each_member(std::string_view object, Take take) {
  JsonScanner scanner(object);
  scanner.skip_space();
  scanner.accept('{');
  scanner.skip_space();
  while (scanner.peek() == '"') {
    const std::size_t name_start = scanner.position();
    scanner.skip_string();
    std::string name = unescape(scanner.since(name_start));
    scanner.skip_space();
    scanner.accept(':');
    scanner.skip_space();
    const std::size_t value_start = scanner.position();
    scanner.skip_value();
    take(std::move(name), without_space_behind(scanner.since(value_start)));
    if (!scanner.accept(',')) break;
    scanner.skip_space();
  }
}

/// Calls `take(element)` for each element of a scanned array.
template <class Take>
void for_each_element(std::string_view array, Take take) {
  JsonScanner scanner(array);
  scanner.accept('[');
  scanner.skip_space();
  while (scanner.peek() != ']') {
    const std::size_t start = scanner.position();
    scanner.skip_value();
    take(without_space_behind(scanner.since(start)));
    if (!scanner.accept(',')) break;
    scanner.skip_space();
  }
}

template <class Number>
Number number_of(const NamedJson& value, const char* wanted) {
  const std::string_view json = value.json;
  Number number{};
  const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), number);
  if (error == std::errc::result_out_of_range && std::integral<Number>) {
    wrong_value(value, std::string(wanted) + " from " + std::to_string(std::numeric_limits<Number>::min()) +
                           " to " + std::to_string(std::numeric_limits<Number>::max()));
  }
  if (error != std::errc{} || end != json.data() + json.size()) wrong_value(value, wanted);
  return number;
}

inline std::string string_of(const NamedJson& value) {
  if (value.json[0] != '"') wrong_value(value, "a string");
  return unescape(value.json);
}

struct DurationUnit {
  std::string_view name;
  std::int64_t ns;
};
inline constexpr DurationUnit duration_units[] = {{"d", 86'400'000'000'000},
                                                  {"h", 3'600'000'000'000},
                                                  {"m", 60'000'000'000},
                                                  {"s", 1'000'000'000},
                                                  {"ms", 1'000'000},
                                                  {"us", 1'000},
                                                  {"ns", 1}};

/// "250ms", "10s", "1.5m": a string of a number and a unit; plain "0" too.
inline std::chrono::nanoseconds duration_of(const NamedJson& value) {
  const std::string text = value.json[0] == '"' ? unescape(value.json) : "";
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc{} && std::isfinite(number) && number >= 0) {
    if (unit.empty() && number == 0) return std::chrono::nanoseconds(0);
    for (const DurationUnit& known : duration_units) {
      const double ns = number * static_cast<double>(known.ns);
      if (unit == known.name && ns < 9e18) return std::chrono::nanoseconds(std::llround(ns));
    }
  }
  wrong_value(value, "a duration such as \"250ms\", \"10s\" or \"1h\"");
}

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr std::size_t chars_size = 0;
template <std::size_t N>
inline constexpr std::size_t chars_size<chars<N>> = N;
template <class T>
inline constexpr bool is_number =
    (std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>) || std::floating_point<T>;

/// A value of one of the types that a setting may have. Throws BadConfig, naming it, when it is none.
template <class T>
T value_of(const NamedJson& value) {
  if constexpr (std::same_as<T, bool>) {
    if (value.json != "true" && value.json != "false") wrong_value(value, "true or false");
    return value.json == "true";
  } else if constexpr (is_number<T>) {
    return number_of<T>(value, std::integral<T> ? "a whole number" : "a number");
  } else if constexpr (std::same_as<T, std::string>) {
    return string_of(value);
  } else if constexpr (std::same_as<T, std::chrono::nanoseconds>) {
    return duration_of(value);
  } else if constexpr (chars_size<T> > 0) {
    const std::string text = string_of(value);
    if (text.size() > chars_size<T>)
      wrong_value(value, "of at most " + std::to_string(chars_size<T>) + " bytes");
    return T::from(text);
  } else if constexpr (is_optional<T>) {
    if (value.json == "null") return T{};
    return value_of<typename T::value_type>(value);
  } else {
    static_assert(is_vector<T>,
                  "perch: a setting is a bool, a number, perch::chars<N>, std::chrono::nanoseconds, or a "
                  "std::vector or std::optional of one of them");
    if (value.json[0] != '[') wrong_value(value, "an array");
    T elements;
    for_each_element(value.json, [&](std::string_view element) {
      elements.push_back(value_of<typename T::value_type>(
          {value.name + "[" + std::to_string(elements.size()) + "]", element}));
    });
    return elements;
  }
}

}  // namespace detail
}  // namespace perch
