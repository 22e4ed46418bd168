#include "readers/generation_loader.hpp"

#include <memory>
#include <system_error>
#include <utility>

#include "instances/reader_instance.hpp"
#include "instances/trial.hpp"
#include "instances/worker_instance.hpp"

namespace perch::readers {

/// What runs in a process of its own cannot harm the host anyway.
bool GenerationLoader::has_trial(const InstanceSpec& spec) const {
  return has_settled_ && spec_.trial.steps > 0 && !spec_.workers.program.empty() &&
         host_.processes != nullptr && !is_process(spec);
}

Result<Generation> GenerationLoader::load(plugin::PluginFile& file, const InstanceSpec& spec,
                                          const std::optional<Trial>& trial, instances::StepTimer& timer) {
  if (is_process(spec) && spec_.workers.program.empty())
    return fail(ErrorKind::refused,
                "this host has no perch-worker beside it: readers cannot run in processes");
  const std::uint64_t number = ++generations_;
  auto copy = file.copy_to(spec_.private_folder, number);
  if (!copy) return fail(copy.error());
  timer.done("copy");
  if (trial) {
    if (auto tried = try_copy(file, *copy, number, spec, *trial, timer); !tried) return fail(tried.error());
  }
  if (is_process(spec)) {
    auto left =
        plugin::PluginLibrary::leave_to_workers(file, std::move(*copy), number, plugin::CopyOwner::library);
    if (!left) return fail(left.error());
    return Generation{std::move(*left), nullptr};
  }
  auto library = plugin::PluginLibrary::load(file, std::move(*copy), number);
  if (!library) return fail(library.error());
  timer.done("load");
  return Generation{std::move(*library), nullptr};
}

/// A copy that fails is removed.
Result<void> GenerationLoader::try_copy(const plugin::PluginFile& file, const std::filesystem::path& copy,
                                        std::uint64_t number, const InstanceSpec& spec, const Trial& trial,
                                        instances::StepTimer& timer) const {
  auto left = plugin::PluginLibrary::leave_to_workers(file, copy, number, plugin::CopyOwner::somebody_else);
  if (!left) return fail(left.error());
  const std::shared_ptr<plugin::PluginLibrary> library = std::move(*left);
  const auto tried = instances::try_out(host_, spec_.workers, spec_.trial, library, spec.name, spec.config,
                                        trial.state, spec_.callback_deadline);
  if (!tried) {
    std::error_code ignored;
    std::filesystem::remove(copy, ignored);
    return fail(tried.error());
  }
  timer.done("trial: " + *tried);
  return {};
}

Result<void> GenerationLoader::create_instance(Generation& generation, const InstanceSpec& spec) const {
  if (is_process(spec)) {
    generation.instance = std::make_shared<instances::WorkerInstance>(
        host_, spec_.workers, generation.plugin,
        instances::WorkerInstance::Spec{spec.name, spec.config, spec.spin, false}, spec_.callback_deadline);
  } else {
    auto instance =
        std::make_shared<instances::ReaderInstance>(host_, generation.plugin, spec.name, spec.config);
    if (spec.spin) instance->spin_for_commits();
    generation.instance = std::move(instance);
  }
  return generation.instance->create(spec_.callback_deadline);
}

}  // namespace perch::readers
