#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "ingest/backoff.hpp"
#include "unit/ingest/ingest_fixture.hpp"

using namespace perch::ingest;
using namespace perch::ingest::test;

namespace exec_source_test {

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

/// The process whose id a test's child wrote into a file; 0 while it has not.
pid_t pid_in(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  return text.empty() || text.back() != '\n' ? 0 : std::stoi(text);
}

bool alive(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  return !stat.empty() && stat.find(") Z") == std::string::npos;  // one that is dead and not reaped is dead
}

TEST_CASE("the rows of a command arrive, and its end is the source's") {
  Host host;
  host.add_exec("feed", shell("i=0; while [ $i -lt 5000 ]; do echo "
                              "\"{\\\"id\\\":$i,\\\"number\\\":$((i*7))}\"; i=$((i+1)); done"));
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return ingest.finished(); }));
  std::int64_t sum = 0;
  const auto rows = host.rows();
  for (const auto& [id, number] : rows) sum += number;
  CHECK(rows.size() == 5000);
  CHECK(sum == 7 * 5000ll * 4999 / 2);
  CHECK(host.status().state == "ended");
  CHECK(host.status().last_error == "");
}

TEST_CASE("how a command failed is said") {
  Host host;
  host.add_exec("exits", shell("echo '{\"id\":1,\"number\":1}'; exit 3"));
  host.add_exec("killed", shell("kill -9 $$"));
  host.add_exec("vanished", {"no-such-program-anywhere"});
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return ingest.finished(); }));
  CHECK(host.status(0).state == "failed");
  CHECK(host.status(0).last_error == "/bin/sh exited with status 3");
  CHECK(host.status(0).committed.rows == 1);
  CHECK(host.status(1).last_error == "/bin/sh was killed by signal 9 (Killed)");
  CHECK(host.status(2).state == "failed");
  CHECK(host.status(2).last_error.find("no-such-program-anywhere") != std::string::npos);
}

TEST_CASE("a program that may not be run is refused at the start") {
  Host host;
  host.add_exec("feed", {(host.folder / "absent").string()});
  Ingest ingest(*host.store, host.catalog, host.spec);
  const auto started = ingest.start();
  REQUIRE(!started.has_value());
  CHECK(started.error().message.find("source feed: run ") == 0);
}

TEST_CASE("a command that ends is started again, and its last line without a newline is a row") {
  Host host;
  const std::string file = (host.folder / "count").string();
  host.add_exec("feed",
                shell("n=$(cat " + file + " 2>/dev/null || echo 0); echo $((n+1)) > " + file +
                      "; printf '{\"id\":%s,\"number\":1}' $n"),
                true);
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return host.status().committed.rows >= 20; }));
  ingest.stop();
  const auto rows = host.rows();
  CHECK(rows.size() >= 20);
  CHECK(rows.size() == host.status().committed.rows);
  CHECK(rows.rbegin()->first == rows.size() - 1);  // each run once, none lost
  CHECK(host.status().committed.restarts == rows.size() - 1);
  CHECK(host.status().rejects == 0);
}

TEST_CASE("stopping ends the whole process group, a deaf one too") {
  Host host;
  const auto child = host.folder / "child";
  const auto grandchild = host.folder / "grandchild";
  host.add_exec("feed",
                shell("trap '' TERM; echo $$ > " + child.string() + "; sh -c 'trap \"\" TERM; echo $$ > " +
                      grandchild.string() + "; while :; do sleep 1; done' & while :; do sleep 1; done"),
                true);
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return pid_in(child) != 0 && pid_in(grandchild) != 0; }));
  const pid_t pids[2]{pid_in(child), pid_in(grandchild)};
  CHECK(alive(pids[0]));
  CHECK(alive(pids[1]));
  ingest.stop();
  CHECK(eventually([&] { return !alive(pids[0]) && !alive(pids[1]); }));
}

TEST_CASE("a command that floods its standard error still delivers its rows") {
  Host host;
  host.add_exec(
      "feed",
      shell("i=0; while [ $i -lt 3000 ]; do echo 'some long complaint about everything under the sun' >&2; "
            "i=$((i+1)); done; echo '{\"id\":1,\"number\":5}'"));
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return ingest.finished(); }));
  CHECK(host.rows().at(1) == 5);
}

TEST_CASE("children inherit no descriptor, read nothing, and have default signals") {
  Host host;
  const auto seen = (host.folder / "seen").string();
  host.add_exec("feed", shell("ls /proc/self/fd | wc -w > " + seen + "; cat >> " + seen +
                              "; grep SigBlk /proc/self/status >> " + seen));
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return ingest.finished(); }));
  // 0, 1, 2 and the folder that ls itself opened; cat found nothing on standard input.
  CHECK(read_file(seen) == "4\nSigBlk:\t0000000000000000\n");
}

TEST_CASE("the backoff doubles up to its maximum and begins anew after a success") {
  using std::chrono::milliseconds;
  Backoff backoff(milliseconds(100), milliseconds(500));
  CHECK(backoff.next() == milliseconds(100));
  CHECK(backoff.next() == milliseconds(200));
  CHECK(backoff.next() == milliseconds(400));
  CHECK(backoff.next() == milliseconds(500));
  CHECK(backoff.next() == milliseconds(500));
  backoff.reset();
  CHECK(backoff.next() == milliseconds(100));
}

}  // namespace exec_source_test
