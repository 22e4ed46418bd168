#include "instances/trial.hpp"

#include <thread>

#include "base/units.hpp"
#include "instances/worker_instance.hpp"

namespace perch::instances {
namespace {

using Clock = std::chrono::steady_clock;

/// Until enough steps are taken, or it has failed, or the time is over.
std::uint64_t wait_for_steps(const WorkerInstance& instance, const TrialSpec& trial) {
  const auto until = Clock::now() + trial.time_max;
  const auto steps = [&instance] { return instance.stats()->steps.load(std::memory_order_relaxed); };
  while (steps() < trial.steps && !instance.fault() && Clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return steps();
}

Result<std::string> run(WorkerInstance& instance, const TrialSpec& trial,
                        const std::optional<SavedState>& state, std::chrono::nanoseconds deadline) {
  if (auto created = instance.create(deadline); !created) return fail(created.error());
  if (auto begun = instance.begin(state, deadline); !begun) return fail(begun.error());
  const std::uint64_t steps = wait_for_steps(instance, trial);
  if (auto fault = instance.fault()) return fail(std::move(*fault));
  if (auto saved = instance.suspend(deadline); !saved) return fail(saved.error());
  return std::to_string(steps) + (steps == 1 ? " step" : " steps");
}

}  // namespace

Result<std::string> try_out(const HostParts& host, const WorkersSpec& workers, const TrialSpec& trial,
                            const std::shared_ptr<plugin::PluginLibrary>& plugin, const std::string& reader,
                            const std::string& config, const std::optional<SavedState>& state,
                            std::chrono::nanoseconds callback_deadline) {
  WorkerInstance instance(host, workers, plugin, {reader, config, false, true}, callback_deadline);
  auto done = run(instance, trial, state, callback_deadline);
  instance.request_end();
  instance.wait_ended(callback_deadline);
  if (done && instance.fault()) done = fail(*instance.fault());
  if (done && !instance.left_behind().empty())
    done = fail("it cannot be unloaded cleanly: " + instance.left_behind());
  if (done) return done;
  Error error = done.error();
  if (error.kind == ErrorKind::timeout || error.kind == ErrorKind::crashed) error.kind = ErrorKind::failed;
  error.message = "in its trial, in a process of its own: " + error.message;
  return fail(std::move(error));
}

}  // namespace perch::instances
