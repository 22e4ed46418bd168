#include "text_table.hpp"

#include <algorithm>
#include <cstdio>

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

std::string TextTable::text(std::size_t left_aligned) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      if (i > 0) text += "  ";
      text += i < left_aligned ? row[i] + padding : padding + row[i];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  return text;
}

}  // namespace perch::bench
