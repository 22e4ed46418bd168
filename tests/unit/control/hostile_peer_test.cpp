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

TEST_CASE("the 65th peer is told when all others wait for something, and let in when one leaves") {
  const SmallHost host;
  std::vector<Peer> peers;
  for (int i = 0; i < 64; ++i) {
    peers.push_back(host.connect());
    peers.back().result("events.subscribe");
  }
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

TEST_CASE("who comes late is served, whatever number of connections was opened and left open") {
  const SmallHost host;
  std::vector<Peer> left;
  for (int i = 0; i < 500; ++i) {
    left.emplace_back(host.socket);
    if (i % 100 == 99) CHECK(host.connect().result("host.status")["name"] == "test");
  }
}

TEST_CASE("a connection that somebody uses, or waits on, is not closed to make room") {
  const SmallHost host;
  Peer used = host.connect();
  CHECK(used.result("log.level").contains("level"));
  Peer listens = host.connect();
  listens.result("events.subscribe");
  std::vector<Peer> left;
  for (int i = 0; i < 200; ++i) left.emplace_back(host.socket);
  CHECK(host.connect().result("host.status")["name"] == "test");
  CHECK(used.result("log.level").contains("level"));
  CHECK(listens.result("log.level").contains("level"));
}

/// Runs `body` on a thread that is another user, in the groups given. (The system calls change that thread
/// alone; the library's functions would change the server's too.) Skipped when not root.
template <class Body>
void as_nobody(const std::vector<gid_t>& groups, const Body& body) {
  if (::geteuid() != 0) {
    MESSAGE("*** SKIPPED: only root can become another user");
    return;
  }
  std::thread([&] {
    constexpr uid_t nobody = 65534;
    REQUIRE(::syscall(SYS_setgroups, groups.size(), groups.data()) == 0);
    REQUIRE(::syscall(SYS_setresgid, nobody, nobody, nobody) == 0);
    REQUIRE(::syscall(SYS_setresuid, nobody, nobody, nobody) == 0);
    body();
  }).join();
}

TEST_CASE("a user who is neither the host's nor root nor of a configured group may look but not change") {
  ServerSpec spec;
  spec.mode = 0666;
  spec.roles.groups = {{"operators", 4711}};
  const SmallHost host("", spec);
  as_nobody({4712}, [&] {
    Peer peer(host.socket);
    CHECK(peer.message()["perch"]["role"] == "viewer");
    CHECK(peer.result("table.list").contains("tables"));
    CHECK(peer.result("log.level").contains("level"));
    for (const auto& [method, params] :
         std::vector<std::pair<std::string, json>>{{"reader.unload", {{"name", "x"}}},
                                                   {"reader.disable", {{"name", "x"}}},
                                                   {"log.level", {{"level", "info"}}},
                                                   {"reader.load", {{"file", "/x.so"}}}}) {
      CHECK(peer.error(method, params)["data"]["kind"] == "refused");
    }
    const json refusal = peer.error("reader.unload", {{"name", "x"}});
    CHECK(
        refusal["message"] ==
        "reader.unload changes the host: only the user that runs it, root, or a member of operators may call "
        "it");
  });
}

TEST_CASE("a member of a configured group may change, also where it is not his first group") {
  ServerSpec spec;
  spec.roles.groups = {{"operators", 4711}, {"others", 4712}};
  const SmallHost host("", spec);  // mode 0660: the socket is given to the first group
  as_nobody({1, 4711, 7}, [&] {
    Peer peer(host.socket);
    CHECK(peer.message()["perch"]["role"] == "operator");
    CHECK(peer.error("reader.unload", {{"name", "x"}})["data"]["kind"] == "not_found");
    CHECK(peer.result("log.level", {{"level", "info"}})["level"] == "info");
  });
}

TEST_CASE("where others may do nothing they are told why, and closed") {
  ServerSpec spec;
  spec.mode = 0666;
  spec.roles.others_may_look = false;
  const SmallHost host("", spec);
  as_nobody({}, [&] {
    Peer peer(host.socket);
    const json told = peer.message();
    REQUIRE(told.contains("error"));
    CHECK(told["error"]["data"]["kind"] == "refused");
    CHECK_FALSE(peer.line());
  });
  CHECK(host.connect().result("host.status")["name"] == "test");
}
