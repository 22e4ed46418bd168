// Damaged states: each is refused or taken, and neither ends the host nor takes its memory.
#include <sys/resource.h>

#include <algorithm>
#include <fstream>

#include "base/units.hpp"
#include "check/damaged_states.hpp"
#include "check/plugin_life.hpp"

namespace perch::check {
namespace {

using instances::SavedState;

constexpr std::uint64_t memory_max_bytes = std::uint64_t{1} << 30;       // what a damaged state may ask for
constexpr std::uint64_t memory_warned_bytes = std::uint64_t{256} << 20;  // and use
constexpr std::uint64_t rows_for_damage_max = 100;                       // steps are not the point here

std::uint64_t status_bytes(const char* name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name))
      return std::stoull(line.substr(std::char_traits<char>::length(name) + 1)) << 10;
  }
  return 0;
}

/// From here on an allocation that follows a damaged number fails, before it takes the machine's memory.
void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const std::uint64_t bytes = status_bytes("VmSize:") + memory_max_bytes;
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
}

struct DamageCounts {
  std::uint64_t tried = 0;
  std::uint64_t refused = 0;
};

void try_damaged(Stage& stage, SampleTables& tables, const SavedState& state, const std::string& what,
                 DamageCounts& counts) {
  CheckReport& report = stage.report();
  PluginLife life(stage, tables, "a state " + what, OnError::keep);
  life.create();
  life.restore(state);
  ++counts.tried;
  if (life.has_failed()) {
    ++counts.refused;
    const std::string& message = life.failure()->message;
    if (message.find("without a message") != std::string::npos && counts.refused == 1) {
      report.warn("restore refused a state without a word (" + what + ")", "say what is wrong with it");
    }
    return;
  }
  // Accepted: then it must be possible to live with it, whatever is published.
  life.start();
  life.step();
  life.save();
  life.end();
}

SavedState good_state(Stage& stage, SampleTables& tables) {
  PluginLife life(stage, tables, "the one that saves");
  life.begin();
  life.step();
  return life.save();
}

DamageCounts try_all_damage(Stage& stage, SampleTables& tables) {
  const plugin::Manifest& manifest = stage.manifest();
  const std::uint64_t rows = std::min(stage.options().rows, rows_for_damage_max);
  tables.insert_everywhere(rows);
  tables.commit();
  const SavedState good = good_state(stage, tables);
  tables.change(rows / 10 + 1);
  tables.commit();
  limit_memory();
  const std::uint64_t used_before = status_bytes("VmHWM:");
  SampleValues random(stage.options().seed);
  DamageCounts counts;
  for_each_damaged_state(*good.bytes, random, [&](const std::string& bytes, const std::string& what) {
    SavedState damaged{std::make_shared<const std::string>(bytes), 0, good.version, good.snapshot};
    // Every version that it says it restores; others are never given.
    const std::uint32_t versions = manifest.state_version - manifest.state_oldest + 1;
    damaged.state_version = manifest.state_version - static_cast<std::uint32_t>(counts.tried % versions);
    try_damaged(stage, tables, damaged, what, counts);
    return !stage.context().is_time_over();
  });
  const std::uint64_t used = status_bytes("VmHWM:");
  if (used > used_before + memory_warned_bytes) {
    stage.report().warn("a damaged state made it use " + format_size(used - used_before),
                        "check a count against the bytes that are left before allocating");
  }
  return counts;
}

}  // namespace

void check_damaged_state(CheckContext& context) {
  run_on_stage(context, [](Stage& stage) {
    const DamageCounts counts = try_all_damage(stage, *stage.new_tables());
    stage.report().measure("states", counts.tried);
    stage.report().measure("refused", counts.refused);
    return std::to_string(counts.tried) + " damaged states: " + std::to_string(counts.refused) +
           " refused, " + std::to_string(counts.tried - counts.refused) + " taken for good";
  });
}

}  // namespace perch::check
