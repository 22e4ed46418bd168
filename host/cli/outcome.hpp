// How a command ends, and the connection that it speaks through.
#pragma once

#include "client/client.hpp"
#include "client/outcome.hpp"

namespace perch::cli {

using client::Client;
using client::Deadline;
using client::end_with;
using client::exit_code_of;
using client::ExitCode;
using client::Failure;
using client::Json;
using client::Outcome;
using enum client::ExitCode;

}  // namespace perch::cli
