// SavedState: what an instance knew as of a version, and that version kept alive.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tree/pins.hpp"

namespace perch::instances {

/// Copies share the bytes and the pin.
struct SavedState {
  std::shared_ptr<const std::string> bytes = std::make_shared<const std::string>();  ///< never null
  std::uint32_t state_version = 0;
  tree::Version version = 0;
  tree::SharedSnapshot snapshot;  ///< null at version 0
};

}  // namespace perch::instances
