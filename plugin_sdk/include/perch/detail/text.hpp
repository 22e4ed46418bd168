// Text that is put together at compile time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perch::detail {

/// A text of fixed size; a string literal as a template argument. The bytes are `size` characters and a NUL.
template <std::size_t Size>
struct FixedText {
  char bytes[Size + 1]{};

  constexpr FixedText() = default;
  constexpr FixedText(const char (&literal)[Size + 1]) noexcept {
    for (std::size_t i = 0; i <= Size; ++i) bytes[i] = literal[i];
  }
  constexpr std::string_view view() const noexcept { return {bytes, Size}; }
};
template <std::size_t SizeWithNul>
FixedText(const char (&)[SizeWithNul]) -> FixedText<SizeWithNul - 1>;

/// Counts what is appended and, given room, keeps it.
class TextSink {
 public:
  constexpr explicit TextSink(char* room = nullptr) noexcept : room_(room) {}
  constexpr std::size_t size() const noexcept { return size_; }

  constexpr TextSink& operator<<(std::string_view text) noexcept {
    for (const char character : text) {
      if (room_ != nullptr) room_[size_] = character;
      ++size_;
    }
    return *this;
  }
  constexpr TextSink& operator<<(std::uint64_t number) noexcept {
    char digits[20]{};
    std::size_t first = sizeof digits;
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    return *this << std::string_view(digits + first, sizeof digits - first);
  }

 private:
  char* room_;
  std::size_t size_ = 0;
};

/// The text that `write(sink)` writes, measured first. `Write` is a captureless lambda type.
template <class Write>
consteval auto make_text(Write) {
  constexpr std::size_t size = [] {
    TextSink measure;
    Write{}(measure);
    return measure.size();
  }();
  FixedText<size> text;
  TextSink sink(text.bytes);
  Write{}(sink);
  return text;
}

/// 64-bit FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv).
constexpr std::uint64_t fnv1a_64(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3;
  }
  return hash;
}

/// 16 lower-case hex digits.
constexpr FixedText<16> hash_hex(std::uint64_t hash) noexcept {
  FixedText<16> text;
  for (std::size_t i = 0; i < 16; ++i) text.bytes[i] = "0123456789abcdef"[(hash >> (60 - 4 * i)) & 15];
  return text;
}

constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// A name of a field or table: [A-Za-z_][A-Za-z0-9_]{0,63}.
constexpr bool is_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 64 || is_digit(name[0])) return false;
  for (const char c : name) {
    if (!is_letter(c) && !is_digit(c) && c != '_') return false;
  }
  return true;
}

}  // namespace perch::detail
