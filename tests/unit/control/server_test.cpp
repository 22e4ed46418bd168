// Requests and answers over a real socket.
#include "host_fixture.hpp"

#include "base/log.hpp"
#include "control/method.hpp"

using namespace perch;
using namespace perch::control::testing;

TEST_CASE("a peer is greeted with the host's name and version and its own role") {
  const SmallHost host;
  Peer peer(host.socket);
  CHECK(*peer.line() == R"({"perch":{"name":"test","version":"9.8.7","role":"owner"}})");
}

TEST_CASE("status says what the host holds") {
  const SmallHost host(R"({"name":"a","n":1,"x":1,"big":1})"
                       "\nno row\n");
  Peer peer = host.connect();
  const json status = peer.result("host.status");
  CHECK(status["name"] == "test");
  CHECK(status["tables"] == json::array({{{"name", "rows"}, {"rows", 1}, {"evicted_rows", 0}}}));
  CHECK(status["sources"][0]["rejects"] == 1);
  CHECK(status["commits"]["rows"] == 1);
  CHECK(status["published_version"].get<std::uint64_t>() >= 1);
  CHECK(status["readers"].empty());
  CHECK(status["memory"]["live_bytes"].get<std::uint64_t>() > 0);
  CHECK(peer.result("source.list")["sources"] == status["sources"]);
  CHECK(peer.result("snapshot.list")["published_version"] == status["published_version"]);
  CHECK(peer.result("reader.list")["readers"].empty());
}

TEST_CASE("the listed methods are there, those that are not listed are not") {
  const SmallHost host;
  Peer peer = host.connect();
  const json listed = peer.result("host.methods")["methods"];
  CHECK(listed.size() == control::all_methods().size());
  for (const json& method : listed) {
    // A parameter that no method has: it is the parameters that are refused, never the method, and nothing
    // runs.
    const json error = peer.error(method["name"], {{"no such parameter", 1}});
    CHECK(error["code"] == -32602);
  }
  const json error = peer.error("reader.lod");
  CHECK(error["code"] == -32601);
  CHECK(error["message"].get<std::string>().find("did you mean \"reader.load\"?") != std::string::npos);
}

TEST_CASE("parameters are checked before anything is done") {
  const SmallHost host;
  Peer peer = host.connect();
  const auto message = [&](const std::string& method, const json& params) {
    const json error = peer.error(method, params);
    CHECK(error["code"] == -32602);
    CHECK(error["data"]["kind"] == "usage");
    return error["message"].get<std::string>();
  };
  CHECK(message("reader.unload", json::object()).find("needs the parameter \"name\"") != std::string::npos);
  CHECK(message("reader.unload", {{"nam", "x"}}).find("did you mean \"name\"?") != std::string::npos);
  CHECK(message("reader.unload", {{"name", 5}}).find("expected string, got number") != std::string::npos);
  CHECK(message("reader.load", {{"file", "relative.so"}}).find("absolute") != std::string::npos);
  CHECK(message("reader.load", {{"file", "/x.so"}, {"config", "{}"}}).find("object") != std::string::npos);
  CHECK(message("reader.swap", {{"name", "x"}, {"probation", "2h"}}).find("at most 1h") != std::string::npos);
  CHECK(message("reader.swap", {{"name", "x"}, {"probation", "5 parsecs"}}).find("duration") !=
        std::string::npos);
  CHECK(message("table.scan", {{"table", "rows"}, {"limit", -1}}).find("0 or more") != std::string::npos);
  CHECK(message("events.subscribe", {{"kinds", {1}}}).find("array of strings") != std::string::npos);
}

TEST_CASE("readers' methods answer when the manager has done its part") {
  const SmallHost host;
  Peer peer = host.connect();
  const std::string text_file = (host.folder / "text.so").string();
  std::ofstream(text_file) << "no library";
  CHECK(peer.error("reader.unload", {{"name", "nobody"}})["data"]["kind"] == "not_found");
  CHECK(peer.error("reader.accept", {{"name", "nobody"}})["data"]["kind"] == "not_found");
  CHECK(peer.error("reader.load", {{"file", text_file}})["message"].get<std::string>().find("text.so") !=
        std::string::npos);
  CHECK(peer.error("reader.inspect", {{"file", text_file}})["message"].get<std::string>().find("text.so") !=
        std::string::npos);
  CHECK(peer.error("reader.inspect", {{"file", "/dev/null"}})["message"] ==
        "/dev/null: no Perch manifest: this is a device");
}

TEST_CASE("an answer for a peer that has gone harms nobody") {
  const SmallHost host;
  for (int i = 0; i < 50; ++i) {
    Peer peer = host.connect();
    peer.send(R"({"jsonrpc":"2.0","id":1,"method":"reader.unload","params":{"name":"nobody"}})"
              "\n");
  }
  CHECK(host.connect().result("host.status")["name"] == "test");
}

TEST_CASE("a notification is carried out and not answered") {
  REQUIRE(log::start("warn"));
  {
    const SmallHost host;
    Peer peer = host.connect();
    peer.send(R"({"jsonrpc":"2.0","method":"log.level","params":{"level":"error"}})"
              "\n"
              R"({"jsonrpc":"2.0","method":"no.such.method"})"
              "\n");
    CHECK(peer.result("log.level")["level"] == "error");
    CHECK(peer.error("log.level", {{"level", "loud"}})["data"]["kind"] == "usage");
  }
  log::stop();
}

TEST_CASE("requests sent at once are answered in their order") {
  const SmallHost host;
  Peer peer = host.connect();
  std::string lines;
  constexpr int requests = 1000;
  for (int i = 0; i < requests; ++i) {
    lines +=
        json{{"jsonrpc", "2.0"}, {"id", i}, {"method", i % 3 ? "table.list" : "host.methods"}}.dump() + "\n";
  }
  std::thread sender([&] { peer.send(lines); });
  for (int i = 0; i < requests; ++i) CHECK(peer.message()["id"] == i);
  sender.join();
}

TEST_CASE("a peer that has finished sending still gets its answers, an unended line's too") {
  const SmallHost host;
  Peer peer = host.connect();
  peer.send(R"({"jsonrpc":"2.0","id":1,"method":"reader.unload","params":{"name":"x"}})"
            "\n"
            R"({"jsonrpc":"2.0","id":2,"method":"table.list"})");
  peer.finish_sending();
  bool seen[3]{};
  for (int i = 0; i < 2; ++i) seen[peer.message()["id"].get<int>()] = true;
  CHECK(seen[1]);
  CHECK(seen[2]);
  CHECK_FALSE(peer.line());
}

TEST_CASE("stop answers nobody any more and removes the socket") {
  auto host = std::make_unique<SmallHost>();
  Peer peer = host->connect();
  host->server->stop();
  CHECK_FALSE(peer.line());
  CHECK_FALSE(std::filesystem::exists(host->socket));
}
