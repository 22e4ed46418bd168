// StatusBoard: what the manager last said of its readers, for everyone to read without waiting for the
// manager.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "instances/live_stats.hpp"
#include "instances/pinned_versions.hpp"
#include "instances/reader_status.hpp"

namespace perch::readers {

struct StatusEntry {
  instances::ReaderStatus status;
  std::shared_ptr<const instances::LiveStats> live;  ///< null: nothing runs

  instances::ReaderStatus now() const {
    instances::ReaderStatus copy = status;
    if (live) live->copy_to(copy);
    return copy;
  }
};

/// A generation that may pin versions.
struct HolderEntry {
  std::string reader;
  std::uint64_t generation = 0;
  std::string what;  ///< for what it needs them; "": its steps
  std::shared_ptr<const instances::LiveStats> live;

  void add_pins(std::vector<instances::PinHolder>& pins) const;
};

/// Thread safe.
class StatusBoard {
 public:
  void set(std::vector<StatusEntry> entries, std::vector<HolderEntry> holders,
           std::vector<std::string> degraded) {
    const std::lock_guard lock(mutex_);
    degraded_.swap(degraded);
    entries_.swap(entries);
    holders_.swap(holders);
  }
  std::vector<instances::ReaderStatus> readers() const {
    std::vector<instances::ReaderStatus> readers;
    const std::lock_guard lock(mutex_);
    for (const StatusEntry& entry : entries_) readers.push_back(entry.now());
    return readers;
  }

  std::vector<std::string> degraded() const {
    const std::lock_guard lock(mutex_);
    return degraded_;
  }

  std::vector<instances::PinHolder> pins() const {
    std::vector<instances::PinHolder> pins;
    const std::lock_guard lock(mutex_);
    for (const HolderEntry& holder : holders_) holder.add_pins(pins);
    return pins;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<StatusEntry> entries_;
  std::vector<HolderEntry> holders_;
  std::vector<std::string> degraded_;
};

}  // namespace perch::readers
