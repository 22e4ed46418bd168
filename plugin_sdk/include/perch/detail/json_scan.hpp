// JsonScanner: walks over a JSON text (RFC 8259), at compile time too. It tells where values begin and end
// and keeps nothing.
#pragma once

#include <cstddef>
#include <string_view>

#include "perch/detail/text.hpp"

namespace perch::detail {

class JsonScanner {
 public:
  static constexpr int depth_max = 64;

  constexpr explicit JsonScanner(std::string_view text) noexcept : text_(text) {}

  constexpr void skip_space() noexcept {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }
  constexpr bool at_end() const noexcept { return at_ == text_.size(); }
  constexpr char peek() const noexcept { return at_end() ? '\0' : text_[at_]; }
  constexpr bool accept(char character) noexcept {
    if (peek() != character) return false;
    ++at_;
    return true;
  }
  constexpr std::size_t position() const noexcept { return at_; }
  constexpr std::string_view since(std::size_t start) const noexcept {
    return text_.substr(start, at_ - start);
  }

  /// Steps over a value, with the space around it; false when there is none.
  constexpr bool skip_value(int depth = 0) noexcept {
    skip_space();
    const bool good = skip_bare_value(depth);
    skip_space();
    return good;
  }

  /// Steps over a string, quotes included.
  constexpr bool skip_string() noexcept {
    if (!accept('"')) return false;
    while (!at_end()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !skip_escape()) return false;
    }
    return false;
  }

 private:
  constexpr bool skip_bare_value(int depth) noexcept {
    if (depth > depth_max) return false;
    switch (peek()) {
      case '{':
        return skip_members('}', depth, true);
      case '[':
        return skip_members(']', depth, false);
      case '"':
        return skip_string();
      case 't':
        return skip_word("true");
      case 'f':
        return skip_word("false");
      case 'n':
        return skip_word("null");
      default:
        return skip_number();
    }
  }
  constexpr bool skip_members(char close, int depth, bool named) noexcept {
    ++at_;
    skip_space();
    if (accept(close)) return true;
    do {
      skip_space();
      if (named && !skip_string()) return false;
      skip_space();
      if (named && !accept(':')) return false;
      if (!skip_value(depth + 1)) return false;
    } while (accept(','));
    return accept(close);
  }
  constexpr bool skip_escape() noexcept {
    if (at_end()) return false;
    const char c = text_[at_++];
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char digit = peek();
      if (!is_digit(digit) && !(digit >= 'a' && digit <= 'f') && !(digit >= 'A' && digit <= 'F'))
        return false;
    }
    return true;
  }
  constexpr bool skip_word(std::string_view word) noexcept {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  constexpr bool skip_digits() noexcept {
    const std::size_t start = at_;
    while (is_digit(peek())) ++at_;
    return at_ > start;
  }
  constexpr bool skip_number() noexcept {
    accept('-');
    if (!accept('0') && !skip_digits()) return false;
    if (accept('.') && !skip_digits()) return false;
    if (accept('e') || accept('E')) {
      if (!accept('+')) accept('-');
      return skip_digits();
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Whether the text is one JSON object and nothing else.
constexpr bool is_json_object(std::string_view text) noexcept {
  JsonScanner scanner(text);
  scanner.skip_space();
  return scanner.peek() == '{' && scanner.skip_value() && scanner.at_end();
}

}  // namespace perch::detail
