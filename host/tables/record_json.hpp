// Records as JSON, for people and the control protocol: {"symbol":"AAPL","seq":17}.
//
// 64-bit integers are exact numbers, NaN and infinities the strings "NaN", "Infinity", "-Infinity", chars a
// string up to the first NUL (bytes that are not UTF-8 become U+FFFD), arrays JSON arrays.
#pragma once

#include <cstddef>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "tables/catalog.hpp"

namespace perch::tables {

/// Appends the record's members, without braces: "symbol":"AAPL","seq":17
void append_members(const Layout& layout, const std::byte* record, std::string& out);
/// {"symbol":…,"seq":…,"ts":…,"price":…}: key and value members in one object. Value members whose name the
/// key has too get the prefix "value.".
std::string row_json(const Table& table, const std::byte* key_record, const std::byte* value);
/// A record from an object; every field must be there, unless `fields_given` is passed: then leading fields
/// alone are enough and their number is stored there. Errors name the member, the type it should have and
/// what was given.
Result<void> record_from_json(const Layout& layout, const nlohmann::json& object, std::byte* record,
                              std::uint32_t* fields_given = nullptr);

}  // namespace perch::tables
