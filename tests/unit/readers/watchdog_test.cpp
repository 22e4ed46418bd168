// What the watchdog says of readers that take too long.
#include <fstream>
#include <nlohmann/json.hpp>

#include "readers/blamed_readers.hpp"
#include "unit/readers/test_host.hpp"

namespace perch::readers::test {
namespace watchdog_test {

/// The next event of that kind, with its details; the bound only ends a test that has failed.
nlohmann::json wait_for(instances::Subscription& events, const std::string& kind) {
  nlohmann::json details;
  const bool came = eventually([&] {
    std::uint64_t dropped = 0;
    while (const auto event = events.take(dropped)) {
      if (event->kind != kind) continue;
      details = nlohmann::json::parse(event->json);
      return true;
    }
    return false;
  });
  REQUIRE_MESSAGE(came, kind);
  return details;
}

TEST_CASE("a callback over its deadline is told with its stack, and again when it ends") {
  TestHost host([](ReadersSpec& spec) { spec.callback_deadline = 50ms; });
  const auto events = host.events.subscribe(64, nullptr, nullptr);
  const fs::path go = host.folder.path() / "go";
  REQUIRE(host.load(faulty_plugin("summing"), "sums", hang_until(go)));
  host.commit_row(1, 1);
  const auto slow = wait_for(*events, "reader.slow");
  CHECK(slow["callback"] == "on_commit");
  CHECK(slow["cause"].get<std::string>().find("over its deadline of 50ms") != std::string::npos);
  std::string stack;
  for (const auto& line : slow["stack"]) stack += line.get<std::string>() + "\n";
#ifndef __SANITIZE_THREAD__  // it hands signals on when it likes, not where they came
  CHECK_MESSAGE(stack.find("on_commit") != std::string::npos, stack);
#endif
  wait_for(*events, "reader.slow");  // it still lasts: twice as long
  const auto status = host.reader("sums");
  CHECK(status->callback == "on_commit");
  CHECK(status->callback_for_ns > 50'000'000);
  std::ofstream(go).put('\n');
  CHECK(wait_for(*events, "reader.slow_ended")["callback"] == "on_commit");
  REQUIRE(host.caught_up("sums"));
  CHECK(host.reader("sums")->cpu_ns > 0);
}

TEST_CASE("a reader that hangs before it is in any list is told as well") {
  TestHost host([](ReadersSpec& spec) { spec.callback_deadline = 50ms; });
  const auto events = host.events.subscribe(64, nullptr, nullptr);
  const auto loaded =
      host.load(faulty_plugin("misbehaving"), "deadlocked", R"({"fault":"deadlock","in":"create"})");
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().kind == ErrorKind::timeout);
  CHECK(wait_for(*events, "reader.slow")["callback"] == "create");
  REQUIRE(host.manager->degraded().size() == 1);
  CHECK(host.manager->degraded()[0].find("reader deadlocked: generation 1 did not end within") == 0);
}

TEST_CASE("a version that a reader holds is told with the bytes that hang on it") {
  TestHost host([](ReadersSpec& spec) {
    spec.callback_deadline = 50ms;
    spec.retain_warning_bytes = 1;
  });
  const auto events = host.events.subscribe(
      64, [](const instances::Event& event) { return event.kind == "reader.retains"; }, nullptr);
  const fs::path go = host.folder.path() / "go";
  for (std::uint64_t id = 0; id < 1000; ++id) host.rows.put(id, 1);
  const tree::Version version = host.rows.commit();
  REQUIRE(host.load(faulty_plugin("summing"), "sums", hang_until(go)));
  REQUIRE(eventually([&] { return host.gauge("sums", "hanging") == 1; }));
  for (int i = 0; i < 200; ++i) {
    for (std::uint64_t id = 0; id < 1000; ++id) host.rows.put(id, i);
    host.rows.commit();
  }
  const auto retains = wait_for(*events, "reader.retains");
  CHECK(retains["version"] == version);
  CHECK(retains["bytes"].get<std::uint64_t>() > 10'000);
  std::ofstream(go).put('\n');
  REQUIRE(host.caught_up("sums"));
}

TEST_CASE("who is blamed for the last host's end is so until forgiven, or until the plugin's file changes") {
  TemporaryFolder folder;
  const fs::path file = folder.path() / "crashed.txt";
  const fs::path old_plugin = folder.path() / "old.so";
  std::ofstream(old_plugin) << "x";
  std::this_thread::sleep_for(20ms);  // the file system's clock is coarse
  std::ofstream(file) << "vwap\tSIGABRT in start\nno tab\nother\tSIGSEGV\n";
  BlamedReaders blamed = BlamedReaders::read(file);
  CHECK(blamed.blame("vwap", "p", old_plugin) == "SIGABRT in start");
  CHECK(blamed.blame("p", "vwap", old_plugin) == "SIGABRT in start");
  CHECK(blamed.blame("slow", "p", old_plugin) == "");
  std::this_thread::sleep_for(20ms);
  const fs::path new_plugin = folder.path() / "new.so";
  std::ofstream(new_plugin) << "x";
  CHECK(blamed.blame("vwap", "p", new_plugin) == "");
  blamed.forgive("vwap", "p");
  CHECK(BlamedReaders::read(file).blame("vwap", "p", old_plugin) == "");
  CHECK(BlamedReaders::read(file).blame("other", "p", old_plugin) == "SIGSEGV");
  blamed.forgive("other", "p");
  CHECK_FALSE(fs::exists(file));
}

}  // namespace watchdog_test
}  // namespace perch::readers::test
