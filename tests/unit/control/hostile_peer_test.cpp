// Peers that are broken, slow, many or evil: the next honest request is answered.
#include <sys/syscall.h>
#include <unistd.h>

#include <random>

#include "host_fixture.hpp"

using namespace perch;
using namespace perch::control;
using namespace perch::control::testing;

TEST_CASE("bad lines get an error each and the connection goes on") {
  const SmallHost host;
  Peer peer = host.connect();
  const std::string deep =
      R"({"jsonrpc":"2.0","id":1,"method":"host.status","params":)" + std::string(100'000, '[');
  for (const std::string& line :
       {std::string("{"), std::string("null"), std::string("[]"), std::string(1, '\0'),
        std::string("\xff\xfe"), deep, std::string(R"({"jsonrpc":"2.0","id":{},"method":1})")}) {
    peer.send(line + "\n");
    const json reply = peer.message();
    CHECK(reply["id"].is_null());
    CHECK(reply["error"]["code"].get<int>() <= -32600);
  }
  peer.send("\n \r\n\t\n");
  CHECK(peer.result("host.status")["name"] == "test");
}

TEST_CASE("a line over 1 MiB gets one error, the next line its answer") {
  const SmallHost host;
  Peer peer = host.connect();
  peer.send(std::string(2 << 20, 'x') + "\n");
  const json reply = peer.message();
  CHECK(reply["error"]["code"] == -32600);
  CHECK(reply["error"]["message"].get<std::string>().find("1.0 MiB") != std::string::npos);
  CHECK(peer.result("host.status")["name"] == "test");
}

TEST_CASE("random damage to requests crashes nothing") {
  const SmallHost host(R"({"name":"a","n":1,"x":1,"big":1})"
                       "\n");
  const std::vector<std::string> good{
      R"({"jsonrpc":"2.0","id":1,"method":"table.scan","params":{"table":"rows","from":{"name":"a","n":-5},"limit":10}})",
      R"({"jsonrpc":"2.0","id":"x","method":"table.get","params":{"table":"rows","key":{"name":"a","n":1}}})",
      R"({"jsonrpc":"2.0","id":3,"method":"reader.swap","params":{"name":"a","file":"/x","probation":"1ms"}})",
      R"({"jsonrpc":"2.0","id":4,"method":"events.subscribe","params":{"kinds":["publication"],"reader":"r"}})",
      R"({"jsonrpc":"2.0","id":5,"method":"reader.inspect","params":{"file":"/etc/hostname"}})"};
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    Peer peer = host.connect();
    std::string lines;
    for (int i = 0; i < 100; ++i) {
      std::string line = good[random() % good.size()];
      for (unsigned changes = random() % 4; changes > 0; --changes) {
        const std::size_t at = random() % line.size();
        if (random() % 2) {
          line[at] = static_cast<char>(random());
        } else {
          line.erase(at, random() % 8);
          line += ' ';
        }
      }
      lines += line + "\n";
    }
    peer.send(lines);
    if (random() % 2) continue;  // gone without reading
    peer.send(R"({"jsonrpc":"2.0","id":"the last","method":"table.list"})"
              "\n");
    while (peer.message()["id"] != "the last") continue;
  }
  CHECK(host.connect().result("table.scan", {{"table", "rows"}})["rows"].size() == 1);
}

TEST_CASE("the 65th peer is told, and let in when another leaves") {
  const SmallHost host;
  std::vector<Peer> peers;
  for (int i = 0; i < 64; ++i) peers.push_back(host.connect());
  {
    Peer surplus(host.socket);
    const json reply = surplus.message();
    CHECK(reply["error"]["data"]["kind"] == "exhausted");
    CHECK_FALSE(surplus.line());
  }
  CHECK(peers.front().result("host.status")["name"] == "test");
  peers.pop_back();
  CHECK(host.connect().result("host.status")["name"] == "test");
}

TEST_CASE("connections opened and left cost nothing that stays") {
  const SmallHost host;
  for (int i = 0; i < 1000; ++i) {
    Peer peer(host.socket);
    if (i % 3 == 0) peer.send("{\"jsonrpc\":\"2.0\",\"id\":1,");
  }
  CHECK(host.connect().result("host.status")["name"] == "test");
  const auto open = std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  CHECK(open < 64);
}

TEST_CASE("a peer that sends and never reads is closed, the others are served") {
  ServerSpec spec;
  spec.stall_time_max = std::chrono::milliseconds(20);
  const SmallHost host("", spec);
  Peer flooder = host.connect();
  const std::string request = R"({"jsonrpc":"2.0","id":1,"method":"host.methods"})"
                              "\n";
  bool closed = false;
  for (int i = 0; i < 10'000'000 && !closed; ++i) {
    closed = ::send(flooder.fd(), request.data(), request.size(), MSG_NOSIGNAL) < 0;
    if (i % 1000 == 0) CHECK(host.connect().result("host.status")["name"] == "test");
  }
  CHECK(closed);
}

TEST_CASE("a user who is neither the host's nor root may look but not change") {
  if (::geteuid() != 0) {
    MESSAGE("SKIPPED: only root can become another user");
    return;
  }
  ServerSpec spec;
  spec.mode = 0666;
  const SmallHost host("", spec);
  std::thread([&] {
    // The system call changes this thread alone; setresuid() would change the server's too.
    constexpr uid_t nobody = 65534;
    REQUIRE(::syscall(SYS_setresuid, nobody, nobody, nobody) == 0);
    Peer peer(host.socket);
    CHECK(peer.message()["perch"]["role"] == "viewer");
    CHECK(peer.result("table.list").contains("tables"));
    CHECK(peer.result("log.level").contains("level"));
    for (const auto& [method, params] :
         std::vector<std::pair<std::string, json>>{{"reader.unload", {{"name", "x"}}},
                                                   {"log.level", {{"level", "info"}}},
                                                   {"reader.load", {{"file", "/x.so"}}}}) {
      CHECK(peer.error(method, params)["data"]["kind"] == "refused");
    }
  }).join();
}
