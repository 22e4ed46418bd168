#include "isolation/sandbox.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/text.hpp"

namespace perch::isolation {
namespace {

/// What a plugin, its libraries and the worker around it need to compute, to wait, and to talk to the host.
constexpr const char* allowed_calls[] = {
    // Memory
    "brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "mincore", "memfd_create", "membarrier",
    // Threads and waiting
    "futex", "futex_waitv", "set_robust_list", "rseq", "set_tid_address", "sched_yield", "sched_getaffinity",
    "sched_getparam", "sched_getscheduler", "getcpu", "nanosleep", "clock_nanosleep", "clock_gettime",
    "clock_getres", "gettimeofday", "time", "times", "getrusage", "poll", "ppoll", "select", "pselect6",
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2", "timerfd_create",
    "timerfd_settime", "timerfd_gettime", "pipe2", "restart_syscall", "exit", "exit_group", "gettid",
    "getpid", "getppid",
    // Signals, its own
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "sigaltstack",
    // Descriptors that it has
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "close",
    "close_range", "dup", "dup2", "dup3", "fstat", "newfstatat", "statx", "stat", "lstat", "access",
    "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "fsync", "fdatasync",
    "sendmsg", "recvmsg",
    // Who and where it is
    "uname", "sysinfo", "getuid", "geteuid", "getgid", "getegid", "getrandom", "arch_prctl", "getpriority"};

/// Inside its write paths only (Landlock), and only where there are any.
constexpr const char* writing_calls[] = {"ftruncate", "unlink",    "unlinkat", "rename", "renameat",
                                         "renameat2", "mkdir",     "mkdirat",  "rmdir",  "fallocate",
                                         "fchmod",    "utimensat", "flock"};

/// PERCH_SANDBOX_WITHOUT=landlock or =notifications in the environment: as on a kernel that has none, so that
/// what the sandbox does there can be tried on one that has.
bool is_done_without(const char* part) {
  const char* const wanted = std::getenv("PERCH_SANDBOX_WITHOUT");
  return wanted != nullptr && std::strcmp(wanted, part) == 0;
}

struct FilterEnd {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterEnd>;

void allow(void* filter, const char* name) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number >= 0) seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);  // older kernels know fewer
}

/// Those whose arguments decide.
void allow_some(void* filter) {
  const auto add = [filter](std::uint32_t action, const char* name, std::vector<scmp_arg_cmp> arguments) {
    seccomp_rule_add_array(filter, action, seccomp_syscall_resolve_name(name),
                           static_cast<unsigned>(arguments.size()), arguments.data());
  };
  // New threads, no processes. clone3 hides its flags from filters: the C library goes back to clone.
  add(SCMP_ACT_ALLOW, "clone", {SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)});
  add(SCMP_ACT_ERRNO(ENOSYS), "clone3", {});
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC, F_GET_SEALS})
    add(SCMP_ACT_ALLOW, "fcntl", {SCMP_A1_32(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command))});
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE})
    add(SCMP_ACT_ALLOW, "prctl", {SCMP_A0_32(SCMP_CMP_EQ, static_cast<scmp_datum_t>(option))});
  add(SCMP_ACT_ALLOW, "prctl", {SCMP_A0_32(SCMP_CMP_EQ, 0x53564d41)});  // PR_SET_VMA: names for debuggers
  add(SCMP_ACT_ALLOW, "prlimit64", {SCMP_A0_32(SCMP_CMP_EQ, 0), SCMP_A2_64(SCMP_CMP_EQ, 0)});
  add(SCMP_ACT_ALLOW, "tgkill", {SCMP_A0_32(SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid()))});
  add(SCMP_ACT_ERRNO(ENOTTY), "ioctl", {});  // "is this a terminal?"
}

