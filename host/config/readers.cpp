#include <algorithm>

#include "config/field_kinds.hpp"
#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;
using enum ReloadRule;

constexpr std::size_t instances_max = 256;
constexpr std::uint64_t tib = std::uint64_t{1} << 40;

const std::vector<std::pair<std::string, readers::Isolation>> isolations{
    {"thread", readers::Isolation::thread}, {"process", readers::Isolation::process}};

void check_restart(ObjectReader& restart, Reading& reading, readers::RestartSpec& spec) {
  if (!restart.has("delay_max")) spec.delay_max = std::max(spec.delay_max, spec.delay_min);
  if (spec.delay_max < spec.delay_min)
    reading.problem.report(restart.place("delay_max"), "is shorter than delay_min, the first delay");
}

void read_config_of_instance(ObjectReader& instance, Reading&, readers::InstanceSpec& spec) {
  if (const ConfigJson* config = instance.object("config")) spec.config = config->dump();
}

/// The instance is the last one of those that are read.
void check_instance(ObjectReader& instance, Reading& reading, readers::InstanceSpec& spec) {
  const auto& all = reading.config.readers.instances;
  const auto same_name = [&](const readers::InstanceSpec& other) { return other.name == spec.name; };
  if (std::any_of(all.begin(), all.end() - 1, same_name))
    reading.problem.report(instance.place("name"), "a second reader \"" + spec.name + "\"");
}

void check_readers(ObjectReader& section, Reading& reading, readers::ReadersSpec& spec) {
  if (spec.checkpoint > 0s && spec.checkpoint < 10ms)
    reading.problem.report(section.place("checkpoint"), "write at least \"10ms\", or \"0\" for none");
  if (!spec.instances.empty() && spec.folder.empty())
    reading.problem.report(section.place(), "needs \"folder\", where the plugins of \"instances\" lie");
}

}  // namespace

const Section<instances::SandboxSpec>& sandbox_section() {
  using Spec = instances::SandboxSpec;
  static const Section<Spec> section(
      "sandbox", {
                     flag_field("enabled", &Spec::is_on, fixed),
                     paths_field("read", &Spec::read, fixed),
                     paths_field("write", &Spec::write, fixed),
                     size_field("memory", &Spec::memory_bytes, std::uint64_t{16} << 20, tib, fixed),
                     duration_field("cpu", &Spec::cpu, 0s, 24h * 36500, fixed),
                     integer_field("files", &Spec::files, 16, 1'000'000, fixed),
                 });
  return section;
}

const Section<instances::TrialSpec>& trial_section() {
  using Spec = instances::TrialSpec;
  static const Section<Spec> section("trial", {
                                                  integer_field("steps", &Spec::steps, 0, 1'000'000, fixed),
                                                  duration_field("time", &Spec::time_max, 1ms, 1min, fixed),
                                              });
  return section;
}

const Section<readers::RestartSpec>& reader_restart_section() {
  using Spec = readers::RestartSpec;
  static const Section<Spec> section("reader_restart",
                                     {
                                         duration_field("delay_min", &Spec::delay_min, 1ms, 1h, fixed),
                                         duration_field("delay_max", &Spec::delay_max, 1ms, 24h, fixed),
                                         integer_field("limit", &Spec::limit, 0, 1'000'000, fixed),
                                         duration_field("window", &Spec::window, 1ms, 24h * 7, fixed),
                                     },
                                     check_restart);
  return section;
}

const Section<readers::InstanceSpec>& instance_section() {
  using Spec = readers::InstanceSpec;
  static const Section<Spec> section(
      "instance",
      {
          name_field("name", &Spec::name, changes_reader).required(),
          name_field("plugin", &Spec::plugin, changes_reader).required(),
          member_field("config", &Spec::config, changes_reader, read_config_of_instance),
          flag_field("spin", &Spec::spin, changes_reader),
          choice_field("isolation", &Spec::isolation, isolations, changes_reader),
      },
      check_instance);
  return section;
}

const Section<readers::ReadersSpec>& readers_section() {
  using Spec = readers::ReadersSpec;
  const auto sandbox = [](auto& spec) -> auto& { return spec.workers.sandbox; };
  static const Section<Spec> section(
      "readers",
      {
          path_field("folder", &Spec::folder, fixed),
          choice_field("isolation", &Spec::isolation, isolations, fixed),
          duration_field("probation", &Spec::probation, 0s, 1h, fixed),
          duration_field("checkpoint", &Spec::checkpoint, 0s, 24h, fixed),
          duration_field("callback_deadline", &Spec::callback_deadline, 10ms, 10min, fixed),
          size_field("retain_warning", &Spec::retain_warning_bytes, 0, tib, fixed),
          size_field("retain_max", &Spec::retain_max_bytes, 0, tib, fixed),
          object_field<Spec>("sandbox", sandbox, sandbox_section()),
          object_field<Spec>("trial", &Spec::trial, trial_section()),
          object_field<Spec>("restart", &Spec::restart, reader_restart_section()),
          named_list_field<Spec>("instances", &Spec::instances, instance_section(),
                                 {instances_max, "readers"}, changes_reader),
      },
      check_readers);
  return section;
}

}  // namespace perch
