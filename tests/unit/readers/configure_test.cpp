// A reader's config over its life: judged before the plugin sees it, changed while the reader runs, taken
// back.
#include <stdlib.h>

#include <fstream>

#include "readers/instance_check.hpp"
#include "unit/readers/test_host.hpp"

namespace perch::readers::test {
namespace configure_test {

/// A plugin's constructor leaves a file here.
class Mark {
 public:
  explicit Mark(const TemporaryFolder& folder) : path_(folder.path() / "mark") {
    setenv("PERCH_TEST_MARK", path_.c_str(), 1);
  }
  ~Mark() { unsetenv("PERCH_TEST_MARK"); }
  bool is_left() const { return fs::exists(path_); }

 private:
  fs::path path_;
};

TEST_CASE("a load whose config does not fit the plugin's schema runs nothing of the plugin") {
  TestHost host;
  const Mark mark(host.folder);
  const auto loaded = host.load(faulty_plugin("breaks_rules"), "r", R"({"step_size":1000,"brake":"x"})");
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().kind == ErrorKind::usage);
  CHECK(loaded.error().message == "the config does not fit plugin breaks_rules 1.0.0");
  CHECK(loaded.error().details ==
        std::vector<std::string>{"config.brake: unknown member (did you mean break?)",
                                 "config.step_size: must be at most 100, not 1000 (how far a step counts)"});
  CHECK(host.state("r") == "absent");
  CHECK_FALSE(mark.is_left());
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "r", R"({"step_size":5})"));
  CHECK(mark.is_left());
  CHECK(host.reader("r")->config == R"({"step_size":5})");
}

TEST_CASE("a plugin whose schema cannot be used is refused before its code is loaded") {
  TestHost host;
  const Mark mark(host.folder);
  const auto loaded = host.load(faulty_plugin("unusable_schema"), "r");
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().kind == ErrorKind::refused);
  CHECK_MESSAGE(has(loaded.error().message,
                    "unusable_schema.so: its manifest has a config schema that cannot be used: "
                    "config_schema.$ref: must be"),
                loaded.error().message);
  CHECK_FALSE(mark.is_left());
}

TEST_CASE("a swap to a version whose schema refuses the running config leaves the old one running") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "r", R"({"step_size":50})"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("r"));
  const Mark mark(host.folder);
  const auto swapped = host.swap("r", faulty_plugin("stricter_config"));
  REQUIRE_FALSE(swapped);
  CHECK(swapped.error().kind == ErrorKind::usage);
  CHECK(swapped.error().details == std::vector<std::string>{"config.step_size: must be at most 5, not 50"});
  CHECK_FALSE(mark.is_left());
  CHECK(host.state("r") == "running");
  CHECK(host.reader("r")->generation == 1);
  CHECK(has(host.reader("r")->last_error, "config.step_size: must be at most 5, not 50"));
  REQUIRE(host.configure("r", R"({"step_size":5})"));
  CHECK(host.swap("r", faulty_plugin("stricter_config")));
}

TEST_CASE("configure is a swap to the same code with another config: state goes over, no commit is missed") {
  TestHost host;
  BusyWriter writer(host);
  REQUIRE(host.load(faulty_plugin("summing"), "sums", R"({"every_ms":1})"));
  for (int i = 0; i < 10; ++i) {
    const std::string config = "{\"every_ms\":" + std::to_string(i % 3) + "}";
    const auto report = host.configure("sums", config);
    REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().message));
    CHECK(report->from_version == "1.0.0");
    CHECK(report->to_version == "1.0.0");
    CHECK(report->generation == static_cast<std::uint64_t>(i) + 2);
    CHECK(host.reader("sums")->config == config);
    CHECK(host.reader("sums")->file == faulty_plugin("summing").string());
  }
  writer.stop();
  REQUIRE(host.caught_up("sums"));
  CHECK(host.gauge("sums", "sum") == static_cast<double>(writer.sum()));
  CHECK(host.gauge("sums", "gaps") == 0);
  CHECK(entries_of(host.spec.private_folder.c_str()) == 1);
}

TEST_CASE("configure runs the code that the reader has now, whatever became of its file") {
  TestHost host;
  const fs::path file = host.folder.path() / "r.so";
  fs::copy_file(faulty_plugin("breaks_rules"), file);
  REQUIRE(host.load(file, "r"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("r"));
  fs::copy_file(faulty_plugin("stricter_config"), file, fs::copy_options::overwrite_existing);
  const auto report = host.configure("r", R"({"step_size":50})");  // the file's plugin would refuse it
  REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().message));
  CHECK(report->to_version == "1.0.0");
  CHECK(host.gauge("r", "step_size") == 50);
  CHECK(host.gauge("r", "steps") == 1);
  fs::remove(file);
  REQUIRE(host.configure("r", R"({"step_size":60})"));
  CHECK(host.gauge("r", "step_size") == 60);
  CHECK(host.reader("r")->file == file.string());
}

