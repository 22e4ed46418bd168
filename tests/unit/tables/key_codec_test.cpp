#include "tables/key_codec.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "tables/field_types.hpp"
#include "tables/layout.hpp"
#include "unit/tables/test_tables.hpp"
#include "unit/test_files.hpp"

using namespace perch::tables;

namespace key_codec_test {

using perch::test::bytes_of;
using perch::test::has;
using perch::test::words_of;

using Record = std::vector<std::byte>;
using Words = std::vector<std::uint64_t>;
using Random = std::mt19937_64;

template <class Number>
Number read(const Record& record, const Field& field) {
  Number number;
  std::memcpy(&number, record.data() + field.offset, sizeof number);
  return number;
}

template <class Number>
int compare_numbers(const Record& a, const Record& b, const Field& field) {
  const auto x = read<Number>(a, field);
  const auto y = read<Number>(b, field);
  return x < y ? -1 : x > y ? 1 : 0;
}

int compare_field(const Record& a, const Record& b, const Field& field) {
  if (field.type == FieldType::chars) {
    const int order = std::memcmp(a.data() + field.offset, b.data() + field.offset, field.size());
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  if (field.type == FieldType::boolean) return compare_numbers<bool>(a, b, field);
  return with_number_type(field.type, [&]<class Number>(std::type_identity<Number>) {
    return compare_numbers<Number>(a, b, field);
  });
}

/// The judge: the first `fields` fields, as their own types compare.
int compare_records(const Record& a, const Record& b, const Layout& layout, std::size_t fields) {
  for (std::size_t i = 0; i < fields; ++i) {
    if (const int order = compare_field(a, b, layout.fields()[i])) return order;
  }
  return 0;
}

/// A field's bytes: anything, or something near a limit, so that equal and neighbouring values are frequent.
void fill_field(const Field& field, Random& random, Record& record) {
  std::byte* to = record.data() + field.offset;
  const auto pick = [&](auto... values) {
    const std::common_type_t<decltype(values)...> list[] = {values...};
    return list[random() % sizeof...(values)];
  };
  if (field.type == FieldType::chars) {
    for (std::uint32_t i = 0; i < field.extent; ++i)
      to[i] = static_cast<std::byte>(pick(0, 'a', 'b', 0x7f, 0x80, 0xff));
  } else if (field.type == FieldType::boolean) {
    *to = static_cast<std::byte>(random() % 2);
  } else if (field.type == FieldType::float64) {
    using Limits = std::numeric_limits<double>;
    double number = pick(0.0, -0.0, 1.0, -1.0, 1e300, -1e300, Limits::infinity(), -Limits::infinity(),
                         Limits::denorm_min(), -Limits::denorm_min(), Limits::max(), Limits::lowest());
    if (random() % 2) number = std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())), -60);
    std::memcpy(to, &number, sizeof number);
  } else if (field.type == FieldType::float32) {
    using Limits = std::numeric_limits<float>;
    float number = pick(0.0f, -0.0f, 1.0f, -1.0f, Limits::infinity(), -Limits::infinity(),
                        Limits::denorm_min(), -Limits::denorm_min(), Limits::max(), Limits::lowest());
    if (random() % 2) number = std::ldexp(static_cast<float>(static_cast<std::int32_t>(random())), -30);
    std::memcpy(to, &number, sizeof number);
  } else {
    const std::uint64_t sign = std::uint64_t{1} << (8 * field.element_size() - 1);
    const std::uint64_t number =
        random() % 2 ? random()
                     : pick(std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, sign, sign - 1, sign + 1);
    std::memcpy(to, &number, field.element_size());
  }
}

Record random_record(const Layout& layout, Random& random) {
  Record record(layout.size());
  for (const Field& field : layout.fields()) fill_field(field, random, record);
  return record;
}

