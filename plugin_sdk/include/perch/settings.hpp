// Settings: a reader's config as a struct. The struct says once what may be configured; its JSON Schema,
// which the host checks every config against before the reader sees it, and the reading of the config follow
// from it.
//
//     struct Settings {
//       std::chrono::nanoseconds every = std::chrono::seconds(1);
//       std::uint32_t top = 5;
//       perch::chars<8> by{"cpu"};
//
//       static constexpr auto members = perch::settings(
//           perch::setting("every", &Settings::every, "publish at most so often"),
//           perch::setting("top", &Settings::top, "how many").from(1).to(100),
//           perch::setting("by", &Settings::by, "what to order them by").one_of("cpu", "memory"));
//     };
//
// A reader with such a struct has a constructor (perch::Host&, const Settings&). What the config leaves out
// has the struct's own default. Types: bool, numbers, perch::chars<N> for texts of at most N bytes,
// std::chrono::nanoseconds (written "250ms", "10s"), and std::vector or std::optional of one of them. (No
// std::string: its short texts are no constant expressions with Clang 14, and the schema is made at compile
// time.)
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "perch/config.hpp"
#include "perch/detail/json_text.hpp"
#include "perch/detail/json_values.hpp"
#include "perch/detail/text.hpp"

namespace perch {

namespace detail {

template <class T>
concept Bounded = is_number<T> || std::same_as<T, std::chrono::nanoseconds>;

/// How a value would stand in a config.
template <class T>
std::string written(const T& value) {
  if constexpr (std::same_as<T, std::chrono::nanoseconds>) {
    char text[40];
    TextSink sink(text);
    write_duration(sink, value);
    return "\"" + std::string(text, sink.size()) + "\"";
  } else {
    char digits[64];
    return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}

}  // namespace detail

/// One member of a struct of settings. Made by perch::setting; each function gives a copy that says more.
template <class S, class T>
struct Setting {
  static constexpr std::size_t choices_max = 16;

  std::string_view name;
  T S::*member;
  std::string_view description;
  std::optional<T> least{};
  std::optional<T> most{};
  std::array<std::string_view, choices_max> choices{};
  std::size_t choice_count = 0;
  bool is_required = false;

