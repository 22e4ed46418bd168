// Channel: what a host and one of its workers say to each other: JSON objects over a socket pair, with
// descriptors.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch::isolation {

using Json = nlohmann::json;

struct Message {
  Json body;
  std::vector<UniqueFd> descriptors;
};

/// Bounds: a message has at most 4 MiB, 32 levels and 4 descriptors; sending waits at most 10 s for the other
/// side.
///
/// Thread safety: send from any thread; receive from one.
class Channel {
 public:
  enum class Received { message, nothing, ended };

  explicit Channel(UniqueFd socket);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Both ends.
  static Result<std::pair<UniqueFd, UniqueFd>> make_sockets();

  /// False: the other side is gone, or takes nothing.
  bool send(const Json& body, const std::vector<int>& descriptors = {});
  /// nothing: none came within the time. ended: none will any more; also after what is no message.
  /// Also returns `nothing` when `other_fd` (−1: none) has something.
  Received receive(Message& message, std::chrono::milliseconds wait, int other_fd = -1);
  int fd() const noexcept { return socket_.get(); }

 private:
  bool take(Message& message);
  bool read_some();

  const UniqueFd socket_;
  std::mutex sending_;
  bool is_broken_ = false;  // of the receiver
  std::string received_;
  std::deque<UniqueFd> descriptors_;
};

/// Bytes of any number, such as a reader's saved state, as a descriptor that they can be read from.
Result<UniqueFd> to_descriptor(const std::string& bytes);
/// The other way round. The descriptor may be anything: at most `bytes_max` are read of it, and it is not
/// mapped.
Result<std::string> from_descriptor(int fd, std::uint64_t bytes_max);

Json to_json(const Error& error);
/// Of anything: it may come from a process that nobody trusts. What is missing, or no text, is left empty.
Error error_from(const Json& json);

}  // namespace perch::isolation
