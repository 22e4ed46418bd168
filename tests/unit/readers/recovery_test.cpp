// After a fault: checkpoints, quarantine, disable and enable.
#include <fstream>

#include "unit/readers/test_host.hpp"

namespace perch::readers::test {
namespace recovery_test {

void restarts_at_once(ReadersSpec& spec) {
  spec.restart = {1ms, 4ms, 1000, 1min};
  spec.checkpoint = 10ms;
}

/// The causes of the events of one kind, so far.
std::vector<std::string> causes_of(instances::Subscription& events, const std::string& kind) {
  std::vector<std::string> causes;
  std::uint64_t dropped = 0;
  while (const auto event = events.take(dropped)) {
    if (event->kind == kind) causes.push_back(event->json);
  }
  return causes;
}

TEST_CASE("a reader that fails goes on from its checkpoint, and its totals are right") {
  TestHost host(restarts_at_once);
  const auto events = host.events.subscribe(4096, nullptr, nullptr);
  {
    BusyWriter writer(host);
    REQUIRE(host.load(faulty_plugin("summing"), "sums",
                      R"({"fault":"on_commit","fault_at_step":200,"every_ms":1})"));
    REQUIRE(eventually([&] { return host.reader("sums")->restarts >= 3; }));
    writer.stop();
    REQUIRE(host.caught_up("sums"));
    CHECK(host.gauge("sums", "sum") == static_cast<double>(writer.sum()));
    CHECK(host.gauge("sums", "rows") == static_cast<double>(writer.rows()));
  }
  CHECK(host.gauge("sums", "gaps") == 0);
  const auto causes = causes_of(*events, "reader.restarted");
  REQUIRE(causes.size() >= 3);
  CHECK_FALSE(has(causes[0], "from version 0,"));
  CHECK(has(causes[0], "after: on_commit: told to fail in on_commit"));
}

TEST_CASE("a checkpoint that a reader fails from twice is given up: it starts from the first row") {
  TestHost host([](ReadersSpec& spec) {
    restarts_at_once(spec);
    spec.restart.limit = 6;
  });
  const auto events = host.events.subscribe(4096, nullptr, nullptr);
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("sums"));
  REQUIRE(eventually([&] {
    host.rows.commit();
    return host.reader("sums")->checkpoint_version > 0;
  }));
  // The new version takes the state over, and fails in its every step.
  REQUIRE(host.swap("sums", faulty_plugin("fails_in_on_commit"), 0s));
  host.rows.commit();
  REQUIRE(host.becomes("sums", "quarantined"));
  const auto causes = causes_of(*events, "reader.restarted");
  REQUIRE(causes.size() == 6);
  const auto begins_at = [&](std::size_t index) { return has(causes[index], "from version 0,"); };
  CHECK_FALSE(begins_at(0));
  CHECK_FALSE(begins_at(1));
  CHECK(begins_at(2));
  CHECK(host.reader("sums")->checkpoint_version == 0);
}

TEST_CASE("a checkpoint's version is shown as pinned, and given up on request") {
  TestHost host([](ReadersSpec& spec) { spec.checkpoint = 10ms; });
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  const auto holds_a_checkpoint = [&] {
    for (const instances::PinHolder& pin : host.manager->pins()) {
      if (pin.what == "checkpoint") return pin.version == host.reader("sums")->checkpoint_version;
    }
    return false;
  };
  REQUIRE(eventually([&] {
    host.rows.commit();
    std::this_thread::sleep_for(1ms);
    return holds_a_checkpoint();
  }));
  host.manager->drop_checkpoints();
  CHECK(eventually([&] { return !holds_a_checkpoint() && host.reader("sums")->checkpoint_version == 0; }));
}

TEST_CASE("a quarantined reader is enabled by hand, and goes on from its checkpoint") {
  TestHost host([](ReadersSpec& spec) {
    spec.restart.limit = 0;
    spec.checkpoint = 10ms;
  });
  const auto events = host.events.subscribe(4096, nullptr, nullptr);
  const fs::path file = host.folder.path() / "sums.so";
  fs::copy_file(faulty_plugin("summing"), file);
  REQUIRE(host.load(file, "sums", R"({"fault":"on_commit","fault_at_step":100})"));
  std::uint64_t rows = 0;
  REQUIRE(eventually([&] {
    host.commit_row(rows++, 1);
    std::this_thread::sleep_for(1ms);
    return host.state("sums") == "quarantined";
  }));
  CHECK(host.reader("sums")->checkpoint_version > 0);
  fs::remove(file);
  const auto without_file = host.enable("sums");
  REQUIRE_FALSE(without_file);
  CHECK(without_file.error().kind == ErrorKind::not_found);
  CHECK(host.state("sums") == "quarantined");
  fs::copy_file(faulty_plugin("summing_next"), file);
  REQUIRE(host.enable("sums"));
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == static_cast<double>(rows));
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(host.reader("sums")->plugin_version == "1.1.0");
  const auto causes = causes_of(*events, "reader.enabled");
  REQUIRE(causes.size() == 1);
  CHECK_FALSE(has(causes[0], "from version 0\""));
  CHECK(host.enable("sums")->state == "running");  // it runs: nothing to do
}

