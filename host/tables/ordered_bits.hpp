// Numbers as unsigned integers of the same width whose order is the numbers' order: the building block of
// keys and of the order that retention evicts in.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace perch::tables {

template <class Unsigned>
Unsigned load(const std::byte* from) noexcept {
  Unsigned value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class Unsigned>
void store(Unsigned value, std::byte* to) noexcept {
  std::memcpy(to, &value, sizeof value);
}

inline std::uint8_t swap_bytes(std::uint8_t value) noexcept { return value; }
inline std::uint16_t swap_bytes(std::uint16_t value) noexcept { return __builtin_bswap16(value); }
inline std::uint32_t swap_bytes(std::uint32_t value) noexcept { return __builtin_bswap32(value); }
inline std::uint64_t swap_bytes(std::uint64_t value) noexcept { return __builtin_bswap64(value); }

template <class Unsigned>
inline constexpr Unsigned sign_bit = static_cast<Unsigned>(Unsigned{1} << (8 * sizeof(Unsigned) - 1));

template <class Unsigned>
constexpr bool is_nan_bits(Unsigned bits) noexcept {
  using Float = std::conditional_t<sizeof(Unsigned) == 4, float, double>;
  constexpr Unsigned infinity = std::bit_cast<Unsigned>(static_cast<Float>(__builtin_inf()));
  return (bits & ~sign_bit<Unsigned>) > infinity;
}

/// IEEE 754 bits to ordered bits: positive numbers above negative ones, and negative ones turned round. −0.0
/// is +0.0. Not for NaN.
template <class Unsigned>
constexpr Unsigned ordered_float(Unsigned bits) noexcept {
  if (bits == sign_bit<Unsigned>) bits = 0;
  return bits & sign_bit<Unsigned> ? ~bits : bits | sign_bit<Unsigned>;
}

/// The inverse of ordered_float.
template <class Unsigned>
constexpr Unsigned float_bits(Unsigned ordered) noexcept {
  return ordered & sign_bit<Unsigned> ? ordered & ~sign_bit<Unsigned> : ~ordered;
}

}  // namespace perch::tables
