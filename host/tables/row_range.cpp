#include "tables/row_range.hpp"

#include <algorithm>
#include <vector>

#include "tables/record_json.hpp"

namespace perch::tables {
namespace {

enum class Side { low, high };

Result<RangeEnd> make_end(const Table& table, const char* parameter, const nlohmann::json& object, Side side,
                          bool exclusive) {
  std::vector<std::byte> record(table.key().size());
  std::uint32_t fields = 0;
  if (const auto read = record_from_json(table.key(), object, record.data(), &fields); !read) {
    return fail(ErrorKind::usage, std::string(parameter) + ": " + read.error().message, read.error().details);
  }
  // A low end that leaves its rows out begins behind all keys that start so, a high one that takes them in
  // ends there.
  const bool behind = (side == Side::low) == exclusive;
  RangeEnd end;
  end.given = fields > 0;
  end.inclusive = !exclusive;
  if (!table.codec().encode_prefix(record.data(), fields, behind ? 0xff : 0x00, end.words.data())) {
    return fail(ErrorKind::usage, std::string(parameter) + ": NaN cannot be part of a key");
  }
  return end;
}

/// The end that leaves fewer rows.
RangeEnd narrower(const RangeEnd& a, const RangeEnd& b, Side side) {
  if (!a.given || !b.given) return a.given ? a : b;
  if (a.words == b.words) return a.inclusive ? b : a;
  const bool a_first =
      std::lexicographical_compare(a.words.begin(), a.words.end(), b.words.begin(), b.words.end());
  return a_first == (side == Side::high) ? a : b;
}

Result<RangeEnd> make_side(const Table& table, const RangeRequest& request, Side side) {
  const bool low = side == Side::low;
  RangeEnd end;
  if (const nlohmann::json* object = low ? request.from : request.to) {
    const auto made = make_end(table, low ? "from" : "to", *object, side,
                               low ? request.from_exclusive : request.to_exclusive);
    if (!made) return made;
    end = *made;
  }
  if (request.prefix) {
    const auto made = make_end(table, "prefix", *request.prefix, side, false);
    if (!made) return made;
    end = narrower(end, *made, side);
  }
  return end;
}

}  // namespace

Result<RowRange> RowRange::make(const Table& table, const RangeRequest& request) {
  const auto low = make_side(table, request, Side::low);
  if (!low) return fail(low.error());
  const auto high = make_side(table, request, Side::high);
  if (!high) return fail(high.error());
  return RowRange{*low, *high};
}

}  // namespace perch::tables
