// PluginLibrary: one generation, that is one loaded copy of a plugin file, and the proof that it is gone
// again.
#pragma once

#include <boost/dll/shared_library.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "containment/instance_guard.hpp"
#include "perch/plugin.h"
#include "plugin/manifest.hpp"
#include "plugin/plugin_file.hpp"

namespace perch::plugin {

enum class CopyOwner { library, somebody_else };

/// Loaded and unloaded by the manager thread, while no thread runs its code; the rest from any thread.
///
/// Invariants
///   1. The private copy has a name of its own for every generation, so that the loader cannot hand out
///   another one.
///   2. The copy stays in its folder as long as it is loaded (debuggers and $ORIGIN need it) and is removed
///   after.
///   3. A library that was not unloaded when this is destroyed stays mapped for good: its code may still run.
class PluginLibrary {
 public:
  /// dlopens the private copy `copy` of `file`: its constructors run. Removes the copy when it fails, and
  /// when it is unloaded, if it is the library's own.
  static Result<std::unique_ptr<PluginLibrary>> load(const PluginFile& file, std::filesystem::path copy,
                                                     std::uint64_t generation,
                                                     CopyOwner owner = CopyOwner::library);
  /// Of a copy that is for workers: it is not loaded here, and none of its code runs in this process.
  static Result<std::unique_ptr<PluginLibrary>> leave_to_workers(const PluginFile& file,
                                                                 std::filesystem::path copy,
                                                                 std::uint64_t generation, CopyOwner owner);
  ~PluginLibrary();
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;

  /// Closes it and looks whether the mapping is gone. "" when it is, else what holds it: such a library costs
  /// memory until the host ends, and harms nothing. Its threads must have been joined.
  std::string unload();

  const perch_plugin_api& api() const noexcept { return *api_; }  ///< of a loaded one
  bool is_left_to_workers() const noexcept { return !library_.is_loaded(); }
  const Manifest& manifest() const noexcept { return manifest_; }
  /// Where its code lies in memory.
  const std::vector<containment::CodeRange>& code() const noexcept { return code_; }
  /// Those that it made, of all its instances. It must not be unloaded while there are any.
  const std::shared_ptr<containment::PluginThreads>& threads() const noexcept { return threads_; }
  /// "vwap 1.0.0, generation 3"
  std::string label() const;
  std::uint64_t generation() const noexcept { return generation_; }
  std::uint64_t content_hash() const noexcept { return content_hash_; }
  /// The private copy; there as long as this is loaded.
  const std::filesystem::path& copy() const noexcept { return copy_; }
  const std::filesystem::path& source() const noexcept {
    return source_;
  }  ///< the file that it was copied from

 private:
  PluginLibrary(const PluginFile& file, std::filesystem::path copy, std::uint64_t generation,
                CopyOwner owner);
  void remove_copy() const;
  Result<void> check_api() const;

  boost::dll::shared_library library_;
  const perch_plugin_api* api_ = nullptr;
  Manifest manifest_;
  std::uint64_t generation_ = 0;
  std::uint64_t content_hash_ = 0;
  std::vector<containment::CodeRange> code_;
  const std::shared_ptr<containment::PluginThreads> threads_ = std::make_shared<containment::PluginThreads>();
  std::filesystem::path source_;
  std::filesystem::path copy_;
  CopyOwner owner_ = CopyOwner::library;
};

}  // namespace perch::plugin
