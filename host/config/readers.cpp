#include <algorithm>

#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t instances_max = 256;

readers::InstanceSpec read_instance(const ConfigJson& element, const std::string& place,
                                    ConfigProblem& problem) {
  ObjectReader instance(&element, place, "instance", problem);
  readers::InstanceSpec spec;
  spec.name = instance.name("name");
  spec.plugin = instance.name("plugin");
  if (const ConfigJson* config = instance.object("config")) spec.config = config->dump();
  return spec;
}

}  // namespace

readers::ReadersSpec read_readers(ObjectReader& root, ConfigProblem& problem) {
  readers::ReadersSpec spec;
  ObjectReader section(root.object("readers"), "readers", "readers", problem);
  spec.folder = section.path("folder", "");
  section.choice("isolation", {"thread"});
  spec.probation = section.duration("probation", spec.probation, 0s, 1h);
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
