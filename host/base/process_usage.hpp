// What the process takes of the system, as the kernel counts it (proc(5)): what leaks shows here.
#pragma once

#include <cstdint>

namespace perch {

struct ProcessUsage {
  std::uint64_t heap_bytes = 0;    ///< resident and nobody else's: heap, stacks, data (RssAnon)
  std::uint64_t shared_bytes = 0;  ///< resident shared memory: of the arena what has been used (RssShmem)
  std::uint64_t threads = 0;
  std::uint64_t descriptors = 0;
};

/// Zeros where /proc cannot be read.
ProcessUsage process_usage();

}  // namespace perch
