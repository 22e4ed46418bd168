// RuleBreaches: what a reader did against the interface's rules, told once per rule.
#pragma once

#include <array>
#include <mutex>
#include <string>

namespace perch::reading {

/// Thread safe. Bounded: a plugin that breaks a rule in every callback must not flood the log.
class RuleBreaches {
 public:
  using Tell = void (*)(const std::string& line);
  /// Where all of this process are told: on stderr, until it is said otherwise, before there is any.
  static void tell_to(Tell tell) noexcept;

  explicit RuleBreaches(std::string reader) : reader_(std::move(reader)) {}

  /// "reader NAME broke the interface's rules: FUNCTION WHAT". Both must be literals: they are told apart by
  /// their addresses.
  void report(const char* function, const char* what) const noexcept;

  /// Those of the instance whose own thread this is. On any other thread (a plugin's own, say) nobody knows
  /// whose they are: one for all of them.
  static const RuleBreaches& of_this_thread() noexcept;
  /// Makes them this thread's; they must live as long as the thread.
  void own_this_thread() const noexcept;

 private:
  struct Breach {
    const char* function;
    const char* what;
  };

  const std::string reader_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::array<Breach, 32> told_{};
  mutable std::size_t count_ = 0;
};

}  // namespace perch::reading
