// NdjsonDecoder: one JSON row into the tree's key words and a value record.
//
// Every field of the table has to be there; surplus members are ignored; of members with the same name the
// last one counts. A name that key and value share is fed from the one member. The whole row is validated,
// UTF-8 included (simdjson's DOM parser: Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/line_splitter.hpp"
#include "ingest/reject.hpp"
#include "tables/catalog.hpp"

namespace perch::ingest {

static_assert(LineSplitter::padding_bytes >= simdjson::SIMDJSON_PADDING);

/// Not thread safe. Steady state: no heap allocation for rows that are taken.
class NdjsonDecoder {
 public:
  explicit NdjsonDecoder(tables::TablePtr table);

  /// `row`: with LineSplitter::padding_bytes readable bytes behind it. `key`: codec().words() words. `value`:
  /// value().size() bytes; all fields are written, padding is not touched. False: `reject()` says why, and
  /// `key` and `value` hold anything.
  bool decode(std::string_view row, std::uint64_t* key, std::byte* value);
  /// Why the last decode returned false. Valid until the next one.
  const Reject& reject() const noexcept { return reject_; }

 private:
  using Element = simdjson::dom::element;
  /// Where a member's value goes.
  struct Target {
    const tables::Field* field;
    bool in_key;
  };
  /// A member that the table wants.
  struct Member {
    std::string_view name;
    std::vector<Target> targets;
    Element found;
    std::uint64_t found_in = 0;  // the row (as counted in row_) that `found` belongs to
  };

  void want(const tables::Field& field, bool in_key);
  bool parse(std::string_view row, simdjson::dom::object& object);
  bool parse_again(std::string_view row, simdjson::error_code error, simdjson::dom::element& root);
  void match(simdjson::dom::object object);
  std::uint32_t find_member(std::string_view name, std::uint32_t place);
  bool store(const Member& member, std::byte* value);
  bool store_field(const tables::Field& field, Element element, std::byte* out);
  bool store_chars(const tables::Field& field, Element element, std::byte* out);
  bool store_array(const tables::Field& field, Element element, std::byte* out);
  bool store_scalar(const tables::Field& field, Element element, std::byte* out);
  template <class Number>
  bool store_integer(const tables::Field& field, Element element, std::byte* out);
  bool store_float(const tables::Field& field, Element element, std::byte* out);
  std::string_view big_number(Element element) const;
  bool refuse(RejectReason reason, std::string message);
  bool refuse(const tables::Field& field, RejectReason reason, const std::string& expected, Element found);

  tables::TablePtr table_;
  std::vector<Member> members_;
  std::vector<std::uint32_t>
      member_at_;  // which member stood at each place of the last row; members_.size(): none
  std::uint64_t row_ = 0;
  std::vector<std::byte> key_record_;
  simdjson::dom::parser parser_;
  std::string rewritten_;     // see big_numbers.hpp
  bool big_numbers_ = false;  // the row at hand is a rewritten one
  Reject reject_;
};

}  // namespace perch::ingest
