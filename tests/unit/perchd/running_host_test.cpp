// A host that is refused threads: it does not start, or goes on as it was.
#include "perchd/running_host.hpp"

#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/log.hpp"
#include "unit/no_threads.hpp"
#include "unit/test_files.hpp"

namespace perch {
namespace running_host_test {

using namespace perch::test;

/// A config file in a folder of its own, with UNIX sources.
struct Files {
  Files() {
    spdlog::set_level(spdlog::level::off);
    fs::create_directories(folder / "run");
    fs::create_directories(folder / "plugins");
    write({"a"});
  }
  void write(const std::vector<std::string>& sources) const {
    nlohmann::json list = nlohmann::json::array();
    for (const std::string& name : sources) {
      const std::string socket = folder / (name + ".sock");
      list.push_back({{"name", name}, {"type", "unix"}, {"listen", socket}, {"table", "t"}});
    }
    const auto field = [](const char* name, const char* type) {
      return nlohmann::json{{"name", name}, {"type", type}};
    };
    const nlohmann::json config{
        {"host", {{"run_dir", (folder / "run").string()}}},
        {"arena", {{"size", "16MiB"}}},
        {"tables", {{"t", {{"key", {field("id", "uint64")}}, {"value", {field("x", "int64")}}}}}},
        {"readers", {{"folder", (folder / "plugins").string()}}},
        {"sources", list}};
    write_file(folder / "config.json", config.dump());
  }
  Result<Config> read() const { return read_config(folder / "config.json", folder.path()); }

  TemporaryFolder folder;
};

Result<control::ReloadReport> reload(RunningHost& host) {
  std::promise<Result<control::ReloadReport>> promise;
  auto done = promise.get_future();
  host.reload([&](Result<control::ReloadReport> report) { promise.set_value(std::move(report)); });
  return done.get();
}

TEST_CASE("a reload without a thread is refused, and the next one is made") {
  const Files files;
  auto config = files.read();
  REQUIRE_MESSAGE(config, config.error().message);
  auto host = RunningHost::start(std::move(*config), [&] { return files.read(); });
  REQUIRE_MESSAGE(host, host.error().message);
  files.write({"a", "b"});
  {
    const NoThreads none;
    const auto report = reload(**host);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::exhausted);
    CHECK(has(report.error().message, "no thread reload: Resource temporarily unavailable"));
  }
  CHECK_FALSE(fs::exists(files.folder / "b.sock"));
  const auto report = reload(**host);
  REQUIRE_MESSAGE(report, report.error().message);
  CHECK(report->added_sources == std::vector<std::string>{"b"});
}

TEST_CASE("a reload whose new source gets no thread changes nothing, and can be made later") {
  const Files files;
  auto config = files.read();
  REQUIRE_MESSAGE(config, config.error().message);
  std::optional<NoThreads> none;
  bool is_refused = true;
  auto host = RunningHost::start(std::move(*config), [&] {
    if (is_refused) none.emplace();  // from here on: the reload has its own already
    return files.read();
  });
  REQUIRE_MESSAGE(host, host.error().message);
  files.write({"b"});
  const auto failed = reload(**host);
  none.reset();
  is_refused = false;
  REQUIRE_FALSE(failed);
  CHECK(has(failed.error().message, "source b: no thread src:b: "));
  CHECK(has(failed.error().message, "nothing was changed"));
  CHECK(fs::exists(files.folder / "a.sock"));
  CHECK_FALSE(fs::exists(files.folder / "b.sock"));
  const auto report = reload(**host);
  REQUIRE_MESSAGE(report, report.error().message);
  CHECK(report->removed_sources == std::vector<std::string>{"a"});
  CHECK(report->added_sources == std::vector<std::string>{"b"});
}

TEST_CASE("a host without a thread does not start") {
  const Files files;
  auto config = files.read();
  REQUIRE_MESSAGE(config, config.error().message);
  const NoThreads none;
  const auto host = RunningHost::start(std::move(*config));
  REQUIRE_FALSE(host);
  CHECK(has(host.error().message, "no thread "));
}

}  // namespace running_host_test
}  // namespace perch
