// PluginFile: a dropped file, opened once. Whatever is read, checked or copied comes from that one
// descriptor, so that nobody can exchange the file between check and use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "readers/manifest.hpp"

namespace perch::readers {

/// Not thread safe.
class PluginFile {
 public:
  static constexpr std::uint64_t bytes_max = std::uint64_t{1} << 30;

  /// Opens the file and reads its manifest. Errors say what the file is instead of a plugin.
  static Result<PluginFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Shows it, from now on, as the file that this one is a copy of.
  void show_as(std::filesystem::path path) { path_ = std::move(path); }
  const Manifest& manifest() const noexcept { return manifest_; }

  /// Copies it to `folder`/<id>.<generation>.<hash>.so (mode 0700, owner only) and returns that path. The
  /// copy is what gets loaded: it must still have the manifest that was checked. On failure no copy is left.
  Result<std::filesystem::path> copy_to(const std::filesystem::path& folder, std::uint64_t generation);
  /// 64-bit FNV-1a of the bytes copied; 0 before.
  std::uint64_t content_hash() const noexcept { return content_hash_; }
  /// The same of the file as it is now: tells whether it is what a loaded generation was copied from.
  Result<std::uint64_t> hash_now() const;

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
  Manifest manifest_;
  std::uint64_t content_hash_ = 0;
};

}  // namespace perch::readers
