// States as no save wrote them: cut off, longer, with other bits, with other numbers, garbage.
#pragma once

#include <functional>
#include <string>

#include "check/sample_values.hpp"

namespace perch::check {

/// `take` gets each in turn, with what was done to it in words, and says false to stop. Some 3000 for a state
/// of a KiB.
void for_each_damaged_state(
    const std::string& state, SampleValues& random,
    const std::function<bool(const std::string& bytes, const std::string& what)>& take);

}  // namespace perch::check
