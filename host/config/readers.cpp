#include <algorithm>

#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t instances_max = 256;

readers::Isolation read_isolation(ObjectReader& object) {
  return object.choice("isolation", {"thread", "process"}) == "process" ? readers::Isolation::process
                                                                        : readers::Isolation::thread;
}

readers::InstanceSpec read_instance(const ConfigJson& element, const std::string& place,
                                    ConfigProblem& problem) {
  ObjectReader instance(&element, place, "instance", problem);
  readers::InstanceSpec spec;
  spec.name = instance.name("name");
  spec.plugin = instance.name("plugin");
  if (const ConfigJson* config = instance.object("config")) spec.config = config->dump();
  spec.spin = instance.flag("spin", false);
  if (instance.has("isolation")) spec.isolation = read_isolation(instance);
  return spec;
}

void read_restart(ObjectReader& section, readers::RestartSpec& spec, ConfigProblem& problem) {
  ObjectReader restart(section.object("restart"), section.place("restart"), "reader_restart", problem);
  spec.delay_min = restart.duration("delay_min", spec.delay_min, 1ms, 1h);
  spec.delay_max = restart.duration("delay_max", std::max(spec.delay_max, spec.delay_min), 1ms, 24h);
  spec.limit = static_cast<std::uint32_t>(restart.integer("limit", spec.limit, 0, 1'000'000));
  spec.window = restart.duration("window", spec.window, 1ms, 24h * 7);
  if (spec.delay_max < spec.delay_min)
    problem.report(restart.place("delay_max"), "is shorter than delay_min, the first delay");
}

void read_sandbox(ObjectReader& section, instances::SandboxSpec& spec, ConfigProblem& problem) {
  ObjectReader sandbox(section.object("sandbox"), section.place("sandbox"), "sandbox", problem);
  spec.is_on = sandbox.flag("enabled", spec.is_on);
  spec.read = sandbox.paths("read");
  spec.write = sandbox.paths("write");
  spec.memory_bytes =
      sandbox.size("memory", spec.memory_bytes, std::uint64_t{16} << 20, std::uint64_t{1} << 40);
  spec.cpu = std::chrono::ceil<std::chrono::seconds>(sandbox.duration("cpu", spec.cpu, 0s, 24h * 36500));
  spec.files = static_cast<std::uint32_t>(sandbox.integer("files", spec.files, 16, 1'000'000));
}

void read_trial(ObjectReader& section, instances::TrialSpec& spec, ConfigProblem& problem) {
  ObjectReader trial(section.object("trial"), section.place("trial"), "trial", problem);
  spec.steps = trial.integer("steps", spec.steps, 0, 1'000'000);
  spec.time_max = trial.duration("time", spec.time_max, 1ms, 1min);
}

}  // namespace

readers::ReadersSpec read_readers(ObjectReader& root, ConfigProblem& problem) {
  readers::ReadersSpec spec;
  ObjectReader section(root.object("readers"), "readers", "readers", problem);
  spec.folder = section.path("folder", "");
  spec.isolation = read_isolation(section);
  read_sandbox(section, spec.workers.sandbox, problem);
  read_trial(section, spec.trial, problem);
  spec.probation = section.duration("probation", spec.probation, 0s, 1h);
  spec.checkpoint = section.duration("checkpoint", spec.checkpoint, 0s, 24h);
  if (spec.checkpoint > 0s && spec.checkpoint < 10ms)
    problem.report("readers.checkpoint", "write at least \"10ms\", or \"0\" for none");
  spec.callback_deadline = section.duration("callback_deadline", spec.callback_deadline, 10ms, 10min);
  spec.retain_warning_bytes =
      section.size("retain_warning", spec.retain_warning_bytes, 0, std::uint64_t{1} << 40);
  spec.retain_max_bytes = section.size("retain_max", spec.retain_max_bytes, 0, std::uint64_t{1} << 40);
  read_restart(section, spec.restart, problem);
  const auto elements = section.elements("instances");
  if (elements.size() > instances_max) {
    problem.report("readers.instances", "more than " + std::to_string(instances_max) + " readers");
  }
  if (!elements.empty() && spec.folder.empty()) {
    problem.report("readers", "needs \"folder\", where the plugins of \"instances\" lie");
  }
  for (const ConfigJson* element : elements) {
    const std::string place = join_place("readers.instances", spec.instances.size());
    readers::InstanceSpec instance = read_instance(*element, place, problem);
    const auto same_name = [&](const readers::InstanceSpec& other) { return other.name == instance.name; };
    if (std::any_of(spec.instances.begin(), spec.instances.end(), same_name)) {
      problem.report(join_place(place, "name"), "a second reader \"" + instance.name + "\"");
    }
    if (problem.found()) return spec;
    spec.instances.push_back(std::move(instance));
  }
  return spec;
}

}  // namespace perch
