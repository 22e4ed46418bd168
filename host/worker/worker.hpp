// Worker: a process that runs one instance of a plugin for the host, by its orders.
#pragma once

namespace perch::worker {

/// Speaks with the host over the socket `channel` until it is told to end, or the host is gone. Returns the
/// exit status: 0 as told, 1 otherwise; the plugin's library stays mapped then.
int run_worker(int channel);

}  // namespace perch::worker
