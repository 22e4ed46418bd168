// The config file as a JSON document, before anybody asks what it means.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.hpp"

namespace perch {

/// Keeps the members' order: tables are numbered in the order in which they stand in the file.
using ConfigJson = nlohmann::ordered_json;

inline constexpr std::size_t config_bytes_max = 4u << 20;
inline constexpr std::size_t config_depth_max = 64;

/// Errors: missing or unreadable file, over config_bytes_max, not JSON (with line and column), nested deeper
/// than config_depth_max, a name given twice in one object (with its place; JSON parsers keep the last one
/// silently), no object.
Result<ConfigJson> read_config_document(const std::filesystem::path& file);

/// "tables.trades" + "retain" → "tables.trades.retain"; at the top just the name.
std::string join_place(std::string_view place, std::string_view name);
/// "sources" + 2 → "sources[2]"
std::string join_place(std::string_view place, std::size_t index);

}  // namespace perch
