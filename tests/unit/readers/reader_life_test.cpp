// A reader's life: load, run, faults, unload.
#include <fstream>

#include "unit/readers/test_host.hpp"

namespace perch::readers::test {
namespace reader_life_test {

void fast_restarts(ReadersSpec& spec) { spec.restart = {1ms, 10ms, 3, 60s}; }

TEST_CASE("a loaded reader sees the rows that were there and those that come") {
  TestHost host;
  for (std::uint64_t id = 0; id < 100; ++id) host.rows.put(id, 2);
  host.rows.commit();
  const auto loaded = host.load(faulty_plugin("summing"));
  REQUIRE(loaded);
  CHECK(loaded->name == "summing");
  CHECK(loaded->plugin_version == "1.0.0");
  CHECK(loaded->state == "running");
  REQUIRE(host.caught_up("summing"));
  CHECK(host.gauge("summing", "sum") == 200);

  for (std::uint64_t id = 50; id < 150; ++id) host.rows.put(id, 3);
  for (std::uint64_t id = 0; id < 10; ++id) host.rows.erase(id);
  host.rows.commit();
  REQUIRE(host.caught_up("summing"));
  CHECK(host.gauge("summing", "sum") == 40 * 2 + 100 * 3);
  CHECK(host.gauge("summing", "rows") == 140);
  CHECK(host.gauge("summing", "gaps") == 0);
  const auto status = host.reader("summing");
  CHECK(status->steps == 2);
  CHECK(status->callback_max_ns >= status->callback_p99_ns);
  CHECK(status->callback_p99_ns >= status->callback_p50_ns);
  CHECK(status->callback_p50_ns > 0);
}

TEST_CASE("one plugin runs as several readers, each under its own name") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "first"));
  REQUIRE(host.load(faulty_plugin("summing"), "second", R"({"every_ms": 5})"));
  const auto again = host.load(faulty_plugin("summing"), "first");
  REQUIRE_FALSE(again);
  CHECK(again.error().kind == ErrorKind::refused);
  host.commit_row(1, 5);
  for (const char* name : {"first", "second"}) {
    REQUIRE(host.caught_up(name));
    CHECK(host.gauge(name, "sum") == 5);
  }
  CHECK(host.reader("first")->generation != host.reader("second")->generation);
}

TEST_CASE("an unloaded reader is gone, and its name free") {
  TestHost host;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(host.load(faulty_plugin("summing")));
    REQUIRE(host.unload("summing"));
    CHECK(host.state("summing") == "absent");
  }
  CHECK(fs::is_empty(host.spec.private_folder));
  const auto missing = host.unload("summing");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::not_found);
}

TEST_CASE("what cannot be a reader is refused with the reason") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  CHECK(host.load("/nowhere/x.so").error().kind == ErrorKind::not_found);
  CHECK(host.load("/").error().kind == ErrorKind::refused);
  CHECK(host.load(faulty_plugin("summing"), "a name").error().kind == ErrorKind::usage);
  CHECK(host.load(faulty_plugin("summing"), "x", "[]").error().kind == ErrorKind::usage);
  CHECK(host.load(faulty_plugin("summing"), "x", "{").error().kind == ErrorKind::usage);
  CHECK(has(host.load(faulty_plugin("another_manifest_in_memory")).error().message,
            "another manifest in memory"));
  CHECK(has(host.load(faulty_plugin("lacks_a_function")).error().message, "lacks a function"));
  CHECK(has(host.unload("sum").error().message, "did you mean sums?"));
  fs::create_symlink(faulty_plugin("summing"), host.folder.path() / "link.so");
  CHECK(has(host.load(host.folder.path() / "link.so").error().message, "symbolic link"));
  CHECK(host.manager->readers().size() == 1);
}

