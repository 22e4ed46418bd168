// JSON from somebody who is not trusted.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace perch {

/// Discarded (see nlohmann::json::is_discarded) when it is no JSON, or has more than `depth_max` objects and
/// arrays in one another: what is parsed without recursion is copied, compared and printed with it, and a
/// deep one runs out of stack there.
nlohmann::json parse_bounded(std::string_view text, int depth_max);

/// Whether parse_bounded would take it.
bool is_bounded_json(std::string_view text, int depth_max);

}  // namespace perch
