#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "config/sections.hpp"
#include "ingest/listener_loop.hpp"
#include "rows/mapping.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

void forbid_file(ObjectReader& source) {
  source.forbid("path", "only sources of type \"file\" have a path");
  source.forbid("follow", "only sources of type \"file\" can be followed");
}

void read_exec(ObjectReader& source, const fs::path& program_folder, ingest::SourceSpec& spec,
               ConfigProblem& problem) {
  source.require("command");
  forbid_file(source);
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

void forbid_listening(ObjectReader& source) {
  source.forbid("listen", "only sources of type \"tcp\" and \"unix\" listen");
  source.forbid("connections_max", "only sources of type \"tcp\" and \"unix\" have connections");
  source.forbid("mode", "only sources of type \"unix\" have a socket's file");
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

void read_listener(ObjectReader& source, ingest::SourceSpec& spec, ConfigProblem& problem) {
  source.require("listen");
  forbid_command(source);
  forbid_file(source);
  spec.connections_max =
      static_cast<std::uint32_t>(source.integer("connections_max", spec.connections_max, 1, 10'000));
  if (spec.type == ingest::SourceType::tcp) {
    source.forbid("mode", "only sources of type \"unix\" have a socket's file");
    spec.address = source.text("listen", "");
    const auto address = ingest::parse_tcp_address(spec.address);
    if (!problem.found() && !address) problem.report(source.place("listen"), address.error().message);
    return;
  }
  spec.path = source.path("listen", "");
  if (spec.path.native().size() >= sizeof(sockaddr_un{}.sun_path)) {
    problem.report(source.place("listen"), spec.path.string() + " is too long for a socket: " +
                                               std::to_string(sizeof(sockaddr_un{}.sun_path) - 1) +
                                               " bytes at most");
  }
  const std::string mode = source.text("mode", "0660");
  const auto parsed = parse_file_mode(mode);
  if (!parsed) problem.report(source.place("mode"), parsed.error().message);
  spec.mode = parsed.value_or(0660);
}

void read_type(ObjectReader& source, const fs::path& program_folder, ingest::SourceSpec& spec,
               ConfigProblem& problem) {
  source.require("type");
  const std::string type = source.choice("type", {"exec", "file", "stdin", "tcp", "unix"});
  if (problem.found()) return;
  if (type == "exec") {
    spec.type = ingest::SourceType::exec;
    forbid_listening(source);
    read_exec(source, program_folder, spec, problem);
  } else if (type == "file") {
    spec.type = ingest::SourceType::file;
    forbid_listening(source);
    read_file(source, spec, problem);
  } else if (type == "stdin") {
    spec.type = ingest::SourceType::standard_input;
    forbid_listening(source);
    forbid_command(source);
    forbid_file(source);
  } else {
    spec.type = type == "tcp" ? ingest::SourceType::tcp : ingest::SourceType::unix_socket;
    read_listener(source, spec, problem);
  }
}

/// A separator or quote: one character, a tab as "\t".
char read_character(ObjectReader& csv, std::string_view name, char fallback, ConfigProblem& problem) {
  if (!csv.has(name)) return fallback;
  const std::string text = csv.text(name, "");
  if (text == "none" && name == "quote") return '\0';
  if (text.size() == 1 && text[0] != '\n' && text[0] != '\r') return text[0];
  if (!problem.found()) {
    problem.report(csv.place(name), name == "quote" ? "must be one character, or \"none\""
                                                    : "must be one character, such as \";\" or \"\\t\"");
  }
  return fallback;
}

void read_format(ObjectReader& source, ingest::SourceSpec& spec, ConfigProblem& problem) {
  const std::string format = source.choice("format", {"ndjson", "csv", "binary"});
  spec.format = format == "csv"      ? rows::Format::csv
                : format == "binary" ? rows::Format::binary
                                     : rows::Format::ndjson;
  if (format != "csv") {
    source.forbid("csv", "only sources of format \"csv\" have columns");
    return;
  }
  const ConfigJson* given = source.object("csv");
  if (given == nullptr) return;
  ObjectReader csv(given, source.place("csv"), "csv", problem);
  spec.csv.separator = read_character(csv, "separator", spec.csv.separator, problem);
  spec.csv.quote = read_character(csv, "quote", spec.csv.quote, problem);
  spec.csv.columns = csv.texts("columns");
  spec.csv.header = csv.flag("header", spec.csv.columns.empty());
  if (spec.csv.columns.empty() && !spec.csv.header)
    problem.report(csv.place("header"), "without a header the \"columns\" have to be given");
  if (spec.csv.separator == spec.csv.quote) problem.report(csv.place("quote"), "is the separator as well");
}

/// "data.price", or its steps one by one: [ "a.b", "price" ]. A column's name is taken whole.
std::vector<std::string> read_path(const ConfigJson& value, const std::string& place, rows::Format format,
                                   ConfigProblem& problem) {
  std::vector<std::string> path;
  if (value.is_array() && format == rows::Format::ndjson) {
    for (const ConfigJson& step : value) path.push_back(step.is_string() ? step.get<std::string>() : "");
  } else if (value.is_string()) {
    const std::string text = value.get<std::string>();
    std::istringstream steps(text);
    if (format != rows::Format::ndjson) return {text};
    for (std::string step; std::getline(steps, step, '.');) path.push_back(step);
    if (text.ends_with('.')) path.emplace_back();
  }
  constexpr std::size_t steps_max = 16;
  if (path.empty() || path.size() > steps_max || std::find(path.begin(), path.end(), "") != path.end()) {
    problem.report(place,
                   format == rows::Format::ndjson
                       ? "must be a member's name, a path such as \"data.price\", or its steps as an array"
                       : "must be a column's name");
  }
  return path;
}

rows::MemberSpec read_member(const ConfigJson& value, const std::string& place, rows::Format format,
                             ConfigProblem& problem) {
  rows::MemberSpec spec;
  if (!value.is_object()) {
    spec.path = read_path(value, place, format, problem);
    return spec;
  }
  ObjectReader member(&value, place, "member", problem);
  if (member.has("value")) {
    for (const char* name : {"from", "default", "unit", "quoted"})
      member.forbid(name, "\"value\" comes from the source itself");
    spec.origin = member.choice("value", {"sequence", "arrival"}) == "sequence" ? rows::Origin::sequence
                                                                                : rows::Origin::arrival;
    return spec;
  }
  if (value.contains("from")) spec.path = read_path(value.at("from"), member.place("from"), format, problem);
  if (value.contains("default")) spec.fallback = value.at("default").dump();
  const std::string unit = member.choice("unit", {"ns", "us", "ms", "s"});
  spec.unit = unit == "us"   ? rows::TimeUnit::us
              : unit == "ms" ? rows::TimeUnit::ms
              : unit == "s"  ? rows::TimeUnit::s
                             : rows::TimeUnit::ns;
  if (format != rows::Format::ndjson) member.forbid("quoted", "in CSV every value is a text");
  spec.quoted = member.flag("quoted", false);
  return spec;
}

/// "table", "when" and "map" of a source, or of one of its "feeds".
rows::FeedSpec read_feed(ObjectReader& object, rows::Format format, ConfigProblem& problem) {
  rows::FeedSpec feed;
  object.require("table");
  feed.table = object.text("table", "");
  if (format == rows::Format::binary) {
    object.forbid("map", "binary rows are the table's own records");
    object.forbid("when", "binary rows are the table's own records");
  }
  if (const ConfigJson* when = object.object("when")) {
    for (const auto& [path, value] : when->items()) {
      const std::string place = join_place(object.place("when"), path);
      if (value.is_structured()) problem.report(place, "must be a string, a number, true, false or null");
      feed.when.push_back({read_path(path, place, format, problem), value.dump()});
    }
  }
  if (const ConfigJson* map = object.object("map")) {
    for (const auto& [field, value] : map->items())
      feed.map.emplace_back(field,
                            read_member(value, join_place(object.place("map"), field), format, problem));
  }
  return feed;
}

void check_feed(const rows::FeedSpec& feed, const std::string& place, const tables::Catalog& catalog,
                ConfigProblem& problem) {
  if (problem.found()) return;
  if (!catalog.find(feed.table)) {
    std::vector<std::string> names;
    for (const auto& table : catalog.tables()) names.push_back(table->name());
    problem.report(join_place(place, "table"),
                   "no table \"" + feed.table + "\"" + suggest(feed.table, "tables", names));
    return;
  }
  const auto mapping = rows::Mapping::make({feed}, catalog);
  if (mapping) return;
  const bool of_map = mapping.error().message.starts_with("map.");
  problem.report(of_map ? place : join_place(place, "table"), mapping.error().message);
}

void read_feeds(ObjectReader& source, const tables::Catalog& catalog, ingest::SourceSpec& spec,
                ConfigProblem& problem) {
  constexpr std::size_t feeds_max = 64;
  if (!source.has("feeds")) {
    spec.feeds.push_back(read_feed(source, spec.format, problem));
    check_feed(spec.feeds.back(), source.place(), catalog, problem);
    return;
  }
  for (const char* name : {"table", "when", "map"})
    source.forbid(name, "with \"feeds\" each of these has its own");
  const auto elements = source.elements("feeds");
  if (elements.empty() || elements.size() > feeds_max)
    problem.report(source.place("feeds"), "must be 1 to " + std::to_string(feeds_max) + " tables");
  for (const ConfigJson* element : elements) {
    const std::string place = join_place(source.place("feeds"), spec.feeds.size());
    ObjectReader feed(element, place, "feed", problem);
    spec.feeds.push_back(read_feed(feed, spec.format, problem));
    check_feed(spec.feeds.back(), place, catalog, problem);
    if (problem.found()) return;
  }
}

/// Two listeners cannot listen at the same place.
void check_place(const ingest::SourceSpec& spec, const std::vector<ingest::SourceSpec>& others,
                 const ObjectReader& source, ConfigProblem& problem) {
  if (spec.type != ingest::SourceType::tcp && spec.type != ingest::SourceType::unix_socket) return;
  for (const auto& other : others) {
    if (other.type == spec.type && other.path == spec.path && other.address == spec.address)
      problem.report(source.place("listen"), "source \"" + other.name + "\" listens there");
  }
}

}  // namespace

std::vector<ingest::SourceSpec> read_sources(ObjectReader& root, const std::vector<tables::TableSpec>& tables,
                                             const fs::path& program_folder, ConfigProblem& problem) {
  std::vector<ingest::SourceSpec> specs;
  const auto catalog = tables::Catalog::make(tables);
  if (!catalog) return specs;  // the tables' reader has told
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
    read_type(source, program_folder, spec, problem);
    if (spec.type == ingest::SourceType::standard_input) {
      if (standard_input_taken) problem.report(source.place("type"), "a second source reads stdin");
      standard_input_taken = true;
    }
    spec.spin = source.flag("spin", false);
    read_format(source, spec, problem);
    read_feeds(source, *catalog, spec, problem);
    check_place(spec, specs, source, problem);
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