TEST_CASE("no code of a plugin that does not fit ever runs") {
  TestHost host;
  const fs::path mark = host.folder.path() / "mark";
  setenv("PERCH_TEST_MARK", mark.c_str(), 1);
  const auto other_layout = host.load(faulty_plugin("other_layout"));
  REQUIRE_FALSE(other_layout);
  CHECK(other_layout.error().kind == ErrorKind::incompatible);
  CHECK(other_layout.error().details.size() == 5);  // amount, check, more, the size, what to do
  CHECK(has(host.load(faulty_plugin("unknown_table")).error().details.at(0), "did the plugin mean rows?"));
  CHECK(has(host.load(faulty_plugin("newer_interface")).error().message, "newer than this host"));
  CHECK(has(host.load(faulty_plugin("no_plugin")).error().message, "no Perch manifest"));
  CHECK_FALSE(fs::exists(mark));
  unsetenv("PERCH_TEST_MARK");
}

TEST_CASE("a request to load whose plugin fails leaves nothing behind") {
  TestHost host;
  for (const char* function : {"create", "start"}) {
    const auto loaded = host.load(faulty_plugin("fails_in_" + std::string(function)));
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().message ==
          "reader summing: " + std::string(function) + ": told to fail in " + function);
  }
  CHECK(host.load(faulty_plugin("summing"), "x", R"({"fault":"bad_config"})").error().kind ==
        ErrorKind::usage);
  CHECK(host.manager->readers().empty());
  CHECK(fs::is_empty(host.spec.private_folder));
}

TEST_CASE("a reader that fails is restarted, then quarantined; loading goes on") {
  TestHost host(fast_restarts);
  const auto events = host.events.subscribe(64, nullptr, nullptr);
  REQUIRE(host.load(faulty_plugin("fails_in_on_commit"), "bad"));
  REQUIRE(host.load(faulty_plugin("summing")));
  host.commit_row(1, 5);
  REQUIRE(host.becomes("bad", "quarantined"));
  CHECK(host.reader("bad")->restarts == 3);
  CHECK(host.reader("bad")->last_error == "on_commit: told to fail in on_commit");
  REQUIRE(host.caught_up("summing"));
  CHECK(host.gauge("summing", "sum") == 5);

  std::map<std::string, int> kinds;
  std::uint64_t dropped = 0;
  while (const auto event = events->take(dropped)) kinds[event->kind] += event->reader == "bad";
  CHECK(kinds["reader.failed"] == 4);
  CHECK(kinds["reader.restarted"] == 3);
  CHECK(kinds["reader.quarantined"] == 1);

  // A swap to something better brings it back, from the first row on.
  REQUIRE(host.swap("bad", faulty_plugin("summing_next")));
  REQUIRE(host.caught_up("bad"));
  CHECK(host.gauge("bad", "sum") == 5);
  CHECK(host.reader("bad")->last_error == "");
}

TEST_CASE("a reader that failed once starts again from version 0 and is right") {
  TestHost host(fast_restarts);
  REQUIRE(host.load(faulty_plugin("summing"), "sums", R"({"fault":"on_commit","fault_at_step":3})"));
  for (std::uint64_t id = 0; id < 4; ++id) {
    host.commit_row(id, 1);
    if (id < 2) REQUIRE(host.caught_up("sums"));
  }
  REQUIRE(host.caught_up("sums"));  // the third step failed; the new instance took one step over all
  CHECK(host.gauge("sums", "sum") == 4);
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(host.reader("sums")->restarts == 1);
}

TEST_CASE("a reader wakes at most once per interval when it asks for that") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "slow", R"({"every_ms": 3600000})"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("slow"));
  for (int i = 0; i < 5; ++i) host.rows.commit();
  std::this_thread::sleep_for(50ms);
  CHECK(host.reader("slow")->steps == 1);
  REQUIRE(host.unload("slow"));  // does not wait for the hour
}

TEST_CASE("asked to catch up, a reader that sleeps sees the last commit at once, and every one after it") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "slow", R"({"every_ms": 3600000})"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("slow"));
  host.commit_row(2, 1);
  host.manager->catch_up();
  REQUIRE(host.caught_up("slow"));
  CHECK(host.gauge("slow", "sum") == 2);
  host.commit_row(3, 1);
  REQUIRE(host.caught_up("slow"));
  CHECK(host.gauge("slow", "sum") == 3);
  CHECK(host.gauge("slow", "gaps") == 0);
}

