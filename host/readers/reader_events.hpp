// ReaderEvents: what is told of readers' lives, as events and in the log.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "instances/event_hub.hpp"
#include "instances/step_timer.hpp"
#include "readers/reader.hpp"

namespace perch::readers {

class ReaderEvents {
 public:
  explicit ReaderEvents(instances::EventHub& hub) : hub_(hub) {}

  /// Of the reader as it is now.
  void publish(const char* kind, const Reader& reader, const std::string& cause) const {
    publish(kind, reader.spec.name, reader.generation_number, cause, reader.file);
  }
  void publish(const char* kind, const std::string& reader, std::uint64_t generation,
               const std::string& cause, const std::filesystem::path& file) const;

  /// Whoever waits for a change of the reader sees its steps as they are done. Both outlive the timer.
  instances::StepTimer timer_of(const Reader& reader, SteadyTime begin) const;

 private:
  instances::EventHub& hub_;
};

}  // namespace perch::readers
