// A reader that does one thing wrong in one of its functions, as its config says:
// {"fault": "segfault", "in": "on_commit", "once": true, "at_step": 1}. Otherwise it counts the rows of the
// table "rows" and sums their amounts; the gauges sum, rows and gaps tell what it knows.
//
// Written against the C interface, so that nothing is between the fault and the host.
#include <dlfcn.h>
#include <perch/plugin.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stdexcept>

PERCH_MANIFEST(
    "{\"abi\":1,\"id\":\"misbehaving\",\"version\":\"1.0.0\",\"state\":{\"version\":1,\"oldest\":1},"
    "\"tables\":"
    "[{\"name\":\"rows\",\"key\":\"{id:uint64@0}8:8\",\"value\":\"{amount:int64@0;check:uint64@8}16:8\"}],"
    "\"config_schema\":{} }");  // (C++ wants room for the NUL: not a multiple of four)

namespace {

struct Row {
  int64_t amount;
  uint64_t check;
};

struct Totals {
  int64_t sum = 0;
  uint64_t rows = 0;
  uint64_t gaps = 0;
  uint64_t version = 0;
};

struct Instance {
  const perch_host* host = nullptr;
  Totals totals;
  char fault[40] = "";
  char where[16] = "";
  char once[256] = "";  // a file: the fault does not happen where it is, and makes it
  pthread_t thread{};
};

perch_string text(const char* chars) { return {chars, strlen(chars)}; }

/// Just enough to find "name": "value".
void read_member(const char* config, const char* name, char* value, size_t size) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  const char* at = strstr(config, quoted);
  if (at == nullptr) return;
  at += strlen(quoted);
  at += strspn(at, ": \"");
  snprintf(value, size, "%.*s", static_cast<int>(strcspn(at, "\"")), at);
}

volatile int sink;

void sleep_for_ever() {
  const timespec moment{0, 10'000'000};
  for (;;) nanosleep(&moment, nullptr);
}

__attribute__((noinline)) int overflow(int depth) {
  volatile char frame[4096];
  for (size_t i = 0; i < sizeof frame; i += 512) frame[i] = static_cast<char>(depth);
  return overflow(depth + 1) + frame[0];
}

/// What memory cannot be reached: the compiler must not see through it.
int* volatile nowhere = reinterpret_cast<int*>(0x10);
volatile int zero;

void on_exit_handler(int, void*) { sink = 1; }
void exit_handler() { sink = 1; }
void stolen(int) { sink = 1; }

struct Local {
  int mode = 0;
  ~Local() {
    if (mode == 1) *nowhere = 1;
    if (mode == 2) sleep_for_ever();
    sink = 1;
  }
};
thread_local Local thread_local_object;

void* run_for_ever(void*) {
  sleep_for_ever();
  return nullptr;
}

void deadlock() {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  pthread_mutex_lock(&mutex);
}

void leave_a_thread() {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, run_for_ever, nullptr) == 0) pthread_detach(thread);
}

void steal_signals() {
  struct sigaction action {};
  action.sa_handler = stolen;
  for (const int number : {SIGSEGV, SIGABRT, SIGTERM, SIGPIPE}) {
    sigaction(number, &action, nullptr);
    signal(number, stolen);
  }
  // Past the host's own functions, as a library that was linked otherwise would.
  using SigAction = int (*)(int, const struct sigaction*, struct sigaction*);
  void* const libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  const auto real = reinterpret_cast<SigAction>(dlsym(libc, "sigaction"));
  real(SIGSEGV, &action, nullptr);
  dlclose(libc);
}

void flood(const Instance* self) {
  const perch_host* const host = self->host;
  for (int i = 0; i < 20'000; ++i) {
    host->publish(host->context, text("flood"), text("{no json"));
    host->log(host->context, PERCH_LOG_INFO, "flood", 5);
  }
}

void close_descriptors() {
  for (int fd = 0; fd < 256; ++fd) close(fd);
  close_range(0, 255, 0);
  dup2(0, 1);
}

