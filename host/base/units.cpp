#include "base/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <utility>

namespace perch {
namespace {

/// Splits "1.5ms" into 1.5 and "ms"; false when it does not start with a number that is finite and ≥ 0.
bool split_number(std::string_view text, double& number, std::string_view& unit) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return false;
  unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  return true;
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 7> units{
      {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
  double number = 0;
  std::string_view unit;
  if (split_number(text, number, unit)) {
    if (unit.empty() && number == 0) return std::chrono::nanoseconds(0);
    for (const auto& [name, factor] : units) {
      if (unit == name && number * factor < 9e18) {
        return std::chrono::nanoseconds(std::llround(number * factor));
      }
    }
  }
  return fail(ErrorKind::usage,
              "\"" + std::string(text) +
                  "\" is no duration; write a number and ns, us, ms, s, m, h or d, such as \"5ms\"");
}

Result<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 9> units{{{"", 1},
                                                                      {"B", 1},
                                                                      {"KiB", 1024.0},
                                                                      {"MiB", 1048576.0},
                                                                      {"GiB", 1073741824.0},
                                                                      {"TiB", 1099511627776.0},
                                                                      {"kB", 1e3},
                                                                      {"MB", 1e6},
                                                                      {"GB", 1e9}}};
  double number = 0;
  std::string_view unit;
  if (split_number(text, number, unit)) {
    for (const auto& [name, factor] : units) {
      if (unit == name && number * factor < 9e18) return static_cast<std::uint64_t>(number * factor);
    }
  }
  return fail(ErrorKind::usage,
              "\"" + std::string(text) +
                  "\" is no size; write a number and B, KiB, MiB, GiB, kB, MB or GB, such as \"4GiB\"");
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const double ns = static_cast<double>(duration.count());
  char text[48];
  if (ns < 1e3) {
    std::snprintf(text, sizeof text, "%.0fns", ns);
  } else if (ns < 1e6) {
    std::snprintf(text, sizeof text, "%.3gus", ns / 1e3);
  } else if (ns < 1e9) {
    std::snprintf(text, sizeof text, "%.3gms", ns / 1e6);
  } else if (ns < 60e9) {
    std::snprintf(text, sizeof text, "%.3gs", ns / 1e9);
  } else {
    const auto seconds = static_cast<long long>(ns / 1e9);
    if (seconds < 3600) {
      std::snprintf(text, sizeof text, "%lldm %llds", seconds / 60, seconds % 60);
    } else if (seconds < 86400) {
      std::snprintf(text, sizeof text, "%lldh %lldm", seconds / 3600, seconds / 60 % 60);
    } else {
      std::snprintf(text, sizeof text, "%lldd %lldh", seconds / 86400, seconds / 3600 % 24);
    }
  }
  return text;
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> names{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < names.size()) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, names[unit]);
  return text;
}

std::string format_utc(std::int64_t unix_ns) {
  std::int64_t seconds = unix_ns / 1'000'000'000;
  std::int64_t rest_ns = unix_ns % 1'000'000'000;
  if (rest_ns < 0) {
    rest_ns += 1'000'000'000;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%s.%09lldZ", date, static_cast<long long>(rest_ns));
  return text;
}

std::optional<std::int64_t> parse_utc(std::string_view text) noexcept {
  constexpr std::string_view form = "0000-00-00T00:00:00";
  if (text.size() <= form.size() || text.back() != 'Z') return {};
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]) return {};
  }
  const auto number = [&](std::size_t begin, std::size_t size) {
    unsigned value = 0;
    for (std::size_t i = begin; i < begin + size; ++i)
      value = 10 * value + static_cast<unsigned>(text[i] - '0');
    return value;
  };
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(number(5, 2)), std::chrono::day(number(8, 2)));
  if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) return {};

  const std::string_view fraction = text.substr(form.size(), text.size() - form.size() - 1);
  std::int64_t rest_ns = 0;
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2 || fraction.size() > 10) return {};
    for (std::size_t i = 1; i < 10; ++i) {
      const char digit = i < fraction.size() ? fraction[i] : '0';
      if (digit < '0' || digit > '9') return {};
      rest_ns = 10 * rest_ns + (digit - '0');
    }
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  std::int64_t seconds = days * 86400 + number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
  if (seconds < 0 &&
      rest_ns > 0) {  // both of one sign: the earliest second begins before the earliest nanosecond
    ++seconds;
    rest_ns -= 1'000'000'000;
  }
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(seconds, 1'000'000'000, &ns) || __builtin_add_overflow(ns, rest_ns, &ns))
    return {};
  return ns;
}

std::int64_t unix_now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace perch
