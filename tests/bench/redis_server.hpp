// RedisServer: Debian's redis-server on a UNIX socket, for as long as this lives. No persistence, no port.
#pragma once

#include <sys/types.h>

#include <filesystem>

namespace perch::bench {

class RedisServer {
 public:
  explicit RedisServer(const std::filesystem::path& socket);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  /// The program; empty where it is not installed.
  static std::filesystem::path program();
  /// Processor time it has had.
  double cpu_seconds() const;

 private:
  pid_t pid_;
};

}  // namespace perch::bench
