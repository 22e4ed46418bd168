#include "tree/huge_pages.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/unique_fd.hpp"
#include "tree/arena.hpp"

namespace perch::tree::test {

namespace huge_pages_test {

constexpr std::uint64_t bytes = 4 * huge_page_bytes;
constexpr std::uint64_t word_count = bytes / sizeof(std::uint64_t);

/// A shared mapping of `bytes`, backed by memory.
struct Mapping {
  UniqueFd fd{memfd_create("huge-pages-test", MFD_CLOEXEC)};
  std::byte* start = nullptr;

  Mapping() {
    REQUIRE(ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
    REQUIRE(commit_with_fallocate(fd.get(), 0, bytes) == 0);
    void* const mapped = map_for_huge_pages(bytes, PROT_READ | PROT_WRITE, fd.get());
    REQUIRE(mapped != MAP_FAILED);
    start = static_cast<std::byte*>(mapped);
  }
  ~Mapping() { munmap(start, bytes); }
};

TEST_CASE("huge pages: what is written while pages become huge ones is seen through every mapping") {
  const Mapping mapping;
  CHECK(reinterpret_cast<std::uintptr_t>(mapping.start) % huge_page_bytes == 0);
  void* const other = map_for_huge_pages(bytes, PROT_READ, mapping.fd.get());
  REQUIRE(other != MAP_FAILED);
  auto* const written = reinterpret_cast<std::atomic<std::uint64_t>*>(mapping.start);
  const auto* const seen = static_cast<const std::atomic<std::uint64_t>*>(other);

  std::atomic<bool> done{false};
  std::thread collapsing([&] {
    HugePages pages(mapping.start);
    while (pages.has_work(bytes)) pages.step();
    CHECK(pages.bytes() <= bytes);
    CHECK(pages.bytes() % huge_page_bytes == 0);
    done.store(true);
  });
  std::uint64_t round = 0;
  std::uint64_t wrong = 0;
  do {
    ++round;
    for (std::uint64_t i = 0; i < word_count; i += 8) written[i].store(i + round);
    for (std::uint64_t i = 0; i < word_count; i += 8) wrong += seen[i].load() != i + round ? 1 : 0;
  } while (!done.load());
  collapsing.join();
  for (std::uint64_t i = 0; i < word_count; i += 8) wrong += seen[i].load() != i + round ? 1 : 0;
  CHECK(wrong == 0);
  munmap(other, bytes);
}

TEST_CASE("huge pages: only whole ones that are backed by memory are work") {
  const Mapping mapping;
  HugePages pages(mapping.start);
  CHECK(!pages.has_work(0));
  CHECK(!pages.has_work(huge_page_bytes - 1));
  CHECK(pages.has_work(huge_page_bytes));
  pages.step();
  CHECK(!pages.has_work(2 * huge_page_bytes - 1));
  CHECK(pages.has_work(2 * huge_page_bytes));
}

TEST_CASE("huge pages: where they cannot be had, trying ends") {
  const Mapping mapping;
  HugePages pages(mapping.start + 1);  // not a page's address: the kernel always refuses (EINVAL)
  int steps = 0;
  for (; pages.has_work(UINT64_MAX); ++steps) {
    REQUIRE(steps < 1000);
    pages.step();
  }
  CHECK(steps > 0);
  CHECK(pages.bytes() == 0);
}

}  // namespace huge_pages_test
}  // namespace perch::tree::test
