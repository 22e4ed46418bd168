// The field types of records that C++ has no type of its own for.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace perch {

/// A point in time: nanoseconds since 1970 UTC. In a layout it is `timestamp_ns`, which is not `int64`.
struct timestamp_ns {
  std::int64_t ns;

  friend constexpr auto operator<=>(const timestamp_ns&, const timestamp_ns&) = default;
  friend constexpr timestamp_ns operator+(timestamp_ns time, std::chrono::nanoseconds span) noexcept {
    return {time.ns + span.count()};
  }
  friend constexpr timestamp_ns operator-(timestamp_ns time, std::chrono::nanoseconds span) noexcept {
    return {time.ns - span.count()};
  }
  friend constexpr std::chrono::nanoseconds operator-(timestamp_ns a, timestamp_ns b) noexcept {
    return std::chrono::nanoseconds(a.ns - b.ns);
  }
};

/// `char[N]`: up to N bytes of UTF-8, the rest NUL. N bytes of text have no NUL behind them, so read it by
/// view().
template <std::size_t N>
struct chars {
  static_assert(N > 0, "perch: chars<0> holds nothing");
  char bytes[N];

  /// Throws std::length_error when the text has more than N bytes.
  static constexpr chars from(std::string_view text) {
    chars made{};
    return made = text;
  }
  /// The text, up to the first NUL. Lives as long as this object.
  constexpr std::string_view view() const noexcept {
    std::size_t size = 0;
    while (size < N && bytes[size] != '\0') ++size;
    return {bytes, size};
  }

  /// Throws std::length_error when the text has more than N bytes: a cut key would name another row.
  constexpr chars& operator=(std::string_view text) {
    if (text.size() > N) throw std::length_error("perch: the text is longer than its char field");
    for (std::size_t i = 0; i < N; ++i) bytes[i] = i < text.size() ? text[i] : '\0';
    return *this;
  }

  /// Byte order, which is also the order of keys.
  friend constexpr bool operator==(const chars& a, const chars& b) noexcept { return a.view() == b.view(); }
  friend constexpr auto operator<=>(const chars& a, const chars& b) noexcept { return a.view() <=> b.view(); }
  friend constexpr bool operator==(const chars& a, std::string_view b) noexcept { return a.view() == b; }
};

}  // namespace perch