TEST_CASE("a disabled reader does not run until it is enabled, also in a host's next life") {
  TemporaryFolder folder;
  const fs::path plugins = folder.path() / "plugins";
  fs::create_directories(plugins);
  fs::copy_file(faulty_plugin("summing"), plugins / "summing.so");
  const auto with_folder = [&](ReadersSpec& spec) {
    spec.folder = plugins;
    spec.disabled_file = folder.path() / "disabled.json";
  };
  {
    TestHost host(with_folder);
    REQUIRE(host.state("summing") == "running");
    REQUIRE(host.disable("summing"));
    CHECK(host.state("summing") == "disabled");
    CHECK(host.disable("summing")->state == "disabled");
    CHECK(fs::is_empty(host.spec.private_folder));
    CHECK(host.swap("summing", faulty_plugin("summing_next")).error().kind == ErrorKind::refused);
    CHECK(host.disable("summin").error().kind == ErrorKind::not_found);
  }
  {
    TestHost host(with_folder);
    CHECK(host.state("summing") == "disabled");
    host.commit_row(1, 5);
    REQUIRE(host.enable("summing"));
    REQUIRE(host.caught_up("summing"));
    CHECK(host.gauge("summing", "sum") == 5);
  }
  TestHost host(with_folder);
  CHECK(host.state("summing") == "running");
}

TEST_CASE("a reader whose file goes and comes back stays disabled") {
  TemporaryFolder folder;
  fs::copy_file(faulty_plugin("summing"), folder.path() / "summing.so");
  TestHost host([&](ReadersSpec& spec) { spec.folder = folder.path(); });
  REQUIRE(host.disable("summing"));
  fs::rename(folder.path() / "summing.so", host.folder.path() / "kept");
  REQUIRE(host.becomes("summing", "absent"));
  fs::rename(host.folder.path() / "kept", folder.path() / "summing.so");
  REQUIRE(host.becomes("summing", "disabled"));
}

TEST_CASE("a list of disabled readers that cannot be read is no start") {
  TemporaryFolder folder;
  std::ofstream(folder.path() / "disabled.json") << "{";
  ReadersSpec spec;
  spec.private_folder = folder.path() / "generations";
  spec.disabled_file = folder.path() / "disabled.json";
  const auto catalog = test_catalog();
  const auto store = tree::Store::create({std::uint64_t{64} << 20}).value();
  instances::EventHub events;
  ReaderManager manager(spec, catalog, store->reads(), events);
  const auto started = manager.start();
  REQUIRE_FALSE(started);
  CHECK(has(started.error().message, "disabled.json is no list of disabled readers"));
}

}  // namespace recovery_test
}  // namespace perch::readers::test
