// PERCH_ASSERT: checks that guard memory or data, in every build type.
//
// A failed one is a bug of ours (or of a plugin that broke the contract): the process ends, since going on
// could publish wrong data. Expected failures are values (host/base/result.hpp), never assertions.
#pragma once

namespace perch {

[[noreturn]] void assertion_failed(const char* expression, const char* message, const char* file,
                                   int line) noexcept;

}  // namespace perch

#define PERCH_ASSERT(expression, message)             \
  (__builtin_expect(static_cast<bool>(expression), 1) \
       ? static_cast<void>(0)                         \
       : ::perch::assertion_failed(#expression, message, __FILE__, __LINE__))
