#include "readers/status_publisher.hpp"

#include <utility>

#include "base/assert.hpp"

namespace perch::readers {

instances::ReaderStatus StatusPublisher::status_of(const Reader& reader) const {
  instances::ReaderStatus status;
  status.name = reader.spec.name;
  status.plugin = reader.spec.plugin;
  status.plugin_version = reader.plugin_version;
  status.state = to_string(reader.state());
  status.file = reader.file.string();
  status.generation = reader.generation_number;
  status.config = reader.spec.config;
  status.restarts = reader.restarts;
  status.last_error = reader.last_error;
  status.last_error_ns = reader.last_error_ns;
  status.pinned_libraries = retired_.notes(reader.spec.name);
  status.is_process = loader_.is_process(reader.spec);
  if (reader.generation.instance) status.pid = reader.generation.instance->process();
  if (reader.generation.instance) reader.generation.instance->stats()->copy_to(status);
  if (reader.checkpoint.is_there()) status.checkpoint_version = reader.checkpoint.version();
  return status;
}

/// What of the reader may pin versions.
void StatusPublisher::add_holders(std::vector<HolderEntry>& holders, const Reader& reader) {
  const std::string& name = reader.spec.name;
  if (const instances::Instance* const instance = reader.generation.instance.get()) {
    holders.push_back({name, reader.generation_number,
                       reader.state() == ReaderState::swapping ? "swap under way" : "", instance->stats()});
  }
  if (reader.checkpoint.is_there())
    holders.push_back({name, reader.generation_number, "checkpoint", reader.checkpoint.noted_in()});
  if (reader.probation) {
    const Generation& old = reader.probation->old;
    holders.push_back({name, old.plugin->generation(), "suspended for the probation", old.instance->stats()});
  }
}

void StatusPublisher::publish(const std::map<std::string, Reader>& readers) {
  std::vector<StatusEntry> entries;
  std::vector<HolderEntry> holders = retired_.holders();
  for (const auto& [name, reader] : readers) {
    const std::string problem = reader.check();
    PERCH_ASSERT(problem.empty(), ("reader " + name + " is " + problem).c_str());
    const instances::Instance* const instance = reader.generation.instance.get();
    entries.push_back({status_of(reader), instance != nullptr ? instance->stats() : nullptr});
    add_holders(holders, reader);
  }
  for (const instances::ReaderStatus& other : others_) {
    if (!readers.contains(other.name)) entries.push_back({other, nullptr});
  }
  std::vector<std::string> degraded = retired_.degraded();
  for (const std::string& reason : degraded) {
    if (!degraded_.contains(reason)) events_.publish("host.degraded", "", 0, reason, "");
  }
  degraded_ = {degraded.begin(), degraded.end()};
  board_.set(std::move(entries), std::move(holders), std::move(degraded));
}

}  // namespace perch::readers
