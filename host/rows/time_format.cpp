#include "rows/time_format.hpp"

#include <date/tz.h>

#include <array>
#include <chrono>
#include <exception>
#include <optional>

namespace perch::rows {
namespace {

constexpr std::array<std::string_view, 12> month_names{"january",   "february", "march",    "april",
                                                       "may",       "june",     "july",     "august",
                                                       "september", "october",  "november", "december"};
constexpr std::array<std::string_view, 7> day_names{"sunday",   "monday", "tuesday", "wednesday",
                                                    "thursday", "friday", "saturday"};
constexpr std::int64_t seconds_per_day = 86'400;

char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_decimal(char c) noexcept { return c >= '0' && c <= '9'; }

/// Takes a number of `least` to `most` digits from the front of the text.
std::optional<std::int64_t> take_number(std::string_view& text, int least, int most) noexcept {
  std::int64_t number = 0;
  int count = 0;
  for (; count < most && !text.empty() && is_decimal(text.front()); ++count) {
    number = number * 10 + (text.front() - '0');
    text.remove_prefix(1);
  }
  return count < least ? std::nullopt : std::optional(number);
}

bool take_prefix(std::string_view& text, std::string_view name) noexcept {
  if (text.size() < name.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (to_lower(text[i]) != name[i]) return false;
  }
  text.remove_prefix(name.size());
  return true;
}

/// Which of the names comes, whole or as its first three letters.
template <std::size_t count>
std::optional<int> take_name(std::string_view& text,
                             const std::array<std::string_view, count>& names) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    if (take_prefix(text, names[i]) || take_prefix(text, names[i].substr(0, 3))) return static_cast<int>(i);
  }
  return std::nullopt;
}

/// Z, +01:00, +0100 or +01, in seconds.
std::optional<std::int64_t> take_offset(std::string_view& text) noexcept {
  if (take_prefix(text, "z")) return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const std::int64_t sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2, 2);
  if (text.starts_with(':')) text.remove_prefix(1);
  const auto minutes =
      !text.empty() && is_decimal(text.front()) ? take_number(text, 2, 2) : std::optional<std::int64_t>(0);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

/// Digits of a second's fraction, as nanoseconds; `digits` of them, or all that come. Those beyond nine are
/// cut off.
std::optional<std::int64_t> take_fraction(std::string_view& text, int digits) noexcept {
  std::int64_t ns = 0;
  int count = 0;
  for (; !text.empty() && is_decimal(text.front()) && (digits == 0 || count < digits); ++count) {
    if (count < 9) ns = ns * 10 + (text.front() - '0');
    text.remove_prefix(1);
  }
  if (count == 0 || count < digits) return std::nullopt;
  for (; count < 9; ++count) ns *= 10;
  return ns;
}

}  // namespace

/// What a text says, as far as it says it.
struct TimeFormat::Found {
  std::optional<std::int64_t> year, month, day, day_of_year, hour, half_hour, minute, second, unix_seconds,
      offset;
  std::optional<bool> is_afternoon;
  std::int64_t ns = 0;

  bool take(const Item& item, std::string_view& text);
  std::optional<date::sys_days> date() const;
};

Result<TimeFormat> TimeFormat::make(std::string_view format, const std::string& zone) {
  TimeFormat made;
  made.text_ = format;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      made.items_.push_back({Part::literal, format[i], 0});
      continue;
    }
    ++i;
    int digits = 0;
    if (i < format.size() && is_decimal(format[i])) digits = format[i++] - '0';
    if (i >= format.size() || !made.add(format[i], digits)) {
      return fail(ErrorKind::usage, "\"%" + (digits > 0 ? std::to_string(digits) : "") +
                                        (i < format.size() ? std::string(1, format[i]) : "") +
                                        "\" is not a part of a time; there are %Y %y %m %b %B %d %e %j %a %A "
                                        "%H %I %p %M %S %3N %6N %9N %N %F "
                                        "%T %R %z %Z %s %%");
    }
  }
  if (auto checked = made.check(); !checked) return fail(std::move(checked.error()));
  if (zone.empty() || zone == "UTC") return made;
  try {
    made.zone_ = date::locate_zone(zone);
  } catch (const std::exception&) {
    return fail(ErrorKind::usage,
                "\"" + zone +
                    "\" is not a time zone of this machine; write one as \"America/New_York\" "
                    "(timedatectl list-timezones lists them; the package tzdata has them)");
  }
  return made;
}

bool TimeFormat::add(char specifier, int digits) {
  if (digits != 0 && specifier != 'N') return false;
  const auto item = [&](Part part, int width = 2) {
    items_.push_back({part, 0, width});
    return true;
  };
  switch (specifier) {
    case 'Y':
      return item(Part::year, 4);
    case 'y':
      return item(Part::short_year);
    case 'm':
      return item(Part::month);
    case 'b':
    case 'B':
    case 'h':
      return item(Part::month_name);
    case 'd':
    case 'e':
      return item(Part::day);
    case 'j':
      return item(Part::day_of_year, 3);
    case 'a':
    case 'A':
      return item(Part::day_name);
    case 'H':
      return item(Part::hour);
    case 'I':
      return item(Part::half_hour);
    case 'p':
      return item(Part::half_day);
    case 'M':
      return item(Part::minute);
    case 'S':
      return item(Part::second);
    case 'N':
      return (digits == 0 || digits % 3 == 0) && item(Part::fraction, digits);
    case 'z':
      return item(Part::offset);
    case 'Z':
      return item(Part::zone_name);
    case 's':
      return item(Part::unix_seconds);
    case 'F':
      return add_all("Y-m-d");
    case 'T':
      return add_all("H:M:S");
    case 'R':
      return add_all("H:M");
    case '%':
      items_.push_back({Part::literal, '%', 0});
      return true;
    default:
      return false;
  }
}

