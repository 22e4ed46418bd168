// Mapping: which member of an input row feeds which field of which table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "rows/iso8601.hpp"
#include "rows/time_format.hpp"
#include "tables/catalog.hpp"

namespace perch::rows {

/// Where a field's value comes from.
enum class Origin : std::uint8_t {
  member,    ///< of the row
  sequence,  ///< 1, 2, 3 …: the source's rows that were taken
  arrival  ///< when the row was read; made to grow by at least 1 ns from row to row, so that it can be a key
};

/// What a config says of one field. All defaults: the member of the field's own name.
struct MemberSpec {
  Origin origin = Origin::member;
  std::vector<std::string> path;        ///< names from the outside in, places of an array as digits; csv: one
  std::optional<std::string> fallback;  ///< JSON; taken where the member is missing or null
  TimeUnit unit = TimeUnit::ns;         ///< of a timestamp_ns that comes as a number
  bool quoted = false;                  ///< JSON: the number comes as a string
  std::string time_format;  ///< of a timestamp_ns that comes as a text of its own kind: see TimeFormat
  std::string zone;         ///< with time_format: the time's, where the text has none; "": UTC
  bool operator==(const MemberSpec&) const = default;
};

/// The member has this value.
struct ConditionSpec {
  std::vector<std::string> path;
  std::string value;  ///< JSON: a string, number, true, false or null
  bool operator==(const ConditionSpec&) const = default;
};

/// One table that a source feeds.
struct FeedSpec {
  std::string table;
  std::vector<ConditionSpec> when;                      ///< all of them; none: every row
  std::vector<std::pair<std::string, MemberSpec>> map;  ///< by field; of key and value where both have it
  bool operator==(const FeedSpec&) const = default;
};

/// Immutable after construction; any thread.
class Mapping {
 public:
  struct Target {
    const tables::Field* field;
    bool in_key;
    std::uint32_t input;  ///< index of inputs()
    TimeUnit unit;
    bool quoted;
    std::vector<std::byte> fallback;           ///< the field's bytes; empty: there is none
    std::shared_ptr<const TimeFormat> format;  ///< none: ISO 8601 or a number of `unit`
  };
  struct Stamp {
    const tables::Field* field;
    bool in_key;
    Origin origin;
  };
  struct Condition {
    std::uint32_t input;
    std::string value;  ///< JSON
    std::string text;   ///< what it is as plain text
  };
  struct Feed {
    tables::TablePtr table;
    std::vector<Condition> when;
    std::vector<Target> targets;
    std::vector<Stamp> stamps;
  };
  using Path = std::vector<std::string>;

  /// Errors name the table, and the field of the map.
  static Result<Mapping> make(const std::vector<FeedSpec>& feeds, const tables::Catalog& catalog);

  const std::vector<Feed>& feeds() const noexcept { return feeds_; }
  /// Every member that some feed looks at, once.
  const std::vector<Path>& inputs() const noexcept { return inputs_; }

 private:
  Result<Feed> make_feed(const FeedSpec& spec, tables::TablePtr table);
  Result<void> add_field(Feed& feed, const tables::Field& field, bool in_key, const MemberSpec& member);
  std::uint32_t input_of(const Path& path);

  std::vector<Feed> feeds_;
  std::vector<Path> inputs_;
};

/// "data.price", for people.
std::string to_string(const Mapping::Path& path);

}  // namespace perch::rows
