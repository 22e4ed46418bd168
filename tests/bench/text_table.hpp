// Numbers and tables for people.
#pragma once

#include <string>
#include <vector>

namespace perch::bench {

/// The digits that matter: 0.012, 1.23, 12.3, 123.
std::string readable(double value);

/// Rows of cells, as wide as their widest.
class TextTable {
 public:
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// The first `left_aligned` columns are texts, the others numbers.
  std::string text(std::size_t left_aligned) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace perch::bench
