#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

void read_exec(ObjectReader& source, const fs::path& program_folder, ingest::SourceSpec& spec,
               ConfigProblem& problem) {
  source.require("command");
  source.forbid("path", "only sources of type \"file\" have a path");
  source.forbid("follow", "only sources of type \"file\" can be followed");
  spec.command = source.texts("command");
  if (problem.found()) return;
  if (spec.command.empty()) {
    problem.report(source.place("command"), "must be a program and its arguments");
    return;
  }
  const auto program =
      find_program(spec.command.front(), fs::absolute(problem.file()).parent_path(), program_folder);
  if (program) {
    spec.command.front() = program->string();
  } else {
    problem.report(join_place(source.place("command"), 0), program.error().message);
  }

  spec.restart = source.choice("restart", {"always", "never"}) == "always";
  spec.restart_delay_min = source.duration("restart_delay_min", spec.restart_delay_min, 1ms, 1h);
  spec.restart_delay_max = source.duration(
      "restart_delay_max", std::max(spec.restart_delay_max, spec.restart_delay_min), 1ms, 24h);
  if (spec.restart_delay_max < spec.restart_delay_min) {
    problem.report(source.place("restart_delay_max"), "must not be shorter than restart_delay_min");
  }
}

void forbid_command(ObjectReader& source) {
  for (const char* name : {"command", "restart", "restart_delay_min", "restart_delay_max"}) {
    source.forbid(name, "only sources of type \"exec\" run a command");
  }
}

void read_file(ObjectReader& source, ingest::SourceSpec& spec, ConfigProblem& problem) {
  source.require("path");
  forbid_command(source);
  spec.path = source.path("path", "");
  spec.follow = source.flag("follow", false);
  if (problem.found() || spec.follow) return;  // a followed file may come later
  std::error_code ignored;
  if (!fs::exists(spec.path, ignored)) {
    problem.report(source.place("path"),
                   "no file " + spec.path.string() + " (\"follow\": true would wait for it)");
  } else if (fs::is_directory(spec.path, ignored)) {
    problem.report(source.place("path"), spec.path.string() + " is a folder");
  }
}

void read_stdin(ObjectReader& source) {
  forbid_command(source);
  source.forbid("path", "only sources of type \"file\" have a path");
  source.forbid("follow", "only sources of type \"file\" can be followed");
}

std::string read_table_name(ObjectReader& source, const std::vector<tables::TableSpec>& tables,
                            ConfigProblem& problem) {
  source.require("table");
  const std::string table = source.text("table", "");
  std::vector<std::string> names;
  for (const auto& spec : tables) names.push_back(spec.name);
  const auto named = [&](const tables::TableSpec& spec) { return spec.name == table; };
  const auto found = std::find_if(tables.begin(), tables.end(), named);
  if (found == tables.end()) {
    problem.report(source.place("table"), "no table \"" + table + "\"" + suggest(table, "tables", names));
  } else if (found->rollup) {
    problem.report(source.place("table"), "\"" + table + "\" is a rollup: its rows follow from those of \"" +
                                              found->rollup->of + "\"");
  }
  return table;
}

}  // namespace

std::vector<ingest::SourceSpec> read_sources(ObjectReader& root, const std::vector<tables::TableSpec>& tables,
                                             const fs::path& program_folder, ConfigProblem& problem) {
  std::vector<ingest::SourceSpec> specs;
  bool standard_input_taken = false;
  const auto elements = root.elements("sources");
  if (elements.size() > tree::sources_max) {
    problem.report("sources", "more than " + std::to_string(tree::sources_max) + " sources");
  }
  for (const ConfigJson* element : elements) {
    ObjectReader source(element, join_place("sources", specs.size()), "source", problem);
    ingest::SourceSpec spec;
    spec.name = source.name("name");
    const auto same_name = [&](const ingest::SourceSpec& other) { return other.name == spec.name; };
    if (std::any_of(specs.begin(), specs.end(), same_name)) {
      problem.report(source.place("name"), "a second source \"" + spec.name + "\"");
    }
    source.require("type");
    const std::string type = source.choice("type", {"exec", "file", "stdin"});
    source.choice("format", {"ndjson"});
    spec.table = read_table_name(source, tables, problem);
    if (type == "exec") {
      spec.type = ingest::SourceType::exec;
      read_exec(source, program_folder, spec, problem);
    } else if (type == "file") {
      spec.type = ingest::SourceType::file;
      read_file(source, spec, problem);
    } else {
      spec.type = ingest::SourceType::standard_input;
      read_stdin(source);
      if (standard_input_taken) problem.report(source.place("type"), "a second source reads stdin");
      standard_input_taken = true;
    }
    if (problem.found()) return specs;
    specs.push_back(std::move(spec));
  }
  return specs;
}

Result<fs::path> find_program(const std::string& program, const fs::path& config_folder,
                              const fs::path& program_folder) {
  if (program.empty()) return fail(ErrorKind::usage, "must not be empty");
  if (program.find('/') != std::string::npos) {
    const fs::path path = (config_folder / program).lexically_normal();
    if (is_program(path)) return path;
    std::error_code ignored;
    return fail(ErrorKind::usage, fs::exists(path, ignored) ? path.string() + " is not executable"
                                                            : "no program " + path.string());
  }
  if (is_program(program_folder / program)) return program_folder / program;
  const char* folders = std::getenv("PATH");
  std::istringstream list(folders == nullptr ? "" : folders);
  for (std::string folder; std::getline(list, folder, ':');) {
    // An empty entry means the current folder to a shell; a host's working folder is an accident: left out.
    if (!folder.empty() && is_program(fs::path(folder) / program))
      return fs::absolute(fs::path(folder) / program);
  }
  return fail(ErrorKind::usage, "no program \"" + program + "\" in " + program_folder.string() + " or PATH");
}

}  // namespace perch
