// Whether the JSON Schema in a manifest can be used: it comes from a file that nobody trusts yet.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace perch::plugin {

/// What config schemas may cost. Patterns are matched breadth-first: in a time that is bounded by their
/// sizes, and with a stack that does not grow with the text.
inline constexpr std::size_t schema_levels_max = 16;      ///< schemas inside schemas, `$ref` followed
inline constexpr std::size_t schema_definitions_max = 8;  ///< a chain of them is so deep on the stack
inline constexpr std::size_t schema_steps_max = 5'000;  ///< schemas in all, in each place that refers to them
inline constexpr std::size_t pattern_size_max = 1'000;  ///< characters; x{n} counts as n times x
inline constexpr std::size_t patterns_size_max = 10'000;  ///< of all patterns of a schema
inline constexpr std::size_t matched_bytes_max = 1'024;   ///< of a text, for a small pattern
inline constexpr std::size_t unique_items_max = 1'024;    ///< of an array with `uniqueItems`

/// The schema with what it may say and the host does not judge by (`format`, ids, `$schema`) taken out, and
/// its patterns.
struct UsableSchema {
  nlohmann::json schema;
  std::vector<std::string> patterns;
};

/// Draft 7 without `patternProperties`, with `x-pattern-words`: what a pattern means, for people. `$ref` to
/// "#", "#/definitions/NAME" and "#/$defs/NAME" alone. The error names the place, e.g.
/// `config_schema.properties.top.minimum: must be a number`. Never throws, loads nothing from elsewhere.
Result<UsableSchema> check_schema_rules(nlohmann::json schema);

/// How long a text may be that is matched against a pattern: the shorter, the larger the pattern.
std::size_t matched_bytes_max_of(const std::string& pattern);

/// The schema that a checked one refers to, or itself.
const nlohmann::json& follow_ref(const nlohmann::json& root, const nlohmann::json& schema);

}  // namespace perch::plugin
