// A reader that tries to get out of its sandbox, once, in its first step, as its config says: {"attack":
// "fork"}. It publishes what came of it: {"attack": "fork", "error": 1} (errno; 0: it worked).
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <perch/plugin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

PERCH_MANIFEST(
    "{\"abi\":1,\"id\":\"escaping\",\"version\":\"1.0.0\",\"state\":{\"version\":1,\"oldest\":1},"
    "\"tables\":"
    "[{\"name\":\"rows\",\"key\":\"{id:uint64@0}8:8\",\"value\":\"{amount:int64@0;check:uint64@8}16:8\"}],"
    "\"config_schema\":{} }");

namespace {

struct Instance {
  const perch_host* host = nullptr;
  char attack[40] = "";
  char path[200] = "/etc/passwd";
  bool done = false;
};

void read_member(perch_string config, const char* name, char* value, size_t size) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
  char text[512];
  snprintf(text, sizeof text, "%.*s", static_cast<int>(config.size), config.data);
  const char* at = strstr(text, quoted);
  if (at == nullptr) return;
  at += strlen(quoted);
  snprintf(value, size, "%.*s", static_cast<int>(strcspn(at, "\"")), at);
}

/// A value of the tree, where it lies.
char* first_value(const perch_host* host, const perch_snapshot* snapshot) {
  perch_cursor cursor;
  perch_run run{};
  run.struct_size = sizeof run;
  if (host->scan_open(snapshot, 0, nullptr, &cursor) != PERCH_OK) return nullptr;
  if (host->scan_next(&cursor, nullptr, 1, &run) == 0) return nullptr;
  return static_cast<char*>(const_cast<void*>(run.values));
}

int error_of(long result) { return result < 0 ? errno : 0; }

/// The first error of what is tried on each descriptor there may be; 0 when it worked on one.
template <class Try>
int on_descriptors(Try attempt) {
  int error = EBADF;
  for (int fd = 0; fd < 64; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    if (attempt(fd) >= 0) return 0;
    error = errno;
  }
  return error;
}

int attack(const Instance& instance, const perch_snapshot* snapshot) {
  const char* const what = instance.attack;
  const auto is = [what](const char* name) { return strcmp(what, name) == 0; };
  if (is("write the tree")) {
    *first_value(instance.host, snapshot) = 1;
    return 0;
  }
  if (is("unprotect the tree")) {
    const auto page = reinterpret_cast<uintptr_t>(first_value(instance.host, snapshot)) & ~uintptr_t{4095};
    return error_of(mprotect(reinterpret_cast<void*>(page), 4096, PROT_READ | PROT_WRITE));
  }
  if (is("open")) return error_of(open(instance.path, O_RDONLY | O_CLOEXEC));
  // Paths of which a careless guard sees nothing, or only the beginning.
  if (is("open nothing")) return error_of(open("", O_RDONLY | O_CLOEXEC));
  if (is("open nowhere")) return error_of(syscall(SYS_openat, AT_FDCWD, 1, O_RDONLY | O_CLOEXEC));
  if (is("open without end")) {
    static char path[8192];
    memset(path, '/', sizeof path);
    return error_of(open(path, O_RDONLY | O_CLOEXEC));
  }
  if (is("open at length")) {
    char path[400] = "/usr/lib/";
    for (int i = 0; i < 150; ++i) strcat(path, "./");
    return error_of(open(strcat(path, "../../etc/passwd"), O_RDONLY | O_CLOEXEC));
  }
  if (is("write")) return error_of(open(instance.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (is("connect")) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    return error_of(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  if (is("exec")) {
    char program[] = "/bin/true";
    char* arguments[] = {program, nullptr};
    return error_of(execv(program, arguments));
  }
  if (is("fork")) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    return error_of(child);
  }
  if (is("ptrace")) return error_of(ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr));
  if (is("kill")) return error_of(kill(getppid(), SIGTERM));
  if (is("read the host")) {
    char byte;
    iovec to{&byte, 1};
    iovec from{reinterpret_cast<void*>(0x400000), 1};
    return error_of(syscall(SYS_process_vm_readv, getppid(), &to, 1, &from, 1, 0));
  }
  if (is("truncate")) return on_descriptors([](int fd) { return ftruncate(fd, 0); });
  if (is("unseal")) return on_descriptors([](int fd) { return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE); });
  if (is("mount")) return error_of(syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr));
  if (is("allocate")) {
    for (size_t all = 0; all < (size_t{8} << 30); all += size_t{16} << 20) {
      void* const memory = malloc(size_t{16} << 20);
      if (memory == nullptr) return ENOMEM;
      memset(memory, 1, size_t{16} << 20);
    }
    return 0;
  }
  if (is("descriptors")) {
    for (int i = 0; i < 10'000; ++i) {
      if (dup(2) < 0) return errno;
    }
    return 0;
  }
  return -1;
}

Instance& of(void* instance) { return *static_cast<Instance*>(instance); }

perch_result create(const perch_host* host, perch_string config, void** instance, perch_error*) {
  auto* const made = new Instance;
  made->host = host;
  read_member(config, "attack", made->attack, sizeof made->attack);
  read_member(config, "path", made->path, sizeof made->path);
  *instance = made;
  return PERCH_OK;
}
perch_result restore(void*, uint32_t, const void*, size_t, perch_error*) { return PERCH_OK; }
perch_result start(void*, perch_error*) { return PERCH_OK; }
perch_result on_commit(void* instance, const perch_step* step, perch_error*) {
  Instance& self = of(instance);
  if (self.done || self.host->table_rows(step->current, 0) == 0) return PERCH_OK;
  self.done = true;
  char json[200];
  snprintf(json, sizeof json, "{\"attack\":\"%s\",\"error\":%d}", self.attack, attack(self, step->current));
  self.host->publish(self.host->context, {"attempt", 7}, {json, strlen(json)});
  return PERCH_OK;
}
perch_result save(void*, const perch_state_sink*, perch_error*) { return PERCH_OK; }
perch_result stop(void*, perch_error*) { return PERCH_OK; }
void destroy(void* instance) { delete &of(instance); }

}  // namespace

extern "C" PERCH_EXPORT const perch_plugin_api perch_plugin = {sizeof(perch_plugin_api),
                                                               PERCH_ABI_VERSION,
                                                               PERCH_MANIFEST_TEXT,
                                                               PERCH_MANIFEST_SIZE,
                                                               create,
                                                               restore,
                                                               start,
                                                               on_commit,
                                                               save,
                                                               stop,
                                                               destroy};
