#include "row_fuzz.hpp"

#include <perch/feed.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace perch::fuzz {
namespace {

using rows::Format;
using Random = std::mt19937_64;

/// As it lies in memory, and so in a binary stream.
struct Record {
  std::uint64_t id;
  double ratio;
  char name[12];
  char gap[4];
  std::int64_t when;
  std::uint8_t flag;
  std::int8_t small;
  char end[6];
};

constexpr const char* key_layout = "{id:uint64@0}8:8";
constexpr const char* value_layout =
    "{ratio:float64@0;name:char[12]@8;when:timestamp_ns@24;flag:bool@32;small:int8@33}40:8";

/// A member's text in JSON and in CSV, and why it would be rejected.
struct Spoilt {
  const char* json;
  const char* csv;
  const char* reason;
};

std::string random_name(Random& random) {
  constexpr std::array<const char*, 9> pieces{"a", "Zz", "0", "-", " ", "ä", "中", "_", "x.y"};
  std::string name;
  while (random() % 4 != 0) {
    const std::string piece = pieces[random() % pieces.size()];
    if (name.size() + piece.size() > 12) break;
    name += piece;
  }
  return name;
}

double random_ratio(Random& random) {
  switch (random() % 4) {
    case 0:
      return double(random() % 1000);
    case 1:
      return double(std::int64_t(random())) / 1e6;
    case 2:
      return std::ldexp(double(random() % 1'000'000) + 1, int(random() % 1600) - 800);
    default:
      return -double(random() % 100) / 7;
  }
}

struct Texts {
  std::string id, ratio, name, when, flag, small;
};

std::string quoted(const std::string& text, bool quotes) { return quotes ? "\"" + text + "\"" : text; }

std::string joined(Format format, const Texts& texts, Random& random) {
  if (format == Format::csv)
    return texts.ratio + "," + texts.id + "," + texts.name + "," + texts.when + "," + texts.flag + "," +
           texts.small;
  std::array<std::string, 6> members{"\"id\":" + texts.id,     "\"ratio\":" + texts.ratio,
                                     "\"name\":" + texts.name, "\"when\":" + texts.when,
                                     "\"flag\":" + texts.flag, "\"small\":" + texts.small};
  if (random() % 3 == 0) std::shuffle(members.begin(), members.end(), random);
  std::string row = random() % 5 == 0 ? " { " : "{";
  for (std::size_t i = 0; i < members.size(); ++i) row += (i ? "," : "") + members[i];
  if (random() % 5 == 0) row += R"(,"more":[1,{"id":2}])";
  return row + "}";
}

Texts good_texts(Format format, const FuzzedRow& row, Random& random) {
  char ratio[64];
  std::snprintf(ratio, sizeof ratio, "%.17g", row.ratio);
  const bool quotes = format == Format::ndjson;
  return {std::to_string(row.id),
          ratio,
          quoted(row.name, quotes || random() % 3 == 0),
          std::to_string(row.when),
          row.flag ? "true" : "false",
          std::to_string(int(random() % 256) - 128)};
}

/// One field that is bad, or the whole row.
void spoil_text(Format format, FuzzedRow& row, Texts texts, Random& random) {
  static const std::vector<std::pair<std::string Texts::*, Spoilt>> spoilt{
      {&Texts::id, {"-1", "-1", "out_of_range"}},
      {&Texts::id, {"18446744073709551616", "18446744073709551616", "out_of_range"}},
      {&Texts::id, {"1.5", "1.5", "wrong_type"}},
      {&Texts::id, {"\"7\"", "seven", "wrong_type"}},
      {&Texts::ratio, {"1e400", "1e400", "out_of_range"}},
      {&Texts::ratio, {"[1]", "one", "wrong_type"}},
      {&Texts::name, {"\"thirteen bytes\"", "thirteen bytes", "string_too_long"}},
      {&Texts::when, {"\"noon\"", "noon", "wrong_type"}},
      {&Texts::when, {"9223372036854775808", "9223372036854775808", "out_of_range"}},
      {&Texts::flag, {"2", "2", "wrong_type"}},
      {&Texts::small, {"128", "128", "out_of_range"}},
      {&Texts::small, {"-129", "-129", "out_of_range"}},
      {&Texts::small, {"null", "nothing", "wrong_type"}},
  };
  const bool is_json = format == Format::ndjson;
  const auto kind = random() % (spoilt.size() + 5);
  if (kind < spoilt.size()) {
    const auto& [member, how] = spoilt[kind];
    texts.*member = is_json ? how.json : how.csv;
    row.reason = how.reason;
    row.bytes = joined(format, texts, random);
    return;
  }
  row.bytes = joined(format, texts, random);
  switch (kind - spoilt.size()) {
    case 0:  // cut in the middle of the members
      row.bytes = is_json ? row.bytes.substr(0, row.bytes.size() - 2) : texts.ratio + "," + texts.id;
      row.reason = is_json ? "not_json" : "wrong_columns";
      return;
    case 1:
      texts.name = is_json ? "\"\xff\"" : "\xc3\x28";
      row.bytes = joined(format, texts, random);
      row.reason = "not_utf8";
      return;
    case 2:
      texts.name = is_json ? "\"a\\u0000b\"" : std::string("a\0b", 3);
      row.bytes = joined(format, texts, random);
      row.reason = "nul_in_string";
      return;
    case 3:
      row.bytes = is_json ? "[1,2]" : row.bytes + ",1";
      row.reason = is_json ? "not_object" : "wrong_columns";
      return;
    default:
      row.bytes = is_json ? R"({"id":1,"ratio":2})" : "1,,x,5,true,1";
      row.reason = "missing_field";
  }
}

std::string frame_of(const Record& record, bool damaged) {
  perch_feed_frame frame = perch_feed_frame_of(&record, 1, sizeof record);
  if (damaged) frame.crc32 ^= 0x40;
  return std::string(reinterpret_cast<const char*>(&frame), sizeof frame) +
         std::string(reinterpret_cast<const char*>(&record), sizeof record);
}

FuzzedRow make_binary(FuzzedRow row, bool is_bad, Random& random) {
  Record record;
  std::memset(&record, int(random() % 256), sizeof record);  // padding may hold anything
  record.id = row.id;
  record.ratio = row.ratio;
  std::memset(record.name, 0, sizeof record.name);
  std::memcpy(record.name, row.name.data(), row.name.size());
  record.when = row.when;
  record.flag = row.flag;
  record.small = std::int8_t(random());
  bool damaged = false;
  if (is_bad) {
    switch (random() % 4) {
      case 0:
        record.flag = std::uint8_t(2 + random() % 254);
        row.reason = "wrong_type";
        break;
      case 1:
        std::memcpy(record.name, "a\0\0x", 4);
        row.reason = "nul_in_string";
        break;
      case 2:
        std::memset(record.name, 0, sizeof record.name);
        record.name[0] = char(0xE4);
        row.reason = "not_utf8";
        break;
      default:
        damaged = true;
        row.reason = "bad_checksum";
    }
  }
  row.bytes = frame_of(record, damaged);
  return row;
}

}  // namespace

