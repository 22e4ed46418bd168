// ReaderCheckpoint: what a reader that does not run can go on from, and how often that was tried.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "instances/instance.hpp"
#include "plugin/manifest.hpp"
#include "tree/format.hpp"

namespace perch::readers {

/// For the manager thread.
class ReaderCheckpoint {
 public:
  bool is_there() const noexcept { return kept_.has_value(); }
  tree::Version version() const noexcept { return kept_ ? kept_->state.version : 0; }  ///< 0: none
  /// Of the instance that saved it: says since when its version is held. Null: none.
  std::shared_ptr<const instances::LiveStats> noted_in() const { return kept_ ? kept_->noted_in : nullptr; }

  /// Takes over what the instance, which is about to end, has saved. One that has saved nothing changes
  /// nothing: it has begun from none, or could not take this one over.
  void keep_of(const instances::Instance& instance);
  void drop() noexcept { kept_.reset(); }

  /// What an instance of this plugin can begin from, if anything.
  std::optional<instances::SavedState> usable_by(const plugin::Manifest& next,
                                                 const std::string& reader) const;
  /// Counts a restart. One that failed too often from here is dropped. Returns version().
  tree::Version count_restart(const std::string& reader);

 private:
  struct Kept {
    instances::SavedState state;
    std::shared_ptr<const instances::LiveStats> noted_in;
  };
  std::optional<Kept> kept_;
  tree::Version restarted_from_ = 0;  // as of the last restart
  std::uint64_t restarts_from_it_ = 0;
};

}  // namespace perch::readers
