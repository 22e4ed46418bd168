// Where another thread of this process is right now.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace perch::containment {

/// Interrupts the thread for a moment (a real-time signal: a sleep in a system call may end early) and
/// returns its stack, innermost first and down to the host's own code, as text; empty when it does not answer
/// within 200 ms, such as one that blocks all signals. Any thread; one sample at a time.
std::vector<std::string> sample_stack(pid_t thread);

}  // namespace perch::containment
