#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text_table.hpp"

namespace perch::bench {

std::string readable(double value) {
  char text[64];
  std::snprintf(text, sizeof text,
                value < 0.1   ? "%.2g"
                : value < 10  ? "%.2f"
                : value < 100 ? "%.1f"
                              : "%.0f",
                value);
  return text;
}

double Report::Cell::median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const Report::Cell* Report::Line::find(const std::string& engine) const {
  const auto cell =
      std::find_if(cells.begin(), cells.end(), [&](const Cell& c) { return c.engine == engine; });
  return cell == cells.end() ? nullptr : &*cell;
}

void Report::add(const std::string& workload, const std::string& unit, const std::string& engine,
                 double value) {
  auto line = std::find_if(lines_.begin(), lines_.end(),
                           [&](const Line& l) { return l.workload == workload && l.unit == unit; });
  if (line == lines_.end()) line = lines_.insert(lines_.end(), {workload, unit, {}});
  auto cell =
      std::find_if(line->cells.begin(), line->cells.end(), [&](const Cell& c) { return c.engine == engine; });
  if (cell == line->cells.end()) cell = line->cells.insert(line->cells.end(), {engine, {}});
  cell->values.push_back(value);
}

double Report::median(const std::string& workload, const std::string& unit, const std::string& engine) const {
  for (const Line& line : lines_) {
    if (line.workload != workload || line.unit != unit) continue;
    if (const Cell* cell = line.find(engine)) return cell->median();
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::string Report::table() const {
  std::vector<TextColumn> columns = {{"workload"}, {"unit"}};
  for (const std::string& engine : engines_) {
    columns.push_back({engine, Align::right});
    if (engine != "perch") columns.push_back({"", Align::right});
  }
  TextTable table(std::move(columns));
  for (const Line& line : lines_) {
    std::vector<std::string> cells = {line.workload, line.unit};
    const Cell* perch = line.find("perch");
    for (const std::string& engine : engines_) {
      const Cell* cell = line.find(engine);
      cells.push_back(cell ? readable(cell->median()) : "-");
      if (engine == "perch") continue;
      const bool comparable = cell && perch && perch->median() > 0;
      cells.push_back(comparable ? "(" + readable(cell->median() / perch->median()) + "x)" : "");
    }
    table.add_row(std::move(cells));
  }
  return table.text();
}

std::string Report::json_lines(std::uint64_t rows) const {
  std::string text;
  for (const Line& line : lines_) {
    for (const Cell& cell : line.cells) {
      const nlohmann::ordered_json object = {{"workload", line.workload},
                                             {"engine", cell.engine},
                                             {"rows", rows},
                                             {"value", cell.median()},
                                             {"unit", line.unit}};
      text += object.dump() + "\n";
    }
  }
  return text;
}

}  // namespace perch::bench
