// Configs made from a plugin's config schema: what a user could write, and the odd ends of it.
#pragma once

#include <string>
#include <vector>

#include "check/sample_values.hpp"
#include "check/verdict.hpp"
#include "plugin/manifest.hpp"

namespace perch::check {

struct SampleConfig {
  std::string json;
  std::string what;             ///< "every at its default", "an unknown member"
  bool is_recommended = false;  ///< the schema itself names the values: defaults, examples
};

/// The least that the schema allows: {} unless it requires members, which then get their defaults or else
/// what their schema allows.
std::string least_config(const plugin::Manifest& manifest);

/// {} and whole configs, one member changed at a time: absent, default, each choice, smallest, largest, odd.
/// Those that the schema refuses, which the host keeps from the plugin, are left out.
std::vector<SampleConfig> sample_configs(const plugin::Manifest& manifest, SampleValues& values);

}  // namespace perch::check
