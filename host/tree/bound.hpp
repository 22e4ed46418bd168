// Bound: one end of a range of keys.
#pragma once

#include <cstdint>

namespace perch::tree {

/// No key: that side is open.
struct Bound {
  const std::uint64_t* key = nullptr;
  bool inclusive = true;
};

}  // namespace perch::tree
