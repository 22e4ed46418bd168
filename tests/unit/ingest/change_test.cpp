// Sources and tables that come and go while others are at work, and the writer's role going from thread to
// thread.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/unique_fd.hpp"
#include "unit/ingest/ingest_fixture.hpp"
#include "unit/no_threads.hpp"

using namespace perch;
using namespace perch::ingest;
using namespace perch::ingest::test;

namespace change_test {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t rows_each = 2'000;
#else
constexpr std::uint64_t rows_each = 20'000;
#endif

SourceSpec listener(const Host& host, const std::string& name, const std::string& table) {
  SourceSpec source;
  source.name = name;
  source.type = SourceType::unix_socket;
  source.path = host.folder / (name + ".sock");
  source.feeds = {{table, {}, {}}};
  return source;
}

UniqueFd connect(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

/// Sends rows [first, first + rows_each), a few at a time with pauses now and then: the stream is idle often.
void send_rows(const UniqueFd& socket, std::uint64_t first, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::uint64_t id = first; id < first + rows_each;) {
    std::string text;
    for (std::uint64_t left = 1 + random() % 40; left > 0 && id < first + rows_each; --left, ++id)
      text += number_row(id, static_cast<std::int64_t>(id));
    REQUIRE(::write(socket.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
  }
}

IngestChange change_of(const Host& host) {
  IngestChange change;
  change.commit_max_rows = host.spec.commit_max_rows;
  change.commit_max_delay = host.spec.commit_max_delay;
  return change;
}

TEST_CASE("rows of idle streams are applied by their own threads, none lost, none doubled") {
  for (const std::uint32_t max_rows : {1u, 7u, 1000u}) {
    CAPTURE(max_rows);
    Host host;
    host.spec.commit_max_rows = max_rows;
    host.spec.commit_max_delay = std::chrono::microseconds(200);
    for (const char* name : {"a", "b", "c"}) host.spec.sources.push_back(listener(host, name, "numbers"));
    host.spec.sources[1].spin = true;
    Ingest& ingest = host.start();
    std::vector<std::thread> feeds;
    for (std::uint64_t feed = 0; feed < 6; ++feed) {
      feeds.emplace_back([&, feed] {
        const UniqueFd socket = connect(host.spec.sources[feed % 3].path);
        send_rows(socket, feed * rows_each, feed);
      });
    }
    for (auto& feed : feeds) feed.join();
    REQUIRE(eventually([&] { return ingest.commits().rows == 6 * rows_each; }));
    const auto rows = host.rows();
    CHECK(rows.size() == 6 * rows_each);
    for (const auto& [id, number] : rows) REQUIRE(number == static_cast<std::int64_t>(id));
    for (std::size_t source = 0; source < 3; ++source) {
      CHECK(host.status(source).committed.rows == 2 * rows_each);
      CHECK(host.status(source).latency_max_ns > 0);
    }
    ingest.stop();
    CHECK(host.store->check().empty());
  }
}

TEST_CASE("sources and tables come and go while another source never stops") {
  Host host;
  host.spec.sources.push_back(listener(host, "steady", "numbers"));
  Ingest& ingest = host.start();
  std::atomic<bool> done{false};
  std::thread feed([&] {
    const UniqueFd socket = connect(host.folder / "steady.sock");
    send_rows(socket, 0, 1);
    done = true;
  });
  int turns = 0;
  for (; turns < 3 || !done; ++turns) {
    if (turns >= 100) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    const std::string name = "t" + std::to_string(turns);
    IngestChange change = change_of(host);
    auto tables = host.catalog.make_more({numbers_table(name)});
    REQUIRE(tables);
    change.add_tables = *tables;
    change.add_sources = {listener(host, "s", name)};
    if (turns > 0) change.remove_sources = {"s"};
    const auto changed = ingest.change(change);
    REQUIRE_MESSAGE(changed, changed.error().message);
    REQUIRE(ingest.sources().size() == 2);
    const UniqueFd socket = connect(host.folder / "s.sock");
    const std::string text = number_row(7, turns) + number_row(8, turns);
    REQUIRE(::write(socket.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    REQUIRE(eventually([&] { return ingest.sources()[1].committed.rows == 2; }));
    CHECK(host.rows(static_cast<tree::TableIndex>(turns + 1)).size() == 2);
  }
  feed.join();
  REQUIRE(eventually([&] { return ingest.sources()[0].committed.rows == rows_each; }));
  CHECK(host.rows(0).size() == rows_each);
  ingest.stop();
  CHECK(host.store->check().empty());
}

TEST_CASE("a change that cannot be made changes nothing") {
  Host host;
  host.spec.sources.push_back(listener(host, "a", "numbers"));
  Ingest& ingest = host.start();
  write_file(host.folder / "taken.sock", "no socket");
  IngestChange change = change_of(host);
  change.add_tables = *host.catalog.make_more({numbers_table("more")});
  change.add_sources = {listener(host, "b", "more"), listener(host, "taken", "more")};
  change.remove_sources = {"a"};
  SourceSpec again = host.spec.sources[0];  // at the socket of the one that goes
  again.format = perch::rows::Format::csv;
  change.add_sources.insert(change.add_sources.begin(), again);
  const auto changed = ingest.change(change);
  REQUIRE_FALSE(changed);
  CHECK(changed.error().message.find("source taken: ") == 0);
  CHECK(host.catalog.tables().size() == 1);
  REQUIRE(ingest.sources().size() == 1);
  CHECK(ingest.sources()[0].name == "a");
  CHECK_FALSE(std::filesystem::exists(host.folder / "b.sock"));
  const UniqueFd socket = connect(host.folder / "a.sock");
  send_rows(socket, 0, 3);
  REQUIRE(eventually([&] { return ingest.commits().rows == rows_each; }));
}

TEST_CASE("a change whose sources get no thread changes nothing, and can be made later") {
  Host host;
  host.spec.sources.push_back(listener(host, "a", "numbers"));
  Ingest& ingest = host.start();
  IngestChange change = change_of(host);
  change.add_tables = *host.catalog.make_more({numbers_table("more")});
  change.add_sources = {listener(host, "b", "more")};
  change.remove_sources = {"a"};
  {
    const NoThreads none;
    const auto changed = ingest.change(change);
    REQUIRE_FALSE(changed);
    CHECK(has(changed.error().message, "source b: no thread src:b: Resource temporarily unavailable"));
  }
  CHECK(host.catalog.tables().size() == 1);
  REQUIRE(ingest.sources().size() == 1);
  CHECK_FALSE(std::filesystem::exists(host.folder / "b.sock"));
  {
    const UniqueFd socket = connect(host.folder / "a.sock");
    send_rows(socket, 0, 3);
    REQUIRE(eventually([&] { return ingest.commits().rows == rows_each; }));
  }
  const auto changed = ingest.change(change);
  REQUIRE_MESSAGE(changed, changed.error().message);
  const UniqueFd socket = connect(host.folder / "b.sock");
  send_rows(socket, 0, 4);
  REQUIRE(eventually([&] { return ingest.commits().rows == 2 * rows_each; }));
}

TEST_CASE("ingest without a thread does not start, and leaves nothing behind") {
  Host host;
  host.spec.sources.push_back(listener(host, "a", "numbers"));
  {
    const NoThreads none;
    Ingest ingest(*host.store, host.catalog, host.spec);
    const auto started = ingest.start();
    REQUIRE_FALSE(started);
    CHECK(has(started.error().message, "source a: no thread src:a: "));
  }
  CHECK_FALSE(std::filesystem::exists(host.folder / "a.sock"));
}

TEST_CASE("a listener that changes goes on with its socket") {
  Host host;
  host.spec.sources.push_back(listener(host, "a", "numbers"));
  Ingest& ingest = host.start();
  IngestChange change = change_of(host);
  change.remove_sources = {"a"};
  change.add_sources = host.spec.sources;
  change.add_sources[0].format = perch::rows::Format::csv;
  REQUIRE(ingest.change(change));
  const UniqueFd socket = connect(host.folder / "a.sock");
  const std::string text = "id,number\n5,6\n";
  REQUIRE(::write(socket.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  REQUIRE(eventually([&] { return ingest.commits().rows == 1; }));
  ingest.stop();
}

}  // namespace change_test
