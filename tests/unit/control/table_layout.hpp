// What table.layout answers for tables that a test makes up.
#pragma once

#include <string>
#include <vector>

#include "cli/outcome.hpp"
#include "tables/layout.hpp"

inline perch::cli::Json record_json(const perch::tables::Layout& layout) {
  perch::cli::Json fields = perch::cli::Json::array();
  for (const perch::tables::Field& field : layout.fields()) {
    fields.push_back({{"name", field.name}, {"type", field.type_text()}, {"offset", field.offset}});
  }
  return {{"layout", layout.text()},
          {"size", layout.size()},
          {"align", layout.align()},
          {"fields", std::move(fields)}};
}

inline perch::cli::Json table_layout(const std::string& table,
                                     const std::vector<perch::tables::FieldSpec>& key,
                                     const std::vector<perch::tables::FieldSpec>& value) {
  return {{"table", table},
          {"key", record_json(*perch::tables::Layout::make(key, false))},
          {"value", record_json(*perch::tables::Layout::make(value, true))}};
}

inline const std::vector<perch::tables::FieldSpec> trades_key{{"symbol", "char[8]"}, {"seq", "uint64"}};
inline const std::vector<perch::tables::FieldSpec> trades_value{
    {"ts", "timestamp_ns"}, {"price", "float64"}, {"size", "float64"}};
