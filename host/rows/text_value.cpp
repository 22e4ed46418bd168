#include "rows/text_value.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tables/field_types.hpp"

namespace perch::rows {
namespace {

using tables::Field;
using tables::FieldType;

template <class T>
void store(std::byte* out, T value) noexcept {
  std::memcpy(out, &value, sizeof value);
}

TextError error(RejectReason reason, std::string expected) { return {true, reason, std::move(expected)}; }

std::string_view trim(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// from_chars knows no plus; one before a minus stays, and is an error.
std::string_view without_plus(std::string_view text) noexcept {
  return text.size() > 1 && text[0] == '+' && text[1] != '-' ? text.substr(1) : text;
}

template <class Number>
TextError store_integer(std::string_view text, std::byte* out) {
  text = without_plus(text);
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [last, code] = std::from_chars(text.data(), end, number);
  if (code == std::errc{} && last == end) return store(out, number), TextError{};
  // "-1" is an integer, and no uint: from_chars sees no number in it at all.
  const std::size_t digits = text.find_first_not_of("0123456789", text.starts_with('-') ? 1 : 0);
  const bool is_integer = digits == std::string_view::npos && text.size() > (text.starts_with('-') ? 1u : 0u);
  if (!is_integer) return error(RejectReason::wrong_type, "an integer");
  if (is_integer && text.find_first_not_of("-0") == std::string_view::npos)
    return store(out, Number{0}), TextError{};
  return error(RejectReason::out_of_range, "an integer from " +
                                               std::to_string(std::numeric_limits<Number>::min()) + " to " +
                                               std::to_string(std::numeric_limits<Number>::max()));
}

template <class Number>
TextError store_float(std::string_view text, std::byte* out) {
  text = without_plus(text);
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [last, code] = std::from_chars(text.data(), end, number);
  if (last != end || code == std::errc::invalid_argument) return error(RejectReason::wrong_type, "a number");
  if (code == std::errc::result_out_of_range) {
    // Too large or too small, and the number is not set: strtod tells, as the nearest one.
    number = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(number)) return error(RejectReason::out_of_range, "a number within the type's range");
  }
  if (std::isfinite(number) && std::abs(number) > double{std::numeric_limits<Number>::max()})
    return error(RejectReason::out_of_range, "a number within the type's range");
  return store(out, static_cast<Number>(number)), TextError{};
}

TextError store_bool(std::string_view text, std::byte* out) {
  for (const char* yes : {"true", "1", "True", "TRUE"}) {
    if (text == yes) return store(out, std::uint8_t{1}), TextError{};
  }
  for (const char* no : {"false", "0", "False", "FALSE"}) {
    if (text == no) return store(out, std::uint8_t{0}), TextError{};
  }
  return error(RejectReason::wrong_type, "true or false");
}

TextError store_time(std::string_view text, TimeUnit unit, std::byte* out) {
  ParsedTime time = parse_time_number(text, unit);
  if (time.error == TimeError::malformed) time = parse_iso8601(text);
  if (time.error == TimeError::none) return store(out, time.unix_ns), TextError{};
  if (time.error == TimeError::out_of_range)
    return error(RejectReason::out_of_range, "a time from 1677 to 2262");
  return error(RejectReason::wrong_type, "a number or a time as 2026-11-24T20:16:48Z");
}

TextError store_scalar(FieldType type, std::string_view text, TimeUnit unit, std::byte* out) {
  if (type == FieldType::timestamp_ns) return store_time(text, unit, out);
  if (type == FieldType::boolean) return store_bool(text, out);
  return tables::with_number_type(type, [&]<class Number>(std::type_identity<Number>) {
    if constexpr (std::is_floating_point_v<Number>) {
      return store_float<Number>(text, out);
    } else {
      return store_integer<Number>(text, out);
    }
  });
}

TextError store_chars(const Field& field, std::string_view text, std::byte* out) {
  if (text.size() > field.extent) {
    return error(RejectReason::string_too_long,
                 "at most " + std::to_string(field.extent) + " bytes, not " + std::to_string(text.size()));
  }
  if (text.find('\0') != std::string_view::npos)
    return error(RejectReason::nul_in_string, "a string without NUL");
  std::memcpy(out, text.data(), text.size());
  std::memset(out + text.size(), 0, field.extent - text.size());
  return {};
}

TextError store_array(const Field& field, std::string_view text, TimeUnit unit, std::byte* out) {
  constexpr const char* between = " \t,;";
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  std::uint32_t count = 0;
  for (std::size_t begin = 0; (begin = text.find_first_not_of(between, begin)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(between, begin), text.size());
    if (count++ == field.extent) break;
    if (TextError one = store_scalar(field.type, text.substr(begin, end - begin), unit, out)) return one;
    out += field.element_size();
    begin = end;
  }
  if (count == field.extent) return {};
  return error(RejectReason::wrong_type, std::to_string(field.extent) + " values");
}

}  // namespace

TextError store_text_value(const Field& field, std::string_view text, TimeUnit unit, std::byte* out) {
  if (field.type == FieldType::chars) return store_chars(field, text, out);
  if (field.extent > 0) return store_array(field, trim(text), unit, out);
  return store_scalar(field.type, trim(text), unit, out);
}

TextError store_formatted_time(const TimeFormat& format, std::string_view text, std::byte* out) {
  const ParsedTime time = format.parse(trim(text));
  switch (time.error) {
    case TimeError::none:
      return store(out, time.unix_ns), TextError{};
    case TimeError::malformed:
      return error(RejectReason::wrong_type, "a time as " + format.text());
    case TimeError::out_of_range:
      return error(RejectReason::out_of_range, "a time from 1677 to 2262");
    case TimeError::ambiguous:
      return error(RejectReason::ambiguous_time,
                   "a time that its zone has once, not in the hour after clocks were set back");
    case TimeError::missing:
      return error(RejectReason::missing_time,
                   "a time that its zone has, not in the hour that clocks skipped");
  }
  PERCH_ASSERT(false, "an error of times without a name");
}

}  // namespace perch::rows
