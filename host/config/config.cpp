#include "config/config.hpp"

#include <grp.h>
#include <sys/un.h>

#include <functional>
#include <optional>

#include "config/field_kinds.hpp"
#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;
using enum ReloadRule;

std::optional<gid_t> find_group(const std::string& name) {
  group found{};
  group* result = nullptr;
  std::vector<char> buffer(std::size_t{64} << 10);  // the names of all its members
  if (::getgrnam_r(name.c_str(), &found, buffer.data(), buffer.size(), &result) != 0) return std::nullopt;
  return result != nullptr ? std::optional(found.gr_gid) : std::nullopt;
}

void read_groups(ObjectReader& control, Reading& reading, ControlSpec& spec) {
  constexpr std::size_t groups_max = 16;
  ConfigProblem& problem = reading.problem;
  const auto elements = control.elements("groups");
  if (elements.size() > groups_max)
    problem.report(control.place("groups"), "more than " + std::to_string(groups_max) + " groups");
  for (const ConfigJson* element : elements) {
    const std::string place = join_place(control.place("groups"), spec.groups.size());
    if (!element->is_string()) return problem.report(place, "must be the name of a group");
    const auto name = element->get<std::string>();
    const auto id = find_group(name);
    if (!id) return problem.report(place, "this system has no group \"" + name + "\"");
    spec.groups.emplace_back(name, *id);
  }
}

void read_socket(ObjectReader& control, Reading& reading, ControlSpec& spec) {
  const bool given = control.has("socket");
  spec.socket = given ? control.path("socket", "") : reading.config.run_dir / "perch.sock";
  if (spec.socket.native().size() >= sizeof(sockaddr_un{}.sun_path)) {
    reading.problem.report(given ? control.place("socket") : "host.run_dir",
                           spec.socket.string() + " is too long for a socket: " +
                               std::to_string(sizeof(sockaddr_un{}.sun_path) - 1) + " bytes at most");
  }
}

}  // namespace

const Section<Config>& log_section() {
  static const Section<Config> section("log", {
                                                  choice_field("level", &Config::log_level,
                                                               {{"info", "info"},
                                                                {"trace", "trace"},
                                                                {"debug", "debug"},
                                                                {"warn", "warn"},
                                                                {"error", "error"},
                                                                {"off", "off"}},
                                                               sets_log_level),
                                              });
  return section;
}

const Section<Config>& host_section() {
  static const Section<Config> section("host",
                                       {
                                           name_field("name", &Config::name, fixed),
                                           path_field("run_dir", &Config::run_dir, fixed, "run"),
                                           object_field<Config>("log", std::identity{}, log_section()),
                                       });
  return section;
}

const Section<tree::StoreOptions>& arena_section() {
  constexpr std::uint64_t reach_bytes = std::uint64_t{256} << 30;  // what a tree reference can reach
  static const Section<tree::StoreOptions> section(
      "arena",
      {size_field("size", &tree::StoreOptions::arena_bytes, std::uint64_t{16} << 20, reach_bytes, fixed)});
  return section;
}

const Section<ingest::IngestSpec>& commit_section() {
  using Spec = ingest::IngestSpec;
  static const Section<Spec> section(
      "commit", {
                    integer_field("max_rows", &Spec::commit_max_rows, 1, 1'000'000, sets_commit),
                    duration_field("max_delay", &Spec::commit_max_delay, 0s, 1h, sets_commit),
                });
  return section;
}

const Section<ControlSpec>& control_section() {
  using Spec = ControlSpec;
  static const Section<Spec> section(
      "control",
      {
          member_field("socket", &Spec::socket, fixed, read_socket, show_member(&Spec::socket, show_path)),
          file_mode_field("mode", &Spec::mode, fixed),
          member_field("groups", &Spec::groups, fixed, read_groups),
          choice_field("others", &Spec::others_may_look, {{"look", true}, {"nothing", false}}, fixed),
      });
  return section;
}

const Section<Config>& config_section() {
  const auto sources = [](auto& config) -> auto& { return config.ingest.sources; };
  static const Section<Config> section(
      "config", {
                    object_field<Config>("host", std::identity{}, host_section()),
                    object_field<Config>("arena", &Config::store, arena_section()),
                    object_field<Config>("commit", &Config::ingest, commit_section()),
                    tables_field(),
                    named_list_field<Config>("sources", sources, source_section(),
                                             {tree::sources_max, "sources"}, restarts_source),
                    object_field<Config>("readers", &Config::readers, readers_section()),
                    object_field<Config>("control", &Config::control, control_section()),
                });
  return section;
}

Result<Config> read_config(const std::filesystem::path& file, const std::filesystem::path& program_folder) {
  const auto document = read_config_document(file);
  if (!document) return fail(document.error());
  ConfigProblem problem(file);
  Config config;
  Reading reading{problem, program_folder, config};
  config_section().read(&*document, "", reading, config);
  if (problem.found()) return fail(problem.error());

  config.ingest.reject_log = config.run_dir / "rejects.ndjson";
  config.readers.private_folder = config.run_dir / "generations";
  config.readers.disabled_file = config.run_dir / "disabled.json";
  config.readers.blame_file = config.run_dir / "crashed.txt";
  return config;
}

}  // namespace perch
