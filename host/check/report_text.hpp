// The report on a plugin, for people and for programs.
#pragma once

#include <string>

#include "check/checker.hpp"

namespace perch::check {

/// The line of a check, and below it what was found and how to mend it.
std::string result_text(const CheckResult& result);
/// "13 checks: 12 passed, 1 warning (2.3s)".
std::string summary_text(const CheckSummary& summary);
/// All of it. `verdict`: what the exit status says.
Json summary_json(const CheckSummary& summary, const CheckOptions& options, Verdict verdict);

}  // namespace perch::check
