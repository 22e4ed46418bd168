#include "readers/reader_checkpoint.hpp"

#include <utility>

#include "base/log.hpp"

namespace perch::readers {
namespace {

/// A second instance that fails from the same checkpoint may have inherited what it fails of.
constexpr std::uint64_t restarts_per_checkpoint_max = 2;

}  // namespace

void ReaderCheckpoint::keep_of(const instances::Instance& instance) {
  if (auto saved = instance.checkpoint()) kept_ = Kept{std::move(*saved), instance.stats()};
}

std::optional<instances::SavedState> ReaderCheckpoint::usable_by(const plugin::Manifest& next,
                                                                 const std::string& reader) const {
  if (!kept_) return std::nullopt;
  const instances::SavedState& state = kept_->state;
  if (state.state_version >= next.state_oldest && state.state_version <= next.state_version) return state;
  spdlog::warn("reader {}: plugin {} {} cannot restore its checkpoint (state version {}): it starts afresh",
               reader, next.id, next.version, state.state_version);
  return std::nullopt;
}

tree::Version ReaderCheckpoint::count_restart(const std::string& reader) {
  const tree::Version from = version();
  if (std::exchange(restarted_from_, from) != from) restarts_from_it_ = 0;
  if (from > 0 && restarts_from_it_++ >= restarts_per_checkpoint_max) {
    spdlog::warn("reader {}: failed {} times from its checkpoint at version {}: it starts from the first row",
                 reader, restarts_per_checkpoint_max, from);
    drop();
  }
  return version();
}

}  // namespace perch::readers
