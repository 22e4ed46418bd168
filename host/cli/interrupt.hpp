// Ctrl-C as a descriptor, so that a command that runs on ends in an orderly way.
#pragma once

#include "base/unique_fd.hpp"

namespace perch::cli {

/// Readable when the user wants to stop (SIGINT, SIGTERM), which does nothing else from now on.
UniqueFd interrupt_signals();

}  // namespace perch::cli
