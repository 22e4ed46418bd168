#include "readers/status_board.hpp"

#include <string_view>

namespace perch::readers {

void HolderEntry::add_pins(std::vector<instances::PinHolder>& pins) const {
  const auto add = [&](const instances::PinNote& note, const std::string& for_what) {
    const tree::Version version = note.version();
    const auto held_for = std::chrono::steady_clock::now() - note.since();
    if (version != 0) pins.push_back({reader, generation, for_what, version, held_for});
  };
  const char* const callback = live->callback.name();
  const bool in_step = callback != nullptr && callback == std::string_view("on_commit");
  for (const instances::PinNote& note : live->pins) {
    add(note, !what.empty() ? what : in_step ? "current step" : "start of its next step");
  }
  add(live->checkpoint, "checkpoint");
}

}  // namespace perch::readers
