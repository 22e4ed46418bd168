// The watched folder: dropped in, replaced, taken away, and everything that is no plugin.
#include <spdlog/sinks/ostream_sink.h>

#include <fstream>
#include <sstream>

#include "test_host.hpp"

namespace perch::readers::test {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A host that watches a folder of its own.
class FolderHost {
 public:
  explicit FolderHost(std::vector<InstanceSpec> instances = {},
                      const std::map<std::string, std::string>& files = {})
      : plugins(folder.path() / "plugins") {
    fs::create_directories(plugins);
    for (const auto& [name, from] : files) fs::copy_file(plugin(from), plugins / name);
    host = std::make_unique<TestHost>([&](ReadersSpec& spec) {
      spec.folder = plugins;
      spec.instances = std::move(instances);
      spec.restart = {1ms, 10ms, 3, 60s};
    });
  }

  /// As a careful installer does it: under a temporary name, then renamed.
  void drop(const std::string& from, const std::string& name) const {
    fs::copy_file(plugin(from), plugins / ("." + name + ".new"));
    fs::rename(plugins / ("." + name + ".new"), plugins / name);
  }
  /// As cp does it: written in place.
  void copy(const std::string& from, const std::string& name) const {
    fs::copy_file(plugin(from), plugins / name, fs::copy_options::overwrite_existing);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(plugins / name) << text;
  }
  bool becomes(const std::string& reader, const std::string& state) const {
    return eventually([&] { return host->state(reader) == state; });
  }
  bool has_version(const std::string& reader, const std::string& version) const {
    return eventually([&] {
      const auto status = host->reader(reader);
      return status && status->plugin_version == version && status->state == "running";
    });
  }
  bool complains(const std::string& reader, const std::string& part) const {
    return eventually([&] {
      const auto status = host->reader(reader);
      return status && has(status->last_error, part);
    });
  }

