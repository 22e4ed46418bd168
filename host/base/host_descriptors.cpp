#include "base/host_descriptors.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace perch::host_descriptors {
namespace {

constexpr int bits_per_word = 64;
constexpr int words = 1024;
// Relaxed: a bit says nothing about other memory. Who closes a number just as the host opens it elsewhere has
// a race of its own that no order would help.
constinit std::array<std::atomic<std::uint64_t>, words> bits{};

bool is_kept(int fd) noexcept { return fd >= 0 && fd < words * bits_per_word; }
std::uint64_t mask_of(int fd) noexcept { return std::uint64_t{1} << (fd % bits_per_word); }

}  // namespace

void add(int fd) noexcept {
  if (is_kept(fd))
    bits[static_cast<std::size_t>(fd / bits_per_word)].fetch_or(mask_of(fd), std::memory_order_relaxed);
}

void remove(int fd) noexcept {
  if (is_kept(fd))
    bits[static_cast<std::size_t>(fd / bits_per_word)].fetch_and(~mask_of(fd), std::memory_order_relaxed);
}

bool contains(int fd) noexcept {
  constexpr int standard_max = 2;
  if (fd >= 0 && fd <= standard_max) return true;
  return is_kept(fd) &&
         (bits[static_cast<std::size_t>(fd / bits_per_word)].load(std::memory_order_relaxed) & mask_of(fd));
}

}  // namespace perch::host_descriptors
