// What can be known of a config's readers before anything runs: the plugins in the folder, their schemas.
#pragma once

#include <string>
#include <vector>

#include "readers/readers_spec.hpp"

namespace perch::readers {

struct InstanceCheck {
  /// The config has to be changed: a reader would not start with it.
  std::vector<std::string> errors;
  /// A reader would not run as things are now, or not as the config says: its plugin is not there, or its
  /// file is refused, or what its sandbox would let it read is not there.
  std::vector<std::string> warnings;
};

/// Reads manifests only: no code of a plugin runs, and the folder is not created.
InstanceCheck check_instances(const ReadersSpec& spec);

}  // namespace perch::readers
