// The list of checks.
#include <algorithm>

#include "check/check.hpp"

namespace perch::check {
namespace {

constexpr Check checks[] = {
    {"manifest", "what the plugin says about itself can be read and is right", false, check_manifest},
    {"symbols", "it exports perch_plugin and nothing else", false, check_symbols},
    {"unmappable", "nothing in the file keeps the loader from unmapping it", false, check_unmappable},
    {"libraries", "the libraries and symbols that it needs are there", true, check_libraries},
    {"load", "it can be loaded and unloaded over and over, and is gone each time", true, check_load},
    {"life-cycle", "it can be called in every legal order", true, check_life_cycle},
};

}  // namespace

std::span<const Check> all_checks() noexcept { return checks; }

const Check* find_check(std::string_view name) noexcept {
  const auto found = std::find_if(std::begin(checks), std::end(checks),
                                  [&](const Check& check) { return name == check.name; });
  return found == std::end(checks) ? nullptr : found;
}

}  // namespace perch::check
