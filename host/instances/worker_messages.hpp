// What a host and a worker say to each other, as types, and their form on the channel: the only place that
// knows that form.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "instances/event_hub.hpp"
#include "instances/live_stats.hpp"
#include "instances/worker_spec.hpp"
#include "isolation/channel.hpp"

namespace perch::instances {

// ---- From the host to a worker

/// A reader's state that the worker is given. The version is pinned for the worker before.
struct GivenState {
  tree::Version version = 0;  ///< 0: it stands on none
  std::uint32_t state_version = 0;
  UniqueFd bytes;
};

namespace orders {

/// The first one. All that a worker does not find in its program.
struct Create {
  std::string reader;
  std::string config;
  bool spin = false;
  std::uint64_t generation = 0;
  std::filesystem::path copy;    ///< of the plugin's file, to be loaded
  std::filesystem::path source;  ///< the plugin's file, for texts
  std::chrono::nanoseconds checkpoint{0};
  std::chrono::nanoseconds callback_deadline{0};
  std::string log_level;
  isolation::Json tables;  ///< tables::to_texts
  SandboxSpec sandbox;
  UniqueFd arena;
  UniqueFd slot_page;
};
struct Begin {
  std::optional<GivenState> from;
};
struct Rehearse {
  GivenState state;
};
struct Suspend {};
struct Resume {};
struct Hold {};
struct CatchUp {};
struct DropCheckpoint {};
struct End {};

}  // namespace orders

using AnyOrder = std::variant<orders::End, orders::Create, orders::Begin, orders::Rehearse, orders::Suspend,
                              orders::Resume, orders::Hold, orders::CatchUp, orders::DropCheckpoint>;

struct Order {
  AnyOrder what;
  std::uint64_t ticket = 0;  ///< the answer's; 0: nobody waits for one
  std::chrono::nanoseconds wait{0};
};

/// False: the other side is gone, or takes nothing. As Channel::send.
bool send(isolation::Channel& channel, const Order& order);
/// None: no order. What is missing in it is 0 or empty.
std::optional<Order> order_from(isolation::Message message);

// ---- From a worker to the host, which trusts none of it

/// A reader's state as the worker says it.
struct SaidState {
  tree::Version version = 0;
  std::uint64_t word = 0;  ///< the worker's pin of that version
  UniqueFd bytes;          ///< may be none, or anything
};

namespace says {

struct Answer {
  std::uint64_t ticket = 0;
  std::optional<Error> error;
  SaidState state;  ///< of a reader that was suspended
};
struct Stats {
  ReaderStatus status;
  std::int64_t callback_began_ns = 0;  ///< on the steady clock; of the function that runs now
};
struct Happened {
  Event event;  ///< without its reader and generation, which the host knows
};
struct Sandboxed {
  std::vector<std::string> lacks;  ///< what the kernel has not, in words
  UniqueFd attempts;               ///< may be none
};
struct LogLine {
  int level = 0;  ///< spdlog's, debug to error
  std::string text;
};
struct Checkpoint {
  SaidState state;
};
struct Fault {
  Error error;
};
struct Ended {
  std::string left;  ///< what is left behind in the process; "": nothing
};

}  // namespace says

using WorkerMessage = std::variant<says::Answer, says::Stats, says::Happened, says::Sandboxed, says::LogLine,
                                   says::Checkpoint, says::Fault, says::Ended>;

says::Stats stats_of(const LiveStats& stats);
bool send(isolation::Channel& channel, const WorkerMessage& message);
/// None: nothing that a worker says. Texts are clean and bounded, numbers that are missing, or are none, are
/// 0.
std::optional<WorkerMessage> worker_message_from(isolation::Message message);

}  // namespace perch::instances
