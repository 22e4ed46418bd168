// Config: a reader's config, a JSON object, and the members that readers mostly need of it.
#pragma once

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "perch/detail/json_scan.hpp"
#include "perch/detail/utf8.hpp"

namespace perch {

/// The config is wrong: thrown in a reader's constructor it stops the reader for good, with this text for the
/// user.
class BadConfig : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Every accessor gives `otherwise` when the member is missing or null, and throws BadConfig, naming the
/// member, when it has another type. Members of other types (objects, arrays): parse text() with a library of
/// your choice.
class Config {
 public:
  explicit Config(std::string_view text) : text_(text) {
    if (!detail::is_json_object(text_)) throw BadConfig("the config is no JSON object");
    read_members();
  }

  const std::string& text() const noexcept { return text_; }
  bool has(std::string_view name) const noexcept { return find(name) != nullptr; }

  /// Throws BadConfig when the config has a member that is not named here.
  void allow_only(std::initializer_list<std::string_view> names) const {
    for (const Member& member : members_) {
      std::string known;
      bool found = false;
      for (const std::string_view name : names) {
        found = found || name == member.name;
        known += (known.empty() ? "" : ", ") + std::string(name);
      }
      if (!found) throw BadConfig("unknown member \"" + member.name + "\" (known: " + known + ")");
    }
  }

  std::string string(std::string_view name, std::string_view otherwise) const {
    const Member* member = find(name);
    if (member == nullptr) return std::string(otherwise);
    if (member->json[0] != '"') wrong(*member, "a string");
    return unescape(member->json);
  }
  bool boolean(std::string_view name, bool otherwise) const {
    const Member* member = find(name);
    if (member == nullptr) return otherwise;
    if (member->json != "true" && member->json != "false") wrong(*member, "true or false");
    return member->json == "true";
  }
  double number(std::string_view name, double otherwise) const {
    return parse_number(name, otherwise, "a number");
  }
  /// A whole number within [least, most].
  std::int64_t integer(std::string_view name, std::int64_t otherwise, std::int64_t least,
                       std::int64_t most) const {
    const auto number = parse_number(name, otherwise, "a whole number");
    if (number < least || number > most) {
      wrong(*find(name), "from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return number;
  }
  /// "250ms", "10s", "1.5m": a string of a number and ns, us, ms, s, m, h or d; plain "0" too.
  std::chrono::nanoseconds duration(std::string_view name, std::chrono::nanoseconds otherwise) const {
    const Member* member = find(name);
    if (member == nullptr) return otherwise;
    const std::string text = string(name, "");
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, text.data() + text.size());
    if (error == std::errc{} && std::isfinite(number) && number >= 0) {
      if (unit.empty() && number == 0) return std::chrono::nanoseconds(0);
      for (const auto& [known, factor] : units) {
        if (unit == known && number * factor < 9e18)
          return std::chrono::nanoseconds(std::llround(number * factor));
      }
    }
    wrong(*member, "a duration such as \"250ms\", \"10s\" or \"1h\"");
  }

 private:
  struct Member {
    std::string name;
    std::string json;
  };
  static constexpr std::pair<std::string_view, double> units[] = {
      {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};

  [[noreturn]] static void wrong(const Member& member, const std::string& wanted) {
    throw BadConfig("\"" + member.name + "\" must be " + wanted + ", not " + member.json);
  }

  const Member* find(std::string_view name) const noexcept {
    for (const Member& member : members_) {
      if (member.name == name) return member.json == "null" ? nullptr : &member;
    }
    return nullptr;
  }

  void read_members() {  // is_json_object has seen that all of this is there
    detail::JsonScanner scanner(text_);
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
      std::string json(scanner.since(value_start));
      json.erase(json.find_last_not_of(" \t\r\n") + 1);
      members_.push_back({std::move(name), std::move(json)});
      if (!scanner.accept(',')) break;
      scanner.skip_space();
    }
  }

  template <class Number>
  Number parse_number(std::string_view name, Number otherwise, const char* wanted) const {
    const Member* member = find(name);
    if (member == nullptr) return otherwise;
    const std::string& json = member->json;
    Number number{};
    const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), number);
    if (error != std::errc{} || end != json.data() + json.size()) wrong(*member, wanted);
    return number;
  }

  static std::uint32_t hex4(std::string_view digits) noexcept {
    std::uint32_t unit = 0;
    std::from_chars(digits.data(), digits.data() + 4, unit, 16);
    return unit;
  }
  /// The text of a JSON string that was scanned, quotes included. Half a surrogate pair becomes U+FFFD.
  static std::string unescape(std::string_view json) {
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
        detail::append_utf8(out, code_point >= 0xD800 && code_point < 0xE000 ? 0xFFFD : code_point);
      } else {
        constexpr std::string_view letters = "bfnrt";
        constexpr std::string_view controls = "\b\f\n\r\t";
        const std::size_t letter = letters.find(json[i]);
        out += letter == std::string_view::npos ? json[i] : controls[letter];
      }
    }
    return out;
  }

  std::string text_;
  std::vector<Member> members_;
};

}  // namespace perch