perch_result misbehave(Instance* self, perch_error* error) {
  const auto is = [self](const char* fault) { return strcmp(self->fault, fault) == 0; };
  if (is("exception")) throw std::runtime_error("told to");
  if (is("error_code")) {
    if (error != nullptr) snprintf(error->message, sizeof error->message, "told to");
    return PERCH_FAILED;
  }
  if (is("abort")) abort();
  if (is("segfault")) *nowhere = 1;
  if (is("stack_overflow")) sink = overflow(0);
  if (is("divide_by_zero")) sink = 7 / zero;
  if (is("endless_loop")) {
    for (;;) sink = 1;
  }
  if (is("deadlock")) deadlock();
  if (is("slow")) {  // no fault, but time to interrupt whoever waits
    const timespec moment{0, 100'000'000};
    nanosleep(&moment, nullptr);
  }
  if (is("leak")) {
    void* const leaked = malloc(1 << 20);
    memset(leaked, 1, 1 << 20);
  }
  if (is("thread_left")) leave_a_thread();
  if (is("atexit")) atexit(exit_handler);
  if (is("on_exit")) on_exit(on_exit_handler, nullptr);
  if (is("thread_local_destructor")) thread_local_object.mode = 0;
  if (is("thread_local_destructor_crashes")) thread_local_object.mode = 1;
  if (is("thread_local_destructor_hangs")) thread_local_object.mode = 2;
  if (is("steal_signals")) steal_signals();
  if (is("fork")) sink = fork();
  if (is("exit")) exit(3);
  if (is("_exit")) _exit(3);
  if (is("pthread_exit")) pthread_exit(nullptr);
  if (is("close_descriptors")) close_descriptors();
  if (is("flood")) flood(self);
  return PERCH_OK;
}

/// Does what the config says, where it says so.
perch_result at(Instance* self, const char* function, perch_error* error) {
  if (strcmp(self->where, function) != 0) return PERCH_OK;
  if (self->once[0] != '\0') {
    if (access(self->once, F_OK) == 0) return PERCH_OK;
    FILE* const file = fopen(self->once, "w");
    if (file != nullptr) fclose(file);
  }
  return misbehave(self, error);
}

void show(const Instance* self) {
  const perch_host* const host = self->host;
  host->gauge_set(host->context, text("sum"), static_cast<double>(self->totals.sum));
  host->gauge_set(host->context, text("rows"), static_cast<double>(self->totals.rows));
  host->gauge_set(host->context, text("gaps"), static_cast<double>(self->totals.gaps));
}

perch_result create(const perch_host* host, perch_string config, void** made, perch_error* error) {
  auto* const self = new Instance;
  self->host = host;
  char* const chars = strndup(config.data, config.size);
  read_member(chars, "fault", self->fault, sizeof self->fault);
  read_member(chars, "in", self->where, sizeof self->where);
  read_member(chars, "once", self->once, sizeof self->once);
  free(chars);
  *made = self;
  return at(self, "create", error);
}

perch_result restore(void* raw, uint32_t, const void* state, size_t size, perch_error* error) {
  auto* const self = static_cast<Instance*>(raw);
  if (size == sizeof self->totals) memcpy(&self->totals, state, size);
  return at(self, "restore", error);
}

perch_result start(void* raw, perch_error* error) {
  show(static_cast<Instance*>(raw));
  return at(static_cast<Instance*>(raw), "start", error);
}

void add_changes(Instance* self, const perch_step* step) {
  const perch_host* const host = self->host;
  perch_cursor cursor;
  if (host->diff_open(step->previous, step->current, 0, &cursor) != PERCH_OK) return;
  perch_change changes[64];
  for (uint32_t count; (count = host->diff_next(&cursor, nullptr, 64, changes)) > 0;) {
    for (uint32_t i = 0; i < count; ++i) {
      const auto* const before = static_cast<const Row*>(changes[i].old_value);
      const auto* const after = static_cast<const Row*>(changes[i].new_value);
      self->totals.sum += (after != nullptr ? after->amount : 0) - (before != nullptr ? before->amount : 0);
      self->totals.rows += static_cast<uint64_t>((after != nullptr) - (before != nullptr));
    }
  }
}

perch_result on_commit(void* raw, const perch_step* step, perch_error* error) {
  auto* const self = static_cast<Instance*>(raw);
  const perch_host* const host = self->host;
  if (const perch_result result = at(self, "on_commit", error); result != PERCH_OK) return result;
  if (host->snapshot_version(step->previous) != self->totals.version) ++self->totals.gaps;
  add_changes(self, step);
  self->totals.version = host->snapshot_version(step->current);
  show(self);
  return PERCH_OK;
}

perch_result save(void* raw, const perch_state_sink* state, perch_error* error) {
  auto* const self = static_cast<Instance*>(raw);
  if (const perch_result result = at(self, "save", error); result != PERCH_OK) return result;
  return state->write(state->context, &self->totals, sizeof self->totals);
}

perch_result stop(void* raw, perch_error* error) { return at(static_cast<Instance*>(raw), "stop", error); }

void destroy(void* raw) {
  auto* const self = static_cast<Instance*>(raw);
  at(self, "destroy", nullptr);
  delete self;
}

}  // namespace

extern "C" const perch_plugin_api perch_plugin = {sizeof(perch_plugin_api),
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
