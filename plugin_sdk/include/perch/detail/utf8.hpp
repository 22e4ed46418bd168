// UTF-8, as far as JSON texts need it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace perch::detail {

/// Bytes of the well-formed sequence that the text starts with (Unicode 15, table 3-7); 0 when it starts with
/// none.
constexpr std::size_t utf8_sequence_size(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  const unsigned low = first == 0xE0 ? 0xA0u : first == 0xF0 ? 0x90u : 0x80u;
  const unsigned high = first == 0xED ? 0x9Fu : first == 0xF4 ? 0x8Fu : 0xBFu;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return 0;
  }
  return size;
}

inline void append_utf8(std::string& out, std::uint32_t code_point) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
    return;
  }
  const int continuation_bytes = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  constexpr std::uint32_t lead[] = {0xC0, 0xE0, 0xF0};
  out += static_cast<char>(lead[continuation_bytes - 1] | (code_point >> (6 * continuation_bytes)));
  for (int i = continuation_bytes - 1; i >= 0; --i) {
    out += static_cast<char>(0x80u | ((code_point >> (6 * i)) & 0x3Fu));
  }
}

}  // namespace perch::detail
