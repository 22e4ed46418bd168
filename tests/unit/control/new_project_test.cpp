#include "cli/new_project.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "table_layout.hpp"

using namespace perch;
namespace fs = std::filesystem;

namespace new_project_test {

/// A folder that is not there, for the test to make.
fs::path fresh_folder(const char* name) {
  const fs::path folder = fs::path(PERCH_BINARY_DIR) / "tests" / name;
  fs::remove_all(folder);
  fs::create_directories(folder.parent_path());
  return folder;
}

std::string file_of(const cli::NewProject& project, const std::string& name) {
  const auto files = cli::project_files(project, PERCH_SOURCE_DIR "/plugin_sdk/template");
  if (!files) return files.error().message;
  for (const cli::ProjectFile& file : *files) {
    if (file.name == name) return file.text;
  }
  return "no such file";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("a template's words are filled in, and lines with a word that has no text are left out") {
  const cli::TemplateWords words{{"name", "x"}, {"nothing", ""}};
  CHECK(*cli::fill_template("a @name@@name@ b\n@nothing@\nmail@example\n@name@ @nothing@\n", words) ==
        "a xx b\nmail@example\n");
  const auto unknown = cli::fill_template("@nmae@\n", words);
  REQUIRE_FALSE(unknown);
  CHECK(has(unknown.error().message, "@nmae@"));
}

TEST_CASE("the names of a project") {
  for (const char* good : {"a", "price-watch", "x_2"}) CHECK(cli::check_project_name(good));
  for (const char* bad : {"", "Watch", "2x", "-x", "a.b", "a b", "ä", "test", "all", "perch"}) {
    CAPTURE(bad);
    CHECK_FALSE(cli::check_project_name(bad));
  }
  CHECK(cli::check_project_name(std::string(64, 'a')));
  CHECK_FALSE(cli::check_project_name(std::string(65, 'a')));
}

TEST_CASE("the example table is what config/market.json has") {
  CHECK(cli::example_table() == table_layout("trades", trades_key, trades_value));
}

TEST_CASE("a project follows the first fraction of the table's values, or a whole number, or only the rows") {
  cli::NewProject project{"watch", "cpp", {}, "/prefix", "perch", "run/perch.sock"};
  const std::vector<tables::FieldSpec> key{{"id", "uint8"}};
  project.layout = table_layout("t", key, {{"n", "int8"}, {"many", "float64[2]"}, {"x", "float32"}});
  CHECK(has(file_of(project, "watch.cpp"), "new_value->x)"));
  project.layout = table_layout("t", key, {{"many", "float64[2]"}, {"at", "timestamp_ns"}, {"n", "int8"}});
  CHECK(has(file_of(project, "watch.cpp"), "new_value->n)"));
  project.layout = table_layout("t", key, {{"ok", "bool"}, {"text", "char[3]"}});
  CHECK(has(file_of(project, "watch.cpp"), "++inserted_"));
  CHECK_FALSE(has(file_of(project, "watch.cpp"), "sum_"));
}

TEST_CASE("a class is not named like the namespace of its table") {
  cli::NewProject project{"price-watch", "cpp", {}, "/prefix", "perch", "run/perch.sock"};
  project.layout = table_layout("trades", trades_key, trades_value);
  CHECK(has(file_of(project, "price-watch.cpp"), "class PriceWatch :"));
  project.layout = table_layout("PriceWatch", trades_key, trades_value);
  CHECK(has(file_of(project, "price-watch.cpp"), "class PriceWatchReader :"));
}

TEST_CASE("a table with a field that C++ reserves gets no project, in C neither: its test is C++") {
  for (const char* language : {"cpp", "c"}) {
    cli::NewProject project{"watch", language, {}, "/prefix", "perch", "run/perch.sock"};
    project.layout = table_layout("t", {{"id", "uint8"}}, {{"new", "int8"}});
    CHECK(has(file_of(project, "watch.cpp"), "field new"));
  }
}

TEST_CASE("a project goes into a folder that is not there or is empty, and into no other") {
  const fs::path folder = fresh_folder("project");
  CHECK(cli::check_project_folder(folder));
  CHECK_FALSE(cli::check_project_folder(folder / "deeper"));
  REQUIRE(cli::write_project(folder, {{"a", "1\n"}, {"b", "2\n"}}));
  CHECK(fs::file_size(folder / "b") == 2);
  CHECK_FALSE(cli::check_project_folder(folder));
  CHECK_FALSE(cli::check_project_folder(folder / "a"));
  fs::remove(folder / "a");
  fs::remove(folder / "b");
  CHECK(cli::check_project_folder(folder));
}

TEST_CASE("a project that cannot be written whole leaves nothing behind") {
  const fs::path folder = fresh_folder("half_project");
  CHECK_FALSE(cli::write_project(folder, {{"a", "1\n"}, {"missing/b", "2\n"}}));
  CHECK_FALSE(fs::exists(folder));
  fs::create_directories(folder);
  CHECK_FALSE(cli::write_project(folder, {{"a", "1\n"}, {"missing/b", "2\n"}}));
  CHECK(fs::is_empty(folder));
}

}  // namespace new_project_test
