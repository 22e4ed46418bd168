/* Sums the amounts of a table, checks that its steps tile all versions, and fails where it is told to.
 *
 * Config: {"fault": "create|restore|start|on_commit|save|bad_config", "fault_at_step": N, "hang_until": FILE,
 * "every_ms": N}. The gauges sum, rows, gaps and version tell what it knows.
 */
#define _GNU_SOURCE
#include <perch/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef MARK_CONSTRUCTOR
#include "leaves_mark.h"
#endif

#ifndef ID
#define ID "summing"
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef STATE_VERSION
#define STATE_VERSION 1
#define STATE_OLDEST 1
#endif
#ifndef ABI
#define ABI "1"
#endif
#ifndef TABLE
#define TABLE "rows"
#endif
#ifdef HOST_SIZE
#define HOST_SIZE_MEMBER "\"host_size\":" HOST_SIZE ","
#else
#define HOST_SIZE_MEMBER ""
#endif
#ifndef FAULT
#define FAULT ""
#endif
#ifdef OTHER_LAYOUT
#define VALUE "{amount:float64@0;checked:uint64@8;more:uint32@16}24:8"
#else
#define VALUE "{amount:int64@0;check:uint64@8}16:8"
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define MANIFEST                                                                                            \
  "{\"abi\":" ABI "," HOST_SIZE_MEMBER "\"id\":\"" ID "\",\"version\":\"" VERSION                           \
  "\",\"state\":{\"version\":" TEXT(STATE_VERSION) ",\"oldest\":" TEXT(                                     \
      STATE_OLDEST) "},\"tables\":[{\"name\":\"" TABLE "\",\"key\":\"{id:uint64@0}8:8\",\"value\":\"" VALUE \
                    "\"}],\"config_schema\":{}}"

PERCH_MANIFEST(MANIFEST);

struct row {
  int64_t amount;
  uint64_t check;
};

struct totals {
  int64_t sum;
  uint64_t rows;
  uint64_t gaps; /* steps that did not begin where the last one ended */
  uint64_t version;
};

struct instance {
  const perch_host* host;
  struct totals totals;
  char fault[32];
  long fault_at_step;
  char hang_until[256]; /* the first on_commit hangs until this file is there */
  long steps;
};

/* ---- Config: just enough to find "name": value */

static const char* value_of(const char* config, const char* name) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  const char* at = strstr(config, quoted);
  if (at == NULL) return NULL;
  at += strlen(quoted);
  return at + strspn(at, ": \"");
}

static long number_of(const char* config, const char* name, long otherwise) {
  const char* const value = value_of(config, name);
  return value != NULL ? strtol(value, NULL, 10) : otherwise;
}

static int should_fail(const struct instance* self, const char* function, perch_error* error) {
  if (strcmp(self->fault, function) != 0) return 0;
  snprintf(error->message, sizeof error->message, "told to fail in %s", function);
  return 1;
}

/* A thread-local destructor, as C++ would register one: it holds the library until its thread has ended. */
extern int __cxa_thread_atexit_impl(void (*function)(void*), void* object, void* dso);
extern void* __dso_handle __attribute__((visibility("hidden")));
static int destroyed_thread_locals;
static void destroy_thread_local(void* object) { ++*(int*)object; }

static void gauge(const struct instance* self, const char* name, double value) {
  self->host->gauge_set(self->host->context, (perch_string){name, strlen(name)}, value);
}

static void show(const struct instance* self) {
  gauge(self, "sum", (double)self->totals.sum);
  gauge(self, "rows", (double)self->totals.rows);
  gauge(self, "gaps", (double)self->totals.gaps);
  gauge(self, "version", (double)self->totals.version);
}

static void hang(struct instance* self) {
  gauge(self, "hanging", 1);
  const struct timespec pause = {0, 1000000};
  while (access(self->hang_until, F_OK) != 0) nanosleep(&pause, NULL);
  self->hang_until[0] = '\0';
}

/* ---- The interface */

static perch_result create(const perch_host* host, perch_string config, void** made, perch_error* error) {
  char* const text = strndup(config.data, config.size);
  struct instance* const self = calloc(1, sizeof *self);
  self->host = host;
  const char* const fault = value_of(text, "fault");
  snprintf(self->fault, sizeof self->fault, "%.*s",
           (int)(fault != NULL ? strcspn(fault, "\"") : sizeof FAULT), fault != NULL ? fault : FAULT);
  self->fault_at_step = number_of(text, "fault_at_step", 1);
  const char* const file = value_of(text, "hang_until");
  if (file != NULL)
    snprintf(self->hang_until, sizeof self->hang_until, "%.*s", (int)strcspn(file, "\""), file);
  host->wake_every(host->context, (uint64_t)number_of(text, "every_ms", 0) * 1000000u);
  free(text);
  __cxa_thread_atexit_impl(destroy_thread_local, &destroyed_thread_locals, &__dso_handle);
  perch_result result = PERCH_OK;
  if (should_fail(self, "create", error)) result = PERCH_FAILED;
  if (should_fail(self, "bad_config", error)) result = PERCH_BAD_CONFIG;
  if (result != PERCH_OK) {
    free(self);
    return result;
  }
  *made = self;
  return PERCH_OK;
}

