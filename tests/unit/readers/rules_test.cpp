// A plugin that breaks the interface's rules: refused safely, told once, and everything else goes on.
#include <spdlog/sinks/base_sink.h>

#include <algorithm>

#include "unit/readers/test_host.hpp"

namespace perch::readers::test {
namespace rules_test {

/// What is logged as an error while it lives.
class ErrorLog {
 public:
  ErrorLog() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_));
    spdlog::set_level(spdlog::level::err);
  }
  ~ErrorLog() {
    spdlog::set_default_logger(before_);
    spdlog::set_level(spdlog::level::off);
  }
  std::vector<std::string> lines() const { return sink_->lines(); }

 private:
  class Sink : public spdlog::sinks::base_sink<std::mutex> {
   public:
    std::vector<std::string> lines() {
      const std::lock_guard lock(mutex_);
      return lines_;
    }

   private:
    void sink_it_(const spdlog::details::log_msg& message) override {
      lines_.emplace_back(message.payload.begin(), message.payload.end());
    }
    void flush_() override {}
    std::vector<std::string> lines_;
  };

  std::shared_ptr<spdlog::logger> before_;
  std::shared_ptr<Sink> sink_ = std::make_shared<Sink>();
};

std::string breaking(const std::string& rule) { return R"({"break":")" + rule + "\"}"; }

/// Three steps of a reader that breaks a rule in each, and a state saved; what was told of it.
std::vector<std::string> told_of(const std::string& rule) {
  TestHost host;
  const ErrorLog log;
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "r", breaking(rule)));
  for (std::uint64_t id = 1; id <= 3; ++id) {
    host.commit_row(id, 1);
    REQUIRE(host.caught_up("r"));
  }
  auto verdict = host.begin_swap("r", faulty_plugin("breaks_rules"), 1h);
  REQUIRE(host.becomes("r", "probation"));
  REQUIRE(host.rollback("r"));  // the same instance goes on after its save
  host.commit_row(4, 1);
  REQUIRE(host.caught_up("r"));
  CHECK(host.gauge("r", "steps") == 4);
  CHECK(host.gauge("r", "wrong") == 0);
  CHECK(host.state("r") == "running");
  CHECK(host.reader("r")->restarts == 0);
  auto lines = log.lines();
  CHECK(host.unload("r"));
  return lines;
}

/// All of it was told, each once, and nothing else.
void check_told(const std::string& rule, const std::vector<std::string>& what) {
  const auto lines = told_of(rule);
  for (const std::string& part : what) {
    const std::string line =
        "reader r: broke the interface's rules: " + part + " (said once; the call did nothing)";
    CHECK_MESSAGE(std::count(lines.begin(), lines.end(), line) == 1, part);
  }
  CHECK_MESSAGE(lines.size() == what.size(), (lines.empty() ? "" : lines.back()));
}

TEST_CASE("rules: a reader that keeps them is told of nothing") { CHECK(told_of("nothing").empty()); }

TEST_CASE("rules: wake_every is for create and start, on the reader's thread") {
  check_told("wake_late", {"wake_every outside create and start"});
  check_told("wake_elsewhere", {"wake_every on another thread than the reader's"});
}

TEST_CASE("rules: a text that has a size is there") {
  check_told("null_texts", {"log with a null pointer for a text that has a size",
                            "publish with a null pointer for a text that has a size",
                            "counter_add with a null pointer for a text that has a size",
                            "gauge_set with a null pointer for a text that has a size",
                            "histogram_record with a null pointer for a text that has a size"});
}

TEST_CASE("rules: tables are those of the manifest") {
  std::vector<std::string> told;
  for (const char* const function : {"table_rows", "get", "get_many", "scan_open", "diff_open"}) {
    told.push_back(std::string(function) + " with a table index that is not in the plugin's manifest");
  }
  check_told("table_index", told);
}

TEST_CASE("rules: pointers that must be there are there") {
  std::vector<std::string> told;
  for (const char* const function : {"get", "get_many", "scan_open", "scan_next", "diff_open", "diff_next"}) {
    told.push_back(std::string(function) + " with a null pointer where there must be one");
  }
  check_told("null_pointers", told);
}

TEST_CASE("rules: snapshots are the host's, and alive") {
  check_told("no_snapshot",
             {"snapshot_version with a null snapshot", "snapshot_time_ns with something that is no snapshot",
              "table_rows with something that is no snapshot", "get with something that is no snapshot",
              "scan_open with something that is no snapshot", "diff_open with something that is no snapshot",
              "diff_open with a null snapshot"});
  check_told("dead_snapshot", {"snapshot_version with a snapshot that is no longer alive"});
}

TEST_CASE("rules: cursors are opened, and used while their snapshot lives") {
  check_told("cursor_not_opened", {"scan_next with a cursor that was not opened for it",
                                   "diff_next with a cursor that was not opened for it"});
  check_told("cursor_outlives_snapshot", {"scan_next with a cursor whose snapshot is no longer alive"});
}

TEST_CASE("rules: structs say their size") {
  check_told("struct_sizes", {"scan_open with a struct whose struct_size is too small",
                              "scan_next with a struct whose struct_size is too small"});
}

TEST_CASE("rules: the sink of a state is for save alone") {
  check_told("sink_after_save", {"perch_state_sink.write after save has returned"});
}

TEST_CASE("rules: a state that was refused is none, whatever save returns") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "large", breaking("state_too_large")));
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "null", breaking("null_state")));
  const auto refused = [&](const std::string& name, const std::string& why) {
    const auto swapped = host.swap(name, faulty_plugin("breaks_rules"));
    REQUIRE_FALSE(swapped);
    CHECK(swapped.error().message ==
          "reader " + name + ": save: returned PERCH_OK although its state was refused: " + why);
    CHECK(host.state(name) == "running");
    host.commit_row(1, 1);
    REQUIRE(host.caught_up(name));
    CHECK(host.gauge(name, "wrong") == 0);
  };
  refused("large", "it is over 1 GiB");
  refused("null", "write was given a null pointer for 5 bytes");
}

TEST_CASE("rules: results are those that there are, and PERCH_BAD_CONFIG is for create") {
  TestHost host;
  const auto error_of = [&](const std::string& rule) {
    const auto loaded = host.load(faulty_plugin("breaks_rules"), "r", breaking(rule));
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().kind == ErrorKind::failed);
    return loaded.error().message;
  };
  CHECK(error_of("unknown_result_of_create") ==
        "reader r: create: returned -3, which is no perch_result: as told");
  CHECK(error_of("bad_config_in_start") ==
        "reader r: start: returned PERCH_BAD_CONFIG, which is for create alone: as told");
}

TEST_CASE("rules: a message without its end is cut at the end of its room") {
  TestHost host([](ReadersSpec& spec) { spec.restart.limit = 0; });
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "r", breaking("message_without_nul")));
  host.commit_row(1, 1);
  REQUIRE(host.becomes("r", "quarantined"));
  CHECK(host.reader("r")->last_error == "on_commit: " + std::string(512, 'x'));
}

TEST_CASE("a plugin with a larger interface struct of the same version runs") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("larger_interface"), "r"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("r"));
  REQUIRE(host.swap("r", faulty_plugin("breaks_rules")));  // exactly the size of version 1
  REQUIRE(host.swap("r", faulty_plugin("larger_interface")));
  CHECK(host.gauge("r", "steps") == 1);
}

}  // namespace rules_test
}  // namespace perch::readers::test
