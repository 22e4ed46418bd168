#include "instances/pinned_versions.hpp"

#include <fstream>

#include "readers/readers_spec.hpp"
#include "unit/readers/test_host.hpp"

namespace perch::instances::test {
using namespace perch::test;
using readers::test::TestHost;
namespace fs = std::filesystem;
namespace pinned_versions_test {

std::optional<PinHolder> pin_of(const TestHost& host, const std::string& what) {
  for (PinHolder& pin : host.manager->pins()) {
    if (pin.what == what) return pin;
  }
  return std::nullopt;
}

TEST_CASE("pinned versions: what hangs on a version and who holds it come together, oldest first") {
  const std::vector<PinnedVersion> versions =
      pinned_versions({{7, 4096}, {9, 64}}, {{"slow", 3, "current step", 7, 5s},
                                             {"other", 4, "current step", 12, 1s},
                                             {"slow", 2, "suspended for the probation", 7, 9s}});
  REQUIRE(versions.size() == 3);
  CHECK(versions[0].version == 7);
  CHECK(versions[0].bytes == 4096);
  CHECK(versions[0].held_for == 9s);
  CHECK(versions[0].holders.size() == 2);
  CHECK(versions[1].version == 9);  // given up since the writer looked
  CHECK(versions[1].bytes == 64);
  CHECK(versions[1].holders.empty());
  CHECK(versions[2].version == 12);  // pinned since the writer looked
  CHECK(versions[2].bytes == 0);
}

TEST_CASE("pinned versions: a reader retains what hangs on its versions, each of them once") {
  const std::vector<PinnedVersion> versions =
      pinned_versions({{7, 4000}, {9, 64}, {11, 1}}, {{"slow", 3, "current step", 7, 5s},
                                                      {"slow", 2, "suspended for the probation", 7, 9s},
                                                      {"slow", 3, "current step", 9, 1s},
                                                      {"other", 4, "current step", 9, 1s},
                                                      {"idle", 5, "start of its next step", 12, 1s}});
  CHECK(retained_bytes(versions, "slow") == 4064);
  CHECK(retained_bytes(versions, "other") == 64);
  CHECK(retained_bytes(versions, "idle") == 0);
  CHECK(retained_bytes(versions, "nobody") == 0);

  const std::string text = who_retains(versions);
  CHECK(has(text, "reader slow retains"));
  CHECK(has(text, "version 7 for 5s: current step"));
  CHECK(has(text, "reader other retains"));
  CHECK(text.find("slow") < text.find("other"));
  CHECK(!has(text, "idle"));
  CHECK(who_retains({}) == "");
}

TEST_CASE("pinned versions: of many readers the ones that retain most are named") {
  std::vector<tree::RetainedVersion> retained;
  std::vector<PinHolder> holders;
  for (tree::Version version = 1; version <= 8; ++version) {
    retained.push_back({version, version * 1000});
    holders.push_back({"reader" + std::to_string(version), version, "current step", version, 1s});
  }
  const std::string text = who_retains(pinned_versions(retained, holders));
  CHECK(text.find("reader8 ") < text.find("reader4 "));
  CHECK(!has(text, "reader3 "));
  CHECK(has(text, "3 more readers"));
}

TEST_CASE("pins: a reader's step holds the version that it stands on, and says so") {
  TestHost host;
  CHECK(host.manager->pins().empty());
  const fs::path go = host.folder.path() / "go";
  host.rows.put(1, 1);
  const tree::Version version = host.rows.commit();
  REQUIRE(host.load(faulty_plugin("summing"), "sums", R"({"hang_until":")" + go.string() + "\"}"));
  REQUIRE(eventually([&] { return host.gauge("sums", "hanging") == 1; }));
  host.rows.put(1, 2);
  host.rows.commit();

  const std::optional<PinHolder> pin = pin_of(host, "current step");
  REQUIRE(pin);
  CHECK(pin->reader == "sums");
  CHECK(pin->generation == host.reader("sums")->generation);
  CHECK(pin->version == version);
  CHECK(pin->held_for > 0s);
  CHECK(host.manager->pins().size() == 1);  // version 0, where the step began, needs none

  std::ofstream(go).put('\n');
  REQUIRE(host.caught_up("sums"));
  REQUIRE(eventually([&] { return pin_of(host, "start of its next step").has_value(); }));
  CHECK(pin_of(host, "start of its next step")->version == host.store->reads().published_version());
  CHECK(host.manager->pins().size() == 1);
  REQUIRE(host.unload("sums"));
  CHECK(host.manager->pins().empty());
}

TEST_CASE("pins: within a probation the suspended generation holds the version that it may go back to") {
  TestHost host([](readers::ReadersSpec& spec) { spec.checkpoint = 0s; });
  host.rows.put(1, 1);
  const tree::Version version = host.rows.commit();
  REQUIRE(host.load(faulty_plugin("summing"), "sums"));
  REQUIRE(host.caught_up("sums"));
  const std::uint64_t generation = host.reader("sums")->generation;
  auto verdict = host.begin_swap("sums", faulty_plugin("summing_next"), 1h);
  REQUIRE(eventually([&] { return host.state("sums") == "probation"; }));
  host.rows.put(1, 2);
  const tree::Version later = host.rows.commit();
  REQUIRE(host.caught_up("sums"));

  const std::optional<PinHolder> suspended = pin_of(host, "suspended for the probation");
  REQUIRE(suspended);
  CHECK(suspended->generation == generation);
  CHECK(suspended->version == version);
  REQUIRE(eventually([&] {
    const std::optional<PinHolder> running = pin_of(host, "start of its next step");
    return running && running->version == later && running->generation > generation;
  }));
  REQUIRE(host.accept("sums"));
  CHECK(verdict.get().has_value());
  CHECK(!pin_of(host, "suspended for the probation"));
  CHECK(host.manager->pins().size() == 1);
}

TEST_CASE("pins: a generation that hangs on its way out is shown with what it holds") {
  TestHost host([](readers::ReadersSpec& spec) { spec.callback_deadline = 100ms; });
  const fs::path go = host.folder.path() / "go";
  host.rows.put(1, 1);
  const tree::Version version = host.rows.commit();
  REQUIRE(host.load(faulty_plugin("summing"), "sums", R"({"hang_until":")" + go.string() + "\"}"));
  REQUIRE(eventually([&] { return host.gauge("sums", "hanging") == 1; }));
  REQUIRE(host.unload("sums"));
  const std::optional<PinHolder> pin = pin_of(host, "retired, but hangs in a callback");
  REQUIRE(pin);
  CHECK(pin->reader == "sums");
  CHECK(pin->version == version);
  std::ofstream(go).put('\n');
  CHECK(eventually([&] { return host.manager->pins().empty(); }));
}

}  // namespace pinned_versions_test
}  // namespace perch::instances::test
