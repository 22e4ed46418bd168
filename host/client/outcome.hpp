// How a request, or a whole command, ends: with what was asked for, or with a failure and the exit code that
// a script sees.
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.hpp"

namespace perch::client {

/// Members keep the order in which the host wrote them.
using Json = nlohmann::ordered_json;

/// Part of the public interface: scripts decide on them.
enum ExitCode : int {
  exit_done = 0,
  exit_failed = 1,
  exit_usage = 2,
  exit_no_host = 3,
  exit_incompatible = 4,
  exit_rolled_back = 5,
  exit_timeout = 6,
};

struct Failure {
  ExitCode exit_code = exit_failed;
  Error error;
};

template <class T>
using Outcome = tl::expected<T, Failure>;

/// The exit code of an error's kind.
inline ExitCode exit_code_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::usage:
      return exit_usage;
    case ErrorKind::incompatible:
      return exit_incompatible;
    case ErrorKind::rolled_back:
      return exit_rolled_back;
    case ErrorKind::timeout:
      return exit_timeout;
    default:
      return exit_failed;
  }
}

inline tl::unexpected<Failure> end_with(ExitCode code, std::string message) {
  return tl::make_unexpected(Failure{code, Error{ErrorKind::failed, std::move(message), {}}});
}
inline tl::unexpected<Failure> end_with(Error error) {
  const ExitCode code = exit_code_of(error.kind);
  return tl::make_unexpected(Failure{code, std::move(error)});
}
inline tl::unexpected<Failure> end_with(Failure failure) { return tl::make_unexpected(std::move(failure)); }

}  // namespace perch::client
