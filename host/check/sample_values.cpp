#include "check/sample_values.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tables/field_types.hpp"

namespace perch::check {
namespace {

using tables::FieldType;

constexpr std::uint64_t odd_one_in = 16;  // so many ordinary values to one odd one

template <class T>
void put(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace

bool SampleValues::is_odd_next() { return values_ == Values::odd && one_in(odd_one_in); }

template <class Number>
Number SampleValues::integer() {
  using Limits = std::numeric_limits<Number>;
  if (!is_odd_next()) return static_cast<Number>(below(100));
  const std::array<Number, 6> odd{
      0, 1, static_cast<Number>(-1), Limits::min(), Limits::max(), static_cast<Number>(next())};
  return odd[below(odd.size())];
}

template <class Number>
Number SampleValues::real(bool nan_allowed) {
  using Limits = std::numeric_limits<Number>;
  if (!is_odd_next()) return static_cast<Number>(below(100'000)) / Number{64};
  const std::array<Number, 8> odd{Number{0},           -Number{0},           Limits::max(),
                                  Limits::lowest(),    Limits::denorm_min(), Limits::infinity(),
                                  -Limits::infinity(), Limits::quiet_NaN()};
  return odd[below(nan_allowed ? odd.size() : odd.size() - 1)];
}

std::string SampleValues::bytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(next());
  return bytes;
}

std::string SampleValues::text(std::size_t bytes_max) {
  if (!is_odd_next()) {  // short names that come again
    std::string name(1, static_cast<char>('A' + below(26)));
    if (below(2) == 0) name += static_cast<char>('a' + below(4));
    return name.substr(0, bytes_max);
  }
  static constexpr std::array<const char*, 6> odd{"x",     "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\xa6\x85",
                                                  "\"\\/", "\x01\n\t"};
  const std::string piece = odd[below(odd.size())];
  std::string text;
  if (below(4) == 0) return text;  // empty
  while (text.size() + piece.size() <= bytes_max) text += piece;
  return text;
}

void SampleValues::fill_element(FieldType type, std::byte* element, bool nan_allowed) {
  if (type == FieldType::boolean) return put(element, static_cast<std::uint8_t>(below(2)));
  if (type == FieldType::timestamp_ns) {
    time_ns_ += static_cast<std::int64_t>(below(20'000'000));
    return put(element, is_odd_next() ? integer<std::int64_t>() : time_ns_);
  }
  tables::with_number_type(type, [&]<class Number>(std::type_identity<Number>) {
    if constexpr (std::is_floating_point_v<Number>) {
      put(element, real<Number>(nan_allowed));
    } else {
      put(element, integer<Number>());
    }
  });
}

void SampleValues::fill(const tables::Layout& layout, std::byte* record, bool nan_allowed) {
  std::fill_n(record, layout.size(), std::byte{0});
  for (const tables::Field& field : layout.fields()) {
    std::byte* const at = record + field.offset;
    if (field.type == FieldType::chars) {
      const std::string filled = text(field.size());
      std::memcpy(at, filled.data(), filled.size());
      continue;
    }
    const std::uint32_t count = std::max(field.extent, 1u);
    for (std::uint32_t i = 0; i < count; ++i)
      fill_element(field.type, at + i * field.element_size(), nan_allowed);
  }
}

}  // namespace perch::check
