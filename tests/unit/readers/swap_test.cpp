// Swaps: state handed over at a commit boundary, no commit missed, none seen twice, everything gone
// afterwards.
#include <fstream>
#include <nlohmann/json.hpp>

#include "unit/readers/test_host.hpp"

namespace perch::readers::test {
namespace swap_test {

/// Mappings of plugin copies: other mappings come and go with the allocator.
std::size_t plugin_mappings(const fs::path& private_folder) {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += has(line, private_folder.string());
  return count;
}

TEST_CASE("50 swaps under a running writer: no commit missed, none seen twice, nothing left over") {
  TestHost host;
  BusyWriter writer(host);
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  REQUIRE(host.swap("sums", faulty_plugin("summing_next")));
  const std::size_t threads = entries_of("/proc/self/task");
  const std::size_t files = entries_of("/proc/self/fd");
  const std::size_t mappings = plugin_mappings(host.spec.private_folder);
  CHECK(mappings > 0);
  tree::Version last = 0;
  for (int i = 0; i < 50; ++i) {
    const auto swapped = host.swap("sums", faulty_plugin(i % 2 == 0 ? "summing" : "summing_next"));
    REQUIRE_MESSAGE(swapped.has_value(), (swapped ? "" : swapped.error().message));
    CHECK(swapped->to_version == (i % 2 == 0 ? "1.0.0" : "1.1.0"));
    CHECK(swapped->from_version == (i % 2 == 0 ? "1.1.0" : "1.0.0"));
    CHECK(swapped->at_version >= last);
    last = swapped->at_version;
    CHECK(swapped->steps.size() >= 7);
  }
  const auto commits = writer.commits();
  CHECK(eventually([&] { return writer.commits() > commits; }));
  writer.stop();
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == static_cast<double>(writer.sum()));
  CHECK(host.gauge("sums", "rows") == static_cast<double>(writer.rows()));
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(entries_of("/proc/self/task") == threads - 1);  // the writer's
  CHECK(entries_of("/proc/self/fd") == files);
  CHECK(plugin_mappings(host.spec.private_folder) == mappings);
  CHECK(entries_of(host.spec.private_folder.c_str()) == 1);
  CHECK(host.reader("sums")->pinned_libraries.empty());
  CHECK(host.store->check() == "");
}

TEST_CASE("within its probation a swap can be rolled back: the old one goes on where it stopped") {
  TestHost host;
  BusyWriter writer(host);
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  auto verdict = host.begin_swap("sums", faulty_plugin("summing_next"), 1h);
  REQUIRE(eventually([&] { return host.state("sums") == "probation" && host.reader("sums")->steps > 3; }));
  CHECK(host.reader("sums")->plugin_version == "1.1.0");
  const auto another = host.swap("sums", faulty_plugin("summing"));
  REQUIRE_FALSE(another);
  CHECK(another.error().kind == ErrorKind::refused);

  const auto rolled_back = host.rollback("sums");
  REQUIRE(rolled_back);
  CHECK(rolled_back->plugin_version == "1.0.0");
  const auto result = verdict.get();
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::rolled_back);
  const std::string& message = result.error().message;
  CHECK_MESSAGE(has(message, "reader sums runs 1.0.0 again, from version "), message);
  CHECK_MESSAGE(has(message, " on: rolled back on request"), message);
  CHECK_FALSE(has(message, "failed"));
  CHECK(host.reader("sums")->last_error == message);
  writer.stop();
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == static_cast<double>(writer.sum()));
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(host.state("sums") == "running");
  CHECK_FALSE(host.rollback("sums"));
  CHECK_FALSE(host.accept("sums"));
}

TEST_CASE("a swap is accepted on request, or when its probation is over") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  host.commit_row(1, 5);
  auto verdict = host.begin_swap("sums", faulty_plugin("summing_next"), 1h);
  REQUIRE(host.becomes("sums", "probation"));
  REQUIRE(host.accept("sums"));
  CHECK(verdict.get().has_value());
  CHECK(host.state("sums") == "running");

  const auto timed = host.swap("sums", faulty_plugin("summing"), 30ms);
  REQUIRE(timed);
  CHECK(timed->to_version == "1.0.0");
  host.commit_row(2, 5);
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 10);
}

TEST_CASE("a fault within probation brings the old one back by itself") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  host.commit_row(1, 5);
  REQUIRE(host.caught_up("sums"));
  auto verdict = host.begin_swap("sums", faulty_plugin("fails_in_on_commit"), 1h);
  REQUIRE(host.becomes("sums", "probation"));
  host.commit_row(2, 5);
  const auto result = verdict.get();
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::rolled_back);
  CHECK(has(result.error().message, "told to fail in on_commit"));
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 10);
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(host.reader("sums")->plugin_version == "1.0.0");
  CHECK(host.reader("sums")->restarts == 0);
}

