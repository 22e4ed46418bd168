#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "config/field_kinds.hpp"
#include "config/sections.hpp"
#include "ingest/listener_loop.hpp"
#include "rows/mapping.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;
using enum ReloadRule;
namespace fs = std::filesystem;
using ingest::SourceSpec;
using ingest::SourceType;

/// The last one of those that are read.
const SourceSpec& source_at_hand(const Reading& reading) { return reading.config.ingest.sources.back(); }

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

/// The file that a command means. Absolute: itself; with a slash: relative to `config_folder`; else the first
/// executable of that name in `program_folder` and the folders of PATH. Errors: none there, not executable.
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

// ---- Which names a source may have

bool is_exec(ObjectReader&, const Reading&, const SourceSpec& spec) { return spec.type == SourceType::exec; }
bool is_file(ObjectReader&, const Reading&, const SourceSpec& spec) { return spec.type == SourceType::file; }
bool is_unix(ObjectReader&, const Reading&, const SourceSpec& spec) {
  return spec.type == SourceType::unix_socket;
}
bool listens(ObjectReader&, const Reading&, const SourceSpec& spec) {
  return spec.type == SourceType::tcp || spec.type == SourceType::unix_socket;
}
bool is_csv(ObjectReader&, const Reading&, const SourceSpec& spec) {
  return spec.format == rows::Format::csv;
}

bool has_no_value(ObjectReader& member, const Reading&, const rows::MemberSpec&) {
  return !member.has("value");
}
bool is_ndjson_member(ObjectReader&, const Reading& reading, const rows::MemberSpec&) {
  return source_at_hand(reading).format == rows::Format::ndjson;
}
bool is_mapped_feed(ObjectReader&, const Reading& reading, const rows::FeedSpec&) {
  return source_at_hand(reading).format != rows::Format::binary;
}

constexpr const char* only_exec = "only sources of type \"exec\" run a command";
constexpr const char* no_names_beside_value = "\"value\" comes from the source itself";
constexpr const char* no_map_of_binary = "binary rows are the table's own records";

// ---- Fields that are read in a way of their own

void read_command(ObjectReader& source, Reading& reading, SourceSpec& spec) {
  spec.command = source.texts("command");
  if (reading.problem.found()) return;
  if (spec.command.empty())
    return reading.problem.report(source.place("command"), "must be a program and its arguments");
  const auto folder = fs::absolute(reading.problem.file()).parent_path();
  const auto program = find_program(spec.command.front(), folder, reading.program_folder);
  if (!program)
    return reading.problem.report(join_place(source.place("command"), 0), program.error().message);
  spec.command.front() = program->string();
}

void read_listen(ObjectReader& source, Reading& reading, SourceSpec& spec) {
  if (spec.type == SourceType::tcp) {
    spec.address = source.text("listen", "");
    const auto address = ingest::parse_tcp_address(spec.address);
    if (!address) reading.problem.report(source.place("listen"), address.error().message);
    return;
  }
  spec.path = source.path("listen", "");
  if (spec.path.native().size() >= sizeof(sockaddr_un{}.sun_path)) {
    reading.problem.report(source.place("listen"), spec.path.string() + " is too long for a socket: " +
                                                       std::to_string(sizeof(sockaddr_un{}.sun_path) - 1) +
                                                       " bytes at most");
  }
}

Field<SourceSpec> listen_field() {
  const auto same = [](const SourceSpec& one, const SourceSpec& other) {
    return one.address == other.address && one.path == other.path;
  };
  return {"listen", read_listen,
          compare_value<SourceSpec>("listen", restarts_source, same, show_nothing<SourceSpec>())};
}

/// A separator or quote: one character, a tab as "\t".
void read_character(ObjectReader& csv, std::string_view name, Reading& reading, char& character) {
  if (!csv.has(name)) return;
  const std::string text = csv.text(name, "");
  if (text == "none" && name == "quote") {
    character = '\0';
  } else if (text.size() == 1 && text[0] != '\n' && text[0] != '\r') {
    character = text[0];
  } else {
    reading.problem.report(csv.place(name), name == "quote"
                                                ? "must be one character, or \"none\""
                                                : "must be one character, such as \";\" or \"\\t\"");
  }
}

Field<rows::CsvSpec> character_field(const std::string& name, char rows::CsvSpec::*member) {
  return member_field(name, member, restarts_source,
                      [name, member](ObjectReader& csv, Reading& reading, rows::CsvSpec& spec) {
                        read_character(csv, name, reading, spec.*member);
                      });
}