  constexpr Setting from(T smallest) const requires detail::Bounded<T> {
    Setting copy = *this;
    copy.least = smallest;
    return copy;
  }
  constexpr Setting to(T greatest) const requires detail::Bounded<T> {
    Setting copy = *this;
    copy.most = greatest;
    return copy;
  }
  /// Only these texts, 16 at most.
  template <class... Text>
  constexpr Setting one_of(const Text&... texts) const requires(detail::chars_size<T> > 0) {
    static_assert(sizeof...(texts) <= choices_max, "perch: a setting has at most 16 choices");
    Setting copy = *this;
    copy.choices = {std::string_view(texts)...};
    copy.choice_count = sizeof...(texts);
    return copy;
  }
  /// The config must have it: the struct's default is not meant to be used.
  constexpr Setting required() const {
    Setting copy = *this;
    copy.is_required = true;
    return copy;
  }
};

template <class S, class T>
constexpr Setting<S, T> setting(std::string_view name, T S::*member, std::string_view description) {
  return {.name = name, .member = member, .description = description};
}
template <class... Each>
constexpr auto settings(const Each&... each) {
  return std::tuple<Each...>(each...);
}

namespace detail {

template <class T>
constexpr void write_type(JsonText& json) {
  if constexpr (std::same_as<T, bool>) {
    json.member("type", "boolean");
  } else if constexpr (std::same_as<T, std::chrono::nanoseconds>) {
    json.member("type", "string").member("pattern", "^([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d)|0)$");
    json.member("x-pattern-words",
                "a duration such as \"250ms\", \"10s\" or \"1h\"");  // the host's own keyword
  } else if constexpr (std::integral<T>) {
    json.member("type", "integer");
  } else if constexpr (std::floating_point<T>) {
    json.member("type", "number");
  } else if constexpr (is_vector<T>) {
    json.member("type", "array").key("items").begin_object();
    write_type<typename T::value_type>(json);
    json.end_object();
  } else if constexpr (is_optional<T>) {
    write_type<typename T::value_type>(json);
  } else {
    json.member("type", "string");
    if constexpr (chars_size < T >> 0) json.member("maxLength", std::uint64_t{chars_size<T>});
  }
}

/// Numbers that have no short decimal text are left out: the schema then says less than the reader checks.
template <class T>
constexpr void write_default(JsonText& json, const T& value) {
  if constexpr (chars_size < T >> 0) {
    json.member("default", value.view());
  } else if constexpr (std::same_as<T, std::chrono::nanoseconds>) {
    json.key("default").duration(value);
  } else if constexpr (std::same_as<T, bool> || is_number<T>) {
    json.member("default", value);
  }
}

template <class S, class T>
constexpr void write_setting(JsonText& json, const Setting<S, T>& setting, const S& defaults) {
  json.key(setting.name).begin_object();
  write_type<T>(json);
  if constexpr (is_number<T>) {
    // What the type cannot hold is refused as well, before the reader sees it.
    constexpr bool narrow = std::integral<T> && (sizeof(T) < 8 || std::unsigned_integral<T>);
    if (setting.least || narrow)
      json.member("minimum", setting.least.value_or(std::numeric_limits<T>::min()));
    if (setting.most || (narrow && sizeof(T) < 8))
      json.member("maximum", setting.most.value_or(std::numeric_limits<T>::max()));
  }
  if (setting.choice_count > 0) {
    json.key("enum").begin_array();
    for (std::size_t i = 0; i < setting.choice_count; ++i) json.value(setting.choices[i]);
    json.end_array();
  }
  if (!setting.is_required) write_default(json, defaults.*setting.member);
  if (!setting.description.empty()) json.member("description", setting.description);
  json.end_object();
}

/// The JSON Schema of a struct of settings.
template <class S>
constexpr void write_schema(TextSink& sink) {
  const S defaults{};
  JsonText json(sink);
  json.begin_object().member("type", "object").member("additionalProperties", false);
  json.key("properties").begin_object();
  std::apply([&](const auto&... each) { (write_setting(json, each, defaults), ...); }, S::members);
  json.end_object();
  if (std::apply([](const auto&... each) { return (each.is_required || ...); }, S::members)) {
    json.key("required").begin_array();
    std::apply(
        [&](const auto&... each) {
          ((each.is_required ? static_cast<void>(json.value(each.name)) : void()), ...);
        },
        S::members);
    json.end_array();
  }
  json.end_object();
}

template <class S>
constexpr auto setting_names() {
  return std::apply(
      [](const auto&... each) { return std::array<std::string_view, sizeof...(each)>{each.name...}; },
      S::members);
}
template <class S>
consteval bool are_setting_names() {
  const auto names = setting_names<S>();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!is_name(names[i])) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (names[i] == names[j]) return false;
    }
  }
  return true;
}

template <class S, class T>
void read_setting(const Setting<S, T>& setting, const Config& config, S& settings) {
  const std::string_view json = config.json(setting.name);
  if (json.empty()) {
    if (setting.is_required) throw BadConfig("\"" + std::string(setting.name) + "\" is missing");
    return;
  }
  const NamedJson named{std::string(setting.name), json};
  T value = value_of<T>(named);
  if constexpr (Bounded<T>) {
    if (setting.least && value < *setting.least) wrong_value(named, "at least " + written(*setting.least));
    if (setting.most && value > *setting.most) wrong_value(named, "at most " + written(*setting.most));
  }
  if constexpr (chars_size < T >> 0) {
    bool allowed = setting.choice_count == 0;
    std::string choices;
    for (std::size_t i = 0; i < setting.choice_count; ++i) {
      allowed = allowed || value == setting.choices[i];
      choices += (i == 0 ? "\"" : ", \"") + std::string(setting.choices[i]) + "\"";
    }
    if (!allowed) wrong_value(named, "one of " + choices);
  }
  settings.*setting.member = std::move(value);
}

/// Checks all that the schema says, and what it cannot say: limits of durations.
template <class S>
S read_settings(const Config& config) {
  const auto names = setting_names<S>();
  config.allow_only(names.begin(), names.end());
  S settings{};
  std::apply([&](const auto&... each) { (read_setting(each, config, settings), ...); }, S::members);
  return settings;
}

}  // namespace detail
}  // namespace perch
