// Several instances of one plugin at once, as a host has them under several names: each on a thread of its
// own.
#include <atomic>
#include <memory>
#include <thread>

#include "base/joinable_thread.hpp"
#include "check/plugin_life.hpp"

namespace perch::check {
namespace {

constexpr int commits = 30;

/// Steps whenever there is something new, until the last commit is seen.
void live(PluginLife& life, tree::ReadSide& reads, const std::atomic<bool>& is_last_commit_made) {
  life.begin();
  while (!life.has_failed()) {
    const std::uint32_t signal = reads.signal();
    const bool was_last = is_last_commit_made.load();
    if (reads.published_version() != life.version()) {
      life.step();
      if (life.version() % 8 == 0) life.save();
    } else if (was_last) {
      break;
    } else {
      reads.wait_for_signal(signal, 100'000'000);
    }
  }
  life.save();
  life.end();
}

void run_side_by_side(Stage& stage, int count) {
  const auto tables = stage.new_tables();
  tables->insert_everywhere(stage.options().rows);
  std::vector<std::unique_ptr<PluginLife>> lives;
  for (int i = 1; i <= count; ++i) {
    lives.push_back(std::make_unique<PluginLife>(
        stage, *tables, "instance " + std::to_string(i) + " of " + std::to_string(count) + " at once"));
  }
  std::atomic<bool> is_last_commit_made = false;
  std::vector<JoinableThread> drivers(lives.size());
  for (std::size_t i = 0; i < lives.size(); ++i) {
    const auto started = drivers[i].start(
        "driver", [&, one = lives[i].get()] { live(*one, tables->reads(), is_last_commit_made); });
    if (!started) stage.report_failure("several instances at once", started.error());
  }
  for (int commit = 0; commit < commits && !stage.context().is_time_over(); ++commit) {
    tables->change(stage.options().rows / 20 + 1);
    tables->commit();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // so that there are steps, not just one
  }
  is_last_commit_made = true;
  tables->reads().wake_sleepers();
  for (JoinableThread& driver : drivers) driver.join();
}

}  // namespace

void check_instances(CheckContext& context) {
  run_on_stage(context, [](Stage& stage) {
    for (const int count : {2, 3}) run_side_by_side(stage, count);
    return "two and three instances at once, " + std::to_string(stage.seen().callbacks()) + " calls";
  });
}

}  // namespace perch::check
