// What is wrong with a config, in words: the side of a JSON Schema's judgement that a person reads.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace perch::plugin {

struct ConfigProblems {
  /// One line each, e.g. `config.top: must be at most 100, not 1000 (how many processes)`.
  std::vector<std::string> lines;
  /// It was not looked at to its end, since that would cost too much; `lines` says what.
  bool too_large = false;
};

/// Whether a text matches a pattern of the schema.
using MatchesPattern = std::function<bool(const std::string& pattern, const std::string& text)>;

/// `schema` has passed check_schema_rules. Judges by the same keywords; at most 20 lines.
ConfigProblems find_config_problems(const nlohmann::json& schema, const nlohmann::json& config,
                                    const MatchesPattern& matches);

}  // namespace perch::plugin
