#include "plugin/file_policy.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace perch::plugin {
namespace {

namespace fs = std::filesystem;

/// `what`: "the folder /p", or the file's path.
Result<void> check_owner_and_mode(const struct stat& status, const std::string& what, const fs::path& path) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return fail(ErrorKind::refused, what + " belongs to user " + std::to_string(status.st_uid) +
                                        ", and this host runs as user " + std::to_string(::geteuid()) +
                                        ": code is loaded only from what belongs to that user or to root; "
                                        "`chown " +
                                        std::to_string(::geteuid()) + " " + path.string() +
                                        "` if you trust it");
  }
  const bool by_group = (status.st_mode & S_IWGRP) != 0;
  const bool by_others = (status.st_mode & S_IWOTH) != 0;
  if (!by_group && !by_others) return {};
  return fail(ErrorKind::refused,
              what + " may be written by " + (by_others ? "everybody" : "its group") +
                  ": code is loaded only from what its owner alone can change; run `chmod go-w " +
                  path.string() + "`");
}

Result<void> check_folder(const fs::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return fail_errno("open the folder " + folder.string());
  return check_owner_and_mode(status, "the folder " + folder.string(), folder);
}

Result<void> check_file(int fd, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail_errno(path.string());
  return check_owner_and_mode(status, path.string(), path);
}

bool is_link(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::symlink;
}

/// A link's target, opened without leaving the folder.
Result<UniqueFd> open_link(const fs::path& path, const fs::path& folder) {
  const UniqueFd at(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!at) return fail_errno("open the folder " + folder.string());
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, at.get(), path.filename().c_str(), &how, sizeof how)));
  if (fd) return fd;
  if (errno == EXDEV) {
    return fail(ErrorKind::refused, path.string() + " is a link out of the folder " + folder.string() +
                                        ": put the file itself there, or link to one beneath it by a "
                                        "relative path");
  }
  if (errno == ENOENT)
    return fail(ErrorKind::refused, path.string() + " is a symbolic link to a file that is not there");
  if (errno == ELOOP) return fail(ErrorKind::refused, path.string() + " is a symbolic link to itself");
  return fail_errno("open " + path.string());
}

/// The folders between the watched one and the file that a link led to.
Result<void> check_folders_to(int fd, const fs::path& folder) {
  std::error_code error;
  const fs::path real = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
  const fs::path top = error ? fs::path() : fs::canonical(folder, error);
  if (error) return fail("look where " + folder.string() + " leads to: " + error.message());
  constexpr int depth_max = 64;
  fs::path each = real.parent_path();
  for (int depth = 0; depth < depth_max && each != top && each != each.root_path(); ++depth) {
    if (auto checked = check_folder(each); !checked) return checked;
    each = each.parent_path();
  }
  return {};
}

}  // namespace

Result<elf::RegularFile> open_trusted(const fs::path& path, const fs::path& watched_folder) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const bool is_watched =
      !watched_folder.empty() && folder.lexically_normal() == watched_folder.lexically_normal();
  Result<elf::RegularFile> file;
  if (is_watched && is_link(path)) {
    auto fd = open_link(path, folder);
    if (!fd) return fail(fd.error());
    if (auto checked = check_folders_to(fd->get(), folder); !checked) return fail(checked.error());
    file = elf::regular_file(std::move(*fd), path);
  } else {
    file = elf::open_regular(path, O_NOFOLLOW);
  }
  if (!file) return file;
  if (auto checked = check_folder(folder); !checked) return fail(checked.error());
  if (auto checked = check_file(file->fd.get(), path); !checked) return fail(checked.error());
  return file;
}

}  // namespace perch::plugin
