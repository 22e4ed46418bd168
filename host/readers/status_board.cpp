#include "readers/status_board.hpp"

namespace perch::readers {

void HolderEntry::add_pins(std::vector<PinHolder>& pins) const {
  const bool in_step = live->in_callback_for().count() != 0;
  for (const PinNote& note : live->pins) {
    if (note.version() == 0) continue;
    const auto held_for = std::chrono::steady_clock::now() - note.since();
    pins.push_back({reader, generation,
                    !what.empty() ? what
                    : in_step     ? "current step"
                                  : "start of its next step",
                    note.version(), held_for});
  }
}

}  // namespace perch::readers
