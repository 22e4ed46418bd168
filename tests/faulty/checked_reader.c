/* What the tests of `perch check` look at: a reader that does everything right, built with FAULT=NAME into
 * ones that do one thing wrong each. It sums the amounts of a table and publishes them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <locale.h>
#include <perch/plugin.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum fault {
  nothing,
  /* the life-cycle */
  crashes_in_create,
  hangs_in_save,
  exits_in_stop,
  ends_its_thread,
  throws_away_rows, /* fails in a step that removes rows */
  assumes_the_stride,
  breaks_a_rule,       /* opens a scan with a range that does not say its size */
  shares_one_instance, /* the second one alive crashes */
  /* the state */
  saves_other_bytes,
  forgets_its_state,
  crashes_on_garbage,
  believes_a_size,
  /* the config */
  crashes_on_odd_config,
  refuses_without_a_message,
  /* what it says */
  publishes_no_json,
  floods_the_log,
  has_many_metrics,
  is_slow,
  /* what it leaves behind */
  leaves_a_thread,
  leaves_a_descriptor,
  closes_standard_output,
  handles_a_signal,
  changes_the_process,
  leaves_an_exit_handler,
  maps_memory_when_loaded
};
#ifndef FAULT
#define FAULT nothing
#endif
static const enum fault fault = FAULT;

#ifndef SCHEMA
#define SCHEMA                                                                                              \
  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"every_ms\":{\"type\":\"integer\"," \
  "\"minimum\":0,\"maximum\":1000,\"default\":0},\"mode\":{\"enum\":[\"sum\",\"count\"]},"                  \
  "\"label\":{\"type\":\"string\",\"maxLength\":20}}}"
#endif
#define MANIFEST                                                                                           \
  "{\"abi\":1,\"id\":\"checked\",\"version\":\"1.0.0\",\"state\":{\"version\":1,\"oldest\":1},"            \
  "\"tables\":[{\"name\":\"rows\",\"key\":\"{id:uint64@0}8:8\",\"value\":\"{amount:int64@0;small:int32@8}" \
  "16:8\"}],\"config_schema\":" SCHEMA "}"

PERCH_MANIFEST(MANIFEST);

struct row {
  int64_t amount;
  int32_t small;
};

struct totals {
  uint64_t sum; /* wraps */
  uint64_t rows;
  uint64_t saved; /* what saves_other_bytes counts */
  uint64_t bytes; /* of what follows: 0 */
};

struct instance {
  const perch_host* host;
  struct totals totals;
};

static int instances;

static perch_string text(const char* chars) { return (perch_string){chars, strlen(chars)}; }

static void crash(void) { raise(SIGSEGV); }

static void* sleep_for_ever(void* unused) {
  const struct timespec moment = {0, 1000000};
  while (1) nanosleep(&moment, NULL);
  return unused;
}

static void ignore_signal(int number) { (void)number; }
static void at_exit(int status, void* unused) {
  (void)status;
  (void)unused;
}

__attribute__((constructor)) static void loaded(void) {
  if (fault != maps_memory_when_loaded) return;
  for (int i = 0; i < 2; ++i) {
    /* Unlike its neighbours, so that the kernel makes a mapping of each. */
    char* const memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory, 4096, PROT_READ);
  }
}

static perch_result refuse(perch_error* error, const char* why) {
  snprintf(error->message, sizeof error->message, "%s", why);
  return PERCH_FAILED;
}

static void leave_traces(void) {
  pthread_t thread;
  struct sigaction action = {.sa_handler = ignore_signal};
  if (fault == leaves_a_thread) pthread_create(&thread, NULL, sleep_for_ever, NULL);
  if (fault == leaves_a_descriptor && open("/dev/null", O_RDONLY) < 0) crash();
  if (fault == closes_standard_output) close(1);
  if (fault == handles_a_signal) sigaction(SIGUSR1, &action, NULL);
  if (fault == changes_the_process && chdir("/") != 0) crash();
  if (fault == changes_the_process) umask(0);
  if (fault == leaves_an_exit_handler) on_exit(at_exit, NULL);
}

static int has_odd_text(perch_string config) {
  for (size_t i = 0; i < config.size; ++i) {
    if ((unsigned char)config.data[i] >= 0x80) return 1;
  }
  return 0;
}

static perch_result create(const perch_host* host, perch_string config, void** made, perch_error* error) {
  (void)error;
  if (fault == crashes_in_create) crash();
  if (fault == crashes_on_odd_config && has_odd_text(config)) crash();
  if (fault == refuses_without_a_message && has_odd_text(config)) return PERCH_FAILED;
  if (fault == shares_one_instance && instances > 0) crash();
  ++instances;
  struct instance* const self = calloc(1, sizeof *self);
  self->host = host;
  leave_traces();
  *made = self;
  return PERCH_OK;
}

