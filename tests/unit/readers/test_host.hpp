// A host for tests: a real store with a writer, a hub, a reader manager, and a folder that goes when the test
// ends.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "instances/event_hub.hpp"
#include "readers/done.hpp"
#include "readers/reader_manager.hpp"
#include "readers/readers_spec.hpp"
#include "readers/swap_report.hpp"
#include "unit/test_files.hpp"
#include "unit/test_rows.hpp"

namespace perch::readers::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace perch::test;

/// The config with which the plugin `summing` hangs in its step until the file is there.
inline std::string hang_until(const fs::path& file) { return R"({"hang_until":")" + file.string() + "\"}"; }

class TestHost {
 public:
  explicit TestHost(const std::function<void(ReadersSpec&)>& change = {}) {
    spdlog::set_level(spdlog::level::off);
    spec.private_folder = folder.path() / "generations";
    spec.probation = 0s;
    if (change) change(spec);
    manager = std::make_unique<ReaderManager>(spec, catalog, store->reads(), events,
                                              [this] { return store->retained_versions(); });
    const auto started = manager->start();
    REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().message));
  }
  ~TestHost() { manager->stop(); }

  Result<instances::ReaderStatus> load(const fs::path& file, const std::string& name = "",
                                       const std::string& config = "{}") {
    return wait<instances::ReaderStatus>([&](auto done) { manager->load(file, name, config, done); });
  }
  Result<SwapReport> swap(const std::string& name, const fs::path& file,
                          std::optional<std::chrono::nanoseconds> probation = std::nullopt) {
    return swap(name, SwapOptions{file, probation});
  }
  Result<SwapReport> swap(const std::string& name, const SwapOptions& options) {
    return wait<SwapReport>([&](auto done) { manager->swap(name, options, done); });
  }
  Result<SwapReport> configure(const std::string& name, const std::string& config,
                               std::optional<std::chrono::nanoseconds> probation = std::nullopt) {
    return wait<SwapReport>([&](auto done) { manager->configure(name, config, probation, done); });
  }
  /// These two do not wait for the verdict.
  std::future<Result<SwapReport>> begin_swap(const std::string& name, const fs::path& file,
                                             std::chrono::nanoseconds probation) {
    return begin<SwapReport>([&](auto done) { manager->swap(name, {file, probation}, done); });
  }
  std::future<Result<SwapReport>> begin_configure(const std::string& name, const std::string& config) {
    return begin<SwapReport>([&](auto done) { manager->configure(name, config, 1h, done); });
  }
  Result<instances::ReaderStatus> accept(const std::string& name) {
    return wait<instances::ReaderStatus>([&](auto done) { manager->accept(name, done); });
  }
  Result<instances::ReaderStatus> rollback(const std::string& name) {
    return wait<instances::ReaderStatus>([&](auto done) { manager->rollback(name, done); });
  }
  Result<std::string> unload(const std::string& name) {
    return wait<std::string>([&](auto done) { manager->unload(name, done); });
  }
  Result<instances::ReaderStatus> enable(const std::string& name) {
    return wait<instances::ReaderStatus>([&](auto done) { manager->enable(name, done); });
  }
  Result<instances::ReaderStatus> disable(const std::string& name) {
    return wait<instances::ReaderStatus>([&](auto done) { manager->disable(name, done); });
  }

  std::optional<instances::ReaderStatus> reader(const std::string& name) const {
    for (instances::ReaderStatus& status : manager->readers()) {
      if (status.name == name) return status;
    }
    return std::nullopt;
  }
  std::string state(const std::string& name) const {
    const auto status = reader(name);
    return status ? status->state : "absent";
  }
  bool becomes(const std::string& name, const std::string& wanted) const {
    return eventually([&] { return state(name) == wanted; });
  }
  double gauge(const std::string& name, const char* metric) const {
    const auto status = reader(name);
    return status && status->metrics.contains(metric) ? status->metrics.at(metric).value : -1;
  }
  /// Waits until the reader has seen the last commit.
  bool caught_up(const std::string& name) const {
    return eventually([&] {
      const auto status = reader(name);
      return status && status->version == store->reads().published_version();
    });
  }

  tree::Version commit_row(std::uint64_t id, std::int64_t amount) {
    rows.put(id, amount);
    return rows.commit();
  }

  TemporaryFolder folder;
  ReadersSpec spec;
  tables::Catalog catalog = test_catalog();
  std::unique_ptr<tree::Store> store = tree::Store::create({std::uint64_t{64} << 20}).value();
  RowWriter rows{*store, catalog};
  instances::EventHub events;
  std::unique_ptr<ReaderManager> manager;

 private:
  template <class T>
  static std::future<Result<T>> begin(const std::function<void(Done<T>)>& ask) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    ask([promise](Result<T> result) { promise->set_value(std::move(result)); });
    return promise->get_future();
  }
  template <class T>
  static Result<T> wait(const std::function<void(Done<T>)>& ask) {
    return begin<T>(ask).get();
  }
};

/// Commits without pause on a thread of its own until it is stopped; knows what the sum must be.
class BusyWriter {
 public:
  explicit BusyWriter(TestHost& host) : thread_([this, &host] { run(host); }) {}
  ~BusyWriter() { stop(); }
  void stop() {
    stopping_.store(true);
    if (thread_.joinable()) thread_.join();
  }
  std::int64_t sum() const { return sum_; }     // after stop
  std::uint64_t rows() const { return rows_; }  // after stop
  std::uint64_t commits() const { return commits_.load(); }

 private:
  void run(TestHost& host) {
    std::vector<std::int64_t> amounts(5'000);
    std::uint64_t number = 1;
    while (!stopping_.load()) {
      for (int i = 0; i < 8; ++i) {
        number = number * 6364136223846793005u + 1442695040888963407u;
        const std::uint64_t id = (number >> 33) % amounts.size();
        const auto amount = static_cast<std::int64_t>(number >> 45) + 1;
        rows_ += amounts[id] == 0;
        sum_ += amount - amounts[id];
        amounts[id] = amount;
        host.rows.put(id, amount);
      }
      host.rows.commit();
      commits_.fetch_add(1);
    }
  }

  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> commits_{0};
  std::int64_t sum_ = 0;
  std::uint64_t rows_ = 0;
  std::thread thread_;
};

}  // namespace perch::readers::test