  TemporaryFolder folder;
  fs::path plugins;
  std::unique_ptr<TestHost> host;
};

TEST_CASE("files that are there at the start run when start returns") {
  FolderHost here({{"mine", "summing", R"({"every_ms":1})"}}, {{"a.so", "summing"}, {"b.so", "other_id"}});
  CHECK(here.host->state("mine") == "running");
  CHECK(here.host->state("other") == "running");  // named by no instance: runs under its id
  CHECK(here.host->state("summing") == "absent");
}

TEST_CASE("a dropped file loads, a replaced one swaps with its state, a removed one unloads") {
  FolderHost here;
  here.host->rows.put(1, 5);
  here.host->rows.commit();
  here.drop("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
  REQUIRE(here.host->caught_up("summing"));
  here.host->rows.erase(1);
  here.host->rows.put(2, 7);
  here.host->rows.commit();
  here.drop("summing_next", "summing.so");
  REQUIRE(here.has_version("summing", "1.1.0"));
  here.copy("summing", "summing.so");
  REQUIRE(here.has_version("summing", "1.0.0"));
  REQUIRE(here.host->caught_up("summing"));
  CHECK(here.host->gauge("summing", "sum") == 7);
  CHECK(here.host->gauge("summing", "gaps") == 0);
  fs::remove(here.plugins / "summing.so");
  REQUIRE(here.becomes("summing", "absent"));
  here.drop("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
}

TEST_CASE("a file that is no plugin is refused, shown with the reason, and forgotten when it goes") {
  FolderHost here;
  const auto events = here.host->events.subscribe(64, nullptr, nullptr);
  here.write("text.so", "not a library\n");
  REQUIRE(here.becomes("text", "refused"));
  CHECK(has(here.host->reader("text")->last_error, "text file"));
  std::uint64_t dropped = 0;
  const auto event = events->take(dropped);
  REQUIRE(event);
  CHECK(event->kind == "reader.refused");
  CHECK(has(event->json, "text file"));
  here.drop("no_plugin", "library.so");
  here.drop("other_layout", "layout.so");
  REQUIRE(here.becomes("library", "refused"));
  REQUIRE(here.becomes("layout", "refused"));
  CHECK(has(here.host->reader("layout")->last_error, "plugin built with float64 @0, host has int64 @0"));
  for (const char* name : {"text", "library", "layout"}) {
    fs::remove(here.plugins / (std::string(name) + ".so"));
    CHECK(here.becomes(name, "absent"));
  }
}

TEST_CASE("temporary names and other files are nobody's business") {
  FolderHost here;
  for (const char* name : {".hidden.so", "#edit.so", "~x.so", "notes.txt", ".so", "x.so.bak"})
    here.copy("summing", name);
  here.drop("other_id", "other.so");
  REQUIRE(here.becomes("other", "running"));
  CHECK(here.host->manager->readers().size() == 1);
}

TEST_CASE("a bad file in a running reader's place changes nothing, a good one after it swaps") {
  FolderHost here({}, {{"summing.so", "summing"}});
  REQUIRE(here.host->state("summing") == "running");
  here.write("summing.so", "rubbish");
  REQUIRE(here.complains("summing", "text file"));
  CHECK(here.host->state("summing") == "running");
  here.copy("other_layout", "summing.so");
  REQUIRE(here.complains("summing", "other tables"));
  here.copy("other_id", "summing.so");
  REQUIRE(here.complains("summing", "is now plugin other"));
  here.copy("fails_in_start", "summing.so");
  REQUIRE(here.complains("summing", "told to fail in start"));
  CHECK(here.host->state("summing") == "running");
  here.copy("summing_next", "summing.so");
  REQUIRE(here.has_version("summing", "1.1.0"));
  CHECK(here.host->reader("summing")->last_error == "");
}

TEST_CASE("a file written in pieces runs when it is whole") {
  FolderHost here;
  std::ifstream from(plugin("summing"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(from)), {});
  for (const std::size_t size : {bytes.size() / 3, bytes.size() / 2, bytes.size()}) {
    std::ofstream(here.plugins / "summing.so", std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(size));
    if (size < bytes.size()) REQUIRE(here.becomes("summing", "refused"));
  }
  REQUIRE(here.becomes("summing", "running"));
}

TEST_CASE("a second file with the same id is refused while the first is there") {
  FolderHost here({}, {{"a.so", "summing"}});
  here.drop("summing_next", "b.so");
  REQUIRE(here.becomes("b", "refused"));
  CHECK(has(here.host->reader("b")->last_error, "a.so"));
  CHECK(here.host->reader("summing")->plugin_version == "1.0.0");
  fs::remove(here.plugins / "a.so");
  REQUIRE(here.has_version("summing", "1.1.0"));  // the second one's turn
  CHECK(here.becomes("b", "absent"));
}

TEST_CASE("a dropped file whose reader came from elsewhere says how to swap to it, and gets its turn") {
  FolderHost here;
  REQUIRE(here.host->load(plugin("summing")));
  here.drop("summing_next", "next.so");
  REQUIRE(here.becomes("next", "refused"));
  const std::string file = (here.plugins / "next.so").string();
  const auto refused = here.host->reader("next");
  CHECK_MESSAGE(has(refused->last_error, "`perch swap summing " + file + "`"), refused->last_error);
  SUBCASE("when the reader is unloaded") {
    REQUIRE(here.host->unload("summing"));
    REQUIRE(here.has_version("summing", "1.1.0"));
  }
  SUBCASE("when the reader is swapped to it") { REQUIRE(here.host->swap("summing", file)); }
  SUBCASE("not when such a swap is rolled back") {
    auto verdict = here.host->begin_swap("summing", file, 1h);
    REQUIRE(here.becomes("summing", "probation"));
    REQUIRE(here.host->rollback("summing"));
    CHECK_FALSE(verdict.get().has_value());
    REQUIRE(here.becomes("next", "refused"));
    REQUIRE(here.host->unload("summing"));
  }
  REQUIRE(here.has_version("summing", "1.1.0"));
  CHECK(here.becomes("next", "absent"));
  CHECK(here.host->reader("summing")->file == file);
  fs::remove(file);  // it is that file's reader now
  CHECK(here.becomes("summing", "absent"));
}

TEST_CASE("what goes wrong is logged as a warning, and once") {
  std::ostringstream lines;
  const auto logger_before = spdlog::default_logger();
  TemporaryFolder folder;
  const fs::path plugins = folder.path() / "plugins";
  {
    TestHost host([&](ReadersSpec& spec) {
      const auto logger =
          std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines));
      logger->set_pattern("%l %v");
      spdlog::set_default_logger(logger);
      spec.folder = plugins;
      spec.instances = {{"missing", "nowhere", "{}"}};
      spec.restart = {1ms, 10ms, 1, 60s};
    });
    std::ofstream(plugins / "text.so") << "not a library\n";
    REQUIRE(eventually([&] { return host.state("text") == "refused"; }));
    REQUIRE(host.load(plugin("fails_in_on_commit"), "bad"));
    host.rows.commit();
    REQUIRE(eventually([&] { return host.state("bad") == "quarantined"; }));
  }
  spdlog::set_default_logger(logger_before);
  std::map<std::string, int> counts;
  std::istringstream all(lines.str());
  for (std::string line; std::getline(all, line);) {
    for (const char* part : {"text file", "reader.failed bad", "reader.quarantined bad", "reader missing",
                             "made the plugin folder", "reader.loaded bad"}) {
      if (has(line, part)) ++counts[line.substr(0, line.find(' ')) + ": " + part];
    }
  }
  const std::map<std::string, int> expected{{"warning: text file", 1},
                                            {"warning: reader.failed bad", 2},
                                            {"warning: reader.quarantined bad", 1},
                                            {"warning: reader missing", 1},
                                            {"info: made the plugin folder", 1},
                                            {"info: reader.loaded bad", 1}};
  CHECK_MESSAGE(counts == expected, lines.str());
}

TEST_CASE("an instance whose plugin is not there says so, until the plugin comes, and again when it goes") {
  FolderHost here({{"one", "summing", "{}"}, {"two", "summing", "{}"}});
  CHECK(here.host->state("one") == "refused");
  CHECK(has(here.host->reader("one")->last_error, "no plugin 'summing' in "));
  here.drop("summing", "any_name.so");
  REQUIRE(here.becomes("one", "running"));
  REQUIRE(here.becomes("two", "running"));
  CHECK(here.host->manager->readers().size() == 2);
  fs::remove(here.plugins / "any_name.so");
  REQUIRE(here.becomes("one", "refused"));
  REQUIRE(here.becomes("two", "refused"));
}

TEST_CASE("an instance that a person unloaded is shown as stopped") {
  FolderHost here({{"one", "summing", "{}"}}, {{"summing.so", "summing"}});
  REQUIRE(here.host->unload("one"));
  CHECK(here.becomes("one", "stopped"));
}

TEST_CASE("a dropped plugin that fails is restarted and quarantined until its file changes") {
  FolderHost here;
  here.drop("fails_in_create", "summing.so");
  REQUIRE(here.becomes("summing", "quarantined"));
  CHECK(here.host->reader("summing")->last_error == "create: told to fail in create");
  here.drop("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
}

TEST_CASE("a dropped plugin whose config is wrong is not tried again") {
  FolderHost here({{"one", "summing", R"({"fault":"bad_config"})"}}, {{"summing.so", "summing"}});
  CHECK(here.host->state("one") == "failed");
  CHECK(here.host->reader("one")->restarts == 0);
}

TEST_CASE("a change during probation waits for the verdict") {
  FolderHost here({}, {{"summing.so", "summing"}});
  auto verdict = here.host->begin_swap("summing", plugin("summing_next"), 1h);
  REQUIRE(here.becomes("summing", "probation"));
  here.drop("summing_next", "summing.so");
  std::this_thread::sleep_for(150ms);
  CHECK(here.host->state("summing") == "probation");
  REQUIRE(here.host->rollback("summing"));
  CHECK_FALSE(verdict.get().has_value());
  REQUIRE(here.has_version("summing", "1.1.0"));
}

TEST_CASE("the same bytes written again change nothing") {
  FolderHost here({}, {{"summing.so", "summing"}});
  const auto generation = here.host->reader("summing")->generation;
  here.copy("summing", "summing.so");
  here.drop("other_id", "other.so");  // comes later, so the first has been looked at when this one runs
  std::this_thread::sleep_for(150ms);
  REQUIRE(here.becomes("other", "running"));
  CHECK(here.host->reader("summing")->generation == generation);
}

TEST_CASE("a hard link is a whole file at once; a symbolic link is refused") {
  FolderHost here;
  fs::copy_file(plugin("summing"), here.folder.path() / "elsewhere.so");
  fs::create_hard_link(here.folder.path() / "elsewhere.so", here.plugins / "linked.so");
  REQUIRE(here.becomes("summing", "running"));
  fs::create_symlink(plugin("other_id"), here.plugins / "symbolic.so");
  REQUIRE(here.becomes("symbolic", "refused"));
}

TEST_CASE("the folder is made when it is missing, and found again when it comes back") {
  TemporaryFolder folder;
  const fs::path plugins = folder.path() / "a" / "b";
  TestHost host([&](ReadersSpec& spec) { spec.folder = plugins; });
  CHECK(fs::is_directory(plugins));
  fs::copy_file(plugin("summing"), plugins / "summing.so");
  REQUIRE(eventually([&] { return host.state("summing") == "running"; }));
  fs::remove_all(plugins);
  REQUIRE(eventually([&] { return host.state("summing") == "absent"; }));
  fs::create_directories(plugins);
  fs::copy_file(plugin("summing_next"), plugins / "summing.so");
  REQUIRE(eventually([&] { return host.state("summing") == "running"; }));
}

TEST_CASE("many files at once all run") {
  // One id, so one runs and the others are refused: each is told.
  FolderHost here;
  for (int i = 0; i < 40; ++i) here.drop("summing", "p" + std::to_string(i) + ".so");
  REQUIRE(eventually([&] {
    const auto readers = here.host->manager->readers();
    return readers.size() == 40 && std::count_if(readers.begin(), readers.end(),
                                                 [](const auto& r) { return r.state == "running"; }) == 1;
  }));
}

}  // namespace
}  // namespace perch::readers::test