static perch_result restore(void* instance, uint32_t state_version, const void* state, size_t size,
                            perch_error* error) {
  struct instance* const self = instance;
  if (state_version != 1) return refuse(error, "a state of another version");
  if (fault == crashes_on_garbage && size != sizeof self->totals) crash();
  if (size != sizeof self->totals) return refuse(error, "a state of another size");
  if (fault == forgets_its_state) return PERCH_OK;
  struct totals totals;
  memcpy(&totals, state, sizeof totals);
  if (fault == believes_a_size && totals.bytes > 0) {
    char* const memory = malloc(totals.bytes);
    for (uint64_t i = 0; i < totals.bytes; i += 4096) memory[i] = 1;
    free(memory);
  } else if (totals.bytes != 0) {
    return refuse(error, "a state that says it is longer");
  }
  self->totals = totals;
  return PERCH_OK;
}

static perch_result start(void* instance, perch_error* error) {
  (void)instance;
  (void)error;
  return PERCH_OK;
}

static void say(struct instance* self) {
  const perch_host* const host = self->host;
  char json[200];
  snprintf(json, sizeof json,
           fault == publishes_no_json ? "{sum: %llu, rows: %llu" : "{\"sum\":%llu,\"rows\":%llu}",
           (unsigned long long)self->totals.sum, (unsigned long long)self->totals.rows);
  host->publish(host->context, text("totals"), text(json));
  host->gauge_set(host->context, text("rows"), (double)self->totals.rows);
  for (int i = 0; fault == floods_the_log && i < 100; ++i)
    host->log(host->context, PERCH_LOG_INFO, "again", 5);
  for (int i = 0; fault == has_many_metrics && i < 70; ++i) {
    char name[16];
    snprintf(name, sizeof name, "metric %d", i);
    host->counter_add(host->context, text(name), 1);
  }
}

/* Counts all rows anew: by scans, in place. */
static void read_rows(struct instance* self, const perch_snapshot* snapshot) {
  const perch_host* const host = self->host;
  perch_cursor cursor;
  const perch_range without_size = {.struct_size = 0};
  if (fault == breaks_a_rule) host->scan_open(snapshot, 0, &without_size, &cursor);
  if (host->scan_open(snapshot, 0, NULL, &cursor) != PERCH_OK) return;
  perch_run run = {.struct_size = sizeof run};
  while (host->scan_next(&cursor, NULL, 64, &run) > 0) {
    const ptrdiff_t stride = fault == assumes_the_stride ? (ptrdiff_t)sizeof(struct row) : run.value_stride;
    for (uint32_t i = 0; i < run.count; ++i) {
      const struct row* const row = (const struct row*)((const char*)run.values + i * stride);
      self->totals.sum += (uint64_t)row->amount * 3 + (uint64_t)row->small;
      ++self->totals.rows;
    }
  }
}

static perch_result on_commit(void* instance, const perch_step* step, perch_error* error) {
  struct instance* const self = instance;
  const struct timespec moment = {0, 300000000};
  if (fault == is_slow) nanosleep(&moment, NULL);
  if (fault == ends_its_thread) pthread_exit(NULL);
  const uint64_t rows_before = self->host->table_rows(step->previous, 0);
  if (fault == throws_away_rows && self->host->table_rows(step->current, 0) < rows_before) {
    return refuse(error, "rows are gone");
  }
  read_rows(self, step->current);
  say(self);
  return PERCH_OK;
}

static perch_result save(void* instance, const perch_state_sink* sink, perch_error* error) {
  struct instance* const self = instance;
  (void)error;
  if (fault == hangs_in_save) sleep_for_ever(NULL);
  if (fault == saves_other_bytes) ++self->totals.saved;
  return sink->write(sink->context, &self->totals, sizeof self->totals);
}

static perch_result stop(void* instance, perch_error* error) {
  (void)instance;
  (void)error;
  if (fault == exits_in_stop) exit(3);
  return PERCH_OK;
}

static void destroy(void* instance) {
  --instances;
  free(instance);
}

#ifdef EXPORTS_MORE
PERCH_EXPORT int another_symbol = 1;
#endif
#ifdef HAS_A_UNIQUE_SYMBOL
__asm__(
    ".pushsection .data\n.globl unique_symbol\n.type unique_symbol, @gnu_unique_object\n.size unique_symbol, "
    "4\n"
    "unique_symbol: .long 1\n.popsection\n");
#endif
#ifdef NEEDS
extern int NEEDS(void);
int (*const needed)(void) = NEEDS;
#endif

PERCH_EXPORT extern const perch_plugin_api perch_plugin;
const perch_plugin_api perch_plugin = {sizeof(perch_plugin_api),
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
