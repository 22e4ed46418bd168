#include "tree/snapshot.hpp"

#include <algorithm>

#include "tree/read_path.hpp"

namespace perch::tree {

const std::byte* Snapshot::get(TableIndex table, const std::uint64_t* key) const noexcept {
  const TableRoot of_table = root(table);
  if (of_table.height == 0) return nullptr;
  return read_path().get(base_, geometry(table), of_table.root, of_table.height, key);
}

void Snapshot::get_many(TableIndex table, const std::uint64_t* keys, std::uint32_t count,
                        const std::byte** values) const noexcept {
  const TableRoot of_table = root(table);
  if (of_table.height == 0) {
    std::fill_n(values, count, nullptr);
    return;
  }
  read_path().get_many(base_, geometry(table), of_table.root, of_table.height, keys, count, values);
}

}  // namespace perch::tree
