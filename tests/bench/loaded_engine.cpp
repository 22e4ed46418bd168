#include "loaded_engine.hpp"

#include <cstdio>
#include <cstdlib>

#include "measuring.hpp"

namespace perch::bench {

LoadedEngine::LoadedEngine(const EngineKind& kind, std::uint64_t rows, ValueSize size)
    : kind_(kind), size_(size), rounds_(rows), engine_(kind.make(size)), reader_(engine_->make_reader()) {
  std::vector<std::uint64_t> batch;
  const ThreadTimer timer;
  for (std::uint64_t row = 0; row < rows;) {
    batch.clear();
    for (; row < rows && batch.size() < 1024; ++row) batch.push_back(key_of_row(row));
    expect_room(engine_->upsert(batch, 0));
  }
  load_ns_per_row_ = timer.elapsed_ns() / static_cast<double>(rows);
  expect_sum(reader_->scan(), expected_scan(), "what was loaded");
}

void LoadedEngine::note_rows(std::span<const std::uint64_t> rows, std::uint32_t round) {
  for (const std::uint64_t row : rows) rounds_[row] = round;
}

std::uint64_t LoadedEngine::expected_get(std::span<const std::uint64_t> rows) const {
  std::uint64_t sum = 0;
  for (const std::uint64_t row : rows) sum += digest_of_row(key_of_row(row), rounds_[row], size_);
  return sum;
}

std::uint64_t LoadedEngine::expected_scan() const {
  std::uint64_t sum = 0;
  for (std::uint64_t row = 0; row < rounds_.size(); ++row)
    sum += key_of_row(row) + digest_of_row(key_of_row(row), rounds_[row], size_);
  return sum;
}

void LoadedEngine::expect_sum(std::uint64_t actual, std::uint64_t expected, const char* what) const {
  if (actual == expected) return;
  std::fprintf(stderr, "%s: wrong checksum of %s\n", kind_.name.c_str(), what);
  std::exit(1);
}

void LoadedEngine::expect_room(bool had_room) const {
  if (had_room) return;
  std::fprintf(stderr, "%s: the store is full\n", kind_.name.c_str());
  std::exit(1);
}

std::uint64_t digest_of_row(std::uint64_t key, std::uint64_t round, ValueSize size) {
  return size == ValueSize::bytes_8 ? digest(make_value<1>(key, round)) : digest(make_value<4>(key, round));
}

}  // namespace perch::bench
