// Descriptors over an AF_UNIX socket: they go along with the first byte of what is sent (unix(7),
// SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <vector>

#include "base/unique_fd.hpp"

namespace perch {

inline constexpr std::size_t descriptors_per_message_max = 4;

/// As send(2), with at most so many descriptors; without any it is send.
ssize_t send_with_descriptors(int socket, std::span<const char> bytes, std::span<const int> descriptors,
                              int flags) noexcept;

/// As recv(2); descriptors that come along are put behind those in `into`, closed on exec.
ssize_t receive_with_descriptors(int socket, std::span<char> bytes, std::vector<UniqueFd>& into, int flags);

}  // namespace perch
