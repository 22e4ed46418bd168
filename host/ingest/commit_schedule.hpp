// CommitSchedule: when rows that were applied have to be committed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace perch::ingest {

/// At max_rows rows, or max_delay after the *last commit*, whichever is first. So a row of a slow stream
/// waits for nothing, a row of a fast one never longer than max_delay, and commits that max_rows does not
/// force come no closer than max_delay: batches grow with the stream's rate.
///
/// Not thread safe. Time is given, never asked for.
class CommitSchedule {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// `start` counts as a first commit: rows that come right after it still gather.
  CommitSchedule(std::uint32_t max_rows, std::chrono::nanoseconds max_delay, TimePoint start) noexcept
      : max_rows_(std::max(max_rows, 1u)), max_delay_(max_delay), last_commit_(start) {}

  void set_policy(std::uint32_t max_rows, std::chrono::nanoseconds max_delay) noexcept {
    max_rows_ = std::max(max_rows, 1u);
    max_delay_ = max_delay;
  }
  std::uint32_t rows() const noexcept { return rows_; }
  void row_applied() noexcept { ++rows_; }
  bool is_full() const noexcept { return rows_ >= max_rows_; }
  /// How long the rows may still wait; zero or less: they are due. There are rows.
  std::chrono::nanoseconds time_left(TimePoint now) const noexcept { return last_commit_ + max_delay_ - now; }
  bool is_due(TimePoint now) const noexcept { return rows_ > 0 && time_left(now).count() <= 0; }
  void committed(TimePoint now) noexcept {
    rows_ = 0;
    last_commit_ = now;
  }

 private:
  std::uint32_t max_rows_;
  std::chrono::nanoseconds max_delay_;
  std::uint32_t rows_ = 0;
  TimePoint last_commit_;
};

}  // namespace perch::ingest
