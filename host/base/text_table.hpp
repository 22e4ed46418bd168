// TextTable: aligned columns for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace perch {

enum class Align { left, right };

struct TextColumn {
  std::string title;
  Align align = Align::left;
};

class TextTable {
 public:
  explicit TextTable(std::vector<TextColumn> columns) : columns_(std::move(columns)) {}
  /// Missing cells are empty, surplus ones left out.
  void add_row(std::vector<std::string> cells);
  bool empty() const noexcept { return rows_.empty(); }
  /// Title line and rows, each behind `indent` and with a line end, no blanks at their ends.
  std::string text(std::string_view indent = "") const;

 private:
  std::vector<TextColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace perch
