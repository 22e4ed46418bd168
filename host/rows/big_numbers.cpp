#include "rows/big_numbers.hpp"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <system_error>

namespace perch::rows {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::size_t skip_digits(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

/// The length of the JSON number (RFC 8259, section 6) that the text begins with; 0 when it does not.
std::size_t number_length(std::string_view text) noexcept {
  std::size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  if (at == text.size() || !is_digit(text[at])) return 0;
  at = text[at] == '0' ? at + 1 : skip_digits(text, at);
  if (at < text.size() && text[at] == '.') {
    const std::size_t end = skip_digits(text, at + 1);
    if (end == at + 1) return 0;
    at = end;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    const std::size_t digits =
        at + 1 < text.size() && (text[at + 1] == '+' || text[at + 1] == '-') ? at + 2 : at + 1;
    const std::size_t end = skip_digits(text, digits);
    if (end == digits) return 0;
    at = end;
  }
  return at;
}

template <class Integer>
bool fits(std::string_view number) noexcept {
  Integer value;
  return std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc{};
}

bool is_big(std::string_view number) {
  if (!is_integer_literal(number)) return std::isinf(to_double(number));
  return number[0] == '-' ? !fits<std::int64_t>(number) : !fits<std::uint64_t>(number);
}

/// The index behind the string that begins at `at`.
std::size_t skip_string(std::string_view json, std::size_t at) noexcept {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at < json.size() ? at + 1 : json.size();
}

/// The index behind the word (number, true, null, or something broken) that begins at `at`.
std::size_t skip_word(std::string_view json, std::size_t at) noexcept {
  const std::size_t end = json.find_first_of(",:]}[{\" \t\r\n", at);
  return end == std::string_view::npos ? json.size() : end;
}

}  // namespace

bool is_integer_literal(std::string_view number) noexcept {
  return number.find_first_of(".eE") == std::string_view::npos;
}

// strtod, since from_chars gives no value for numbers too small or too large (and the host sets no locale).
double to_double(std::string_view number) { return std::strtod(std::string(number).c_str(), nullptr); }

std::optional<std::string> rewrite_big_numbers(std::string_view json) {
  if (json.find(big_number_member) != std::string_view::npos) return std::nullopt;
  std::string out;
  bool found = false;
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    const bool word = is_digit(c) || c == '-';
    const std::size_t end = c == '"' ? skip_string(json, at) : word ? skip_word(json, at) : at + 1;
    const std::string_view token = json.substr(at, end - at);
    if (word && number_length(token) == token.size() && is_big(token)) {
      found = true;
      out.append("{\"").append(big_number_member).append("\":\"").append(token).append("\"}");
    } else {
      out.append(token);
    }
    at = end;
  }
  if (!found) return std::nullopt;
  return out;
}

}  // namespace perch::rows
