// A life with many steps, as a reader has it on an ordinary day.
#pragma once

#include "check/plugin_life.hpp"

namespace perch::check {

/// From create to destroy, with a take-over in the middle. False: there was no time for all of it.
bool live_long(Stage& stage, SampleTables& tables);

}  // namespace perch::check
