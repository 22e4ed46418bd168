#include "base/text_table.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace perch {
namespace {

void append_cell(std::string& line, const std::string& cell, Align align, std::size_t width) {
  const std::string padding(width - characters_in(cell), ' ');
  line += align == Align::right ? padding + cell : cell + padding;
}

}  // namespace

void TextTable::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::text(std::string_view indent) const {
  std::vector<std::string> titles;
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    titles.push_back(columns_[i].title);
    widths.push_back(characters_in(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], characters_in(row[i]));
  }
  std::string out;
  const auto append_line = [&](const std::vector<std::string>& cells) {
    std::string line(indent);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += "  ";
      append_cell(line, cells[i], columns_[i].align, widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  append_line(titles);
  for (const auto& row : rows_) append_line(row);
  return out;
}

}  // namespace perch
