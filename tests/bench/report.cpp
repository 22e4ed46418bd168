#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace perch::bench {

namespace {

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
  return text;
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string padding(width > text.size() ? width - text.size() : 0, ' ');
  return right ? padding + text : text + padding;
}

}  // namespace

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

std::string Report::table() const {
  constexpr std::size_t name_width = 22, unit_width = 11, value_width = 9, ratio_width = 9;
  std::string text = padded("workload", name_width, false) + padded("unit", unit_width, false);
  for (const std::string& engine : engines_) {
    text += padded(engine, value_width, true);
    if (engine != "perch") text += std::string(ratio_width, ' ');
  }
  text += "\n";
  for (const Line& line : lines_) {
    text += padded(line.workload, name_width, false) + padded(line.unit, unit_width, false);
    const Cell* perch = line.find("perch");
    for (const std::string& engine : engines_) {
      const Cell* cell = line.find(engine);
      text += padded(cell ? number(cell->median()) : "-", value_width, true);
      if (engine == "perch") continue;
      const bool comparable = cell && perch && perch->median() > 0;
      text += padded(comparable ? " (" + number(cell->median() / perch->median()) + "x)" : "", ratio_width,
                     false);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  return text;
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
