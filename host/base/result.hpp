// Expected failures are values: Result<T> is a T or an Error with a message a user can act on.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace perch {

/// What a caller can decide on; the control protocol's `data.kind` and the CLI's exit code come from it.
enum class ErrorKind {
  failed,        ///< it was tried and did not work
  usage,         ///< the request or config is wrong
  not_found,     ///< no such table, reader, file …
  incompatible,  ///< a plugin that does not fit: `details` has one line per difference
  refused,       ///< policy says no
  rolled_back,   ///< a swap was undone
  timeout,       ///< a bound on waiting was reached
  exhausted,     ///< out of arena, slots, queue …
  crashed,       ///< a reader's code crashed: its thread is parked for ever
};

/// The kind as it is written in the control protocol, e.g. "rolled_back".
const char* to_string(ErrorKind kind) noexcept;
/// The kind of that name; `failed` for any other, since a newer host may know more.
ErrorKind parse_error_kind(std::string_view name) noexcept;

struct Error {
  ErrorKind kind = ErrorKind::failed;
  std::string message;               ///< one line, says what to do where that is known
  std::vector<std::string> details;  ///< further lines, e.g. every difference of a layout
};

template <class T>
using Result = tl::expected<T, Error>;

/// `return fail("…")` from a function that returns a Result.
inline tl::unexpected<Error> fail(std::string message) {
  return tl::make_unexpected(Error{ErrorKind::failed, std::move(message), {}});
}
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message,
                                  std::vector<std::string> details = {}) {
  return tl::make_unexpected(Error{kind, std::move(message), std::move(details)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::make_unexpected(std::move(error)); }
/// Of something that a person wrote: `place` is where.
inline tl::unexpected<Error> fail_at(const std::string& place, const std::string& message) {
  return fail(ErrorKind::usage, place + ": " + message);
}

/// "open /x: No such file or directory": what was tried, on what, and errno's text.
tl::unexpected<Error> fail_errno(const std::string& what);

}  // namespace perch
