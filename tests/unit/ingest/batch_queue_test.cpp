#include "ingest/batch_queue.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <thread>

#include "ingest/doorbell.hpp"

using namespace perch::ingest;

TEST_CASE("wide rows make smaller batches") {
  CHECK(RowBatch(1, 8).capacity() == RowBatch::rows_max);
  CHECK(RowBatch(8, 4096).capacity() == 63);
  CHECK(RowBatch(8, 4096).capacity() * (64 + 4096) <= RowBatch::bytes_max);
}

TEST_CASE("a queue takes so many batches and no more, first in, first out") {
  BatchQueue queue(1, 8);
  CHECK(queue.front() == nullptr);
  for (std::uint64_t i = 0; i < BatchQueue::capacity(); ++i) {
    RowBatch* batch = queue.free_slot();
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
  BatchQueue queue(1, 8);
  Doorbell work;
  Doorbell room;
  std::thread producer([&] {
    std::mt19937 random(3);
    for (std::uint64_t next = 0; next < rows;) {
      RowBatch* batch = nullptr;
      while ((batch = queue.free_slot()) == nullptr) {
        room.sleep([&] { return queue.free_slot() == nullptr; });
      }
      batch->begin(0);
      // Small batches mostly, so that the queue is often empty and often full.
      for (std::uint32_t left = 1 + random() % 5; left > 0 && next < rows; --left, ++next) {
        *batch->next_key() = next;
        const std::uint64_t value = next * 3;
        std::memcpy(batch->next_value(), &value, sizeof value);
        batch->append(next + 1);
      }
      queue.publish();
      work.ring();
    }
  });
  std::uint64_t expected = 0;
  std::uint64_t wrong = 0;
  while (expected < rows) {
    const RowBatch* batch = queue.front();
    if (batch == nullptr) {
      work.sleep([&] { return queue.front() == nullptr; });
      continue;
    }
    for (std::uint32_t row = 0; row < batch->size(); ++row, ++expected) {
      std::uint64_t value = 0;
      std::memcpy(&value, batch->value(row), sizeof value);
      wrong += *batch->key(row) != expected || value != expected * 3 || batch->end(row) != expected + 1;
    }
    queue.pop();
    room.ring();
  }
  producer.join();
  CHECK(wrong == 0);
  CHECK(queue.size() == 0);
}
