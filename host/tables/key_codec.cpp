#include "tables/key_codec.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "tables/field_types.hpp"
#include "tables/ordered_bits.hpp"

namespace perch::tables {
namespace {

constexpr std::uint32_t encoded_bytes_max = 64;

// A step's bits as they lie in the record, and as a number whose order is the field's: each kind says both
// ways, encode and decode differ in nothing else.

template <class Bits>
struct IntegerStep {
  using Unsigned = Bits;
  static Bits ordered(Bits bits, std::uint64_t flip) noexcept { return static_cast<Bits>(bits ^ flip); }
  static Bits recorded(Bits ordered, std::uint64_t flip) noexcept {
    return static_cast<Bits>(ordered ^ flip);
  }
  static bool has_order(Bits) noexcept { return true; }
};

template <class Bits>
struct TextStep {
  using Unsigned = Bits;
  static Bits ordered(Bits bits, std::uint64_t) noexcept { return swap_bytes(bits); }
  static Bits recorded(Bits ordered, std::uint64_t) noexcept { return swap_bytes(ordered); }
  static bool has_order(Bits) noexcept { return true; }
};

struct BooleanStep {
  using Unsigned = std::uint8_t;
  static Unsigned ordered(Unsigned bits, std::uint64_t) noexcept { return bits == 0 ? 0 : 1; }
  static Unsigned recorded(Unsigned ordered, std::uint64_t) noexcept { return ordered; }
  static bool has_order(Unsigned) noexcept { return true; }
};

template <class Bits>
struct FloatStep {
  using Unsigned = Bits;
  static Bits ordered(Bits bits, std::uint64_t) noexcept { return ordered_float(bits); }
  static Bits recorded(Bits ordered, std::uint64_t) noexcept { return float_bits(ordered); }
  static bool has_order(Bits bits) noexcept { return !is_nan_bits(bits); }
};

}  // namespace

/// Calls `use` with the struct above that the kind stands for.
template <class Use>
auto KeyCodec::with_step(StepKind kind, Use use) {
  switch (kind) {
    case StepKind::bytes1:
      return use(IntegerStep<std::uint8_t>());
    case StepKind::bytes2:
      return use(TextStep<std::uint16_t>());
    case StepKind::bytes4:
      return use(TextStep<std::uint32_t>());
    case StepKind::bytes8:
      return use(TextStep<std::uint64_t>());
    case StepKind::boolean:
      return use(BooleanStep());
    case StepKind::integer2:
      return use(IntegerStep<std::uint16_t>());
    case StepKind::integer4:
      return use(IntegerStep<std::uint32_t>());
    case StepKind::integer8:
      return use(IntegerStep<std::uint64_t>());
    case StepKind::float4:
      return use(FloatStep<std::uint32_t>());
    case StepKind::float8:
      return use(FloatStep<std::uint64_t>());
  }
  PERCH_ASSERT(false, "there are no more kinds of steps");
}

Result<KeyCodec> KeyCodec::make(const Layout& key) {
  KeyCodec codec;
  std::uint32_t encoded_bytes = 0;
  for (const Field& field : key.fields()) {
    if (field.extent != 0 && field.type != FieldType::chars) {
      return fail(ErrorKind::usage,
                  "field '" + field.name + "': an array (" + field.type_text() + ") cannot be part of a key");
    }
    encoded_bytes += field.size();
    if (encoded_bytes > encoded_bytes_max) {
      return fail(ErrorKind::usage, "field '" + field.name + "': the key is over 64 bytes with it");
    }
    codec.add_steps(field);
  }
  codec.words_ = (encoded_bytes + 7) / 8;
  codec.record_size_ = key.size();
  codec.whole_words_ = std::all_of(codec.steps_.begin(), codec.steps_.end(), [](const Step& step) {
    return step.kind == StepKind::bytes8 || step.kind == StepKind::integer8;
  });
  return codec;
}

void KeyCodec::add_steps(const Field& field) {
  std::uint32_t encoded = fields_.empty() ? 0 : fields_.back().encoded_end;
  std::uint32_t record = field.offset;
  const auto add = [&](StepKind kind, std::uint32_t size, std::uint64_t flip = 0) {
    steps_.push_back({kind, static_cast<std::uint8_t>(encoded), static_cast<std::uint16_t>(record), flip});
    encoded += size;
    record += size;
  };
  const std::uint32_t size = field.size();
  const std::uint64_t flip = is_signed(field.type) ? std::uint64_t{1} << (8 * field.element_size() - 1) : 0;
  if (field.type == FieldType::chars) {
    std::uint32_t left = size;
    for (; left >= 8; left -= 8) add(StepKind::bytes8, 8);
    if (left & 4) add(StepKind::bytes4, 4);
    if (left & 2) add(StepKind::bytes2, 2);
    if (left & 1) add(StepKind::bytes1, 1);
  } else if (field.type == FieldType::boolean) {
    add(StepKind::boolean, 1);
  } else if (is_float(field.type)) {
    add(size == 4 ? StepKind::float4 : StepKind::float8, size);
  } else {
    add(size == 1   ? StepKind::bytes1
        : size == 2 ? StepKind::integer2
        : size == 4 ? StepKind::integer4
                    : StepKind::integer8,
        size, flip);
  }
  fields_.push_back({encoded, static_cast<std::uint32_t>(steps_.size())});
}

bool KeyCodec::encode_prefix(const std::byte* record, std::uint32_t fields, std::uint8_t fill,
                             std::uint64_t* words) const noexcept {
  PERCH_ASSERT(fields <= field_count(), "a prefix has at most the key's fields");
  return encode_steps(record, fields, fill, words);
}

bool KeyCodec::encode_steps(const std::byte* record, std::uint32_t fields, std::uint8_t fill,
                            std::uint64_t* words) const noexcept {
  std::byte bytes[encoded_bytes_max];
  std::memset(bytes, fill, sizeof bytes);
  const std::uint32_t steps_end = fields == 0 ? 0 : fields_[fields - 1].steps_end;
  for (std::uint32_t i = 0; i < steps_end; ++i) {
    const Step& step = steps_[i];
    const bool has_order = with_step(step.kind, [&]<class Kind>(Kind) {
      const auto bits = load<typename Kind::Unsigned>(record + step.record_offset);
      store(swap_bytes(Kind::ordered(bits, step.flip)), bytes + step.encoded_offset);
      return Kind::has_order(bits);
    });
    if (!has_order) return false;
  }
  for (std::uint32_t word = 0; word < words_; ++word)
    words[word] = swap_bytes(load<std::uint64_t>(bytes + 8 * word));
  return true;
}

void KeyCodec::decode_steps(const std::uint64_t* words, std::byte* record) const noexcept {
  std::byte bytes[encoded_bytes_max];
  for (std::uint32_t word = 0; word < words_; ++word) store(swap_bytes(words[word]), bytes + 8 * word);
  std::memset(record, 0, record_size_);
  for (const Step& step : steps_) {
    with_step(step.kind, [&]<class Kind>(Kind) {
      const auto ordered = swap_bytes(load<typename Kind::Unsigned>(bytes + step.encoded_offset));
      store(Kind::recorded(ordered, step.flip), record + step.record_offset);
    });
  }
}

std::uint64_t KeyCodec::ordered_bits(const std::uint64_t* words, std::uint32_t field) const noexcept {
  const std::uint32_t begin = field == 0 ? 0 : fields_[field - 1].encoded_end;
  std::uint64_t value = 0;
  for (std::uint32_t byte = begin; byte < fields_[field].encoded_end; ++byte) {
    value = value << 8 | (words[byte / 8] >> (56 - 8 * (byte % 8)) & 0xff);
  }
  return value;
}

}  // namespace perch::tables
