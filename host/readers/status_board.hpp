// StatusBoard: what the manager last said of its readers, for everyone to read without waiting for the
// manager.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "readers/live_stats.hpp"
#include "readers/reader_manager.hpp"

namespace perch::readers {

struct StatusEntry {
  ReaderStatus status;
  std::shared_ptr<const LiveStats> live;  ///< null: nothing runs

  ReaderStatus now() const {
    ReaderStatus copy = status;
    if (live) live->copy_to(copy);
    return copy;
  }
};

/// Thread safe.
class StatusBoard {
 public:
  void set(std::vector<StatusEntry> entries) {
    const std::lock_guard lock(mutex_);
    entries_.swap(entries);
  }
  std::vector<ReaderStatus> readers() const {
    std::vector<ReaderStatus> readers;
    const std::lock_guard lock(mutex_);
    for (const StatusEntry& entry : entries_) readers.push_back(entry.now());
    return readers;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<StatusEntry> entries_;
};

}  // namespace perch::readers
