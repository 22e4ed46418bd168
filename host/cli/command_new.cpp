// perch new: a project of one's own, that builds, passes its test and runs in the host as it is.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/new_project.hpp"
#include "cli/project_template.hpp"

namespace perch::cli {
namespace {

namespace fs = std::filesystem;

Outcome<Json> layout_of(const Context& context, const std::string& table) {
  if (table.empty()) return example_table();
  auto layout = context.call("table.layout", {{"table", table}});
  if (!layout && layout.error().exit_code == exit_no_host) {
    layout.error().error.details.push_back(
        "the table's layout comes from a host; without --table the project starts with an example table, "
        "trades");
  }
  return layout;
}

struct NewOptions {
  std::string name, table, folder;
  std::string language = "cpp";
};

/// Where this program lies: bin/perch of an installation or of a build folder, with share/ beside bin/.
fs::path own_program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

/// How a person calls this program: "perch" when that is what the shell finds.
std::string perch_command(const fs::path& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  std::error_code error;
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path found = fs::path(folder) / "perch";
    if (fs::exists(found, error)) return fs::equivalent(found, program, error) ? "perch" : program.string();
  }
  return program.string();
}

/// The path as the shell takes it.
std::string shell_text(const std::string& path) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) ||
           std::string_view("/._-+=:,").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (std::all_of(path.begin(), path.end(), is_plain)) return path;
  std::string quoted = "'";
  for (const char c : path) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// Whether `perch` finds the host from where it was called now, without being told.
bool is_found_by_itself(const std::string& socket) {
  const char* given = std::getenv("PERCH_SOCKET");
  return socket == (given == nullptr ? Context().socket : given);
}

std::string next_commands(const NewOptions& options, const Context& context, const std::string& perch) {
  const std::string build = shell_text(options.folder + "/build");
  const std::string plugin = shell_text(options.folder + "/build/" + options.name + ".so");
  const std::string host =
      perch + (is_found_by_itself(context.socket) ? "" : " --socket " + shell_text(context.socket));
  return "Next:\n  cmake -S " + shell_text(options.folder) + " -B " + build + " && cmake --build " + build +
         "\n  ctest --test-dir " + build + "\n  " + perch + " check " + plugin + "\n  " + host + " load " +
         plugin + "\n  " + host + " tail --reader " + options.name + "\nThen: " + options.folder +
         "/README.md\n";
}

Outcome<int> make_project(const Context& context, NewOptions options) {
  if (auto good = check_project_name(options.name); !good) return end_with(exit_usage, good.error().message);
  if (options.folder.empty()) options.folder = options.name;
  while (options.folder.size() > 1 && options.folder.ends_with('/')) options.folder.pop_back();
  const fs::path folder = absolute_path(options.folder);
  if (auto free = check_project_folder(folder); !free) return end_with(free.error());
  const auto layout = layout_of(context, options.table);
  if (!layout) return end_with(layout.error());

  const fs::path program = own_program();
  const std::string perch = shell_text(perch_command(program));
  const NewProject project{options.name, options.language,
                           *layout,      program.parent_path().parent_path(),
                           perch,        shell_text(absolute_path(context.socket))};
  const auto files =
      project_files(project, (program.parent_path() / PERCH_SHARE_FROM_BIN / "template").lexically_normal());
  if (!files) return end_with(files.error());
  if (auto written = write_project(folder, *files); !written) return end_with(written.error());
  if (context.json) {
    Json names = Json::array();
    for (const ProjectFile& file : *files) names.push_back(file.name);
    print(Json{{"folder", folder.string()}, {"table", layout->at("table")}, {"files", names}});
    return exit_done;
  }
  print(options.folder + ": a reader of table " + layout->at("table").get<std::string>() + "\n" +
        next_commands(options, context, perch));
  return exit_done;
}

}  // namespace

void add_new_command(CLI::App& app, Context& context) {
  CLI::App* command = add_command(
      app, "new", "A project for a reader of your own, that builds, passes its test and runs as it is",
      "perch new price-watch --table trades");
  const auto options = std::make_shared<NewOptions>();
  command->add_option("NAME", options->name, "The plugin's id, and the folder's name")->required();
  command->add_option(
      "--table", options->table,
      "The running host's table that it reads; otherwise an example, trades, and no host is needed");
  command->add_option("--dir", options->folder, "The project's folder, NAME otherwise");
  command->add_option("--lang", options->language, "cpp or c")
      ->check(CLI::IsMember({"cpp", "c"}))
      ->capture_default_str();
  command->callback(
      [&context, options] { context.run = [&context, options] { return make_project(context, *options); }; });
}

}  // namespace perch::cli
