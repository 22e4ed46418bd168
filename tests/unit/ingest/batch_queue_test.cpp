#include "ingest/batch_queue.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

#include "ingest/doorbell.hpp"

using namespace perch::ingest;

TEST_CASE("wide rows make smaller batches") {
  CHECK(perch::rows::RowBatch({{1, 8}}).capacity() == perch::rows::RowBatch::rows_max);
  CHECK(perch::rows::RowBatch({{8, 4096}}).capacity() == 63);
  CHECK(perch::rows::RowBatch({{8, 4096}}).capacity() * (64 + 4096) <= perch::rows::RowBatch::bytes_max);
}

TEST_CASE("a row has a record in each table that it feeds, and is taken whole or not at all") {
  perch::rows::RowBatch batch({{1, 12}, {2, 8}});
  batch.begin(0);
  for (std::uint64_t i = 0; i < 100; ++i) {
    const perch::rows::RowBatch::Open first = batch.open(0);
    *first.key = i;
    std::memset(first.value, 0xff, 12);
    if (i % 3 == 0) {
      batch.abandon_row();
      continue;
    }
    if (i % 2 == 0) {
      const perch::rows::RowBatch::Open second = batch.open(1);
      second.key[0] = i;
      second.key[1] = ~i;
      CHECK(std::all_of(second.value, second.value + 8, [](std::byte b) { return b == std::byte{0}; }));
      std::memcpy(second.value, &i, sizeof i);
    }
    batch.close_row(10 * i);
  }
  CHECK(batch.size() == 66);
  std::uint32_t row = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    if (i % 3 == 0) continue;
    CHECK(batch.end(row) == 10 * i);
    const std::uint32_t begin = batch.record_begin(row);
    REQUIRE(batch.record_begin(row + 1) - begin == (i % 2 == 0 ? 2 : 1));
    CHECK(batch.record(begin).feed == 0);
    CHECK(*batch.record(begin).key == i);
    if (i % 2 == 0) {
      CHECK(batch.record(begin + 1).feed == 1);
      CHECK(batch.record(begin + 1).key[1] == ~i);
      CHECK(std::memcmp(batch.record(begin + 1).value, &i, sizeof i) == 0);
    }
    ++row;
  }
}

TEST_CASE("a queue takes so many batches and no more, first in, first out") {
  BatchQueue queue({{1, 8}});
  CHECK(queue.front() == nullptr);
  for (std::uint64_t i = 0; i < BatchQueue::capacity(); ++i) {
    perch::rows::RowBatch* batch = queue.free_slot();
    REQUIRE(batch != nullptr);
    batch->begin(i);
    queue.publish();
  }
  CHECK(queue.free_slot() == nullptr);
  CHECK(queue.size() == BatchQueue::capacity());
  for (std::uint64_t i = 0; i < BatchQueue::capacity(); ++i) {
    REQUIRE(queue.front() != nullptr);
    CHECK(queue.front()->run() == i);
    queue.pop();
  }
  CHECK(queue.front() == nullptr);
}

TEST_CASE("every row crosses from thread to thread once, in order, with both sides falling asleep") {
  constexpr std::uint64_t rows = 400'000;
  BatchQueue queue({{1, 8}});
  Doorbell work;
  Doorbell room;
  std::thread producer([&] {
    std::mt19937 random(3);
    for (std::uint64_t next = 0; next < rows;) {
      perch::rows::RowBatch* batch = nullptr;
      while ((batch = queue.free_slot()) == nullptr) {
        room.sleep([&] { return queue.free_slot() == nullptr; });
      }
      batch->begin(0);
      // Small batches mostly, so that the queue is often empty and often full.
      for (std::uint32_t left = 1 + random() % 5; left > 0 && next < rows; --left, ++next) {
        const perch::rows::RowBatch::Open record = batch->open(0);
        *record.key = next;
        const std::uint64_t value = next * 3;
        std::memcpy(record.value, &value, sizeof value);
        batch->close_row(next + 1);
      }
      queue.publish();
      work.ring();
    }
  });
  std::uint64_t expected = 0;
  std::uint64_t wrong = 0;
  while (expected < rows) {
    const perch::rows::RowBatch* batch = queue.front();
    if (batch == nullptr) {
      work.sleep([&] { return queue.front() == nullptr; });
      continue;
    }
    for (std::uint32_t row = 0; row < batch->size(); ++row, ++expected) {
      std::uint64_t value = 0;
      const perch::rows::RowBatch::Record record = batch->record(batch->record_begin(row));
      std::memcpy(&value, record.value, sizeof value);
      wrong += *record.key != expected || value != expected * 3 || batch->end(row) != expected + 1;
    }
    queue.pop();
    room.ring();
  }
  producer.join();
  CHECK(wrong == 0);
  CHECK(queue.size() == 0);
}
