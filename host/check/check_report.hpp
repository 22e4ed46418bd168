// CheckReport: how a check in a child process tells its parent what it finds: a JSON object a line, each sent
// at once, so that whatever the plugin does next takes nothing back.
//
//   {"now":{"who":"the first","what":"create with {}"}}   what is being done: named when the child dies or
//   hangs
//   {"finding":{"verdict":"fail","text":…,"advice":…}}
//   {"note":"…"}   {"measured":{"load_ns":…}}
//   {"done":"100 loads and unloads"}                  the check has run to its end; nothing but the exit
//   follows
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "check/verdict.hpp"

namespace perch::check {

/// Thread safe.
class CheckReport {
 public:
  static constexpr std::uint64_t findings_max = 200;
  static constexpr std::uint64_t notes_max = 100;
  static constexpr std::size_t text_bytes_max = 2000;

  // What is beyond the maxima is left out.
  explicit CheckReport(UniqueFd to) noexcept : to_(std::move(to)) {}

  /// What is being done, by whom: an instance, or "" for the check itself. "": nothing any more.
  void now(const std::string& who, const std::string& activity);
  void now(const std::string& activity) { now("", activity); }
  void fail(const std::string& text, const std::string& advice = {}) { add(Verdict::fail, text, advice); }
  void warn(const std::string& text, const std::string& advice = {}) { add(Verdict::warn, text, advice); }
  /// The check cannot be made.
  void skip(const std::string& why) { add(Verdict::skip, why, {}); }
  void note(const std::string& text);
  void measure(const std::string& name, const Json& value);
  void done(const std::string& summary);
  /// Something could not be sent.
  bool is_lost() const noexcept { return is_lost_; }

 private:
  void add(Verdict verdict, const std::string& text, const std::string& advice);
  void send(const Json& line);

  const UniqueFd to_;
  std::mutex mutex_;
  std::uint64_t findings_ = 0;
  std::uint64_t notes_ = 0;
  std::atomic<bool> is_lost_ = false;
};

}  // namespace perch::check