/// Letters are specifiers.
bool TimeFormat::add_all(std::string_view specifiers) {
  for (const char c : specifiers) {
    if (c == '-' || c == ':') {
      items_.push_back({Part::literal, c, 0});
    } else {
      add(c, 0);
    }
  }
  return true;
}

bool TimeFormat::has(Part part) const {
  for (const Item& item : items_) {
    if (item.part == part) return true;
  }
  return false;
}

/// A time needs a day, whichever way.
Result<void> TimeFormat::check() const {
  if (has(Part::unix_seconds)) return {};
  const bool has_year = has(Part::year) || has(Part::short_year);
  const bool has_day =
      has(Part::day_of_year) || ((has(Part::month) || has(Part::month_name)) && has(Part::day));
  if (!has_year || !has_day)
    return fail(ErrorKind::usage, "the format needs a year, a month and a day (%Y %m %d), %Y and %j, or %s");
  if (has(Part::half_hour) != has(Part::half_day)) return fail(ErrorKind::usage, "%I and %p need each other");
  return {};
}

ParsedTime TimeFormat::parse(std::string_view text) const {
  Found found;
  for (const Item& item : items_) {
    if (!found.take(item, text)) return {0, TimeError::malformed};
  }
  return text.empty() ? to_time(found) : ParsedTime{0, TimeError::malformed};
}

bool TimeFormat::Found::take(const Item& item, std::string_view& text) {
  const auto number = [&](std::optional<std::int64_t>& into, int least, std::int64_t from, std::int64_t to) {
    into = take_number(text, least, item.digits);
    return into && *into >= from && *into <= to;
  };
  switch (item.part) {
    case Part::literal:
      if (!text.starts_with(item.character)) return false;
      text.remove_prefix(1);
      return true;
    case Part::year:
      return number(year, 4, 0, 9999);
    case Part::short_year:  // as POSIX has it: 69 is 1969, 68 is 2068
      if (!number(year, 2, 0, 99)) return false;
      *year += *year < 69 ? 2000 : 1900;
      return true;
    case Part::month:
      return number(month, 1, 1, 12);
    case Part::month_name: {
      const auto name = take_name(text, month_names);
      if (name) month = *name + 1;
      return name.has_value();
    }
    case Part::day:
      if (text.starts_with(' ')) text.remove_prefix(1);  // %e, as syslog pads it
      return number(day, 1, 1, 31);
    case Part::day_of_year:
      return number(day_of_year, 3, 1, 366);
    case Part::day_name:
      return take_name(text, day_names).has_value();
    case Part::hour:
      return number(hour, 1, 0, 23);
    case Part::half_hour:
      return number(half_hour, 1, 1, 12);
    case Part::half_day:
      is_afternoon = take_prefix(text, "pm");
      return *is_afternoon || take_prefix(text, "am");
    case Part::minute:
      return number(minute, 2, 0, 59);
    case Part::second:
      return number(second, 2, 0, 60);
    case Part::fraction: {
      const auto fraction = take_fraction(text, item.digits);
      ns = fraction.value_or(0);
      return fraction.has_value();
    }
    case Part::offset:
      offset = take_offset(text);
      return offset.has_value();
    case Part::zone_name:
      offset = 0;
      return take_prefix(text, "utc") || take_prefix(text, "gmt") || take_prefix(text, "z");
    case Part::unix_seconds: {
      const bool negative = text.starts_with('-');
      if (negative) text.remove_prefix(1);
      unix_seconds = take_number(text, 1, 18);
      if (unix_seconds && negative) *unix_seconds = -*unix_seconds;
      return unix_seconds.has_value();
    }
  }
  return false;
}

std::optional<date::sys_days> TimeFormat::Found::date() const {
  const date::year y(static_cast<int>(year.value_or(1970)));
  if (day_of_year) {
    if (*day_of_year == 366 && !y.is_leap()) return std::nullopt;
    return date::sys_days(y / 1 / 1) + date::days(*day_of_year - 1);
  }
  const date::year_month_day ymd =
      y / static_cast<unsigned>(month.value_or(1)) / static_cast<unsigned>(day.value_or(1));
  return ymd.ok() ? std::optional(date::sys_days(ymd)) : std::nullopt;
}

ParsedTime TimeFormat::to_time(const Found& found) const {
  if (found.unix_seconds) return time_of(*found.unix_seconds, found.ns);
  const auto day = found.date();
  if (!day) return {0, TimeError::malformed};
  std::int64_t hour = found.hour.value_or(0);
  if (found.half_hour) hour = *found.half_hour % 12 + (found.is_afternoon.value_or(false) ? 12 : 0);
  const bool is_leap_second = found.second == 60;
  std::int64_t seconds = day->time_since_epoch().count() * seconds_per_day + hour * 3600 +
                         found.minute.value_or(0) * 60 + found.second.value_or(0);
  if (found.offset || zone_ == nullptr) {
    seconds -= found.offset.value_or(0);
  } else {
    // A leap second belongs to the minute that it ends, for which the zone's offset is asked.
    const date::local_seconds local{std::chrono::seconds(seconds - (is_leap_second ? 1 : 0))};
    const date::local_info info = zone_->get_info(local);
    if (info.result == date::local_info::nonexistent) return {0, TimeError::missing};
    if (info.result == date::local_info::ambiguous) return {0, TimeError::ambiguous};
    seconds -= info.first.offset.count();
  }
  if (is_leap_second && seconds % seconds_per_day != 0) return {0, TimeError::malformed};
  return time_of(seconds, found.ns);
}

}  // namespace perch::rows