Result<UniqueFd> filter_calls(const SandboxLimits& limits, std::vector<std::string>& lacks) {
  // Below API level 5 there are no notifications: what is tried fails all the same, and nobody hears of it.
  const bool can_tell = seccomp_api_get() >= 5 && !is_done_without("notifications");
  if (!can_tell) lacks.emplace_back("seccomp notifications: what readers try is stopped, but not told");
  const Filter filter(seccomp_init(can_tell ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return fail("no filter for system calls");
  for (const char* const name : allowed_calls) allow(filter.get(), name);
  if (!limits.write.empty()) {
    for (const char* const name : writing_calls) allow(filter.get(), name);
  }
  if (!can_tell) allow(filter.get(), "openat");  // Landlock decides
  allow_some(filter.get());
  if (const int error = seccomp_load(filter.get()); error != 0) {
    lacks.push_back(std::string("seccomp: ") + std::strerror(-error));
    return UniqueFd();
  }
  return can_tell ? UniqueFd(dup(seccomp_notify_fd(filter.get()))) : UniqueFd();
}

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

constexpr std::uint64_t read_access =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t first_access = (std::uint64_t{1} << 13) - 1;  // all of Landlock's first version
constexpr std::uint64_t file_access = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                      LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;

void allow_path(int rules, const std::filesystem::path& path, std::uint64_t access) {
  const UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return;  // what is not there needs no rule
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) access &= file_access;
  landlock_path_beneath_attr rule{access, fd.get()};
  syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

void lock_paths(const SandboxLimits& limits, std::vector<std::string>& lacks) {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1 || is_done_without("landlock")) {
    lacks.emplace_back("Landlock: files are guarded by the host's look at each path alone");
    return;
  }
  std::uint64_t all = first_access;
  if (version >= 2) all |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) all |= LANDLOCK_ACCESS_FS_TRUNCATE;
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = all;
  const UniqueFd rules(static_cast<int>(
      syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0)));
  if (!rules) {
    lacks.push_back(std::string("Landlock: ") + std::strerror(errno));
    return;
  }
  for (const auto& path : library_paths()) allow_path(rules.get(), path, read_access);
  for (const auto& path : limits.read) allow_path(rules.get(), path, read_access);
  for (const auto& path : limits.write) allow_path(rules.get(), path, all);
  if (syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0)
    lacks.push_back(std::string("Landlock: ") + std::strerror(errno));
}

constexpr int refused = -1;

/// A system call with a path, by the number of its argument. `flags`: the argument that says what it is
/// opened for, where the path decides; `refused`: it fails in any case, and the path is for the report.
struct CallWithPath {
  int number;
  std::size_t path;
  int flags;
};
constexpr CallWithPath calls_with_path[] = {
    {SYS_open, 0, 1},           {SYS_openat, 1, 2},      {SYS_execve, 0, refused}, {SYS_unlink, 0, refused},
    {SYS_truncate, 0, refused}, {SYS_chmod, 0, refused}, {SYS_mkdir, 0, refused},  {SYS_rename, 0, refused},
};
constexpr std::size_t path_bytes_shown_max = 256;

std::string name_of(const seccomp_data& call) {
  const std::unique_ptr<char, decltype(&free)> name(seccomp_syscall_resolve_num_arch(call.arch, call.nr),
                                                    &free);
  return name ? name.get() : "system call " + std::to_string(call.nr);
}

Result<void> limit(__rlimit_resource resource, const char* name, std::uint64_t value) {
  const rlimit bound{value, value};
  if (setrlimit(resource, &bound) == 0) return {};
  return fail_errno(std::string("limit a reader's ") + name + " to " + std::to_string(value));
}

}  // namespace

std::vector<std::filesystem::path> library_paths() {
  return {"/lib",
          "/lib64",
          "/usr/lib",
          "/usr/lib64",
          "/usr/local/lib",
          "/etc/ld.so.cache",
          "/etc/ld.so.preload",
          "/etc/localtime",
          "/usr/share/zoneinfo",
          "/proc/self",
          "/dev/null",
          "/dev/urandom",
          "/sys/devices/system/cpu"};
}

Result<Sandbox> enter_sandbox(const SandboxLimits& limits) {
  Sandbox sandbox;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("give up new privileges");
  // Private memory: the tree is a shared mapping and not counted.
  for (const auto& set : {limit(RLIMIT_DATA, "memory", limits.memory_bytes),
                          limit(RLIMIT_NOFILE, "files", limits.files), limit(RLIMIT_CORE, "core dumps", 0)}) {
    if (!set) return fail(set.error());
  }
  if (limits.cpu_s > 0) {
    if (auto set = limit(RLIMIT_CPU, "processor time", static_cast<std::uint64_t>(limits.cpu_s)); !set)
      return fail(set.error());
  }
  lock_paths(limits, sandbox.lacks);
  auto attempts = filter_calls(limits, sandbox.lacks);
  if (!attempts) return fail(attempts.error());
  sandbox.attempts = std::move(*attempts);
  return sandbox;
}

