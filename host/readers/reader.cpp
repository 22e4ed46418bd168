#include "readers/reader.hpp"

#include <utility>

#include "base/assert.hpp"
#include "base/units.hpp"

namespace perch::readers {

void Reader::become(ReaderState next) {
  PERCH_ASSERT(may_follow(state_, next), "a reader goes to a state that may not follow its own");
  state_ = next;
  if (!may_have_restart_time(next)) restart_at.reset();
}

std::string Reader::check() const {
  return problem_of(state_, {.library = generation.plugin != nullptr,
                             .instance = generation.instance != nullptr,
                             .probation = probation.has_value(),
                             .suspended = probation && probation->old.instance != nullptr,
                             .restart_time = restart_at.has_value(),
                             .checkpoint = checkpoint.is_there()});
}

void Reader::adopt(Generation next) {
  generation = std::move(next);
  plugin_version = generation.plugin->manifest().version;
  generation_number = generation.plugin->generation();
  file = generation.plugin->source();
}

void Reader::set_error(std::string text) {
  last_error = std::move(text);
  last_error_ns = unix_now_ns();
}

}  // namespace perch::readers
