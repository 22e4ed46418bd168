#include "base/log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <memory>
#include <system_error>
#include <utility>

#include "base/joinable_thread.hpp"

namespace perch::log {
namespace {

constexpr std::size_t queue_messages_max = 8192;
constexpr std::array<const char*, 6> level_names{"trace", "debug", "info", "warn", "error", "off"};

std::shared_ptr<spdlog::details::thread_pool> pool;

Result<spdlog::level::level_enum> parse_level(const std::string& level) {
  if (level == "warn") return spdlog::level::warn;
  if (level == "error") return spdlog::level::err;
  for (const char* name : level_names) {
    if (level == name) return spdlog::level::from_str(level);
  }
  return fail(ErrorKind::usage,
              "\"" + level + "\" is no log level; use trace, debug, info, warn, error or off");
}

}  // namespace

Result<std::shared_ptr<spdlog::details::thread_pool>> make_pool(std::size_t messages_max) {
  try {
    return std::make_shared<spdlog::details::thread_pool>(messages_max, 1);
  } catch (const std::system_error& error) {
    return fail_no_thread("log", error.code().value());
  }
}

Result<void> start(const std::string& level) {
  const auto parsed = parse_level(level);
  if (!parsed) return fail(parsed.error());
  auto made = make_pool(queue_messages_max);
  if (!made) return fail(made.error());
  pool = std::move(*made);
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::async_logger>("perch", sink, pool,
                                                       spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(*parsed);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%-5l%$ %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
  return {};
}

void stop() {
  if (!pool) return;
  const auto last = spdlog::default_logger();  // kept, so that it ends here and not on the pool's thread
  last->flush();
  // spdlog::shutdown() would leave no default logger behind: the next log call would follow a null pointer.
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("stopped", std::make_shared<spdlog::sinks::null_sink_mt>()));
  pool.reset();
}

Result<void> set_level(const std::string& level) {
  const auto parsed = parse_level(level);
  if (!parsed) return fail(parsed.error());
  spdlog::default_logger()->set_level(*parsed);
  return {};
}

std::string level() {
  const auto name = spdlog::level::to_string_view(spdlog::default_logger()->level());
  return name == "warning" ? "warn" : std::string(name.data(), name.size());
}

std::uint64_t dropped() { return pool ? pool->overrun_counter() : 0; }

}  // namespace perch::log
