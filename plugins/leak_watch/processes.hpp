// Layout of table "processes", printed by: perch layout processes --cpp
#pragma once

#include <perch/layout.hpp>

namespace processes {

struct Key {
  perch::timestamp_ns ts;
  std::uint32_t pid;
};
PERCH_LAYOUT(Key, ts, pid)

struct Value {
  perch::chars<32> name;
  double cpu_percent;
  std::uint64_t rss_bytes;
  std::uint64_t read_bytes;
  std::uint64_t written_bytes;
  std::uint32_t threads;
};
PERCH_LAYOUT(Value, name, cpu_percent, rss_bytes, read_bytes, written_bytes, threads)

using Table = perch::Table<"processes", Key, Value>;
inline constexpr Table table;

}  // namespace processes
