// Rows of a snapshot as JSON texts, for the control protocol and the command line: one key, or a range.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "tables/catalog.hpp"
#include "tables/row_range.hpp"
#include "tree/snapshot.hpp"

namespace perch::tables {

struct ScanRequest {
  static constexpr std::uint64_t limit_max = 10'000;

  RangeRequest range;
  bool reverse = false;
  std::uint64_t limit = 100;
};

/// {"version":7,"rows":[{…}]}: the row whose key the object `key` says in full; none or one. Errors name the
/// member.
Result<std::string> get_rows(const Table& table, const tree::Snapshot& snapshot, const nlohmann::json& key);

/// {"version":7,"rows":[{…},{…}]} up to the limit and some 1 MiB. When there would be more it says
/// "truncated":true, and "last_key", the key to go on from. Errors name the parameter.
Result<std::string> scan_rows(const Table& table, const tree::Snapshot& snapshot, const ScanRequest& request);

}  // namespace perch::tables
