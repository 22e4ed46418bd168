// Stamps: the numbers that a source gives to its rows itself.
#pragma once

#include <algorithm>
#include <cstdint>

namespace perch::rows {

/// For the source's thread alone.
class Stamps {
 public:
  /// When the bytes at hand were read.
  void read_at(std::int64_t unix_ns) noexcept { read_ns_ = unix_ns; }

  /// What the next row gets; asking changes nothing.
  std::uint64_t sequence() const noexcept { return rows_ + 1; }
  std::int64_t arrival_ns() const noexcept { return std::max(read_ns_, last_arrival_ns_ + 1); }
  /// The row was taken.
  void taken() noexcept {
    last_arrival_ns_ = arrival_ns();
    ++rows_;
  }

 private:
  std::uint64_t rows_ = 0;
  std::int64_t read_ns_ = 0;
  std::int64_t last_arrival_ns_ = 0;
};

}  // namespace perch::rows
