// The file descriptors that are the host's own, for those who must not close them: code of plugins runs in
// the same process. UniqueFd keeps the list.
#pragma once

namespace perch::host_descriptors {

/// All three: thread safe, async-signal-safe, never waiting. 0, 1 and 2 are always the host's; numbers from
/// 65536 on are not kept.
void add(int fd) noexcept;
void remove(int fd) noexcept;
bool contains(int fd) noexcept;

}  // namespace perch::host_descriptors
