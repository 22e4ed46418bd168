#include "base/result.hpp"

#include <cerrno>
#include <system_error>

namespace perch {

const char* to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::failed:
      return "failed";
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::incompatible:
      return "incompatible";
    case ErrorKind::refused:
      return "refused";
    case ErrorKind::rolled_back:
      return "rolled_back";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::exhausted:
      return "exhausted";
    case ErrorKind::crashed:
      return "crashed";
  }
  return "failed";
}

ErrorKind parse_error_kind(std::string_view name) noexcept {
  for (const ErrorKind kind :
       {ErrorKind::usage, ErrorKind::not_found, ErrorKind::incompatible, ErrorKind::refused,
        ErrorKind::rolled_back, ErrorKind::timeout, ErrorKind::exhausted, ErrorKind::crashed}) {
    if (name == to_string(kind)) return kind;
  }
  return ErrorKind::failed;
}

tl::unexpected<Error> fail_errno(const std::string& what) {
  const int error = errno;
  return fail(what + ": " + std::generic_category().message(error));
}

}  // namespace perch