/// A key of random fields that fits into 64 bytes.
Layout random_key(Random& random) {
  static const std::vector<std::string> every_type{
      "int8",    "int16",   "int32", "int64",        "uint8",   "uint16",  "uint32",  "uint64",
      "float32", "float64", "bool",  "timestamp_ns", "char[1]", "char[3]", "char[8]", "char[15]"};
  static const std::vector<std::string> whole{"int64", "uint64", "timestamp_ns", "char[8]", "char[16]"};
  for (;;) {
    std::vector<FieldSpec> fields;
    const std::vector<std::string>& types = random() % 4 == 0 ? whole : every_type;
    const std::size_t count = 1 + random() % 6;
    for (std::size_t i = 0; i < count; ++i)
      fields.push_back({"f" + std::to_string(i), types[random() % types.size()]});
    auto layout = Layout::make(fields, false);
    if (layout && KeyCodec::make(*layout)) return std::move(*layout);
  }
}

Words encode(const KeyCodec& codec, const Record& record) { return words_of(codec, record.data()); }

Words prefix(const KeyCodec& codec, const Record& record, std::uint32_t fields, std::uint8_t fill) {
  Words words(codec.words());
  REQUIRE(codec.encode_prefix(record.data(), fields, fill, words.data()));
  return words;
}

KeyCodec codec_of(const std::vector<FieldSpec>& fields) {
  return KeyCodec::make(Layout::make(fields, true).value()).value();
}

/// −0.0 is +0.0 as a key; otherwise a key comes back byte by byte.
Record with_positive_zeros(Record record, const Layout& layout) {
  for (const Field& field : layout.fields()) {
    std::byte* bytes = record.data() + field.offset;
    if (field.type == FieldType::float64 && read<double>(record, field) == 0) std::memset(bytes, 0, 8);
    if (field.type == FieldType::float32 && read<float>(record, field) == 0) std::memset(bytes, 0, 4);
  }
  return record;
}

TEST_CASE("words compare as the keys' fields do, for every mix of types") {
  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    const Layout layout = random_key(random);
    CAPTURE(layout.text());
    const KeyCodec codec = KeyCodec::make(layout).value();
    Record previous = random_record(layout, random);
    for (int i = 0; i < 30; ++i) {
      Record next = random_record(layout, random);
      if (random() % 2) {  // alike but for one field
        next = previous;
        fill_field(layout.fields()[random() % layout.fields().size()], random, next);
      }
      const int wanted = compare_records(previous, next, layout, layout.fields().size());
      const auto order = encode(codec, previous) <=> encode(codec, next);
      CHECK((wanted < 0) == (order < 0));
      CHECK((wanted == 0) == (order == 0));
      previous = next;
    }
  }
}

TEST_CASE("a decoded key is the record that was encoded, padding zeroed") {
  Random random(2);
  for (int round = 0; round < 3000; ++round) {
    const Layout layout = random_key(random);
    CAPTURE(layout.text());
    const KeyCodec codec = KeyCodec::make(layout).value();
    CHECK(codec.record_size() == layout.size());
    for (int i = 0; i < 10; ++i) {
      const Record record = random_record(layout, random);
      Record decoded(layout.size(), std::byte{0xee});
      codec.decode(encode(codec, record).data(), decoded.data());
      CHECK(decoded == with_positive_zeros(record, layout));
    }
  }
}

TEST_CASE("a prefix's bounds enclose exactly the keys that begin with it") {
  Random random(3);
  for (int round = 0; round < 3000; ++round) {
    const Layout layout = random_key(random);
    CAPTURE(layout.text());
    const KeyCodec codec = KeyCodec::make(layout).value();
    const Record bound = random_record(layout, random);
    for (std::uint32_t fields = 0; fields <= codec.field_count(); ++fields) {
      const Words low = prefix(codec, bound, fields, 0x00);
      const Words high = prefix(codec, bound, fields, 0xff);
      for (int i = 0; i < 8; ++i) {
        Record key = random_record(layout, random);
        for (std::uint32_t f = 0; f < fields && random() % 8; ++f) {
          const Field& field = layout.fields()[f];
          std::memcpy(key.data() + field.offset, bound.data() + field.offset, field.size());
        }
        const int wanted = compare_records(key, bound, layout, fields);
        const Words words = encode(codec, key);
        CHECK((words < low) == (wanted < 0));
        CHECK((words > high) == (wanted > 0));
      }
    }
  }
}

