// "did you mean …": the nearest valid name to one that a person wrote.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace perch {

/// The candidate with the smallest edit distance to `name`, or "" when none is near (over half its length).
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

}  // namespace perch
