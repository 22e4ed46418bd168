// Rows of a known table in every format, good ones and ones that are bad in a known way.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "rows/row_format.hpp"
#include "tables/catalog.hpp"

namespace perch::fuzz {

/// What a row should become.
struct FuzzedRow {
  std::string bytes;     ///< with its newline
  std::string reason;    ///< why it is rejected; "": it is taken
  std::uint64_t id = 0;  ///< of one that is taken
  double ratio = 0;
  std::string name;
  std::int64_t when = 0;
  bool flag = false;
};

/// {id: uint64} → {ratio: float64, name: char[12], when: timestamp_ns, flag: bool, small: int8}
tables::TableSpec fuzzed_table();

/// `random` decides everything. A tenth of the rows is bad. (Binary: one record as a frame of its own.)
FuzzedRow make_row(rows::Format format, std::uint64_t id, std::mt19937_64& random);

/// What a stream begins with.
std::string stream_begin(rows::Format format);

}  // namespace perch::fuzz
