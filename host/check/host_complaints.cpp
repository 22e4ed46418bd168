#include "check/host_complaints.hpp"

#include <spdlog/sinks/base_sink.h>

#include <memory>
#include <mutex>
#include <set>

#include "base/log.hpp"

namespace perch::check {
namespace {

class ComplaintSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ComplaintSink(CheckReport& report) : report_(report) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string text(message.payload.data(), message.payload.size());
    if (texts_.size() < CheckReport::findings_max && texts_.insert(text).second)
      report_.fail("the host says: " + text);
  }
  void flush_() override {}

  CheckReport& report_;
  std::set<std::string> texts_;
};

}  // namespace

void report_host_complaints(CheckReport& report) {
  auto logger = std::make_shared<spdlog::logger>("check", std::make_shared<ComplaintSink>(report));
  logger->set_level(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace perch::check
