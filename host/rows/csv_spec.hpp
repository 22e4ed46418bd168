// CsvSpec: how the columns of CSV rows are told apart and named.
#pragma once

#include <string>
#include <vector>

namespace perch::rows {

struct CsvSpec {
  char separator = ',';
  char quote = '"';                  ///< '\0': none, quotes are characters like any other
  std::vector<std::string> columns;  ///< empty: the first line of each stream names them
  bool header = true;                ///< columns are given all the same: the first line is passed over
  bool operator==(const CsvSpec&) const = default;
};

}  // namespace perch::rows
