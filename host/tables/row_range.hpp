// RowRange: the part of a table that a request names, as bounds for a cursor.
#pragma once

#include <array>
#include <nlohmann/json.hpp>

#include "base/result.hpp"
#include "tables/catalog.hpp"
#include "tree/cursor.hpp"

namespace perch::tables {

/// A bound that owns its key.
struct RangeEnd {
  std::array<std::uint64_t, tree::key_words_max> words{};
  bool given = false;
  bool inclusive = true;

  tree::Bound bound() const noexcept { return given ? tree::Bound{words.data(), inclusive} : tree::Bound{}; }
};

/// What a request says: objects with the leading fields of a key; null: not given. A bound with fewer fields
/// than the key has covers every key that starts so.
struct RangeRequest {
  const nlohmann::json* from = nullptr;
  const nlohmann::json* to = nullptr;
  const nlohmann::json* prefix = nullptr;  ///< narrows from and to further
  bool from_exclusive = false;
  bool to_exclusive = false;
};

struct RowRange {
  RangeEnd low;
  RangeEnd high;

  /// Errors name the parameter and the member.
  static Result<RowRange> make(const Table& table, const RangeRequest& request);
};

}  // namespace perch::tables
