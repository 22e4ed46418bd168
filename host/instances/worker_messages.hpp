// What a worker says of its instance, as messages of the channel.
#pragma once

#include "instances/event_hub.hpp"
#include "instances/live_stats.hpp"
#include "isolation/channel.hpp"

namespace perch::instances {

isolation::Json stats_message(const LiveStats& stats);
/// What stats_message said, and when the function began that runs now. Members that are missing, or are no
/// numbers, are 0: it comes from a process that nobody trusts.
ReaderStatus stats_from(const isolation::Json& message, std::int64_t& callback_began_ns);

isolation::Json event_message(const Event& event);
/// As `reader`'s, whatever the message says.
Event event_from(const isolation::Json& message, const std::string& reader, std::uint64_t generation);

}  // namespace perch::instances