tables::TableSpec fuzzed_table() {
  return {"rows",
          {{"id", "uint64"}},
          {{"ratio", "float64"},
           {"name", "char[12]"},
           {"when", "timestamp_ns"},
           {"flag", "bool"},
           {"small", "int8"}},
          {}};
}

FuzzedRow make_row(Format format, std::uint64_t id, Random& random) {
  FuzzedRow row;
  row.id = id;
  row.ratio = random_ratio(random) + 0.0;  // JSON's -0 is an integer, and so +0
  row.name = random_name(random);
  row.when = std::int64_t(random());
  row.flag = random() % 2 == 0;
  const bool is_bad = random() % 10 == 0;
  if (format == Format::binary) return make_binary(std::move(row), is_bad, random);
  const Texts texts = good_texts(format, row, random);
  if (is_bad) {
    spoil_text(format, row, texts, random);
  } else {
    row.bytes = joined(format, texts, random);
  }
  row.bytes += random() % 8 == 0 ? "\r\n" : "\n";
  return row;
}

std::string stream_begin(Format format) {
  if (format == Format::csv) return "ratio,id,name,when,flag,small\n";
  if (format == Format::ndjson) return "";
  std::string header(1024, '\0');
  header.resize(
      perch_feed_begin(header.data(), header.size(), "rows", key_layout, value_layout, sizeof(Record)));
  return header;
}

}  // namespace perch::fuzz
