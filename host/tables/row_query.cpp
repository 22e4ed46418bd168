#include "tables/row_query.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "tables/record_json.hpp"
#include "tree/cursor.hpp"

namespace perch::tables {
namespace {

constexpr std::size_t rows_bytes_max = std::size_t{1} << 20;  // the last row may go over it

/// Rows as they go into the answer: {"version":7,"rows":[{…},{…}]
class RowsText {
 public:
  explicit RowsText(tree::Version version)
      : text_(R"({"version":)" + std::to_string(version) + R"(,"rows":[)") {}
  bool is_full() const { return text_.size() >= rows_bytes_max; }
  void add(const std::string& row) {
    if (!empty_) text_ += ',';
    empty_ = false;
    text_ += row;
  }
  std::string finish(const std::string& members) { return std::move(text_) + "]" + members + "}"; }

 private:
  std::string text_;
  bool empty_ = true;
};

}  // namespace

Result<std::string> get_rows(const Table& table, const tree::Snapshot& snapshot, const nlohmann::json& key) {
  std::vector<std::byte> record(table.key().size());
  if (const auto read = record_from_json(table.key(), key, record.data()); !read)
    return fail(ErrorKind::usage, "key: " + read.error().message, read.error().details);
  std::array<std::uint64_t, tree::key_words_max> words{};
  if (!table.codec().encode(record.data(), words.data()))
    return fail(ErrorKind::usage, "key: NaN cannot be part of a key");
  RowsText rows(snapshot.version());
  if (const std::byte* value = snapshot.get(table.index(), words.data())) {
    table.codec().decode(words.data(), record.data());  // −0.0 in the request is +0.0 in the table
    rows.add(row_json(table, record.data(), value));
  }
  return rows.finish("");
}

Result<std::string> scan_rows(const Table& table, const tree::Snapshot& snapshot,
                              const ScanRequest& request) {
  if (request.limit == 0 || request.limit > ScanRequest::limit_max) {
    return fail(ErrorKind::usage, "limit: give 1 to " + std::to_string(ScanRequest::limit_max) +
                                      "; go on from \"last_key\" for more rows");
  }
  const auto range = RowRange::make(table, request.range);
  if (!range) return fail(range.error());
  tree::Cursor cursor(snapshot, table.index(), range->low.bound(), range->high.bound(), request.reverse);
  RowsText rows(snapshot.version());
  std::vector<std::byte> record(table.key().size());
  std::array<std::uint64_t, tree::key_words_max> words{};
  for (std::uint64_t count = 0;;) {
    const tree::Run run = cursor.next();
    if (run.count == 0) return rows.finish("");
    for (std::uint32_t row = 0; row < run.count; ++row, ++count) {
      if (count == request.limit || rows.is_full()) {
        std::string last_key;
        if (count > 0) append_members(table.key(), record.data(), last_key);
        return rows.finish(R"(,"truncated":true,"last_key":{)" + last_key + "}");
      }
      run.copy_key(row, table.codec().words(), words.data());
      table.codec().decode(words.data(), record.data());
      rows.add(
          row_json(table, record.data(), run.values + static_cast<std::ptrdiff_t>(row) * run.value_stride));
    }
  }
}

}  // namespace perch::tables
