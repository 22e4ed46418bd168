// NdjsonDecoder: JSON rows, one a line, into a batch.
//
// Every field that a row feeds has to be there, or has a default; surplus members are ignored; of members
// with the same name the last one counts. The whole row is validated, UTF-8 included (simdjson's DOM parser:
// Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rows/mapping.hpp"
#include "rows/row_assembly.hpp"
#include "rows/row_decoder.hpp"

namespace perch::rows {

static_assert(LineSplitter::padding_bytes >= simdjson::SIMDJSON_PADDING);

/// What the streams of one source share: the parser, and where it looks for what. For the source's thread.
class NdjsonRows {
 public:
  /// Both outlive this.
  NdjsonRows(const Mapping& mapping, Stamps& stamps);

  /// `row`: with LineSplitter::padding_bytes readable bytes behind it. On anything but `row` records may be
  /// left open.
  Step take(std::string_view row, RowBatch& batch);
  /// Why the last one was rejected. Valid until the next one.
  const Reject& reject() const noexcept { return reject_; }

  // What RowAssembly asks for.
  bool matches(const Mapping::Condition& condition) const;
  bool is_missing(const Mapping::Target& target) const;
  bool store(const Mapping::Target& target, std::byte* out);
  Step missing(const Mapping::Target& target);
  Step nan_in_key();

 private:
  using Element = simdjson::dom::element;
  /// A name on the way to members that are wanted; the root has none.
  struct Node {
    std::string name;
    std::vector<std::uint32_t> children;
    std::optional<std::uint32_t> input;
    /// Which child stood at each place of the last object; children.size(): none.
    std::vector<std::uint32_t> child_at;
  };
  struct Found {
    Element element;
    std::uint64_t row = 0;  // (as counted in row_) that it belongs to
  };

  void want(const Mapping::Path& path, std::uint32_t input);
  bool parse(std::string_view row, simdjson::dom::object& object);
  bool parse_again(std::string_view row, simdjson::error_code error, Element& root);
  void match(std::uint32_t node, simdjson::dom::object object);
  void match(std::uint32_t node, simdjson::dom::array array);
  void found(std::uint32_t node, Element element);
  void forget_below(std::uint32_t node);
  std::uint32_t find_child(Node& node, std::string_view name, std::uint32_t place);
  bool store_text(const Mapping::Target& target, Element element, std::byte* out);
  bool store_formatted(const Mapping::Target& target, Element element, std::byte* out);
  bool store_chars(const tables::Field& field, Element element, std::byte* out);
  bool store_array(const Mapping::Target& target, Element element, std::byte* out);
  bool store_scalar(const Mapping::Target& target, Element element, std::byte* out);
  template <class Number>
  bool store_integer(const tables::Field& field, Element element, std::byte* out);
  template <class Number>
  bool store_float(const tables::Field& field, Element element, std::byte* out);
  bool store_bool(const tables::Field& field, Element element, std::byte* out);
  bool store_time(const Mapping::Target& target, Element element, std::byte* out);
  std::string_view big_number(Element element) const;
  std::string_view text_of(std::uint32_t input) const;
  bool refuse(RejectReason reason, std::string message);
  bool refuse(const tables::Field& field, RejectReason reason, const std::string& expected, Element found);

  const Mapping& mapping_;
  RowAssembly assembly_;
  std::vector<Node> nodes_;   // the root first
  std::vector<Found> found_;  // by input
  std::uint64_t row_ = 0;
  std::string_view text_;  // the row at hand
  simdjson::dom::parser parser_;
  std::string rewritten_;     // see big_numbers.hpp
  bool big_numbers_ = false;  // the row at hand is a rewritten one
  Reject reject_;
};

class NdjsonDecoder : public LineDecoder {
 public:
  explicit NdjsonDecoder(NdjsonRows& rows) : rows_(rows) {}

 private:
  Step decode_line(RowBatch& batch) override {
    const Step step = rows_.take(line_.text, batch);
    return step == Step::rejected ? refuse(rows_.reject().reason, rows_.reject().message) : step;
  }

  NdjsonRows& rows_;
};

}  // namespace perch::rows
