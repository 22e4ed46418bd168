// PluginFile: a dropped file, opened once. Whatever is read, checked or copied comes from that one
// descriptor, so that nobody can exchange the file between check and use.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "elf/elf_kind.hpp"
#include "plugin/manifest.hpp"

namespace perch::plugin {

/// Not thread safe.
class PluginFile {
 public:
  static constexpr std::uint64_t bytes_max = std::uint64_t{1} << 30;

  /// Opens the file, whoever may have written it, and reads its manifest. Errors say what the file is instead
  /// of a plugin.
  static Result<PluginFile> open(const std::filesystem::path& path);
  /// The same of a file that the host may load code from, see open_trusted.
  static Result<PluginFile> open_trusted(const std::filesystem::path& path,
                                         const std::filesystem::path& watched_folder);

  /// The private copy that another process made and checked (copy_to), to be loaded as it is.
  static Result<PluginFile> open_copy(const std::filesystem::path& copy);

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Shows it, from now on, as the file that this one is a copy of.
  void show_as(std::filesystem::path path) { path_ = std::move(path); }
  const Manifest& manifest() const noexcept { return manifest_; }

  /// Copies it to `folder`/<id>.<generation>.<hash>.so (mode 0700, owner only) and returns that path. The
  /// copy is what gets loaded: it must still have the manifest that was checked, and all that the loader will
  /// follow in it must lead somewhere (ElfLibrary, check_entry_in_file). On failure no copy is left.
  Result<std::filesystem::path> copy_to(const std::filesystem::path& folder, std::uint64_t generation);
  /// Whether the file of this path is the copy that was checked, and nobody has touched it since.
  Result<void> check_copy(const std::filesystem::path& copy) const;
  /// 64-bit hash of the bytes copied, to tell builds apart and not to trust them by; 0 before.
  std::uint64_t content_hash() const noexcept { return content_hash_; }
  /// The same of the file as it is now: tells whether it is what a loaded generation was copied from.
  Result<std::uint64_t> hash_now() const;

 private:
  /// What tells a file from another one, and from itself after a change.
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
  };

  static Result<PluginFile> read(elf::RegularFile opened, const std::filesystem::path& path);
  Result<void> check_content(int copy) const;

  std::filesystem::path path_;
  UniqueFd fd_;
  Manifest manifest_;
  std::uint64_t content_hash_ = 0;
  Identity copy_;
};

}  // namespace perch::plugin
