#include "cli/human_text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/text_table.hpp"
#include "base/units.hpp"

namespace perch::cli {
namespace {

constexpr std::size_t rows_shown_max = 50;

bool is_control(std::string_view text, std::size_t i) {
  const auto byte = static_cast<unsigned char>(text[i]);
  if (byte < 0x20 || byte == 0x7f) return true;
  // U+0080 to U+009F, which some terminals obey too: c2 80 to c2 9f.
  return byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
}

std::string without_controls(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_control(text, i)) {
      out += text[i];
      continue;
    }
    if (static_cast<unsigned char>(text[i]) == 0xc2) ++i;
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(text[i]));
    out += escaped;
  }
  return out;
}

/// An array of objects, or an object of them: rows, the latter with names.
bool is_table(const Json& value) {
  return value.is_structured() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_object(); });
}

/// The members of the rows, in the order in which they first come.
std::vector<TextColumn> columns_of(const Json& rows) {
  std::vector<TextColumn> columns;
  for (const Json& row : rows) {
    for (const auto& [name, value] : row.items()) {
      const auto known =
          std::find_if(columns.begin(), columns.end(), [&](const TextColumn& c) { return c.title == name; });
      if (known == columns.end()) columns.push_back({name, value.is_number() ? Align::right : Align::left});
    }
  }
  return columns;
}

std::string table_text(const std::string& title, const Json& rows) {
  const std::vector<TextColumn> members = columns_of(rows);
  std::vector<TextColumn> columns = members;
  if (rows.is_object()) columns.insert(columns.begin(), {title});
  TextTable table(columns);
  std::size_t shown = 0;
  for (const auto& [name, row] : rows.items()) {
    if (shown++ == rows_shown_max) break;
    std::vector<std::string> cells;
    if (rows.is_object()) cells.push_back(exact_text(Json(name)));
    for (const TextColumn& column : members) {
      const auto cell = row.find(column.title);
      cells.push_back(cell == row.end() ? "" : rounded_text(column.title, *cell));
    }
    table.add_row(std::move(cells));
  }
  std::string text = table.text("  ");
  if (rows.size() > rows_shown_max)
    text += "  … and " + std::to_string(rows.size() - rows_shown_max) + " more\n";
  return text;
}

}  // namespace

std::string exact_text(const Json& value) {
  if (value.is_string()) return without_controls(value.get_ref<const std::string&>());
  if (value.is_null()) return "-";
  return without_controls(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string rounded_text(double value) {
  char text[48];
  const double size = std::fabs(value);
  if (value == std::floor(value) && size < 1e15) {
    std::snprintf(text, sizeof text, "%.0f", value);
  } else if (size >= 1e15 || size < 1e-4) {
    std::snprintf(text, sizeof text, "%.6g", value);
  } else {
    const int digits_before = size < 1 ? 1 : static_cast<int>(std::log10(size)) + 1;
    std::snprintf(text, sizeof text, "%.*f", std::clamp(6 - digits_before, 2, 6), value);
    const std::string_view digits(text);
    return std::string(digits.substr(0, digits.find_last_not_of('0') + 1));
  }
  return text;
}

std::string rounded_text(std::string_view name, const Json& value) {
  constexpr double year_2000_ns = 946684800e9;
  if (!value.is_number()) return exact_text(value);
  const double number = value.get<double>();
  const bool per_second = name.ends_with("_bytes_per_s");
  if ((per_second || name.ends_with("_bytes")) && number >= 0 && number < 1e19) {
    return format_size(static_cast<std::uint64_t>(number)) + (per_second ? "/s" : "");
  }
  if (name.ends_with("_ns") && number >= 0 && number < 9e18) {
    const auto ns = static_cast<std::int64_t>(number);
    return number >= year_2000_ns ? format_utc(ns) : format_duration(std::chrono::nanoseconds(ns));
  }
  return value.is_number_float() ? rounded_text(number) : exact_text(value);
}

std::string grouped_text(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string duration_text(const Json& ns) {
  return format_duration(std::chrono::nanoseconds(ns.get<std::int64_t>()));
}
std::string size_text(const Json& bytes) { return format_size(bytes.get<std::uint64_t>()); }
std::string count_text(const Json& count) { return grouped_text(count.get<std::uint64_t>()); }

std::string clock_text(std::int64_t unix_ns) {
  constexpr std::size_t after_date = 11, with_milliseconds = 12;  // of 2026-11-24T20:16:48.123456789Z
  return format_utc(unix_ns).substr(after_date, with_milliseconds);
}

std::string pretty_text(const Json& value) {
  if (is_table(value)) return table_text("", value);
  if (!value.is_object()) return "  " + exact_text(value) + "\n";
  std::string line;
  std::string tables;
  for (const auto& [name, member] : value.items()) {
    const std::string title = exact_text(Json(name));
    if (!is_table(member)) {
      line += "  " + title + " " + rounded_text(name, member);
    } else {
      tables += (member.is_array() ? "  " + title + "\n" : "") + table_text(title, member);
    }
  }
  return (line.empty() ? "" : line + "\n") + tables;
}

}  // namespace perch::cli