TEST_CASE("NaN is no key, and no prefix either") {
  for (const char* type : {"float32", "float64"}) {
    const Layout layout = Layout::make({{"id", "uint32"}, {"level", type}}, false).value();
    const KeyCodec codec = KeyCodec::make(layout).value();
    for (const double nan : {std::nan(""), -std::nan("")}) {
      Record record(layout.size());
      const Field& level = *layout.find("level");
      const auto narrow = static_cast<float>(nan);
      if (level.size() == 4)
        std::memcpy(record.data() + level.offset, &narrow, 4);
      else
        std::memcpy(record.data() + level.offset, &nan, 8);
      Words words(codec.words());
      CHECK_FALSE(codec.encode(record.data(), words.data()));
      CHECK_FALSE(codec.encode_prefix(record.data(), 2, 0, words.data()));
      CHECK(codec.encode_prefix(record.data(), 1, 0, words.data()));
    }
  }
}

TEST_CASE("words are the field's big-endian bytes, zero-padded") {
  const Layout layout =
      Layout::make({{"text", "char[3]"}, {"n", "int16"}, {"last", "uint64"}}, false).value();
  const KeyCodec codec = KeyCodec::make(layout).value();
  Record record(layout.size());
  std::memcpy(record.data(), "ab", 2);
  const std::int16_t n = -2;
  const std::uint64_t last = 0x0102030405060708;
  std::memcpy(record.data() + layout.find("n")->offset, &n, sizeof n);
  std::memcpy(record.data() + layout.find("last")->offset, &last, sizeof last);
  const Words words = encode(codec, record);
  CHECK(words == Words{0x61'62'00'7f'fe'01'02'03, 0x04'05'06'07'08'00'00'00});
  CHECK(codec.ordered_bits(words.data(), 1) == 0x7ffe);
  CHECK(codec.ordered_bits(words.data(), 2) == last);
}

TEST_CASE("a single 64-bit integer is its word") {
  const KeyCodec unsigned_codec = codec_of({{"id", "uint64"}});
  const KeyCodec signed_codec = codec_of({{"id", "int64"}});
  const KeyCodec time_codec = codec_of({{"ts", "timestamp_ns"}});
  const std::uint64_t id = 0xfedcba9876543210;
  std::uint64_t word = 0;
  REQUIRE(unsigned_codec.encode(bytes_of(id), &word));
  CHECK(word == id);
  for (const KeyCodec* codec : {&signed_codec, &time_codec}) {
    REQUIRE(codec->encode(bytes_of(id), &word));
    CHECK(word == (id ^ std::uint64_t{1} << 63));
    std::uint64_t decoded = 0;
    codec->decode(&word, reinterpret_cast<std::byte*>(&decoded));
    CHECK(decoded == id);
    REQUIRE(codec->encode_prefix(bytes_of(id), 1, 0xff, &word));
    CHECK(word == (id ^ std::uint64_t{1} << 63));
  }
}

TEST_CASE("a key that is too long or an array is refused by name") {
  const auto make = [](const std::vector<FieldSpec>& fields) {
    return KeyCodec::make(Layout::make(fields, true).value());
  };
  CHECK(make({{"a", "char[64]"}}));
  CHECK(has(make({{"a", "char[64]"}, {"b", "bool"}}).error().message, "'b'"));
  CHECK(has(make({{"a", "int8[4]"}}).error().message, "'a'"));
  // Padding of the record does not count: 9 × 7 bytes.
  std::vector<FieldSpec> loose;
  for (int i = 0; i < 7; ++i) {
    loose.push_back({"b" + std::to_string(i), "bool"});
    loose.push_back({"n" + std::to_string(i), "int64"});
  }
  CHECK(make(loose)->words() == 8);
}

}  // namespace key_codec_test