void check_csv(ObjectReader& csv, Reading& reading, rows::CsvSpec& spec) {
  if (!csv.has("header")) spec.header = spec.columns.empty();
  if (spec.columns.empty() && !spec.header)
    reading.problem.report(csv.place("header"), "without a header the \"columns\" have to be given");
  if (spec.separator == spec.quote) reading.problem.report(csv.place("quote"), "is the separator as well");
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

void read_from(ObjectReader& member, Reading& reading, rows::MemberSpec& spec) {
  if (const ConfigJson* from = member.find("from"))
    spec.path = read_path(*from, member.place("from"), source_at_hand(reading).format, reading.problem);
}

void read_default(ObjectReader& member, Reading&, rows::MemberSpec& spec) {
  if (const ConfigJson* fallback = member.find("default")) spec.fallback = fallback->dump();
}

void read_when(ObjectReader& feed, Reading& reading, rows::FeedSpec& spec) {
  const ConfigJson* when = feed.object("when");
  if (when == nullptr) return;
  for (const auto& [path, value] : when->items()) {
    const std::string place = join_place(feed.place("when"), path);
    if (value.is_structured())
      reading.problem.report(place, "must be a string, a number, true, false or null");
    spec.when.push_back(
        {read_path(path, place, source_at_hand(reading).format, reading.problem), value.dump()});
  }
}

/// A field's value is a member's object, or nothing but the path.
void read_map(ObjectReader& feed, Reading& reading, rows::FeedSpec& spec) {
  const ConfigJson* map = feed.object("map");
  if (map == nullptr) return;
  for (const auto& [name, value] : map->items()) {
    const std::string place = join_place(feed.place("map"), name);
    rows::MemberSpec& member = spec.map.emplace_back(name, rows::MemberSpec{}).second;
    if (value.is_object()) {
      member_section().read(&value, place, reading, member);
    } else {
      member.path = read_path(value, place, source_at_hand(reading).format, reading.problem);
    }
  }
}

Field<rows::FeedSpec> map_field() {
  using Spec = rows::FeedSpec;
  const auto same = [](const Spec& one, const Spec& other) {
    return std::equal(one.map.begin(), one.map.end(), other.map.begin(), other.map.end(),
                      [](const auto& a, const auto& b) {
                        return a.first == b.first && member_section().same(a.second, b.second);
                      });
  };
  return {"map", read_map, compare_value<Spec>("map", restarts_source, same, show_nothing<Spec>())};
}

void check_feed(const rows::FeedSpec& feed, const std::string& place, Reading& reading) {
  const tables::Catalog& catalog = *reading.catalog;
  if (!catalog.find(feed.table)) {
    std::vector<std::string> names;
    for (const auto& table : catalog.tables()) names.push_back(table->name());
    reading.problem.report(join_place(place, "table"),
                           "no table \"" + feed.table + "\"" + suggest(feed.table, "tables", names));
    return;
  }
  const auto mapping = rows::Mapping::make({feed}, catalog);
  if (mapping) return;
  const bool of_map = mapping.error().message.starts_with("map.");
  reading.problem.report(of_map ? place : join_place(place, "table"), mapping.error().message);
}

/// Without "feeds" the source has the names of its one feed itself.
void read_feeds(ObjectReader& source, Reading& reading, SourceSpec& spec) {
  constexpr std::size_t feeds_max = 64;
  if (!source.has("feeds")) {
    feed_section().read_members(source, reading, spec.feeds.emplace_back());
    return;
  }
  for (const std::string& name : feed_section().names())
    source.forbid(name, "with \"feeds\" each of these has its own");
  const std::size_t feeds = source.elements("feeds").size();
  if (feeds == 0 || feeds > feeds_max) {
    reading.problem.report(source.place("feeds"), "must be 1 to " + std::to_string(feeds_max) + " tables");
  }
  read_elements(source, "feeds", feed_section(), reading, spec.feeds);
}

Field<SourceSpec> feeds_field() {
  auto field = list_field("feeds", &SourceSpec::feeds, feed_section(), restarts_source)
                   .or_else(feed_section().names());
  field.read = read_feeds;
  return field;
}

// ---- What a source must be as a whole

void check_file(ObjectReader& source, Reading& reading, const SourceSpec& spec) {
  std::error_code ignored;
  if (spec.follow) return;  // a followed file may come later
  if (!fs::exists(spec.path, ignored)) {
    reading.problem.report(source.place("path"),
                           "no file " + spec.path.string() + " (\"follow\": true would wait for it)");
  } else if (fs::is_directory(spec.path, ignored)) {
    reading.problem.report(source.place("path"), spec.path.string() + " is a folder");
  }
}

/// Nothing that only one source can have.
void check_beside(const SourceSpec& other, ObjectReader& source, Reading& reading, const SourceSpec& spec) {
  if (other.name == spec.name)
    reading.problem.report(source.place("name"), "a second source \"" + spec.name + "\"");
  if (other.type != spec.type) return;
  if (spec.type == SourceType::standard_input)
    reading.problem.report(source.place("type"), "a second source reads stdin");
  if (source.has("listen") && other.path == spec.path && other.address == spec.address)
    reading.problem.report(source.place("listen"), "source \"" + other.name + "\" listens there");
}

void check_source(ObjectReader& source, Reading& reading, SourceSpec& spec) {
  if (!source.has("restart_delay_max"))
    spec.restart_delay_max = std::max(spec.restart_delay_max, spec.restart_delay_min);
  if (spec.restart_delay_max < spec.restart_delay_min) {
    reading.problem.report(source.place("restart_delay_max"), "must not be shorter than restart_delay_min");
  }
  if (spec.type == SourceType::file) check_file(source, reading, spec);
  const auto& all = reading.config.ingest.sources;
  std::for_each(all.begin(), all.end() - 1,
                [&](const SourceSpec& other) { check_beside(other, source, reading, spec); });
}

}  // namespace

