#include "feeder.hpp"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace perch::bench {

BenchFolder::BenchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "perch-bench-XXXXXX").string();
  PERCH_ASSERT(::mkdtemp(name.data()) != nullptr, "no temporary folder");
  path_ = name;
}

UniqueFd connect_to(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", socket.c_str());
  for (int attempt = 0; attempt < 1000; ++attempt) {
    UniqueFd descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      return descriptor;
    ::usleep(10'000);
  }
  std::fprintf(stderr, "nobody listens on %s\n", socket.c_str());
  std::exit(1);
}

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), std::min<std::size_t>(bytes.size(), 256u << 10));
    if (count <= 0) {
      std::perror("perch_bench: writing to the socket");
      std::exit(1);
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

Feeder::Feeder(std::filesystem::path socket, std::string_view bytes) {
  int ends[2];
  PERCH_ASSERT(::pipe(ends) == 0, "no pipe");
  pid_ = ::fork();
  PERCH_ASSERT(pid_ >= 0, "no process");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[1]);
    char start;
    if (::read(ends[0], &start, 1) == 1) {
      const UniqueFd descriptor = connect_to(socket);
      write_all(descriptor.get(), bytes);
    }
    ::_exit(0);
  }
  ::close(ends[0]);
  start_ = UniqueFd(ends[1]);
}

Feeder::~Feeder() {
  start_.reset();
  ::waitpid(pid_, nullptr, 0);
}

void Feeder::go() { PERCH_ASSERT(::write(start_.get(), "x", 1) == 1, "the feeder is gone"); }

double process_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double now_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

}  // namespace perch::bench
