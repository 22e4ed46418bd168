// get and get_many: the same answers, whatever the width of the keys, the size of the batch and the shape of
// the tree.
#include "support.hpp"

namespace perch::tree::test {
namespace get_test {

/// Keys with long common beginnings: only the last words tell most of them apart.
Key key_number(std::uint64_t number, std::uint32_t key_words) {
  Key key{};
  for (std::uint32_t word = 0; word + 1 < key_words; ++word)
    key[word] = number % (word + 3) == 0 ? 7 : UINT64_MAX;
  key[key_words - 1] = mix(number);
  return key;
}

void check_all_batches(const Snapshot& snapshot, TableIndex table, std::uint32_t key_words,
                       std::uint64_t present, Random& random) {
  for (std::uint32_t count = 0; count <= 50; ++count) {
    std::vector<std::uint64_t> keys;
    std::vector<std::uint64_t> numbers;
    for (std::uint32_t i = 0; i < count; ++i) {
      numbers.push_back(random.below(present * 2 + 1));  // about half of them are not there
      const Key key = key_number(numbers.back(), key_words);
      keys.insert(keys.end(), key.begin(), key.begin() + key_words);
    }
    std::vector<const std::byte*> values(count);
    snapshot.get_many(table, keys.data(), count, values.data());
    for (std::uint32_t i = 0; i < count; ++i) {
      expect(values[i] == snapshot.get(table, keys.data() + std::size_t{i} * key_words),
             "get_many differs from get");
      expect((values[i] != nullptr) == (numbers[i] < present),
             "a key found that is not there, or the other way round");
      if (values[i] == nullptr) continue;
      std::uint64_t stored = 0;
      std::memcpy(&stored, values[i], sizeof stored);
      expect(stored == numbers[i], "another key's value");
    }
  }
}

TEST_CASE("get: get_many finds what get finds") {
  Random random(20261124);
  for (const std::uint32_t key_words : {1U, 2U, 3U, 8U}) {
    for (const std::uint32_t fan_out : {3U, 9U, 0U}) {
      for (const std::uint64_t present : {0U, 1U, 2U, 40U, 3000U}) {
        auto store = Store::create({std::uint64_t{64} << 20});
        REQUIRE(store);
        const TableIndex table = (*store)->add_table({key_words, 8, fan_out, fan_out});
        for (std::uint64_t number = 0; number < present; ++number) {
          REQUIRE((*store)->has_room());
          std::memcpy((*store)->upsert(table, key_number(number, key_words).data()).value, &number,
                      sizeof number);
        }
        (*store)->commit(0, {});
        const SharedSnapshot pinned = (*store)->reads().acquire();
        check_all_batches(pinned->snapshot(), table, key_words, present, random);
      }
    }
  }
}

}  // namespace get_test
}  // namespace perch::tree::test
