// Messages of host and worker: what is sent is what is heard, and what is no message is none.
#include "instances/worker_messages.hpp"

#include <doctest/doctest.h>

#include "unit/test_files.hpp"

namespace perch::instances {
namespace worker_messages_test {

using namespace std::chrono_literals;
using namespace perch::test;
using isolation::Channel;
using isolation::Json;

/// Two ends of a channel in one process.
struct Line {
  Line() {
    auto sockets = Channel::make_sockets();
    REQUIRE(sockets);
    host.emplace(std::move(sockets->first));
    worker.emplace(std::move(sockets->second));
  }
  isolation::Message receive(Channel& channel) {
    isolation::Message message;
    REQUIRE(channel.receive(message, 30s) == Channel::Received::message);
    return message;
  }
  template <class What>
  What ordered(What what) {
    REQUIRE(send(*host, Order{std::move(what), 7, 3s}));
    auto order = order_from(receive(*worker));
    REQUIRE(order);
    CHECK(order->ticket == 7);
    CHECK(order->wait == 3s);
    REQUIRE(std::holds_alternative<What>(order->what));
    return std::move(std::get<What>(order->what));
  }
  template <class What>
  What said(What what) {
    REQUIRE(send(*worker, WorkerMessage(std::move(what))));
    auto message = worker_message_from(receive(*host));
    REQUIRE(message);
    REQUIRE(std::holds_alternative<What>(*message));
    return std::move(std::get<What>(*message));
  }