TEST_CASE("a new generation that hangs in its first step does not pass its probation") {
  TestHost host([](ReadersSpec& spec) { spec.callback_deadline = 500ms; });
  const fs::path released = host.folder.path() / "released";
  std::ofstream(released) << "x";
  // The old one sleeps for an hour after its first step, so the new one has something to step on at once.
  REQUIRE(host.load(faulty_plugin("summing"), "sums",
                    R"({"every_ms":3600000,"hang_until":")" + released.string() + "\"}"));
  host.commit_row(1, 5);
  REQUIRE(host.caught_up("sums"));
  host.commit_row(2, 5);
  fs::remove(released);
  const auto swapped = host.swap("sums", faulty_plugin("summing_next"), 2s);
  std::ofstream(released) << "x";  // the hung one comes back, whatever the verdict was
  REQUIRE_FALSE(swapped);
  CHECK(swapped.error().kind == ErrorKind::rolled_back);
  CHECK_MESSAGE(has(swapped.error().message, "did not finish its step within the probation"),
                swapped.error().message);
  CHECK(host.state("sums") == "running");
  CHECK(host.reader("sums")->plugin_version == "1.0.0");
  CHECK(eventually([&] { return entries_of(host.spec.private_folder.c_str()) == 1; }));
  host.manager->catch_up();
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 10);
  CHECK(host.gauge("sums", "gaps") == 0);
}

TEST_CASE("a swap that fails at any step leaves the old one running as if nothing had happened") {
  TestHost host;
  BusyWriter writer(host);
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  const auto fails = [&](const char* file, ErrorKind kind, const char* reason) {
    const auto swapped = host.swap("sums", faulty_plugin(file));
    REQUIRE_FALSE(swapped);
    CHECK(swapped.error().kind == kind);
    CHECK_MESSAGE(has(swapped.error().message, reason), swapped.error().message);
    CHECK(host.state("sums") == "running");
    CHECK(host.reader("sums")->plugin_version == "1.0.0");
  };
  fails("no_plugin", ErrorKind::refused, "no Perch manifest");
  fails("other_layout", ErrorKind::incompatible, "other tables");
  fails("other_id", ErrorKind::refused, "runs plugin summing");
  fails("summing_new_state", ErrorKind::incompatible, "restores state versions 2 to 2");
  fails("lacks_a_function", ErrorKind::refused, "lacks a function");
  fails("fails_in_create", ErrorKind::failed, "told to fail in create");
  fails("fails_in_restore", ErrorKind::failed, "told to fail in restore");
  fails("fails_in_start", ErrorKind::failed, "told to fail in start");
  CHECK(host.swap("nobody", faulty_plugin("summing")).error().kind == ErrorKind::not_found);
  writer.stop();
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == static_cast<double>(writer.sum()));
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(entries_of(host.spec.private_folder.c_str()) == 1);
}

TEST_CASE("an old generation that cannot save stays") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("fails_in_save"), "sums"));
  host.commit_row(1, 5);
  const auto swapped = host.swap("sums", faulty_plugin("summing"));
  REQUIRE_FALSE(swapped);
  CHECK(has(swapped.error().message, "told to fail in save"));
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 5);
  CHECK(host.state("sums") == "running");
}

TEST_CASE("a reader is unloaded, or the host stopped, within a probation") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  auto verdict = host.begin_swap("sums", faulty_plugin("summing_next"), 1h);
  REQUIRE(host.unload("sums"));
  CHECK(verdict.get().error().kind == ErrorKind::refused);
  CHECK(fs::is_empty(host.spec.private_folder));

  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  verdict = host.begin_swap("sums", faulty_plugin("summing_next"), 1h);
  host.manager->stop();
  CHECK(verdict.get().error().kind == ErrorKind::refused);
  CHECK(fs::is_empty(host.spec.private_folder));
}

