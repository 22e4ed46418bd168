#include "reading/rule_breaches.hpp"

#include <algorithm>
#include <cstdio>

namespace perch::reading {
namespace {

thread_local const RuleBreaches* this_threads = nullptr;

void tell_on_stderr(const std::string& line) { std::fprintf(stderr, "perch: %s\n", line.c_str()); }

RuleBreaches::Tell told_to = tell_on_stderr;

}  // namespace

void RuleBreaches::tell_to(Tell tell) noexcept { told_to = tell; }

void RuleBreaches::report(const char* function, const char* what) const noexcept {
  {
    const std::lock_guard lock(mutex_);
    const auto end = told_.begin() + static_cast<std::ptrdiff_t>(count_);
    const bool is_known = std::any_of(told_.begin(), end, [&](const Breach& breach) {
      return breach.function == function && breach.what == what;
    });
    if (is_known || count_ == told_.size()) return;
    told_[count_++] = {function, what};
  }
  told_to("reader " + reader_ + ": broke the interface's rules: " + function + " " + what +
          " (said once; the call did nothing)");
}

const RuleBreaches& RuleBreaches::of_this_thread() noexcept {
  static const RuleBreaches unknown("(on a thread of a plugin's own)");
  return this_threads != nullptr ? *this_threads : unknown;
}

void RuleBreaches::own_this_thread() const noexcept { this_threads = this; }

}  // namespace perch::reading
