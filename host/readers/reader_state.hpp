// ReaderState: what a reader is doing, which state may follow which, and which parts a reader has in each.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace perch::readers {

enum class ReaderState : std::uint8_t {
  starting,  ///< is being added, and not shown yet
  running,
  swapping,     ///< a swap is under way
  probation,    ///< the new generation runs, the old one is suspended
  failed,       ///< its config is wrong: it is not started again by itself
  restarting,   ///< faulted; waits for its restart
  quarantined,  ///< faulted too often, or crashed; runs again after enable, swap, or when its file changes
  disabled,     ///< a person stopped it until it is enabled
};
inline constexpr std::array reader_states{
    ReaderState::starting, ReaderState::running,    ReaderState::swapping,    ReaderState::probation,
    ReaderState::failed,   ReaderState::restarting, ReaderState::quarantined, ReaderState::disabled};

const char* to_string(ReaderState state) noexcept;

/// Any state may be the last one: a reader can be unloaded at any time.
bool may_follow(ReaderState before, ReaderState next) noexcept;
/// Whether the time of a restart outlives a change to this state.
bool may_have_restart_time(ReaderState state) noexcept;

/// Which of its parts a reader has.
struct ReaderParts {
  bool library = false;       ///< the code of its generation
  bool instance = false;      ///< that runs in it
  bool probation = false;     ///< a swap that waits for its verdict
  bool suspended = false;     ///< the instance that a rollback brings back
  bool restart_time = false;  ///< when it is started again
  bool checkpoint = false;    ///< what its next instance goes on from
};

/// What is wrong with a reader that is shown in this state with these parts, in words; "": nothing.
std::string problem_of(ReaderState state, const ReaderParts& parts);

}  // namespace perch::readers
