// What is left of a plugin when all its instances are gone: nothing.
#include <algorithm>

#include "check/long_life.hpp"
#include "check/process_traces.hpp"

namespace perch::check {
namespace {

constexpr int lives = 3;
constexpr const char* advice =
    "a reader is a guest in the host's process: destroy ends its threads and closes what it opened; what "
    "belongs to the "
    "whole process is not its to change";

std::string look_for_leftovers(Stage& stage) {
  const ProcessTraces before = ProcessTraces::now();
  for (int life = 0; life < lives && !stage.context().is_time_over(); ++life) {
    const auto tables = stage.new_tables();
    live_long(stage, *tables);
  }
  stage.report().now("looking for what is left");
  for (const std::string& line : lasting_differences(before)) {
    stage.report().fail("after " + std::to_string(lives) + " lives " + line, advice);
  }
  return "no threads, descriptors, signal handlers or settings are left changed";
}

}  // namespace

void check_leftovers(CheckContext& context) { run_on_stage(context, look_for_leftovers); }

}  // namespace perch::check
