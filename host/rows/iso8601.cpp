#include "rows/iso8601.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace perch::rows {
namespace {

constexpr ParsedTime malformed{0, TimeError::malformed};
constexpr ParsedTime out_of_range{0, TimeError::out_of_range};
constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t exponent_max = 1'000'000;  // larger ones are no time either way

/// Takes characters from the front of a text; once something did not fit, nothing fits any more.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return text_.empty(); }
  bool next_is(char c) const noexcept { return !text_.empty() && text_.front() == c; }
  bool next_is_digit() const noexcept {
    return !text_.empty() && text_.front() >= '0' && text_.front() <= '9';
  }
  char take() noexcept {
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }
  bool take_if(char c) noexcept {
    if (!next_is(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) noexcept { good_ = take_if(c) && good_; }
  int number(int digits) noexcept {
    int value = 0;
    for (; digits > 0; --digits) {
      if (!next_is_digit()) {
        good_ = false;
        return 0;
      }
      value = value * 10 + (take() - '0');
    }
    return value;
  }
  /// All that come now; at least one must.
  std::string_view digits() noexcept {
    std::size_t count = 0;
    while (count < text_.size() && text_[count] >= '0' && text_[count] <= '9') ++count;
    good_ = good_ && count > 0;
    const std::string_view digits = text_.substr(0, count);
    text_.remove_prefix(count);
    return digits;
  }
  /// Digits behind a point, as so many decimals; further ones are cut off.
  std::int64_t fraction(int decimals) noexcept {
    std::int64_t value = 0;
    good_ = good_ && next_is_digit();
    for (; next_is_digit(); --decimals) {
      const int digit = take() - '0';
      if (decimals > 0) value = value * 10 + digit;
    }
    for (; decimals > 0; --decimals) value *= 10;
    return value;
  }

 private:
  std::string_view text_;
  bool good_ = true;
};

/// The number that the digits are when the point stands `places` further right; what is behind it is cut off.
ParsedTime shift(const std::array<std::string_view, 2>& digits, std::int64_t places, bool negative) noexcept {
  std::int64_t left = static_cast<std::int64_t>(digits[0].size()) + places;  // digits before the point
  std::int64_t total = 0;
  const auto add = [&](int digit) {
    return !__builtin_mul_overflow(total, std::int64_t{10}, &total) &&
           !(negative ? __builtin_sub_overflow(total, digit, &total)
                      : __builtin_add_overflow(total, digit, &total));
  };
  for (const std::string_view part : digits) {
    for (const char digit : part) {
      if (left-- <= 0) return {total, TimeError::none};
      if (!add(digit - '0')) return out_of_range;
    }
  }
  for (; left > 0 && total != 0; --left) {
    if (!add(0)) return out_of_range;
  }
  return {total, TimeError::none};
}

/// Behind the time: its distance from UTC in seconds.
std::int64_t scan_offset(Scanner& scan) noexcept {
  if (scan.at_end() || scan.take_if('Z') || scan.take_if('z')) return 0;
  const bool behind = scan.next_is('-');
  if (!behind && !scan.next_is('+')) scan.expect('+');
  if (!scan.good()) return 0;
  scan.take();
  const int hours = scan.number(2);
  const bool has_minutes = scan.take_if(':') || scan.next_is_digit();
  const int minutes = has_minutes ? scan.number(2) : 0;
  if (hours > 23 || minutes > 59) scan.expect('!');  // no such offset
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return behind ? -seconds : seconds;
}

}  // namespace

ParsedTime parse_iso8601(std::string_view text) noexcept {
  Scanner scan(text);
  const int year = scan.number(4);
  scan.expect('-');
  const int month = scan.number(2);
  scan.expect('-');
  const int day = scan.number(2);
  if (!scan.good()) return malformed;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(unsigned(month)),
                                         std::chrono::day(unsigned(day))};
  if (!date.ok()) return malformed;
  std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86'400};
  std::int64_t ns = 0;
  if (!scan.at_end()) {
    if (!scan.take_if('T') && !scan.take_if('t')) scan.expect(' ');
    const int hour = scan.number(2);
    scan.expect(':');
    const int minute = scan.number(2);
    int second = 0;
    if (scan.take_if(':')) {
      second = scan.number(2);
      if (scan.take_if('.') || scan.take_if(',')) ns = scan.fraction(9);
    }
    if (hour > 23 || minute > 59 || second > 60) return malformed;
    seconds += hour * 3600 + minute * 60 + second;
    seconds -= scan_offset(scan);
    // A leap second ends a day of UTC.
    if (second == 60 && seconds % 86'400 != 0) return malformed;
  }
  if (!scan.good() || !scan.at_end()) return malformed;
  return time_of(seconds, ns);
}

ParsedTime parse_time_number(std::string_view text, TimeUnit unit) noexcept {
  Scanner scan(text);
  const bool negative = scan.take_if('-');
  if (!negative) scan.take_if('+');
  const std::string_view digits = scan.digits();
  const std::string_view decimals = scan.take_if('.') ? scan.digits() : std::string_view{};
  std::int64_t exponent = 0;
  if (scan.take_if('e') || scan.take_if('E')) {
    const bool is_small = scan.take_if('-');
    if (!is_small) scan.take_if('+');
    for (const char digit : scan.digits()) exponent = std::min(exponent * 10 + (digit - '0'), exponent_max);
    if (is_small) exponent = -exponent;
  }
  if (!scan.good() || !scan.at_end()) return malformed;
  for (std::int64_t left = factor_of(unit); left > 1; left /= 10) ++exponent;
  return shift({digits, decimals}, exponent, negative);
}

ParsedTime time_of(std::int64_t number, TimeUnit unit) noexcept {
  std::int64_t total = 0;
  if (__builtin_mul_overflow(number, factor_of(unit), &total)) return out_of_range;
  return {total, TimeError::none};
}

ParsedTime time_of(std::int64_t seconds, std::int64_t ns) noexcept {
  // One second more, taken back as nanoseconds: the first times there are lie in a second that begins before.
  std::int64_t total = 0;
  if (seconds < 0) {
    ++seconds;
    ns -= ns_per_s;
  }
  if (__builtin_mul_overflow(seconds, ns_per_s, &total) || __builtin_add_overflow(total, ns, &total))
    return out_of_range;
  return {total, TimeError::none};
}

}  // namespace perch::rows
