// JSON from somebody who is not trusted.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace perch {

/// Why a text was not taken.
struct JsonRefusal {
  bool is_too_deep = false;
  std::string message;  ///< "is nested deeper than 64 levels", "is not JSON: …"; of at most 320 bytes
};

/// Whether an object may have a name more than once. Readers of JSON differ in which one counts.
enum class JsonNames { any, once };

/// Refused when it is no JSON, or has more than `depth_max` objects and arrays in one another: what is parsed
/// without recursion is copied, compared and printed with it, and a deep one runs out of stack there.
tl::expected<nlohmann::json, JsonRefusal> parse_bounded(std::string_view text, int depth_max,
                                                        JsonNames names = JsonNames::any);

/// Whether parse_bounded would take it, with names of any kind.
bool is_bounded_json(std::string_view text, int depth_max);

}  // namespace perch
