// Judges a config by a JSON Schema; the verdict is in words that a person reads.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace perch::plugin {

/// Whether a text matches a pattern of the schema.
using MatchesPattern = std::function<bool(const std::string& pattern, const std::string& text)>;

/// One line each, e.g. `config.top: must be at most 100, not 1000 (how many processes)`; at most 20, and one
/// that says how many more. A config that would cost too much to be checked is one problem. `schema` has
/// passed check_schema_rules.
std::vector<std::string> find_config_problems(const nlohmann::json& schema, const nlohmann::json& config,
                                              const MatchesPattern& matches);

}  // namespace perch::plugin
