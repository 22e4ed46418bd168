#include "plugin/plugin_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/write_all.hpp"
#include "plugin/elf_entry.hpp"
#include "plugin/file_policy.hpp"

namespace perch::plugin {
namespace {

constexpr std::size_t block_bytes = std::size_t{256} << 10;

/// FNV-1a, but over words instead of bytes and in four lanes whose multiplications overlap: a swap waits for
/// it.
class WordHash {
 public:
  /// All calls but the last with whole groups of 32 bytes.
  void add(const char* bytes, std::size_t size) {
    std::size_t at = 0;
    for (; at + sizeof lanes_ <= size; at += sizeof lanes_) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        std::uint64_t word;
        std::memcpy(&word, bytes + at + lane * sizeof word, sizeof word);
        lanes_[lane] = mix(lanes_[lane], word);
      }
    }
    for (; at < size; ++at) lanes_[0] = mix(lanes_[0], static_cast<unsigned char>(bytes[at]));
    size_ += size;
  }
  std::uint64_t value() const {
    std::uint64_t hash = mix(offset_basis, size_);
    for (const std::uint64_t lane : lanes_) hash = mix(hash, lane);
    return hash;
  }

 private:
  static constexpr std::size_t lanes = 4;
  static constexpr std::uint64_t offset_basis = 0xcbf29ce484222325;

  /// The rotation brings high bits down, where a multiplication alone never gets them.
  static std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
    constexpr std::uint64_t prime = 0x9e3779b97f4a7c15;  // odd, its bits spread out
    return std::rotl((hash ^ word) * prime, 29);
  }

  std::uint64_t lanes_[lanes] = {offset_basis, offset_basis + 1, offset_basis + 2, offset_basis + 3};
  std::uint64_t size_ = 0;
};

/// As much as there is, up to the size of the block; 0 at the end.
Result<std::size_t> read_block(int from, const std::filesystem::path& name, char* block,
                               std::uint64_t offset) {
  std::size_t filled = 0;
  while (filled < block_bytes) {
    const ssize_t got =
        pread(from, block + filled, block_bytes - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read " + name.string());
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

/// Hashes all of `from`, and writes it to `to` unless that is −1.
Result<std::uint64_t> hash_blocks(int from, const std::filesystem::path& name, int to) {
  const auto block = std::make_unique<char[]>(block_bytes);
  WordHash hash;
  std::uint64_t offset = 0;
  while (true) {
    const auto got = read_block(from, name, block.get(), offset);
    if (!got) return fail(got.error());
    if (*got == 0) return hash.value();
    hash.add(block.get(), *got);
    if (to >= 0 && !write_all(to, {block.get(), *got})) return fail_errno("write");
    offset += *got;
    if (offset > PluginFile::bytes_max)
      return fail(ErrorKind::refused, name.string() + " grew while it was read");
  }
}

std::string hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

Result<PluginFile> PluginFile::open(const std::filesystem::path& path) {
  auto opened = elf::open_regular(path, O_NOFOLLOW);
  return opened ? read(std::move(*opened), path) : fail(opened.error());
}

Result<PluginFile> PluginFile::open_trusted(const std::filesystem::path& path,
                                            const std::filesystem::path& watched_folder) {
  auto opened = plugin::open_trusted(path, watched_folder);
  return opened ? read(std::move(*opened), path) : fail(opened.error());
}

Result<PluginFile> PluginFile::open_copy(const std::filesystem::path& copy) {
  auto file = open(copy);
  if (!file) return file;
  if (auto checked = file->check_content(file->fd_.get()); !checked) return fail(checked.error());
  struct stat status {};
  if (fstat(file->fd_.get(), &status) != 0) return fail_errno(copy.string());
  file->copy_ = {status.st_dev, status.st_ino, status.st_size, status.st_ctim};
  return file;
}

Result<PluginFile> PluginFile::read(elf::RegularFile opened, const std::filesystem::path& path) {
  PluginFile file;
  file.path_ = path;
  if (opened.size > bytes_max) return fail(ErrorKind::refused, path.string() + " is larger than 1 GiB");
  file.fd_ = std::move(opened.fd);
  auto manifest = read_manifest(file.fd_.get(), path);
  if (!manifest) return fail(manifest.error());
  file.manifest_ = std::move(*manifest);
  return file;
}

Result<std::uint64_t> PluginFile::hash_now() const { return hash_blocks(fd_.get(), path_, -1); }

Result<std::filesystem::path> PluginFile::copy_to(const std::filesystem::path& folder,
                                                  std::uint64_t generation) {
  const std::string stem = manifest_.id + "." + std::to_string(generation);
  const std::filesystem::path unfinished = folder / ("." + stem + ".unfinished");
  ::unlink(unfinished.c_str());
  const UniqueFd copy(::open(unfinished.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700));
  if (!copy) return fail_errno("make the private copy " + unfinished.string());
  const auto give_up = [&](Error error) {
    ::unlink(unfinished.c_str());
    return fail(std::move(error));
  };
  const auto hash = hash_blocks(fd_.get(), path_, copy.get());
  if (!hash) return give_up(hash.error());
  content_hash_ = *hash;
  if (auto checked = check_content(copy.get()); !checked) return give_up(checked.error());
  const std::filesystem::path finished = folder / (stem + "." + hex(content_hash_) + ".so");
  if (::rename(unfinished.c_str(), finished.c_str()) != 0) {
    return give_up(fail_errno("rename " + unfinished.string()).value());
  }
  struct stat status {};
  if (fstat(copy.get(), &status) != 0) return fail_errno(finished.string());
  copy_ = {status.st_dev, status.st_ino, status.st_size, status.st_ctim};
  return finished;
}

/// Whoever writes the file in place can change it behind a check; nobody writes the copy.
Result<void> PluginFile::check_content(int copy) const {
  const auto file = elf::ElfFile::open(copy, path_);
  if (!file) return fail(file.error());
  const auto manifest = read_manifest(*file);
  if (!manifest) return fail(manifest.error());
  if (manifest->text != manifest_.text) {
    return fail(ErrorKind::refused, path_.string() + " changed while it was read; try again");
  }
  return check_loadable(*file, *manifest);
}

Result<void> PluginFile::check_copy(const std::filesystem::path& copy) const {
  struct stat status {};
  if (::lstat(copy.c_str(), &status) != 0) return fail_errno(copy.string());
  if (status.st_dev != copy_.device || status.st_ino != copy_.inode || status.st_size != copy_.size ||
      status.st_ctim.tv_sec != copy_.changed.tv_sec || status.st_ctim.tv_nsec != copy_.changed.tv_nsec) {
    return fail(ErrorKind::refused, copy.string() + " is not the copy of " + path_.string() +
                                        " that was checked: somebody else writes to that folder");
  }
  return {};
}

}  // namespace perch::plugin
