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
    {"instances", "several of it live side by side", true, check_instances},
    {"grown-records", "it reads the records of a host whose records have grown", true, check_grown_records},
    {"state", "what save writes, restore takes over", true, check_state},
    {"damaged-state", "damaged states are refused or taken, and do no harm", true, check_damaged_state},
    {"config", "configs that its schema allows are accepted, or refused with a message", true, check_config},
    {"output", "what it publishes, logs and counts is what a host takes", true, check_output},
    {"callbacks", "its callbacks return soon", true, check_callbacks},
    {"leftovers", "nothing of it is left when its instances are gone", true, check_leftovers},
};

}  // namespace

std::span<const Check> all_checks() noexcept { return checks; }

const Check* find_check(std::string_view name) noexcept {
  const auto found = std::find_if(std::begin(checks), std::end(checks),
                                  [&](const Check& check) { return name == check.name; });
  return found == std::end(checks) ? nullptr : found;
}

}  // namespace perch::check
