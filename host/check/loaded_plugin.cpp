#include "check/loaded_plugin.hpp"

namespace perch::check {

std::unique_ptr<plugin::PluginLibrary> load_plugin(CheckContext& context) {
  static std::uint64_t generation = 0;
  const auto give_up = [&](const Error& error) {
    std::string advice;
    for (const std::string& detail : error.details) advice += (advice.empty() ? "" : "; ") + detail;
    context.report.fail(error.message, advice);
    return nullptr;
  };
  context.report.now("loading it: its constructors");
  auto file = plugin::PluginFile::open(context.options.file);
  if (!file) return give_up(file.error());
  ++generation;
  auto copy = file->copy_to(context.folder, generation);
  if (!copy) return give_up(copy.error());
  auto library = plugin::PluginLibrary::load(*file, *copy, generation);
  if (!library) return give_up(library.error());
  return std::move(*library);
}

bool unload_plugin(CheckContext& context, plugin::PluginLibrary& library) {
  context.report.now("unloading it: its destructors");
  const std::string held = library.unload();
  if (held.empty()) return true;
  context.report.fail(
      "it was not unmapped: " + held,
      "every swap would leave a copy in the host's memory: end all threads in destroy, keep no "
      "thread-local objects with destructors on threads that go on");
  return false;
}

}  // namespace perch::check