// ---- Host

Attempts::Attempts(UniqueFd listener, int pid, const SandboxLimits& paths)
    : listener_(std::move(listener)), pid_(pid), paths_(paths) {}

/// A text of the process; the error says what it is instead, as the report shows it. All of what the kernel
/// takes for a path is looked at: of a part of it nothing can be said.
Result<std::string> Attempts::path_at(std::uint64_t address) const {
  constexpr std::uint64_t page_bytes = 4096;
  char text[PATH_MAX];
  iovec local{text, sizeof text};
  // Page by page: what is behind the text's last one may not be mapped.
  const std::uint64_t in_page = page_bytes - address % page_bytes;
  const std::array<iovec, 2> remote{{{reinterpret_cast<void*>(address), in_page},
                                     {reinterpret_cast<void*>(address + in_page), sizeof text - in_page}}};
  const ssize_t got = process_vm_readv(pid_, &local, 1, remote.data(), remote.size(), 0);
  if (got < 0) return fail_errno("a path that cannot be read");
  const std::string_view bytes(text, static_cast<std::size_t>(got));
  const std::size_t size = bytes.find('\0');
  if (size == std::string_view::npos) return fail("a path without an end");
  if (size == 0) return fail("an empty path");
  return std::string(bytes.substr(0, size));
}

bool Attempts::may_open(const std::string& path, bool to_write) const {
  const auto is_below = [&path](const std::filesystem::path& allowed) {
    const std::string text = allowed.string();
    return path == text || (path.starts_with(text) && path.size() > text.size() && path[text.size()] == '/');
  };
  if (path.find("/../") != std::string::npos || path.ends_with("/..")) return false;
  if (std::any_of(paths_.write.begin(), paths_.write.end(), is_below)) return true;
  if (to_write) return path == "/dev/null";
  const auto libraries = library_paths();
  return std::any_of(libraries.begin(), libraries.end(), is_below) ||
         std::any_of(paths_.read.begin(), paths_.read.end(), is_below);
}

/// What becomes of a call that the filter left to the host; whatever is not in here is refused, too.
Attempts::Decision Attempts::decide(const seccomp_data& tried) const {
  const auto call = std::find_if(std::begin(calls_with_path), std::end(calls_with_path),
                                 [&tried](const CallWithPath& each) { return each.number == tried.nr; });
  if (call == std::end(calls_with_path)) return {EPERM, name_of(tried) + "()"};
  const auto path = path_at(tried.args[call->path]);
  const std::string shown = clean_text(path ? *path : path.error().message, path_bytes_shown_max);
  if (call->flags == refused) return {EPERM, name_of(tried) + "(" + shown + ")"};

  const std::uint64_t flags = tried.args[static_cast<std::size_t>(call->flags)];
  const bool to_write = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
  if (path && may_open(*path, to_write)) return {};
  // The C library's way to name a thread, which does no harm without.
  if (path && path->starts_with("/proc/self/task/") && path->ends_with("/comm")) return {EACCES, ""};
  return {EACCES, "open(" + shown + (to_write ? ", to write)" : ")")};
}

std::string Attempts::answer_next() {
  seccomp_notif* tried = nullptr;
  seccomp_notif_resp* answer = nullptr;
  if (seccomp_notify_alloc(&tried, &answer) != 0) return {};
  const std::unique_ptr<seccomp_notif, decltype(&free)> keep_tried(tried, &free);
  const std::unique_ptr<seccomp_notif_resp, decltype(&free)> keep_answer(answer, &free);
  if (seccomp_notify_receive(listener_.get(), tried) != 0)
    return {};  // it has been interrupted, or has ended
  const Decision decision = decide(tried->data);
  // A caller that is gone tries nothing, and the memory that was read may have been another's.
  if (seccomp_notify_id_valid(listener_.get(), tried->id) != 0) return {};
  answer->id = tried->id;
  answer->error = -decision.error;
  if (decision.error == 0) answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  seccomp_notify_respond(listener_.get(), answer);  // fails when the caller is gone
  return decision.report;
}

}  // namespace perch::isolation
