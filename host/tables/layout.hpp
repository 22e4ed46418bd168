// Layout: the fields of a record with their offsets, as canonical text and as hash. See the SDK's
// perch/layout.hpp for the same thing at compile time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace perch::tables {

enum class FieldType : std::uint8_t {
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float32,
  float64,
  boolean,
  timestamp_ns,
  chars
};

struct Field {
  std::string name;
  FieldType type = FieldType::int64;
  std::uint32_t extent = 0;  ///< N of char[N] and T[N]; 0: a single value
  std::uint32_t offset = 0;  ///< bytes from the record's start

  std::uint32_t element_size() const noexcept;
  std::uint32_t size() const noexcept { return element_size() * (extent == 0 ? 1 : extent); }
  std::string type_text() const;  ///< "float64", "char[8]", "uint32[4]"
};

/// A field as a config gives it: {"name": "price", "type": "float64"}.
struct FieldSpec {
  std::string name;
  std::string type;
};

/// Immutable after construction; any thread.
class Layout {
 public:
  /// Lays the fields out in order at C's natural alignment. Errors: no field, bad or doubled name, unknown
  /// type (with the nearest), `array` false and a number array, record over 4096 bytes. Names:
  /// [A-Za-z_][A-Za-z0-9_]{0,63}.
  static Result<Layout> make(const std::vector<FieldSpec>& fields, bool arrays_allowed);
  /// Reads canonical text and insists that it is exactly what `make` would write for those fields at those
  /// offsets (fields ordered, aligned, not overlapping; a hole larger than padding is an error).
  static Result<Layout> parse(std::string_view canonical_text);

  const std::vector<Field>& fields() const noexcept { return fields_; }
  const Field* find(std::string_view name) const noexcept;
  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t align() const noexcept { return align_; }
  /// "{ts:timestamp_ns@0;price:float64@8}16:8"
  const std::string& text() const noexcept { return text_; }
  /// FNV-1a of the text.
  std::uint64_t hash() const noexcept { return hash_; }
  std::string hash_hex() const;  ///< 16 lower-case hex digits

 private:
  std::vector<Field> fields_;
  std::uint32_t size_ = 0;
  std::uint32_t align_ = 1;
  std::string text_;
  std::uint64_t hash_ = 0;
};

std::uint64_t fnv1a_64(std::string_view text) noexcept;

}  // namespace perch::tables