  std::optional<Channel> host, worker;
};

UniqueFd bytes_of(const std::string& text) { return std::move(*isolation::to_descriptor(text)); }
std::string text_in(const UniqueFd& fd) { return isolation::from_descriptor(fd.get(), 1000).value(); }

TEST_CASE("orders arrive as they were given") {
  Line line;
  orders::Create create;
  create.reader = "r";
  create.config = R"({"a":1})";
  create.spin = true;
  create.generation = 5;
  create.copy = "/run/copy.so";
  create.source = "/plugins/r.so";
  create.checkpoint = 4s;
  create.callback_deadline = 6s;
  create.log_level = "warn";
  create.tables = Json::array({{{"name", "t"}}});
  create.sandbox = {true, {"/read", "/too"}, {"/write"}, 1000, 9s, 17};
  create.arena = bytes_of("arena");
  create.slot_page = bytes_of("page");
  const SandboxSpec sandbox = create.sandbox;
  const auto created = line.ordered(std::move(create));
  CHECK(created.reader == "r");
  CHECK(created.config == R"({"a":1})");
  CHECK(created.spin);
  CHECK(created.generation == 5);
  CHECK(created.copy == "/run/copy.so");
  CHECK(created.source == "/plugins/r.so");
  CHECK(created.checkpoint == 4s);
  CHECK(created.callback_deadline == 6s);
  CHECK(created.log_level == "warn");
  CHECK(created.tables.dump() == R"([{"name":"t"}])");
  CHECK(created.sandbox == sandbox);
  CHECK(text_in(created.arena) == "arena");
  CHECK(text_in(created.slot_page) == "page");

  const auto begun = line.ordered(orders::Begin{GivenState{3, 2, bytes_of("state")}});
  REQUIRE(begun.from);
  CHECK(begun.from->version == 3);
  CHECK(begun.from->state_version == 2);
  CHECK(text_in(begun.from->bytes) == "state");
  CHECK_FALSE(line.ordered(orders::Begin{}).from);
  CHECK(text_in(line.ordered(orders::Rehearse{{1, 1, bytes_of("")}}).state.bytes).empty());
  line.ordered(orders::Suspend{});
  line.ordered(orders::Resume{});
  line.ordered(orders::Hold{});
  line.ordered(orders::CatchUp{});
  line.ordered(orders::DropCheckpoint{});
  line.ordered(orders::End{});
}

TEST_CASE("what a worker says arrives as it was said") {
  Line line;
  const auto failed = line.said(says::Answer{4, Error{ErrorKind::timeout, "late", {"by far"}}, {}});
  CHECK(failed.ticket == 4);
  REQUIRE(failed.error);
  CHECK(failed.error->kind == ErrorKind::timeout);
  CHECK(failed.error->message == "late");
  CHECK(failed.error->details == std::vector<std::string>{"by far"});
  CHECK_FALSE(failed.state.bytes);
  const auto saved = line.said(says::Answer{5, std::nullopt, {8, 9, bytes_of("state")}});
  CHECK_FALSE(saved.error);
  CHECK(saved.state.version == 8);
  CHECK(saved.state.word == 9);
  CHECK(text_in(saved.state.bytes) == "state");

  says::Stats stats;
  stats.status.steps = 12;
  stats.status.callback = "on_commit";
  stats.status.metrics["m"] = {"gauge", 2.5, 3};
  stats.callback_began_ns = 77;
  const auto told = line.said(std::move(stats));
  CHECK(told.status.steps == 12);
  CHECK(told.status.callback == "on_commit");
  CHECK(told.status.metrics.at("m").value == 2.5);
  CHECK(told.callback_began_ns == 77);

  Event event;
  event.kind = "publication";
  event.reader = "somebody else";
  event.version = 6;
  event.topic = "t";
  event.json = "{\"a\":1}";
  const auto happened = line.said(says::Happened{event});
  CHECK(happened.event.kind == "publication");
  CHECK(happened.event.reader.empty());
  CHECK(happened.event.version == 6);
  CHECK(happened.event.topic == "t");
  CHECK(happened.event.json == "{\"a\":1}");

  const auto sandboxed = line.said(says::Sandboxed{{"Landlock"}, bytes_of("fd")});
  CHECK(sandboxed.lacks == std::vector<std::string>{"Landlock"});
  CHECK(text_in(sandboxed.attempts) == "fd");
  const auto logged = line.said(says::LogLine{3, "text"});
  CHECK(logged.level == 3);
  CHECK(logged.text == "text");
  CHECK(line.said(says::Checkpoint{{1, 2, bytes_of("c")}}).state.word == 2);
  CHECK(line.said(says::Fault{{ErrorKind::crashed, "SIGSEGV", {}}}).error.kind == ErrorKind::crashed);
  CHECK(line.said(says::Ended{"a thread"}).left == "a thread");
}

TEST_CASE("what is no message of a worker is none, and odd members count for nothing") {
  const auto heard = [](Json body) { return worker_message_from({std::move(body), {}}); };
  for (const char* const text :
       {R"({})", R"({"say":5})", R"({"say":"?"})", R"({"say":"answer"})", R"({"say":"answer","ticket":-1})",
        R"({"say":"answer","ticket":1.5})", R"({"say":"log","level":3})",
        R"({"say":"log","level":"3","text":"t"})", R"({"say":"log","level":3,"text":5})"}) {
    CAPTURE(text);
    CHECK_FALSE(heard(Json::parse(text)));
  }
  const auto answer = heard(Json::parse(R"({"say":"answer","ticket":1,"error":5,"version":-3,"word":"x"})"));
  REQUIRE(answer);
  CHECK_FALSE(std::get<says::Answer>(*answer).error);
  CHECK(std::get<says::Answer>(*answer).state.version == 0);
  CHECK(std::get<says::Answer>(*answer).state.word == 0);
  const auto line = heard(Json::parse(R"({"say":"log","level":99,"text":"a\nb"})"));
  REQUIRE(line);
  CHECK(std::get<says::LogLine>(*line).level == 4);
  CHECK_FALSE(has(std::get<says::LogLine>(*line).text, "\n"));
  const auto lacks = heard(Json::parse(R"({"say":"sandboxed","lacks":[1,null,["x"],"Landlock"]})"));
  REQUIRE(lacks);
  CHECK(std::get<says::Sandboxed>(*lacks).lacks == std::vector<std::string>{"Landlock"});
}

TEST_CASE("a state in two descriptors is none") {
  isolation::Message message{Json::parse(R"({"say":"checkpoint","version":1})"), {}};
  message.descriptors.push_back(bytes_of("a"));
  message.descriptors.push_back(bytes_of("b"));
  const auto said = worker_message_from(std::move(message));
  REQUIRE(said);
  CHECK_FALSE(std::get<says::Checkpoint>(*said).state.bytes);
}

TEST_CASE("an order without a state has none to rehearse, and a sandbox is on unless it is said to be off") {
  CHECK_FALSE(order_from({Json::parse(R"({"order":"rehearse"})"), {}}));
  CHECK_FALSE(order_from({Json::parse(R"({"order":"dance"})"), {}}));
  for (const auto& [text, is_on] :
       {std::pair(R"({"order":"create"})", true), std::pair(R"({"order":"create","sandbox":{}})", true),
        std::pair(R"({"order":"create","sandbox":{"is_on":0}})", true),
        std::pair(R"({"order":"create","sandbox":{"is_on":false}})", false)}) {
    CAPTURE(text);
    const auto order = order_from({Json::parse(text), {}});
    REQUIRE(order);
    CHECK(std::get<orders::Create>(order->what).sandbox.is_on == is_on);
  }
}

}  // namespace worker_messages_test
}  // namespace perch::instances
