#include "check/check_report.hpp"

#include "base/text.hpp"
#include "base/write_all.hpp"

namespace perch::check {
namespace {

std::string cut(const std::string& text) { return clean_text(text, CheckReport::text_bytes_max); }

}  // namespace

const char* to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::pass:
      return "pass";
    case Verdict::skip:
      return "skip";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      return "fail";
  }
  return "?";
}

void CheckReport::now(const std::string& who, const std::string& activity) {
  send({{"now", {{"who", who}, {"what", cut(activity)}}}});
}

void CheckReport::note(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    if (++notes_ > notes_max) return;
  }
  send({{"note", cut(text)}});
}

void CheckReport::measure(const std::string& name, const Json& value) {
  send({{"measured", {{name, value}}}});
}

void CheckReport::done(const std::string& summary) { send({{"done", cut(summary)}}); }

void CheckReport::add(Verdict verdict, const std::string& text, const std::string& advice) {
  {
    const std::lock_guard lock(mutex_);
    if (++findings_ > findings_max) return;
  }
  send({{"finding", {{"verdict", to_string(verdict)}, {"text", cut(text)}, {"advice", cut(advice)}}}});
}

/// A parent that is gone, or a descriptor that the plugin has closed, is no reason to stop: the parent sees
/// it.
void CheckReport::send(const Json& line) {
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const std::lock_guard lock(mutex_);
  if (!write_all(to_.get(), text)) is_lost_ = true;
}

}  // namespace perch::check
