// One check in a child process: both sides of it. A crash, an exit() or a hang of the plugin ends that child
// only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "check/check.hpp"

namespace perch::check {

/// Parent's side: runs the check to its end, its crash or its deadline. `program`: what becomes the child,
/// with one more argument, which run_in_child must get. Errors: no child can be started, `is_stopped`, which
/// is asked now and then, says so.
Result<CheckResult> run_check_in_child(const Check& check, const CheckOptions& options,
                                       const std::filesystem::path& folder,
                                       const std::vector<std::string>& program,
                                       const std::function<bool()>& is_stopped);

/// Child's side: makes the check that `argument` names and reports to standard output, which the plugin does
/// not get to see. Returns the process' exit code.
int run_in_child(const std::string& argument);

}  // namespace perch::check
