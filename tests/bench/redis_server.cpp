#include "redis_server.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

#include "base/assert.hpp"

namespace perch::bench {

std::filesystem::path RedisServer::program() {
  for (const char* candidate : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"}) {
    if (::access(candidate, X_OK) == 0) return candidate;
  }
  return {};
}

RedisServer::RedisServer(const std::filesystem::path& socket) : pid_(::fork()) {
  PERCH_ASSERT(pid_ >= 0, "no process");
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (const int standard : {0, 1, 2}) ::dup2(nowhere, standard);
  ::execl(program().c_str(), "redis-server", "--port", "0", "--unixsocket", socket.c_str(), "--save", "",
          "--appendonly", "no", nullptr);
  ::_exit(127);
}

RedisServer::~RedisServer() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

double RedisServer::cpu_seconds() const {
  double seconds = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
    std::ifstream file(thread.path() / "schedstat");  // time on a processor in ns, then other things
    double nanoseconds = 0;
    file >> nanoseconds;
    seconds += nanoseconds / 1e9;
  }
  return seconds;
}

}  // namespace perch::bench
