// Rollup: aggregates of another table's incoming rows, grouped by fields and by buckets of time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "tables/layout.hpp"

namespace perch::tables {

/// A field of the source table; with `every` above 0 its rows of one stretch of time belong together, and the
/// key's field is that stretch's begin.
struct GroupSpec {
  std::string field;
  std::chrono::nanoseconds every{0};
  bool operator==(const GroupSpec&) const = default;
};

/// A field of the rollup: `call` is one of count() sum(F) min(F) max(F) mean(F) first(F) last(F) stddev(F).
struct AggregateSpec {
  std::string name;
  std::string call;
  bool operator==(const AggregateSpec&) const = default;
};

struct RollupSpec {
  std::string of;  ///< the source table
  std::vector<GroupSpec> group;
  std::vector<AggregateSpec> aggregates;
  bool operator==(const RollupSpec&) const = default;
};

/// Every row that the source table takes is folded in once, on arrival: one that replaces another counts
/// again, deletes and retention never subtract, first and last are by arrival.
///
/// Types: count uint64; sum int64, uint64 or float64 (of integers exact, and held at the type's ends where it
/// would leave them); mean and stddev (of the population) float64; the others the field's. NaN is passed over
/// by min and max, and makes sum, mean and stddev NaN.
///
/// Sums of floats are compensated (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation
/// endlicher Summen", 1974), squares are summed about the running mean (B. P. Welford, "Note on a method for
/// calculating corrected sums of squares and products", 1962): neither loses digits with the number of rows.
///
/// What that needs is kept in the tree, in state_bytes() behind each row's record. So a rollup is as much
/// part of a version as any table, and its memory is that of its rows.
///
/// Immutable after construction; any thread.
class Rollup {
 public:
  /// `place`: "tables.bars.rollup", for errors, which name the member.
  static Result<Rollup> make(const RollupSpec& spec, const Layout& source_key, const Layout& source_value,
                             const std::string& place);

  const RollupSpec& spec() const noexcept { return spec_; }
  /// What the rollup's own table is made of.
  const std::vector<FieldSpec>& key_fields() const noexcept { return key_fields_; }
  const std::vector<FieldSpec>& value_fields() const noexcept { return value_fields_; }
  /// Where values lie in the rollup's record: call once, with the layouts made of the two above.
  void lay_out(const Layout& key, const Layout& value);

  std::uint32_t state_bytes() const noexcept { return state_bytes_; }
  /// Whether the source row's key record is needed.
  bool reads_key() const noexcept { return reads_key_; }

  /// The rollup's key record for a source row. `out`: padding zero, of the size of the rollup's key. Returns
  /// the bucket's begin, INT64_MIN without a bucket.
  std::int64_t group_of(const std::byte* source_key, const std::byte* source_value,
                        std::byte* out) const noexcept;
  /// Folds a source row into `record` and `state` (8-byte aligned). `is_new`: both are as the tree gives
  /// them for a row that was just made, of any content.
  void fold(const std::byte* source_key, const std::byte* source_value, bool is_new, std::byte* record,
            std::byte* state) const noexcept;

 private:
  enum class Function : std::uint8_t { count, sum, min, max, mean, first, last, stddev };
  struct Source {
    FieldType type = FieldType::int64;
    bool in_key = false;
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  struct Group {
    Source source;
    std::int64_t every_ns = 0;
    std::uint32_t out_offset = 0;
  };
  /// What sums over one field keep: see rollup.cpp.
  struct Moments {
    Source source;
    bool squares = false;
    std::uint32_t state_offset = 0;
  };
  struct Output {
    Function function = Function::count;
    Source source;
    std::uint32_t moments = 0;  // index, for sum, mean, stddev
    std::uint32_t out_offset = 0;
  };

  Result<void> add_group(const GroupSpec& spec, const Layout& key, const Layout& value,
                         const std::string& place);
  Result<void> add_aggregate(const AggregateSpec& spec, const Layout& key, const Layout& value,
                             const std::string& place);
  std::uint32_t moments_of(const Source& source, bool squares);
  Source source_of(const Field& field, bool in_key);
  void add_moments(const Moments& moments, const std::byte* from, std::uint64_t count,
                   std::byte* state) const noexcept;
  void write_output(const Output& output, const std::byte* from, bool is_new, std::byte* record,
                    const std::byte* state) const noexcept;

  static Result<std::pair<Function, std::string>> parse_call(const std::string& call,
                                                             const std::string& place);
  static Result<std::string> output_type(Function function, const Field& field, const std::string& place);

  RollupSpec spec_;
  std::vector<FieldSpec> key_fields_;
  std::vector<FieldSpec> value_fields_;
  std::vector<Group> groups_;
  std::vector<Moments> moments_;
  std::vector<Output> outputs_;
  std::uint32_t state_bytes_ = 8;  // the number of rows
  bool reads_key_ = false;
};

}  // namespace perch::tables
