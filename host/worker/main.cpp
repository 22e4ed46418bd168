// perch-worker: runs one reader's plugin for a host. The host starts it, and nobody else can use it.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "worker/worker.hpp"

int main() {
  constexpr int channel = 3;
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(channel, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    std::fputs("perch-worker is run by perchd, for readers with \"isolation\": \"process\"\n", stderr);
    return 2;
  }
  // The host may die at any time; whatever the plugin does, this process goes with it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  // What the plugin has left behind it may still use: nothing is destroyed.
  std::_Exit(perch::worker::run_worker(channel));
}
