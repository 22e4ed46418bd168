#include "cli/outcome.hpp"

#include "host_fixture.hpp"

using namespace perch;
using namespace perch::control::testing;
using cli::Client;

namespace client_test {

cli::Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(30); }

TEST_CASE("where no host is, the client says so and what to do") {
  const TemporaryFolder folder;
  const auto client = Client::connect(folder / "none.sock", soon());
  REQUIRE_FALSE(client);
  CHECK(client.error().exit_code == cli::exit_no_host);
  CHECK(client.error().error.message.find("start one with perchd --config FILE") != std::string::npos);
  CHECK(Client::connect(std::string(200, 'x'), soon()).error().exit_code == cli::exit_usage);
}

TEST_CASE("results and refusals come back with what a script needs") {
  const SmallHost host(R"({"name":"a","n":1,"x":1,"big":1})"
                       "\n");
  auto client = Client::connect(host.socket, soon());
  REQUIRE(client);
  CHECK(client->call("table.scan", {{"table", "rows"}}, soon())->at("rows").dump() ==
        R"([{"name":"a","n":1,"x":1.0,"big":1}])");
  CHECK(client->call("reader.unload", {{"name", "nobody"}}, soon()).error().exit_code == cli::exit_failed);
  CHECK(client->call("table.scan", {{"tabel", "rows"}}, soon()).error().exit_code == cli::exit_usage);
  CHECK(cli::exit_code_of(ErrorKind::incompatible) == 4);
  CHECK(cli::exit_code_of(ErrorKind::rolled_back) == 5);
  CHECK(cli::exit_code_of(ErrorKind::timeout) == 6);
}

TEST_CASE("events that come between a request and its answer are kept") {
  SmallHost host;
  auto client = Client::connect(host.socket, soon());
  REQUIRE(client);
  REQUIRE(client->call("events.subscribe", cli::Json::object(), soon()));
  constexpr int events = 20;
  for (int i = 0; i < events; ++i) {
    instances::Event event;
    event.kind = "publication";
    event.json = std::to_string(i);
    host.events.publish(event);
  }
  CHECK(client->call("table.list", cli::Json::object(), soon()).has_value());
  for (int i = 0; i < events; ++i) {
    const auto notification = client->next_notification(soon(), -1);
    REQUIRE(notification);
    CHECK((**notification)["params"]["data"] == i);
  }
}

TEST_CASE("a host that stops ends the waiting, a deadline too") {
  auto host = std::make_unique<SmallHost>();
  auto client = Client::connect(host->socket, soon());
  REQUIRE(client);
  const auto past = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  CHECK(client->next_notification(past, -1).error().exit_code == cli::exit_timeout);
  host->server->stop();
  CHECK(client->next_notification(soon(), -1).error().exit_code == cli::exit_no_host);
}

}  // namespace client_test