/// A reader that hangs in its first on_commit until `release`.
class HangingHost {
 public:
  HangingHost() : host([](ReadersSpec& spec) { spec.callback_deadline = 2s; }) {
    const std::string config = hang_until(host.folder.path() / "released");
    REQUIRE(host.load(faulty_plugin("summing"), "hangs", config));
    host.commit_row(1, 1);
    REQUIRE(eventually([this] { return host.gauge("hangs", "hanging") == 1; }));
  }
  void release() const { std::ofstream(host.folder.path() / "released") << "x"; }

  TestHost host;
};

TEST_CASE("a reader that hung through a failed swap goes on as if nothing had happened") {
  HangingHost here;
  const auto swapped = here.host.swap("hangs", faulty_plugin("summing_next"));
  REQUIRE_FALSE(swapped);
  CHECK(swapped.error().kind == ErrorKind::timeout);
  CHECK(here.host.state("hangs") == "running");
  here.release();
  here.host.commit_row(2, 1);
  REQUIRE(here.host.caught_up("hangs"));
  CHECK(here.host.gauge("hangs", "sum") == 2);
  CHECK(here.host.gauge("hangs", "gaps") == 0);
  REQUIRE(here.host.swap("hangs", faulty_plugin("summing_next")));
}

TEST_CASE("a reader that hangs is unloaded all the same; its library goes when it comes back") {
  HangingHost here;
  REQUIRE(here.host.unload("hangs"));
  CHECK(here.host.state("hangs") == "absent");
  CHECK_FALSE(fs::is_empty(here.host.spec.private_folder));
  here.release();
  CHECK(eventually([&] { return fs::is_empty(here.host.spec.private_folder); }));
}

TEST_CASE("a reader that hangs to the end is left behind, and said to be; coming back it harms nothing") {
  HangingHost here;
  here.host.manager->stop();
  CHECK(here.host.manager->left_threads_behind());
  const std::size_t threads = entries_of("/proc/self/task");
  here.release();
  CHECK(eventually([&] { return entries_of("/proc/self/task") == threads - 1; }));
  here.host.store->reads().claim_slot();  // its slots are back: taking one acquires what it did last
}

TEST_CASE("a library that stays mapped is reported, and the reader goes all the same") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("never_unmapped"), "stays"));
  REQUIRE(host.swap("stays", faulty_plugin("summing_next")));
  const auto status = host.reader("stays");
  REQUIRE(status->pinned_libraries.size() == 1);
  CHECK(has(status->pinned_libraries[0], "-z nodelete"));
  CHECK(status->state == "running");
}

TEST_CASE("the manager answers after it has stopped") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing")));
  host.manager->stop();
  CHECK_FALSE(host.manager->left_threads_behind());
  CHECK(host.manager->readers().empty());
  CHECK(host.load(faulty_plugin("summing")).error().kind == ErrorKind::exhausted);
  CHECK(host.unload("summing").error().kind == ErrorKind::exhausted);
}

TEST_CASE("copies that a dead host left behind are removed at the start, other files are not") {
  TemporaryFolder folder;
  const fs::path generations = folder.path() / "generations";
  fs::create_directories(generations);
  for (const char* name : {"vwap.1.0123456789abcdef.so", ".vwap.2.unfinished", "notes.txt"}) {
    std::ofstream(generations / name) << "x";
  }
  TestHost host([&](ReadersSpec& spec) { spec.private_folder = generations; });
  CHECK_FALSE(fs::exists(generations / "vwap.1.0123456789abcdef.so"));
  CHECK_FALSE(fs::exists(generations / ".vwap.2.unfinished"));
  CHECK(fs::exists(generations / "notes.txt"));
}

}  // namespace reader_life_test
}  // namespace perch::readers::test
