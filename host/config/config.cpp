#include "config/config.hpp"

#include <grp.h>
#include <sys/un.h>

#include <charconv>
#include <optional>

#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;

void read_host(ObjectReader& root, Config& config, ConfigProblem& problem) {
  ObjectReader host(root.object("host"), "host", "host", problem);
  if (host.has("name")) config.name = host.name("name");
  config.run_dir = host.path("run_dir", "run");
  ObjectReader log(host.object("log"), host.place("log"), "log", problem);
  config.log_level = log.choice("level", {"info", "trace", "debug", "warn", "error", "off"});
}

void read_arena(ObjectReader& root, Config& config, ConfigProblem& problem) {
  ObjectReader arena(root.object("arena"), "arena", "arena", problem);
  constexpr std::uint64_t reach_bytes = std::uint64_t{256} << 30;  // what a tree reference can reach
  config.store.arena_bytes =
      arena.size("size", config.store.arena_bytes, std::uint64_t{16} << 20, reach_bytes);
}

void read_commit(ObjectReader& root, Config& config, ConfigProblem& problem) {
  ObjectReader commit(root.object("commit"), "commit", "commit", problem);
  auto& ingest = config.ingest;
  ingest.commit_max_rows =
      static_cast<std::uint32_t>(commit.integer("max_rows", ingest.commit_max_rows, 1, 1'000'000));
  ingest.commit_max_delay = commit.duration("max_delay", ingest.commit_max_delay, 0s, 1h);
}

std::optional<gid_t> find_group(const std::string& name) {
  group found{};
  group* result = nullptr;
  std::vector<char> buffer(std::size_t{64} << 10);  // the names of all its members
  if (::getgrnam_r(name.c_str(), &found, buffer.data(), buffer.size(), &result) != 0) return std::nullopt;
  return result != nullptr ? std::optional(found.gr_gid) : std::nullopt;
}

void read_groups(ObjectReader& control, Config& config, ConfigProblem& problem) {
  constexpr std::size_t groups_max = 16;
  const auto elements = control.elements("groups");
  if (elements.size() > groups_max)
    problem.report(control.place("groups"), "more than " + std::to_string(groups_max) + " groups");
  for (const ConfigJson* element : elements) {
    const std::string place = join_place(control.place("groups"), config.control.groups.size());
    if (!element->is_string()) return problem.report(place, "must be the name of a group");
    const auto name = element->get<std::string>();
    const auto id = find_group(name);
    if (!id) return problem.report(place, "this system has no group \"" + name + "\"");
    config.control.groups.emplace_back(name, *id);
  }
}

void read_control(ObjectReader& root, Config& config, ConfigProblem& problem) {
  ObjectReader control(root.object("control"), "control", "control", problem);
  config.control.socket = control.has("socket") ? control.path("socket", "") : config.run_dir / "perch.sock";
  if (config.control.socket.native().size() >= sizeof(sockaddr_un{}.sun_path)) {
    problem.report(control.has("socket") ? control.place("socket") : "host.run_dir",
                   config.control.socket.string() + " is too long for a socket: " +
                       std::to_string(sizeof(sockaddr_un{}.sun_path) - 1) + " bytes at most");
  }
  read_groups(control, config, problem);
  config.control.others_may_look = control.choice("others", {"look", "nothing"}) == "look";
  const std::string mode = control.text("mode", "0660");
  const auto parsed = parse_file_mode(mode);
  if (!parsed) problem.report(control.place("mode"), parsed.error().message);
  config.control.mode = parsed.value_or(config.control.mode);
}

}  // namespace

Result<unsigned> parse_file_mode(const std::string& text) {
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error == std::errc{} && end == text.data() + text.size() && mode <= 0777) return mode;
  return fail(ErrorKind::usage, "\"" + text + "\" is no file mode; write octal digits such as \"0660\"");
}

Result<Config> read_config(const std::filesystem::path& file, const std::filesystem::path& program_folder) {
  const auto document = read_config_document(file);
  if (!document) return fail(document.error());
  ConfigProblem problem(file);
  ObjectReader root(&*document, "", "config", problem);
  Config config;
  read_host(root, config, problem);
  read_arena(root, config, problem);
  read_commit(root, config, problem);
  config.tables = read_tables(root, problem);
  config.ingest.sources = read_sources(root, config.tables, program_folder, problem);
  config.readers = read_readers(root, problem);
  read_control(root, config, problem);
  if (problem.found()) return fail(problem.error());

  config.ingest.reject_log = config.run_dir / "rejects.ndjson";
  config.readers.private_folder = config.run_dir / "generations";
  config.readers.disabled_file = config.run_dir / "disabled.json";
  config.readers.blame_file = config.run_dir / "crashed.txt";
  return config;
}

}  // namespace perch
