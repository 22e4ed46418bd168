#include "rows/csv_decoder.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "rows/text_value.hpp"
#include "tables/field_types.hpp"

namespace perch::rows {
CsvDecoder::CsvDecoder(const CsvSpec& spec, const Mapping& mapping, RowAssembly& assembly)
    : spec_(spec),
      mapping_(mapping),
      assembly_(assembly),
      header_is_due_(spec.header),
      column_of_(mapping.inputs().size(), no_column) {
  name_columns(spec.columns);
}

void CsvDecoder::begin_stream() {
  header_is_due_ = spec_.header;
  if (spec_.columns.empty()) name_columns({});
}

void CsvDecoder::name_columns(const std::vector<std::string>& names) {
  columns_expected_ = names.size();
  for (std::uint32_t input = 0; input < column_of_.size(); ++input) {
    const auto found = std::find(names.begin(), names.end(), to_string(mapping_.inputs()[input]));
    column_of_[input] = found == names.end() ? no_column : static_cast<std::uint32_t>(found - names.begin());
  }
}

Step CsvDecoder::decode_line(RowBatch& batch) {
  if (line_.text.ends_with('\r')) line_.text.remove_suffix(1);
  if (!simdjson::validate_utf8(line_.text.data(), line_.text.size()))
    return refuse(RejectReason::not_utf8, "the row is not valid UTF-8");
  if (!split()) return Step::rejected;
  if (header_is_due_) return take_header();
  if (columns_.size() != columns_expected_) {
    return refuse(RejectReason::wrong_columns, "the row has " + std::to_string(columns_.size()) +
                                                   " columns, there should be " +
                                                   std::to_string(columns_expected_));
  }
  return assembly_.assemble(*this, batch);
}

Step CsvDecoder::take_header() {
  header_is_due_ = false;
  if (!spec_.columns.empty()) return Step::nothing;
  std::vector<std::string> names;
  for (const Column& column : columns_) names.emplace_back(column.text);
  // A byte order mark, as spreadsheets write it before the first name.
  if (!names.empty() && names.front().starts_with("\xEF\xBB\xBF")) names.front().erase(0, 3);
  name_columns(names);
  return Step::nothing;
}

/// The line into columns_. Reports what is wrong with quotes.
bool CsvDecoder::split() {
  columns_.clear();
  unquoted_.clear();
  unquoted_.reserve(line_.text.size());
  std::string_view rest = line_.text;
  for (;;) {
    if (columns_.size() == columns_max) {
      refuse(RejectReason::wrong_columns, "more than " + std::to_string(columns_max) + " columns");
      return false;
    }
    if (spec_.quote != '\0' && rest.starts_with(spec_.quote)) {
      if (!take_quoted(rest)) return false;
      if (rest.empty()) return true;
      rest.remove_prefix(1);  // the separator
      continue;
    }
    const void* separator = std::memchr(rest.data(), spec_.separator, rest.size());
    if (separator == nullptr) {
      columns_.push_back({rest, false});
      return true;
    }
    const auto length = static_cast<std::size_t>(static_cast<const char*>(separator) - rest.data());
    columns_.push_back({rest.substr(0, length), false});
    rest.remove_prefix(length + 1);
  }
}

/// Takes a column in quotes from the front of `rest`, which is empty or begins with a separator then.
bool CsvDecoder::take_quoted(std::string_view& rest) {
  const std::size_t begin = unquoted_.size();
  rest.remove_prefix(1);
  for (;;) {
    const std::size_t quote = rest.find(spec_.quote);
    if (quote == std::string_view::npos) {
      refuse(RejectReason::wrong_columns, "a quote is opened and not closed in its line");
      return false;
    }
    unquoted_.append(rest.substr(0, quote));
    rest.remove_prefix(quote + 1);
    if (!rest.starts_with(spec_.quote)) break;
    unquoted_ += spec_.quote;  // doubled: one that is meant
    rest.remove_prefix(1);
  }
  if (!rest.empty() && rest.front() != spec_.separator) {
    refuse(RejectReason::wrong_columns, "behind a closing quote there must be a separator");
    return false;
  }
  columns_.push_back({std::string_view(unquoted_).substr(begin), true});
  return true;
}

CsvDecoder::Column CsvDecoder::column(std::uint32_t input) const {
  const std::uint32_t index = column_of_[input];
  return index == no_column ? Column{} : columns_[index];
}

bool CsvDecoder::matches(const Mapping::Condition& condition) const {
  if (column_of_[condition.input] == no_column) return condition.value == "null";
  const std::string_view text = column(condition.input).text;
  return text == condition.text || (text.empty() && condition.value == "null");
}

bool CsvDecoder::is_missing(const Mapping::Target& target) const {
  if (column_of_[target.input] == no_column) return true;
  const Column found = column(target.input);
  const bool is_text = target.field->type == tables::FieldType::chars && target.fallback.empty();
  return found.text.empty() && !found.quoted && !is_text;
}

Step CsvDecoder::missing(const Mapping::Target& target) {
  const std::string name = to_string(mapping_.inputs()[target.input]);
  if (column_of_[target.input] == no_column)
    return refuse(RejectReason::missing_field,
                  quoted(*target.field) + " is missing: no column \"" + name + "\"");
  return refuse(RejectReason::missing_field, quoted(*target.field) + ": column \"" + name + "\" is empty");
}

Step CsvDecoder::nan_in_key() {
  return refuse(RejectReason::nan_in_key, "a key field is not a number (NaN)");
}

bool CsvDecoder::store(const Mapping::Target& target, std::byte* out) {
  const std::string_view text = column(target.input).text;
  const TextError error = target.format ? store_formatted_time(*target.format, text, out)
                                        : store_text_value(*target.field, text, target.unit, out);
  if (!error) return true;
  refuse(error.reason, quoted(*target.field) + ": expected " + error.expected + ", found \"" +
                           std::string(text.substr(0, shown_bytes_max)) +
                           (text.size() > shown_bytes_max ? "…\"" : "\""));
  return false;
}

}  // namespace perch::rows
