#include "readers/plugin_library.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "readers/mapped_library.hpp"

namespace perch::readers {
namespace {

/// Boost closes a library with its last handle; this one is never destroyed (invariant 3).
void keep_for_good(boost::dll::shared_library library) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<boost::dll::shared_library>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(library));
}

}  // namespace

Result<std::unique_ptr<PluginLibrary>> PluginLibrary::load(const PluginFile& file, std::filesystem::path copy,
                                                           std::uint64_t generation) {
  std::unique_ptr<PluginLibrary> self(new PluginLibrary);
  self->manifest_ = file.manifest();
  self->generation_ = generation;
  self->content_hash_ = file.content_hash();
  self->source_ = file.path();
  self->copy_ = std::move(copy);

  namespace dll = boost::dll;
  std::error_code error;
  // rtld_now: a missing symbol is found here, not in the middle of a callback. rtld_local: plugins see
  // nothing of each other.
  self->library_.load(self->copy_, dll::load_mode::rtld_now | dll::load_mode::rtld_local, error);
  if (error) {
    const char* const why = dlerror();  // still the text of the dlopen that Boost made
    ::unlink(self->copy_.c_str());
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
  return self;
}

Result<void> PluginLibrary::check_api() const {
  const auto refuse = [this](const std::string& what) {
    return fail(ErrorKind::refused, source_.string() + ": " PERCH_PLUGIN_SYMBOL " " + what);
  };
  if (!library_.has(PERCH_PLUGIN_SYMBOL)) return refuse("is not exported");
  const auto& api = library_.get<const perch_plugin_api>(PERCH_PLUGIN_SYMBOL);
  // Later versions add members behind these: a larger struct is a newer plugin of the same interface.
  if (api.struct_size < offsetof(perch_plugin_api, destroy) + sizeof api.destroy) {
    return refuse("has " + std::to_string(api.struct_size) + " bytes, fewer than version 1 of the interface");
  }
  if (api.abi_version != manifest_.abi) {
    return refuse("says interface version " + std::to_string(api.abi_version) + ", the manifest says " +
                  std::to_string(manifest_.abi));
  }
  if (api.create == nullptr || api.restore == nullptr || api.start == nullptr || api.on_commit == nullptr ||
      api.save == nullptr || api.stop == nullptr || api.destroy == nullptr) {
    return refuse("lacks a function; all are required");
  }
  if (api.manifest == nullptr || api.manifest_size != manifest_.text.size() ||
      std::memcmp(api.manifest, manifest_.text.data(), manifest_.text.size()) != 0) {
    return refuse("has another manifest in memory than the file's note");
  }
  return {};
}

std::string PluginLibrary::unload() {
  api_ = nullptr;
  const std::string flagged = why_library_never_unmaps(copy_);
  library_.unload();
  std::string held;
  if (is_library_mapped(copy_)) {
    held =
        copy_.filename().string() + " stayed mapped: " +
        (flagged.empty() ? "a thread of the plugin, or a thread-local destructor, still holds it" : flagged);
  }
  ::unlink(copy_.c_str());
  return held;
}

PluginLibrary::~PluginLibrary() {
  if (library_.is_loaded()) keep_for_good(std::move(library_));
}

}  // namespace perch::readers
