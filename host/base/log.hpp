// The host's log: asynchronous, so that a slow disk or terminal never slows ingest. What it drops it counts.
#pragma once

#include <spdlog/spdlog.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace spdlog::details {
class thread_pool;
}

namespace perch::log {

/// The queue and the thread of an asynchronous logger. Errors: the system has no thread left.
Result<std::shared_ptr<spdlog::details::thread_pool>> make_pool(std::size_t messages_max);

/// Starts the asynchronous logger as spdlog's default logger (8192 messages queued at most, oldest
/// overwritten when full). Lines go to standard error. `level`: trace debug info warn error off.
Result<void> start(const std::string& level);
/// Flushes and stops it; later log calls go nowhere.
void stop();
Result<void> set_level(const std::string& level);
std::string level();
/// Messages overwritten because the queue was full, since start.
std::uint64_t dropped();

}  // namespace perch::log