static perch_result restore(void* instance, uint32_t state_version, const void* state, size_t size,
                            perch_error* error) {
  struct instance* const self = instance;
  if (should_fail(self, "restore", error)) return PERCH_FAILED;
  if (state_version != 1 || size != sizeof self->totals) {
    snprintf(error->message, sizeof error->message, "a state of %zu bytes, version %u", size, state_version);
    return PERCH_FAILED;
  }
  memcpy(&self->totals, state, sizeof self->totals);
  return PERCH_OK;
}

static perch_result start(void* instance, perch_error* error) {
  if (should_fail(instance, "start", error)) return PERCH_FAILED;
  show(instance);
  return PERCH_OK;
}

static perch_result on_commit(void* instance, const perch_step* step, perch_error* error) {
  struct instance* const self = instance;
  const perch_host* const host = self->host;
  ++self->steps;
  if (self->steps >= self->fault_at_step && should_fail(self, "on_commit", error)) return PERCH_FAILED;
  if (self->hang_until[0] != '\0') hang(self);
  if (host->snapshot_version(step->previous) != self->totals.version) ++self->totals.gaps;

  perch_cursor cursor;
  if (host->diff_open(step->previous, step->current, 0, &cursor) != PERCH_OK) return PERCH_FAILED;
  perch_change changes[64];
  uint64_t keys[64];
  for (uint32_t count; (count = host->diff_next(&cursor, keys, 64, changes)) > 0;) {
    for (uint32_t i = 0; i < count; ++i) {
      const struct row* const before = changes[i].old_value;
      const struct row* const after = changes[i].new_value;
      if (after != NULL && after->check != keys[i] * 31 + (uint64_t)after->amount) {
        snprintf(error->message, sizeof error->message, "row %llu does not check",
                 (unsigned long long)keys[i]);
        return PERCH_FAILED;
      }
      self->totals.sum += (after != NULL ? after->amount : 0) - (before != NULL ? before->amount : 0);
      self->totals.rows += (after != NULL) - (before != NULL);
    }
  }
  self->totals.version = host->snapshot_version(step->current);
  show(self);
  return PERCH_OK;
}

static perch_result save(void* instance, const perch_state_sink* sink, perch_error* error) {
  struct instance* const self = instance;
  if (should_fail(self, "save", error)) return PERCH_FAILED;
  return sink->write(sink->context, &self->totals, sizeof self->totals);
}

static perch_result stop(void* instance, perch_error* error) {
  return should_fail(instance, "stop", error) ? PERCH_FAILED : PERCH_OK;
}

static void destroy(void* instance) { free(instance); }

#ifdef OTHER_MANIFEST_IN_MEMORY
static const char other_manifest[PERCH_MANIFEST_SIZE] = "{}";
#define MANIFEST_IN_MEMORY other_manifest
#else
#define MANIFEST_IN_MEMORY PERCH_MANIFEST_TEXT
#endif
#ifdef LACKS_SAVE
#define SAVE NULL
#else
#define SAVE save
#endif

const perch_plugin_api perch_plugin = {sizeof(perch_plugin_api),
                                       PERCH_ABI_VERSION,
                                       MANIFEST_IN_MEMORY,
                                       PERCH_MANIFEST_SIZE,
                                       create,
                                       restore,
                                       start,
                                       on_commit,
                                       SAVE,
                                       stop,
                                       destroy};

/* Unused in the builds that leave it out of the struct. */
perch_result (*const save_is_here)(void*, const perch_state_sink*, perch_error*) = save;

#ifdef BREAKS_ENTRY
__attribute__((constructor)) static void break_entry(void) {
  const uintptr_t page = 4096;
  perch_result (*volatile* const save_of_entry)(void*, const perch_state_sink*, perch_error*) =
      (void*)&perch_plugin.save;
  if (mprotect((void*)((uintptr_t)save_of_entry & ~(page - 1)), page, PROT_READ | PROT_WRITE) == 0) {
    *save_of_entry = NULL;
  }
}
#endif
#ifdef CRASHES_IN_CONSTRUCTOR
__attribute__((constructor)) static void crash(void) { abort(); }
#endif
