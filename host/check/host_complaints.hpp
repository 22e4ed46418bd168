// What the host logs while a plugin runs is a complaint about it: it becomes a finding.
#pragma once

#include "check/check_report.hpp"

namespace perch::check {

/// From now on warnings and errors of spdlog's default logger go to the report, each text once. The report
/// lives until the process ends.
void report_host_complaints(CheckReport& report);

}  // namespace perch::check
