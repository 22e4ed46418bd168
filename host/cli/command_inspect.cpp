// perch inspect: what a plugin file says about itself. Needs no host.
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>

#include "base/unique_fd.hpp"
#include "cli/commands.hpp"
#include "cli/human_text.hpp"
#include "readers/manifest.hpp"

namespace perch::cli {
namespace {

Result<readers::Manifest> read_file(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO must not hold us up
  if (!fd) return fail_errno(file);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(file);
  if (!S_ISREG(status.st_mode)) return fail(file + " is no regular file");
  return readers::read_manifest(fd.get(), file);
}

std::string layout_line(const std::string& label, const std::string& layout) {
  const auto parsed = tables::Layout::parse(layout);
  return "  " + label + layout + "  " + (parsed ? parsed->hash_hex() : parsed.error().message) + "\n";
}

std::string manifest_text(const readers::Manifest& manifest) {
  std::string text = "plugin   " + manifest.id + "\nversion  " + manifest.version + "\nabi      " +
                     std::to_string(manifest.abi) + "\nstate    writes version " +
                     std::to_string(manifest.state_version) + ", restores " +
                     std::to_string(manifest.state_oldest) + " to " + std::to_string(manifest.state_version) +
                     "\n";
  for (const readers::ManifestTable& table : manifest.tables) {
    text += "table    " + table.name + "\n" + layout_line("key    ", table.key_layout) +
            layout_line("value  ", table.value_layout);
  }
  return text + "config   " + exact_text(Json::parse(manifest.config_schema)) + "\n";
}

Outcome<int> inspect(const Context& context, const std::string& file) {
  const auto manifest = read_file(file);
  if (!manifest) return tl::make_unexpected(Failure{exit_failed, manifest.error()});
  if (context.json) {
    print(Json{{"file", absolute_path(file)}, {"manifest", Json::parse(manifest->text)}});
  } else {
    print(manifest_text(*manifest));
  }
  return exit_done;
}

}  // namespace

void add_inspect_command(CLI::App& app, Context& context) {
  CLI::App* command =
      add_command(app, "inspect", "What a plugin file says about itself; nothing of it runs, no host needed",
                  "perch inspect build/release/plugins/vwap.so");
  const auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "The plugin's .so")->required();
  command->callback([&context, file] { context.run = [&context, file] { return inspect(context, *file); }; });
}

}  // namespace perch::cli
