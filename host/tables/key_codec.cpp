#include "tables/key_codec.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "tables/field_types.hpp"
#include "tables/ordered_bits.hpp"

namespace perch::tables {
namespace {

constexpr std::uint32_t encoded_bytes_max = 64;

}  // namespace

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
    const std::byte* from = record + step.record_offset;
    std::byte* to = bytes + step.encoded_offset;
    const auto integer = [&](auto value) {
      store(swap_bytes(static_cast<decltype(value)>(value ^ step.flip)), to);
    };
    const auto floating = [&](auto bits) {
      store(swap_bytes(ordered_float(bits)), to);
      return !is_nan_bits(bits);
    };
    switch (step.kind) {
      case StepKind::bytes1:
        *to = *from ^ static_cast<std::byte>(step.flip);
        break;
      case StepKind::bytes2:
        std::memcpy(to, from, 2);
        break;
      case StepKind::bytes4:
        std::memcpy(to, from, 4);
        break;
      case StepKind::bytes8:
        std::memcpy(to, from, 8);
        break;
      case StepKind::boolean:
        *to = *from == std::byte{0} ? std::byte{0} : std::byte{1};
        break;
      case StepKind::integer2:
        integer(load<std::uint16_t>(from));
        break;
      case StepKind::integer4:
        integer(load<std::uint32_t>(from));
        break;
      case StepKind::integer8:
        integer(load<std::uint64_t>(from));
        break;
      case StepKind::float4:
        if (!floating(load<std::uint32_t>(from))) return false;
        break;
      case StepKind::float8:
        if (!floating(load<std::uint64_t>(from))) return false;
        break;
    }
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
    const std::byte* from = bytes + step.encoded_offset;
    std::byte* to = record + step.record_offset;
    const auto integer = [&](auto value) {
      store(static_cast<decltype(value)>(swap_bytes(value) ^ step.flip), to);
    };
    switch (step.kind) {
      case StepKind::bytes1:
        *to = *from ^ static_cast<std::byte>(step.flip);
        break;
      case StepKind::bytes2:
        std::memcpy(to, from, 2);
        break;
      case StepKind::bytes4:
        std::memcpy(to, from, 4);
        break;
      case StepKind::bytes8:
        std::memcpy(to, from, 8);
        break;
      case StepKind::boolean:
        *to = *from;
        break;
      case StepKind::integer2:
        integer(load<std::uint16_t>(from));
        break;
      case StepKind::integer4:
        integer(load<std::uint32_t>(from));
        break;
      case StepKind::integer8:
        integer(load<std::uint64_t>(from));
        break;
      case StepKind::float4:
        store(float_bits(swap_bytes(load<std::uint32_t>(from))), to);
        break;
      case StepKind::float8:
        store(float_bits(swap_bytes(load<std::uint64_t>(from))), to);
        break;
    }
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
