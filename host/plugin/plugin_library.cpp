#include "plugin/plugin_library.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <vector>

#include "containment/crash_signals.hpp"
#include "plugin/mapped_library.hpp"

namespace perch::plugin {
namespace {

/// Boost closes a library with its last handle; this one is never destroyed (invariant 3).
void keep_for_good(boost::dll::shared_library library) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<boost::dll::shared_library>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(library));
}

}  // namespace

void PluginLibrary::remove_copy() const {
  if (owner_ == CopyOwner::library) ::unlink(copy_.c_str());
}

PluginLibrary::PluginLibrary(const PluginFile& file, std::filesystem::path copy, std::uint64_t generation,
                             CopyOwner owner)
    : manifest_(file.manifest()),
      generation_(generation),
      content_hash_(file.content_hash()),
      source_(file.path()),
      copy_(std::move(copy)),
      owner_(owner) {}

Result<std::unique_ptr<PluginLibrary>> PluginLibrary::leave_to_workers(const PluginFile& file,
                                                                       std::filesystem::path copy,
                                                                       std::uint64_t generation,
                                                                       CopyOwner owner) {
  std::unique_ptr<PluginLibrary> self(new PluginLibrary(file, std::move(copy), generation, owner));
  if (auto same = file.check_copy(self->copy_); !same) {
    self->remove_copy();
    return fail(same.error());
  }
  return self;
}

Result<std::unique_ptr<PluginLibrary>> PluginLibrary::load(const PluginFile& file, std::filesystem::path copy,
                                                           std::uint64_t generation, CopyOwner owner) {
  std::unique_ptr<PluginLibrary> self(new PluginLibrary(file, std::move(copy), generation, owner));
  if (auto same = file.check_copy(self->copy_); !same) {
    self->remove_copy();
    return fail(same.error());
  }
  namespace dll = boost::dll;
  std::error_code error;
  // rtld_now: a missing symbol is found here, not in the middle of a callback. rtld_local: plugins see
  // nothing of each other.
  {
    const std::string label = self->label();
    const containment::LoadingScope loading(label);
    self->library_.load(self->copy_, dll::load_mode::rtld_now | dll::load_mode::rtld_local, error);
  }
  if (error) {
    const char* const why = dlerror();  // still the text of the dlopen that Boost made
    self->remove_copy();
    return fail(ErrorKind::refused,
                "load " + self->source_.string() + ": " + (why != nullptr ? why : error.message()));
  }
  if (auto checked = self->check_api(); !checked) {
    Error refusal = checked.error();
    const std::string held = self->unload();
    if (!held.empty()) refusal.details.push_back("the library stays mapped: " + held);
    return fail(std::move(refusal));
  }
  self->api_ = &self->library_.get<const perch_plugin_api>(PERCH_PLUGIN_SYMBOL);
  self->code_ = MappedLibrary(self->copy_).code();
  name_code(self->code_, self->label());
  return self;
}

std::string PluginLibrary::label() const {
  return manifest_.id + " " + manifest_.version + ", generation " + std::to_string(generation_);
}

/// What the file said has been checked; the library's constructors have run since.
Result<void> PluginLibrary::check_api() const {
  const auto refuse = [this](const std::string& what) {
    return fail(ErrorKind::refused, source_.string() + ": " + what);
  };
  if (!library_.has(PERCH_PLUGIN_SYMBOL)) return refuse(PERCH_PLUGIN_SYMBOL " is not exported");
  const auto& api = library_.get<const perch_plugin_api>(PERCH_PLUGIN_SYMBOL);
  const MappedLibrary memory(copy_);
  // The loader looks into the libraries that it needs, too.
  if (!memory.holds(&api, entry_bytes_min)) return refuse(PERCH_PLUGIN_SYMBOL " is another library's");
  if (auto checked = check_entry(api, manifest_, memory); !checked) return refuse(checked.error().message);
  if (!memory.holds(&api, api.struct_size)) return refuse(PERCH_PLUGIN_SYMBOL " is larger than its segment");
  return {};
}

std::string PluginLibrary::unload() {
  if (is_left_to_workers()) {
    remove_copy();
    return {};
  }
  api_ = nullptr;
  {
    const std::string name = label();
    const containment::LoadingScope unloading(name);
    library_.unload();
  }
  std::string held;
  if (is_library_mapped(copy_)) {
    const std::string flagged = why_library_never_unmaps(copy_);
    held =
        copy_.filename().string() + " stayed mapped: " +
        (flagged.empty() ? "a thread of the plugin, or a thread-local destructor, still holds it" : flagged);
  }
  if (held.empty()) forget_code(code_);
  remove_copy();
  return held;
}

PluginLibrary::~PluginLibrary() {
  if (library_.is_loaded()) keep_for_good(std::move(library_));
}

}  // namespace perch::plugin
