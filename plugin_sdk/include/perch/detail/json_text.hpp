// JsonText: a JSON text that is put together at compile time. (At run time: perch/json.hpp.)
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string_view>

#include "perch/detail/json_values.hpp"
#include "perch/detail/text.hpp"

namespace perch::detail {

/// A duration as configs write it, in the largest unit that leaves a whole number: "90s", "0".
constexpr void write_duration(TextSink& sink, std::chrono::nanoseconds duration) noexcept {
  for (const DurationUnit& unit : duration_units) {
    if (duration.count() == 0 || duration.count() % unit.ns != 0) continue;
    sink << static_cast<std::uint64_t>(duration.count() / unit.ns) << unit.name;
    return;
  }
  sink << "0";
}

/// Whoever calls sees to it that what begins ends, and that members have keys.
class JsonText {
 public:
  constexpr explicit JsonText(TextSink& sink) noexcept : sink_(&sink) {}

  constexpr JsonText& begin_object() noexcept { return open("{"); }
  constexpr JsonText& end_object() noexcept { return close("}"); }
  constexpr JsonText& begin_array() noexcept { return open("["); }
  constexpr JsonText& end_array() noexcept { return close("]"); }
  constexpr JsonText& key(std::string_view name) noexcept {
    separate();
    quote(name);
    *sink_ << ":";
    needs_comma_ = false;
    return *this;
  }
  constexpr JsonText& value(std::string_view text) noexcept {
    separate();
    quote(text);
    return *this;
  }
  constexpr JsonText& duration(std::chrono::nanoseconds duration) noexcept {
    separate();
    *sink_ << "\"";
    write_duration(*sink_, duration);
    *sink_ << "\"";
    return *this;
  }
  constexpr JsonText& member(std::string_view name, std::string_view text) noexcept {
    return key(name).value(text);
  }
  constexpr JsonText& member(std::string_view name, const char* text) noexcept {
    return key(name).value(std::string_view(text));
  }
  template <std::integral T>
  constexpr JsonText& member(std::string_view name, T number) noexcept {
    key(name).separate();
    if constexpr (std::same_as<T, bool>) {
      *sink_ << (number ? "true" : "false");
    } else {
      const bool negative = number < 0;
      if (negative) *sink_ << "-";
      const auto bits = static_cast<std::uint64_t>(number);
      *sink_ << (negative ? std::uint64_t{0} - bits : bits);
    }
    return *this;
  }
  /// Left out, with its name, when it has no decimal text of at most 15 digits.
  constexpr JsonText& member(std::string_view name, double number) noexcept {
    const double size = number < 0 ? -number : number;
    double scale = 1;
    for (int decimals = 0; decimals <= 15; ++decimals, scale *= 10) {
      const double scaled = size * scale + 0.5;
      if (!(scaled < 1e15)) return *this;
      const auto whole = static_cast<std::uint64_t>(scaled);
      if (static_cast<double>(whole) / scale != size) continue;
      key(name).separate();
      if (number < 0) *sink_ << "-";
      write_decimal(whole, decimals);
      return *this;
    }
    return *this;
  }

 private:
  constexpr JsonText& open(std::string_view bracket) noexcept {
    separate();
    *sink_ << bracket;
    needs_comma_ = false;
    return *this;
  }
  constexpr JsonText& close(std::string_view bracket) noexcept {
    *sink_ << bracket;
    needs_comma_ = true;
    return *this;
  }
  constexpr void separate() noexcept {
    if (needs_comma_) *sink_ << ",";
    needs_comma_ = true;
  }
  constexpr void quote(std::string_view text) noexcept {
    *sink_ << "\"";
    for (const char& c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20) {
        const char hex[] = {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
        *sink_ << "\\u00" << std::string_view(hex, 2);
        continue;
      }
      if (c == '"' || c == '\\') *sink_ << "\\";
      *sink_ << std::string_view(&c, 1);
    }
    *sink_ << "\"";
  }
  constexpr void write_decimal(std::uint64_t digits, int decimals) noexcept {
    std::uint64_t scale = 1;
    for (int i = 0; i < decimals; ++i) scale *= 10;
    *sink_ << digits / scale;
    if (decimals == 0) return;
    *sink_ << ".";
    for (scale /= 10; scale > 0; scale /= 10) *sink_ << digits / scale % 10;
  }

  TextSink* sink_;
  bool needs_comma_ = false;
};

}  // namespace perch::detail