const Section<rows::CsvSpec>& csv_section() {
  using Spec = rows::CsvSpec;
  static const Section<Spec> section("csv",
                                     {
                                         character_field("separator", &Spec::separator),
                                         character_field("quote", &Spec::quote),
                                         texts_field("columns", &Spec::columns, restarts_source),
                                         flag_field("header", &Spec::header, restarts_source),
                                     },
                                     check_csv);
  return section;
}

const Section<rows::MemberSpec>& member_section() {
  using Spec = rows::MemberSpec;
  using rows::TimeUnit;
  static const Section<Spec> section(
      "member",
      {
          member_field("from", &Spec::path, restarts_source, read_from)
              .only(has_no_value, no_names_beside_value),
          member_field("default", &Spec::fallback, restarts_source, read_default)
              .only(has_no_value, no_names_beside_value),
          choice_field("unit", &Spec::unit,
                       {{"ns", TimeUnit::ns}, {"us", TimeUnit::us}, {"ms", TimeUnit::ms}, {"s", TimeUnit::s}},
                       restarts_source)
              .only(has_no_value, no_names_beside_value),
          text_field("format", &Spec::time_format, restarts_source).only(has_no_value, no_names_beside_value),
          text_field("zone", &Spec::zone, restarts_source).only(has_no_value, no_names_beside_value),
          flag_field("quoted", &Spec::quoted, restarts_source)
              .only(has_no_value, no_names_beside_value)
              .only(is_ndjson_member, "in CSV every value is a text"),
          choice_field("value", &Spec::origin,
                       {{"sequence", rows::Origin::sequence}, {"arrival", rows::Origin::arrival}},
                       restarts_source),
      });
  return section;
}

const Section<rows::FeedSpec>& feed_section() {
  using Spec = rows::FeedSpec;
  static const Section<Spec> section(
      "feed",
      {
          text_field("table", &Spec::table, restarts_source).required(),
          member_field("when", &Spec::when, restarts_source, read_when)
              .only(is_mapped_feed, no_map_of_binary),
          map_field().only(is_mapped_feed, no_map_of_binary),
      },
      [](ObjectReader& feed, Reading& reading, Spec& spec) { check_feed(spec, feed.place(), reading); });
  return section;
}

const Section<SourceSpec>& source_section() {
  using Spec = SourceSpec;
  static const Section<Spec> section(
      "source",
      {
          name_field("name", &Spec::name, restarts_source).required(),
          choice_field("type", &Spec::type,
                       {{"exec", SourceType::exec},
                        {"file", SourceType::file},
                        {"stdin", SourceType::standard_input},
                        {"tcp", SourceType::tcp},
                        {"unix", SourceType::unix_socket}},
                       restarts_source)
              .required(),
          member_field("command", &Spec::command, restarts_source, read_command)
              .only(is_exec, only_exec)
              .required(),
          path_field("path", &Spec::path, restarts_source)
              .only(is_file, "only sources of type \"file\" have a path")
              .required(),
          flag_field("follow", &Spec::follow, restarts_source)
              .only(is_file, "only sources of type \"file\" can be followed"),
          choice_field("restart", &Spec::restart, {{"always", true}, {"never", false}}, restarts_source)
              .only(is_exec, only_exec),
          duration_field("restart_delay_min", &Spec::restart_delay_min, 1ms, 1h, restarts_source)
              .only(is_exec, only_exec),
          duration_field("restart_delay_max", &Spec::restart_delay_max, 1ms, 24h, restarts_source)
              .only(is_exec, only_exec),
          listen_field().only(listens, "only sources of type \"tcp\" and \"unix\" listen").required(),
          integer_field("connections_max", &Spec::connections_max, 1, 10'000, restarts_source)
              .only(listens, "only sources of type \"tcp\" and \"unix\" have connections"),
          file_mode_field("mode", &Spec::mode, restarts_source)
              .only(is_unix, "only sources of type \"unix\" have a socket's file"),
          flag_field("spin", &Spec::spin, restarts_source),
          choice_field("format", &Spec::format,
                       {{"ndjson", rows::Format::ndjson},
                        {"csv", rows::Format::csv},
                        {"binary", rows::Format::binary}},
                       restarts_source),
          object_field<Spec>("csv", &Spec::csv, csv_section())
              .only(is_csv, "only sources of format \"csv\" have columns"),
          feeds_field(),
      },
      check_source);
  return section;
}

}  // namespace perch