TEST_CASE("a suspended generation holds its version, and nothing after the verdict") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("sums"));
  auto verdict = host.begin_swap("sums", faulty_plugin("summing_next"), 1h);
  REQUIRE(host.becomes("sums", "probation"));
  for (std::uint64_t id = 0; id < 2'000; ++id) host.rows.put(id, 1);
  host.rows.commit();
  for (std::uint64_t id = 0; id < 2'000; ++id) host.rows.put(id, 2);
  host.rows.commit();
  REQUIRE(host.caught_up("sums"));
  REQUIRE(host.accept("sums"));
  CHECK(verdict.get().has_value());
  for (int i = 0; i < 3; ++i) host.rows.commit();
  REQUIRE(host.caught_up("sums"));
  host.store->reclaim_all();
  CHECK(host.store->check() == "");
}

TEST_CASE("a dry run tries load, create and restore, and changes nothing") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  const tree::Version version = host.commit_row(1, 5);
  REQUIRE(host.caught_up("sums"));
  const std::uint64_t generation = host.reader("sums")->generation;
  const auto dry = host.swap("sums", SwapOptions{faulty_plugin("summing_next"), std::nullopt, false, true});
  REQUIRE(dry);
  CHECK(dry->dry_run);
  CHECK(dry->to_version == "1.1.0");
  CHECK(dry->at_version == version);
  std::string steps;
  for (const instances::SwapStep& step : dry->steps) steps += step.what + ", ";
  CHECK(steps == "read manifest, copy, load, create, save as of version " + std::to_string(version) +
                     ", restore, take the new generation away again, ");
  for (const char* function : {"create", "restore"}) {
    const auto bad = host.swap(
        "sums", SwapOptions{faulty_plugin("fails_in_" + std::string(function)), std::nullopt, false, true});
    REQUIRE_FALSE(bad);
    CHECK(has(bad.error().message, std::string(function) + ": told to fail"));
  }
  CHECK(host.reader("sums")->generation == generation);
  CHECK(host.reader("sums")->last_error == "");
  host.commit_row(2, 5);
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 10);
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(entries_of(host.spec.private_folder.c_str()) == 1);
}

TEST_CASE("a swap without state starts from the first row, and asks the old generation for nothing") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("fails_in_save"), "sums"));
  host.commit_row(1, 5);
  REQUIRE(host.caught_up("sums"));
  CHECK_FALSE(host.swap("sums", faulty_plugin("summing_next")));
  const SwapOptions without_state{faulty_plugin("summing_next"), 1h, true, false};
  const auto swapped = host.swap("sums", without_state);
  REQUIRE(swapped);  // at once: there is no probation, since there is no way back
  CHECK(swapped->at_version == 0);
  CHECK(swapped->left == "");
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 5);
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(host.state("sums") == "running");

  // One that fails leaves the old one running.
  const SwapOptions to_bad{faulty_plugin("fails_in_start"), std::nullopt, true, false};
  CHECK_FALSE(host.swap("sums", to_bad));
  host.commit_row(2, 5);
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 10);
}

TEST_CASE("a swap without state gives up a generation that hangs: it stays mapped until it comes back") {
  TestHost host([](ReadersSpec& spec) { spec.callback_deadline = 200ms; });
  const fs::path go = host.folder.path() / "go";
  REQUIRE(host.load(faulty_plugin("summing"), "sums", hang_until(go)));
  host.commit_row(1, 5);
  REQUIRE(eventually([&] { return host.gauge("sums", "hanging") == 1; }));
  const auto refused = host.swap("sums", faulty_plugin("summing_next"));
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message, "--without-state"));

  const std::uint64_t hung = host.reader("sums")->generation;
  const auto swapped =
      host.swap("sums", SwapOptions{faulty_plugin("summing_next"), std::nullopt, true, false});
  REQUIRE(swapped);
  CHECK(has(swapped->left, "did not end within"));
  CHECK(host.reader("sums")->generation > hung);
  REQUIRE(host.reader("sums")->pinned_libraries.size() == 1);
  CHECK(has(host.reader("sums")->pinned_libraries[0], "generation " + std::to_string(hung)));
  std::ofstream(go).put('\n');
  CHECK(eventually([&] { return host.reader("sums")->pinned_libraries.empty(); }));
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == 5);
}

TEST_CASE("every step of a swap is an event when it is done, and the report has the same") {
  TestHost host;
  const auto events = host.events.subscribe(
      64, [](const instances::Event& event) { return event.kind == "reader.step"; }, nullptr);
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  const auto swapped = host.swap("sums", faulty_plugin("summing_next"), 20ms);
  REQUIRE(swapped);
  std::vector<std::string> told, reported;
  std::uint64_t dropped = 0;
  while (const auto event = events->take(dropped))
    told.push_back(nlohmann::json::parse(event->json).at("step").get<std::string>());
  for (const instances::SwapStep& step : swapped->steps) reported.push_back(step.what);
  CHECK(told == reported);
  REQUIRE(told.size() == 8);
  CHECK(told[6] == "probation");
  CHECK(told[7] == "close the old generation");
  CHECK(swapped->remark == "");
  const auto again = host.swap("sums", faulty_plugin("summing_next"));
  REQUIRE(again);
  CHECK(again->remark == "the file is byte for byte what runs already");
}

}  // namespace swap_test
}  // namespace perch::readers::test
