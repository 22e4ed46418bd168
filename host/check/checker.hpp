// Checker: all checks of one plugin file, one after the other, each in a process of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "check/check.hpp"

namespace perch::check {

struct CheckProgress {
  std::function<void(const Check&)> begins;       ///< may be empty
  std::function<void(const CheckResult&)> ended;  ///< may be empty
  std::function<bool()> is_stopped;               ///< the user wants no more of it; may be empty
};

struct CheckSummary {
  std::vector<CheckResult> results;
  bool is_plugin = false;  ///< it has a manifest that this host can use
  std::uint64_t count(Verdict verdict) const noexcept;
};

/// `only`: names of checks, empty for all; the manifest is always looked at. `program`: see
/// run_check_in_child. Errors: the file cannot be read, no child can be started, the user stopped it.
Result<CheckSummary> check_plugin(const CheckOptions& options, const std::vector<std::string>& only,
                                  const std::vector<std::string>& program, const CheckProgress& progress);

}  // namespace perch::check
