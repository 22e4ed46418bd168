// In perch-worker's place: a process that says to its host whatever a mad plugin could write into the
// channel. Its first argument, a reader's name elsewhere, says what. Up to then it answers as a worker does.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/descriptor_message.hpp"
#include "isolation/channel.hpp"

namespace {

using perch::UniqueFd;
using perch::isolation::Channel;
using perch::isolation::Json;
using perch::isolation::Message;

constexpr int channel_fd = 3;
const char* const sayings[] = {"answer", "stats", "event",     "log", "checkpoint",
                               "fault",  "ended", "sandboxed", "?"};
const char* const members[] = {"ticket",   "error",   "level", "text",    "version", "word",
                               "lacks",    "left",    "kind",  "message", "topic",   "callback_began_ns",
                               "json",     "metrics", "steps", "cpu_ns",  "details", "state",
                               "callback", "refused"};

std::vector<Json> odd_values() {
  return {
      nullptr,
      true,
      -1,
      1.5,
      1e300,
      -1e300,
      std::uint64_t{0xffff'ffff'ffff'ffff},
      "",
      "x\n\x01y",
      std::string(20'000, 'x'),
      "publication",
      "reader.slow",
      Json::array(),
      Json::array({1, "x", nullptr, Json::object()}),
      Json::object(),
      Json{{"message", 5}, {"kind", 7}, {"details", "x"}},
      Json{{"message", "m"}, {"kind", "crashed"}, {"details", {1, 2}}},
      Json{{"a", {"gauge", "x", 1}}, {"b", {"gauge", 1e300, -5}}, {"c", 3}, {"d", {"gauge", 2.5, 1e300}}}};
}

void write_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(channel_fd, bytes.data(), bytes.size());
    if (written <= 0) _exit(0);  // the host has hung up: it has heard enough
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void write_framed(std::string_view text, std::uint32_t descriptors = 0, std::uint32_t bytes = 0) {
  const std::uint32_t header[2] = {bytes != 0 ? bytes : static_cast<std::uint32_t>(text.size()), descriptors};
  write_raw({reinterpret_cast<const char*>(header), sizeof header});
  write_raw(text);
}

std::string nested(const std::string& before, std::size_t levels, const std::string& after) {
  return before + std::string(levels, '[') + std::string(levels, ']') + after;
}

void say_everything_oddly(Channel& channel) {
  for (const char* const say : sayings) {
    for (const char* const member : members) {
      for (const Json& value : odd_values()) channel.send({{"say", say}, {member, value}});
    }
  }
  for (const Json& value : odd_values()) channel.send({{"say", value}});
}

/// Messages of members and values at random.
void babble(Channel& channel, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::vector<Json> values = odd_values();
  for (int i = 0; i < 8'000; ++i) {
    Json message{{"say", sayings[random() % std::size(sayings)]}};
    for (std::uint64_t many = random() % 5; many > 0; --many)
      message[members[random() % std::size(members)]] = values[random() % values.size()];
    std::vector<int> descriptors(random() % 8 == 0 ? random() % 4 : 0, STDIN_FILENO);
    if (!channel.send(message, descriptors)) return;
  }
}

/// The descriptor of a state that is none.
UniqueFd odd_state(const std::string& what) {
  if (what == "a pipe") {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) _exit(1);
    return UniqueFd(ends[0]);  // the other end stays open: reading waits for ever
  }
  if (what == "a folder") return UniqueFd(open("/", O_RDONLY | O_CLOEXEC));
  UniqueFd fd(memfd_create("odd", MFD_CLOEXEC));
  if (what == "too large" && ftruncate(fd.get(), std::int64_t{1} << 40) != 0) _exit(1);
  return fd;
}

[[noreturn]] void misbehave(Channel& channel, const std::string& what) {
  if (what == "noise") {
    std::mt19937_64 random(7);
    for (int i = 0; i < 10'000; ++i) {
      const std::uint64_t number = random();
      write_raw({reinterpret_cast<const char*>(&number), sizeof number});
    }
  } else if (what == "a message without end") {
    write_framed("{", 0, 0xffff'ffff);
  } else if (what == "no json") {
    write_framed("{");
  } else if (what == "an array") {
    write_framed("[]");
  } else if (what == "deep error") {
    write_framed(nested(R"({"say":"fault","error":)", 1'500'000, "}"));
  } else if (what == "deep lacks") {
    write_framed(nested(R"({"say":"sandboxed","lacks":[)", 1'500'000, "]}"));
  } else if (what == "deep publication") {
    const std::string deep = nested("", 100'000, "");
    channel.send({{"say", "event"}, {"kind", "publication"}, {"topic", "deep"}, {"json", deep}});
  } else if (what == "descriptors that are not there") {
    write_framed(R"({"say":"checkpoint"})", 3);
  } else if (what == "too many descriptors") {
    const std::vector<int> some(perch::descriptors_per_message_max, STDIN_FILENO);
    for (int i = 0; i < 100; ++i) {
      const char byte = 0;
      if (perch::send_with_descriptors(channel_fd, {&byte, 1}, some, MSG_NOSIGNAL) <= 0) break;
    }
  } else if (what == "hangs up") {
    ::close(channel_fd);
  } else if (what == "flood") {
    for (;;) write_framed(R"({"say":"log","level":3,"text":"flood"})");
  } else if (what == "odd messages") {
    say_everything_oddly(channel);
  } else if (what.starts_with("babble ")) {
    babble(channel, std::strtoull(what.c_str() + 7, nullptr, 10));
  }
  for (;;) pause();  // silence
}

}  // namespace

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that dies leaves none
  const std::string what = argc > 1 ? argv[1] : "";
  constexpr std::string_view state = "state: ";
  Channel channel((UniqueFd(channel_fd)));
  Message order;
  while (channel.receive(order, std::chrono::minutes(1)) == Channel::Received::message) {
    const std::string name = order.body.value("order", "");
    if (name == "end") return 0;
    Json answer{{"say", "answer"}, {"ticket", order.body.value("ticket", Json())}};
    if (name == "suspend") {
      answer["version"] = what == "state: a version to come" ? 1'000'000'000 : 1;
      answer["word"] = what == "state: not pinned" ? std::uint64_t{1} << 32 : 0xffff'ffff'ffff'ffff;
      const UniqueFd bytes = odd_state(what.substr(state.size()));
      channel.send(answer, {bytes.get()});
      continue;
    }
    channel.send(answer);
    if (name != "begin") continue;
    if (!what.starts_with(state)) misbehave(channel, what);
    // Alive and well, so that what is told of it is its state.
    std::thread([&channel] {
      for (;; std::this_thread::sleep_for(std::chrono::milliseconds(20))) channel.send({{"say", "stats"}});
    }).detach();
  }
  return 0;
}
