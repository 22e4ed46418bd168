// The watched folder: dropped in, replaced, taken away, and everything that is no plugin.
#include <spdlog/sinks/ostream_sink.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "unit/readers/test_host.hpp"

namespace perch::readers::test {
namespace folder_test {

/// A host that watches a folder of its own.
class FolderHost {
 public:
  explicit FolderHost(std::vector<InstanceSpec> instances = {},
                      const std::map<std::string, std::string>& files = {})
      : plugins(folder.path() / "plugins") {
    fs::create_directories(plugins);
    for (const auto& [name, from] : files) fs::copy_file(faulty_plugin(from), plugins / name);
    host = std::make_unique<TestHost>([&](ReadersSpec& spec) {
      spec.folder = plugins;
      spec.instances = std::move(instances);
      spec.restart = {1ms, 10ms, 3, 60s};
    });
  }

  /// As a careful installer does it: under a temporary name, then renamed.
  void drop(const std::string& from, const std::string& name) const {
    fs::copy_file(faulty_plugin(from), plugins / ("." + name + ".new"));
    fs::rename(plugins / ("." + name + ".new"), plugins / name);
  }
  /// As cp does it: written in place.
  void copy(const std::string& from, const std::string& name) const {
    fs::copy_file(faulty_plugin(from), plugins / name, fs::copy_options::overwrite_existing);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(plugins / name) << text;
  }
  bool becomes(const std::string& reader, const std::string& state) const {
    return host->becomes(reader, state);
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
  here.host->commit_row(1, 5);
  here.drop("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
  REQUIRE(here.host->caught_up("summing"));
  here.host->rows.erase(1);
  here.host->commit_row(2, 7);
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
  std::ifstream from(faulty_plugin("summing"), std::ios::binary);
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
  REQUIRE(here.host->load(faulty_plugin("summing")));
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
    REQUIRE(host.becomes("text", "refused"));
    REQUIRE(host.load(faulty_plugin("fails_in_on_commit"), "bad"));
    host.rows.commit();
    REQUIRE(host.becomes("bad", "quarantined"));
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
  auto verdict = here.host->begin_swap("summing", faulty_plugin("summing_next"), 1h);
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

TEST_CASE("a hard link is a whole file at once") {
  FolderHost here;
  fs::copy_file(faulty_plugin("summing"), here.folder.path() / "elsewhere.so");
  fs::create_hard_link(here.folder.path() / "elsewhere.so", here.plugins / "linked.so");
  REQUIRE(here.becomes("summing", "running"));
}

TEST_CASE("a link within the folder runs what it leads to; switched to another release it swaps") {
  FolderHost here;
  fs::create_directories(here.plugins / "releases");
  fs::copy_file(faulty_plugin("summing"), here.plugins / "releases" / "1.so");
  fs::copy_file(faulty_plugin("summing_next"), here.plugins / "releases" / "2.so");
  fs::create_symlink("releases/1.so", here.plugins / "summing.so");
  REQUIRE(here.has_version("summing", "1.0.0"));
  fs::create_symlink("releases/2.so", here.plugins / ".summing.new");
  fs::rename(here.plugins / ".summing.new", here.plugins / "summing.so");
  REQUIRE(here.has_version("summing", "1.1.0"));
  fs::remove(here.plugins / "summing.so");
  REQUIRE(here.becomes("summing", "absent"));
}

TEST_CASE("a link that leads out of the folder, or nowhere, is refused with the reason") {
  FolderHost here;
  fs::create_symlink(faulty_plugin("other_id"), here.plugins / "symbolic.so");
  REQUIRE(here.becomes("symbolic", "refused"));
  CHECK(here.complains("symbolic", "is a link out of the folder"));
  fs::create_symlink("nowhere.so", here.plugins / "dangling.so");
  CHECK(here.complains("dangling", "a file that is not there"));
}

TEST_CASE("a file refused for its mode runs once that is mended; so do all when the folder's is") {
  FolderHost here;
  fs::copy_file(faulty_plugin("summing"), here.plugins / ".new");
  fs::permissions(here.plugins / ".new", fs::perms(0666));
  fs::rename(here.plugins / ".new", here.plugins / "summing.so");
  REQUIRE(here.complains("summing", "chmod go-w"));
  fs::permissions(here.plugins / "summing.so", fs::perms(0644));
  REQUIRE(here.becomes("summing", "running"));
  const std::uint64_t generation = here.host->reader("summing")->generation;

  fs::permissions(here.plugins, fs::perms(0777));
  here.drop("other_id", "other.so");
  REQUIRE(here.complains("other", "the folder "));
  fs::permissions(here.plugins, fs::perms(0755));
  REQUIRE(here.becomes("other", "running"));
  CHECK(here.host->reader("summing")->generation == generation);  // its content is what it was
}

TEST_CASE(
    "a file that changes several times within a probation: the last one wins, none in between is half") {
  FolderHost here;
  here.drop("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
  auto verdict = here.host->begin_swap("summing", "", 300ms);
  REQUIRE(here.becomes("summing", "probation"));
  for (int i = 0; i < 5; ++i) {
    here.drop("summing", "summing.so");
    here.drop("summing_next", "summing.so");
  }
  REQUIRE(verdict.get());
  REQUIRE(here.has_version("summing", "1.1.0"));
}

TEST_CASE(
    "a reader that was swapped to a file elsewhere: its old file has no say, and is told how to get one") {
  FolderHost here;
  here.drop("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
  const auto swapped = here.host->swap("summing", faulty_plugin("summing_next"));
  REQUIRE(swapped);
  CHECK(has(swapped->remark, "no longer stands for this reader"));
  here.drop("summing", "summing.so");
  REQUIRE(here.complains("summing", "perch swap summing"));
  CHECK(here.host->reader("summing")->plugin_version == "1.1.0");
}

TEST_CASE("500 rewrites of a running file end with the last one, and nothing left over") {
  FolderHost here;
  here.copy("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
  for (int i = 0; i < 250; ++i) {
    here.copy("summing", "summing.so");
    here.copy("summing_next", "summing.so");
  }
  REQUIRE(here.has_version("summing", "1.1.0"));
  REQUIRE(eventually([&] { return entries_of(here.host->spec.private_folder.c_str()) == 1; }));
  CHECK(here.host->reader("summing")->pinned_libraries.empty());
}

TEST_CASE("names of editors, directories and FIFOs called .so, and names of odd bytes") {
  FolderHost here;
  for (const char* name : {".summing.so.swp", "summing.so~", "#summing.so#", "4913", "summing.so.tmp",
                           ".goutputstream-XYZ", "~summing.so"}) {
    fs::copy_file(faulty_plugin("summing"), here.plugins / name);
  }
  fs::create_directory(here.plugins / "folder.so");
  REQUIRE(mkfifo((here.plugins / "fifo.so").c_str(), 0600) == 0);
  here.copy("other_id", "odd \n\xff name.so");
  REQUIRE(here.becomes("other", "running"));
  here.drop("no_plugin", "last.so");  // the folder is looked at in the order of its changes
  REQUIRE(here.becomes("last", "refused"));
  CHECK(here.host->state("summing") == "absent");
}

TEST_CASE("two files of one id that take each other's name: one of them runs") {
  FolderHost here;
  here.drop("summing", "a.so");
  REQUIRE(here.has_version("summing", "1.0.0"));
  here.drop("summing_next", "b.so");
  REQUIRE(here.complains("b", "which a.so in the same folder is already"));
  fs::rename(here.plugins / "a.so", here.plugins / ".a");
  fs::rename(here.plugins / "b.so", here.plugins / "a.so");
  fs::rename(here.plugins / ".a", here.plugins / "b.so");
  REQUIRE(here.has_version("summing", "1.1.0"));
  REQUIRE(here.complains("b", "which a.so in the same folder is already"));
  fs::remove(here.plugins / "a.so");
  REQUIRE(here.has_version("summing", "1.0.0"));
}

TEST_CASE("a folder that is moved away and back, or replaced by another one") {
  FolderHost here;
  here.drop("summing", "summing.so");
  REQUIRE(here.becomes("summing", "running"));
  const fs::path away = here.folder.path() / "away";
  fs::rename(here.plugins, away);
  REQUIRE(here.becomes("summing", "absent"));
  fs::rename(away, here.plugins);
  REQUIRE(here.becomes("summing", "running"));

  const fs::path other = here.folder.path() / "other";
  fs::create_directories(other);
  fs::copy_file(faulty_plugin("summing_next"), other / "summing.so");
  fs::rename(here.plugins, away);
  fs::rename(other, here.plugins);
  REQUIRE(here.has_version("summing", "1.1.0"));
}

/// The plugin `summing` under an id of its own, of the same length.
std::string summing_as(const std::string& id) {
  std::ifstream file(faulty_plugin("summing"), std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string old = R"("id":"summing")";
  const std::size_t at = bytes.find(old);
  REQUIRE(at != std::string::npos);
  return bytes.replace(at, old.size(), R"("id":")" + id + '"');
}

TEST_CASE("200 plugins at once all run, are all replaced, and are all gone again") {
  FolderHost here;
  const std::size_t threads = entries_of("/proc/self/task");
  constexpr int count = 200;
  const auto id_of = [](int i) { return "sum_" + std::to_string(100 + i); };
  const auto in_state = [&](const std::string& state, std::uint64_t generation_min) {
    const auto readers = here.host->manager->readers();
    return std::count_if(readers.begin(), readers.end(), [&](const instances::ReaderStatus& reader) {
      return reader.state == state && reader.generation >= generation_min;
    });
  };
  for (int i = 0; i < count; ++i) here.write(id_of(i) + ".so", summing_as(id_of(i)));
  REQUIRE(eventually([&] { return in_state("running", 1) == count; }));
  here.host->commit_row(1, 5);
  for (int i = 0; i < count; ++i) REQUIRE(here.host->caught_up(id_of(i)));
  // One byte more: another file with the same code.
  for (int i = 0; i < count; ++i) here.write(id_of(i) + ".so", summing_as(id_of(i)) + '\n');
  REQUIRE(eventually([&] { return in_state("running", count + 1) == count; }));
  for (int i = 0; i < count; ++i) CHECK(here.host->gauge(id_of(i), "sum") == 5);
  for (int i = 0; i < count; ++i) fs::remove(here.plugins / (id_of(i) + ".so"));
  REQUIRE(eventually([&] { return here.host->manager->readers().empty(); }));
  CHECK(fs::is_empty(here.host->spec.private_folder));
  CHECK(entries_of("/proc/self/task") == threads);
}

TEST_CASE("a quarantine is lifted by a changed file, also by one with the same content") {
  FolderHost here;
  here.drop("fails_in_start", "summing.so");
  REQUIRE(here.becomes("summing", "quarantined"));
  const std::uint64_t restarts = here.host->reader("summing")->restarts;
  fs::permissions(here.plugins / "summing.so", fs::perms(0700));  // no change of the file's content
  here.drop("fails_in_start", "summing.so");                      // somebody tries again
  REQUIRE(here.complains("summing", "told to fail in start"));
  here.drop("summing_next", "summing.so");
  REQUIRE(here.has_version("summing", "1.1.0"));
  CHECK(here.host->reader("summing")->restarts == restarts);
}

TEST_CASE("the folder is made when it is missing, and found again when it comes back") {
  TemporaryFolder folder;
  const fs::path plugins = folder.path() / "a" / "b";
  TestHost host([&](ReadersSpec& spec) { spec.folder = plugins; });
  CHECK(fs::is_directory(plugins));
  fs::copy_file(faulty_plugin("summing"), plugins / "summing.so");
  REQUIRE(host.becomes("summing", "running"));
  fs::remove_all(plugins);
  REQUIRE(host.becomes("summing", "absent"));
  fs::create_directories(plugins);
  fs::copy_file(faulty_plugin("summing_next"), plugins / "summing.so");
  REQUIRE(host.becomes("summing", "running"));
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

}  // namespace folder_test
}  // namespace perch::readers::test
