// The state: what save writes restore takes, and nothing is lost on the way.
#include <algorithm>
#include <cstdio>

#include "check/plugin_life.hpp"

namespace perch::check {
namespace {

using instances::SavedState;
using Publications = std::vector<WatchedHost::Publication>;

constexpr int steps_together = 5;

/// Where two states differ first, in words; "" when they are equal.
std::string first_difference(const std::string& a, const std::string& b) {
  if (a == b) return {};
  const auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto at = static_cast<std::size_t>(left - a.begin());
  char text[160];
  if (left == a.end() || right == b.end()) {
    std::snprintf(text, sizeof text, "%zu bytes instead of %zu, equal until then", b.size(), a.size());
  } else {
    std::snprintf(text, sizeof text, "at byte %zu: %02x instead of %02x (%zu and %zu bytes)", at,
                  static_cast<unsigned char>(*right), static_cast<unsigned char>(*left), b.size(), a.size());
  }
  return text;
}

std::string first_difference(const Publications& a, const Publications& b) {
  if (a == b) return {};
  const auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto shown = [](const Publications& all, Publications::const_iterator at) {
    return at == all.end() ? "nothing more" : at->topic + " " + at->json.substr(0, 120);
  };
  return shown(b, right) + " instead of " + shown(a, left);
}

/// Does a restored instance know what the one knew whose state it got?
void compare_twins(Stage& stage, SampleTables& tables) {
  CheckReport& report = stage.report();
  const std::uint64_t rows = stage.options().rows;
  const auto warn = [&](const std::string& what, const std::string& difference, const std::string& advice) {
    if (!difference.empty()) report.warn(what + ": " + difference, advice);
  };
  tables.insert_everywhere(rows);
  tables.commit();
  PluginLife first(stage, tables, "the first");
  first.begin();
  first.step();
  tables.change(rows / 10 + 1);
  tables.commit();
  first.step();
  const SavedState state = first.save();
  const SavedState again = first.save();
  PluginLife twin(stage, tables, "the restored one");
  twin.create();
  if (first.has_failed()) return;
  twin.restore(state);
  twin.start();
  const SavedState copied = twin.save();
  if (twin.has_failed()) return;
  report.measure("state_bytes", state.bytes->size());
  warn("save twice in a row writes different states", first_difference(*state.bytes, *again.bytes),
       "save must change nothing; write in a fixed order, no times, no addresses");
  warn("a restored instance saves another state than it got", first_difference(*state.bytes, *copied.bytes),
       "restore everything that save writes; write in a fixed order");
  first.take_publications();
  twin.take_publications();  // what start says
  for (int step = 0; step < steps_together && !first.has_failed() && !twin.has_failed(); ++step) {
    tables.change(rows / 10 + 1);
    tables.commit();
    first.step();
    twin.step();
    const std::string difference = first_difference(first.take_publications(), twin.take_publications());
    if (difference.empty()) continue;
    warn("after a take-over it publishes something else than without", difference,
         "save all that results depend on");
    break;
  }
  const SavedState end = first.save();
  const SavedState twins_end = twin.save();
  if (first.has_failed() || twin.has_failed()) return;
  warn("after the same further steps a restored instance saves another state",
       first_difference(*end.bytes, *twins_end.bytes), "save all that the state depends on");
}

}  // namespace

void check_state(CheckContext& context) {
  run_on_stage(context, [](Stage& stage) {
    compare_twins(stage, *stage.new_tables(Records::as_built, Values::ordinary));
    return std::string("a restored instance saves the same state, and goes on as the first one does");
  });
}

}  // namespace perch::check
