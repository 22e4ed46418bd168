// events.subscribe: what is published arrives, or is counted as dropped.
#include "host_fixture.hpp"

using namespace perch;
using namespace perch::control::testing;

namespace events_test {

instances::Event publication(const std::string& reader, const std::string& topic, const std::string& data) {
  instances::Event event;
  event.kind = "publication";
  event.reader = reader;
  event.topic = topic;
  event.generation = 3;
  event.version = 42;
  event.json = data;
  return event;
}

TEST_CASE("events come as notifications with the reader's JSON untouched, on one line") {
  SmallHost host;
  Peer peer = host.connect();
  peer.result("events.subscribe");
  host.events.publish(publication("vwap", "prices", "{\"a\":\n1.10,\"big\":123456789012345678901}"));
  const std::string line = *peer.line();
  CHECK(line.find("\"data\":{\"a\": 1.10,\"big\":123456789012345678901}}") != std::string::npos);
  const json event = json::parse(line);
  CHECK(event["method"] == "event");
  CHECK_FALSE(event.contains("id"));
  CHECK(event["params"]["reader"] == "vwap");
  CHECK(event["params"]["topic"] == "prices");
  CHECK(event["params"]["generation"] == 3);
  CHECK(event["params"]["version"] == 42);
  CHECK(event["params"]["sequence"] == 1);
  CHECK(event["params"]["time"].get<std::int64_t>() > 0);
}

TEST_CASE("what is no JSON arrives as a string") {
  SmallHost host;
  Peer peer = host.connect();
  peer.result("events.subscribe");
  host.events.publish(publication("r", "t", "{\"cut\":"));
  CHECK(peer.message()["params"]["data"] == "{\"cut\":");
}

TEST_CASE("a subscription takes the kinds, the reader and the topic it asked for") {
  SmallHost host;
  Peer peer = host.connect();
  peer.result("events.subscribe",
              {{"kinds", {"publication", "reader.loaded"}}, {"reader", "a"}, {"topic", "t"}});
  instances::Event loaded;
  loaded.kind = "reader.loaded";
  loaded.reader = "a";
  instances::Event failed = loaded;
  failed.kind = "reader.failed";
  for (const auto& event :
       {publication("b", "t", "1"), publication("a", "u", "2"), failed, loaded, publication("a", "t", "3")}) {
    host.events.publish(event);
  }
  CHECK(peer.message()["params"]["kind"] == "reader.loaded");
  CHECK(peer.message()["params"]["data"] == 3);
}

TEST_CASE("a second subscription replaces the first") {
  SmallHost host;
  Peer peer = host.connect();
  peer.result("events.subscribe", {{"reader", "a"}});
  peer.result("events.subscribe", {{"reader", "b"}});
  host.events.publish(publication("a", "t", "1"));
  host.events.publish(publication("b", "t", "2"));
  CHECK(peer.message()["params"]["data"] == 2);
}

TEST_CASE("a listener that does not keep up loses events, never the count of them") {
  SmallHost host;
  Peer peer = host.connect();
  peer.result("events.subscribe");
  constexpr int published = 20'000;
  const std::string data = "\"" + std::string(1000, 'x') + "\"";
  for (int i = 0; i < published; ++i) host.events.publish(publication("r", "t", data));
  std::uint64_t seen = 0, dropped = 0, last_sequence = 0;
  while (seen + dropped < published) {
    const json message = peer.message();
    if (message["method"] == "events.dropped") {
      dropped += message["params"]["count"].get<std::uint64_t>();
    } else {
      const auto sequence = message["params"]["sequence"].get<std::uint64_t>();
      REQUIRE(sequence > last_sequence);
      last_sequence = sequence;
      ++seen;
    }
  }
  CHECK(seen + dropped == published);
  CHECK(dropped > 0);
  CHECK(seen > 0);
  CHECK(peer.result("host.status")["name"] == "test");
}

TEST_CASE("a listener that has finished sending goes on listening") {
  SmallHost host;
  Peer peer = host.connect();
  peer.send(R"({"jsonrpc":"2.0","id":1,"method":"events.subscribe"})"
            "\n");
  peer.finish_sending();
  CHECK(peer.message()["id"] == 1);
  for (int i = 0; i < 10; ++i) {
    host.events.publish(publication("r", "t", std::to_string(i)));
    CHECK(peer.message()["params"]["data"] == i);
  }
}

}  // namespace events_test
