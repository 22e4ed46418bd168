// Results: medians per workload, unit and engine, as a table for people and as JSON lines for programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace perch::bench {

/// The digits that matter: 0.012, 1.23, 12.3, 123.
std::string readable(double value);

class Report {
 public:
  explicit Report(std::vector<std::string> engines) : engines_(std::move(engines)) {}

  void add(const std::string& workload, const std::string& unit, const std::string& engine, double value);
  /// A line per workload and unit, a column per engine; behind other engines' values what they are of
  /// perch's.
  std::string table() const;
  /// Of all values added; not a number when there are none.
  double median(const std::string& workload, const std::string& unit, const std::string& engine) const;
  /// An object a line: {"workload","engine","rows","value","unit"}.
  std::string json_lines(std::uint64_t rows) const;

 private:
  struct Cell {
    std::string engine;
    std::vector<double> values;
    double median() const;
  };
  struct Line {
    std::string workload;
    std::string unit;
    std::vector<Cell> cells;
    const Cell* find(const std::string& engine) const;
  };

  std::vector<std::string> engines_;
  std::vector<Line> lines_;  // in order of appearance
};

}  // namespace perch::bench
