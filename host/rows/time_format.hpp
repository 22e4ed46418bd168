// TimeFormat: times as programs write them in their own way, such as "20260305 143000123" in New York.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "rows/iso8601.hpp"

namespace date {
class time_zone;
}

namespace perch::rows {

/// A format is compiled once. It has strptime(3)'s
///   %Y %m %d %H %M %S %y %j %e %b %B %a %A %I %p %F %T %R %z %Z (as UTC or GMT) %s %%
/// and %3N %6N %9N, so many digits of a second's fraction, and %N, any number of them. All other characters
/// stand for themselves. Names of months and days are English, in any case.
///
/// Immutable after construction; any thread.
class TimeFormat {
 public:
  /// `zone`: of a time that has none of its own, as in the tz database ("America/New_York"); "": UTC.
  /// Errors say what is wrong with the format, or that there is no such zone.
  static Result<TimeFormat> make(std::string_view format, const std::string& zone);

  /// The whole text must be a time. A local time that the zone has twice, or does not have, is an error.
  ParsedTime parse(std::string_view text) const;
  const std::string& text() const noexcept { return text_; }

  bool operator==(const TimeFormat& other) const noexcept {
    return text_ == other.text_ && zone_ == other.zone_;
  }

 private:
  enum class Part : std::uint8_t {
    literal,
    year,
    short_year,
    month,
    month_name,
    day,
    day_of_year,
    day_name,
    hour,
    half_hour,  ///< 1 to 12, with half_day
    half_day,
    minute,
    second,
    fraction,
    offset,
    zone_name,
    unix_seconds,
  };
  struct Item {
    Part part;
    char character = 0;  // of a literal
    int digits = 0;      // of a number or fraction; 0: as many as there are
  };
  struct Found;

  bool add(char specifier, int digits);
  bool add_all(std::string_view specifiers);
  Result<void> check() const;
  bool has(Part part) const;
  ParsedTime to_time(const Found& found) const;

  std::string text_;
  std::vector<Item> items_;
  const date::time_zone* zone_ = nullptr;  // of the tz database, for the life of the process; null: UTC
};

}  // namespace perch::rows
