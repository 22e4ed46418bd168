#include "perchd/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

namespace perch {

Result<RunFolder> RunFolder::take(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(),
                                      error);  // what fails here fails again below, with errno
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("run_dir " + folder.string());

  const auto lock_file = folder / "perchd.lock";
  // flock and not fcntl: the lock belongs to this descriptor, no close of another one can lose it.
  UniqueFd lock(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return fail_errno(lock_file.string());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return fail(ErrorKind::refused, "another host runs in " + folder.string() +
                                          "; stop it, or give this one a run_dir of its own");
    }
    return fail_errno(lock_file.string());
  }
  return RunFolder(std::move(lock));
}

}  // namespace perch