TEST_CASE("a config that the schema refuses changes nothing") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "r", R"({"step_size":2})"));
  for (const char* const config : {R"({"step_size":"2"})", R"({"stepsize":2})", "[]", "{"}) {
    const auto refused = host.configure("r", config);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::usage);
  }
  CHECK(host.reader("r")->config == R"({"step_size":2})");
  CHECK(host.reader("r")->generation == 1);
  CHECK(host.state("r") == "running");
  CHECK(host.configure("s", "{}").error().kind == ErrorKind::not_found);
}

TEST_CASE("a rollback, asked for or after a fault, brings the old config back") {
  TestHost host;
  REQUIRE(host.load(faulty_plugin("breaks_rules"), "r", R"({"step_size":2})"));
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("r"));
  auto verdict = host.begin_configure("r", R"({"step_size":3})");
  REQUIRE(host.becomes("r", "probation"));
  CHECK(host.reader("r")->config == R"({"step_size":3})");
  CHECK(host.configure("r", "{}").error().kind == ErrorKind::refused);
  REQUIRE(host.rollback("r"));
  CHECK(verdict.get().error().kind == ErrorKind::rolled_back);
  CHECK(host.reader("r")->config == R"({"step_size":2})");
  CHECK(host.gauge("r", "step_size") == 2);

  verdict = host.begin_configure("r", R"({"break":"unknown_result"})");
  REQUIRE(host.becomes("r", "probation"));
  host.commit_row(2, 1);
  const auto result = verdict.get();
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::rolled_back);
  CHECK_MESSAGE(has(result.error().message, "1.0.0 with its new config failed: on_commit: returned 77"),
                result.error().message);
  CHECK(host.reader("r")->config == R"({"step_size":2})");
  REQUIRE(host.caught_up("r"));
  CHECK(host.gauge("r", "steps") == 2);

  auto accepted = host.begin_configure("r", R"({"step_size":4})");
  REQUIRE(host.becomes("r", "probation"));
  REQUIRE(host.accept("r"));
  CHECK(accepted.get());
  CHECK(host.reader("r")->config == R"({"step_size":4})");
}

TEST_CASE(
    "an instance of the config with a bad config stays in the list as failed, and configure sets it right") {
  TemporaryFolder plugins;
  fs::copy_file(faulty_plugin("breaks_rules"), plugins.path() / "breaks_rules.so");
  const Mark mark(plugins);
  TestHost host([&](ReadersSpec& spec) {
    spec.folder = plugins.path();
    spec.instances = {{"bad", "breaks_rules", R"({"step_size":0})"}};
  });
  CHECK(host.state("bad") == "failed");
  CHECK_MESSAGE(has(host.reader("bad")->last_error, "config.step_size: must be at least 1, not 0"),
                host.reader("bad")->last_error);
  CHECK(host.reader("bad")->config == R"({"step_size":0})");
  CHECK(host.reader("bad")->plugin_version == "1.0.0");
  CHECK_FALSE(mark.is_left());
  REQUIRE(host.configure("bad", R"({"step_size":1})"));
  CHECK(host.state("bad") == "running");
  CHECK(host.gauge("bad", "step_size") == 1);
  host.commit_row(1, 1);
  REQUIRE(host.caught_up("bad"));
}

TEST_CASE("a file dropped into the folder runs only when the empty config fits its schema") {
  TemporaryFolder plugins;
  fs::copy_file(faulty_plugin("stricter_config"), plugins.path() / "a.so");
  const Mark mark(plugins);
  TestHost host([&](ReadersSpec& spec) { spec.folder = plugins.path(); });
  CHECK(host.state("breaks_rules") == "failed");
  CHECK(has(host.reader("breaks_rules")->last_error, "config: member \"step_size\" is missing"));
  CHECK_FALSE(mark.is_left());
}

TEST_CASE("before anything runs: instances are checked against the plugins that are there") {
  TemporaryFolder plugins;
  const Mark mark(plugins);
  fs::copy_file(faulty_plugin("breaks_rules"), plugins.path() / "breaks_rules.so");
  std::ofstream(plugins.path() / "text.so") << "no library";
  ReadersSpec spec;
  spec.folder = plugins.path();
  spec.instances = {{"good", "breaks_rules", R"({"step_size":1})"},
                    {"bad", "breaks_rules", R"({"step_size":[]})"},
                    {"misspelt", "break_rules", "{}"}};
  const InstanceCheck check = check_instances(spec);
  REQUIRE(check.errors.size() == 1);
  CHECK(check.errors[0] ==
        "reader bad: the config does not fit plugin breaks_rules 1.0.0; config.step_size: must be a whole "
        "number, "
        "not [] (how far a step counts)");
  REQUIRE(check.warnings.size() == 2);
  CHECK(has(check.warnings[0], "text.so"));
  CHECK(has(check.warnings[1], "reader misspelt: no plugin 'break_rules' in "));
  CHECK(has(check.warnings[1], "; did you mean breaks_rules?"));
  CHECK_FALSE(mark.is_left());
  spec.folder = plugins.path() / "none";
  CHECK(check_instances(spec).errors.empty());
  CHECK_FALSE(fs::exists(spec.folder));
}

}  // namespace configure_test
}  // namespace perch::readers::test
