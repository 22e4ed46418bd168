/* A reader that counts its steps and breaks the rule of the interface that its config names, in the function
 * where it is broken. The gauge steps counts steps (it is the state), step_size shows the config, and wrong
 * counts host services that did not refuse what they must.
 */
#define _GNU_SOURCE
#include <perch/plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef MARK_CONSTRUCTOR
#include "leaves_mark.h"
#endif

#ifndef VERSION
#define VERSION "1.0.0"
#endif
#if defined(STRICTER_SCHEMA)
#define SCHEMA "{\"properties\":{\"step_size\":{\"maximum\":5}},\"required\":[\"step_size\"]}"
#elif defined(UNUSABLE_SCHEMA)
#define SCHEMA "{\"$ref\":\"other.json\"}"
#else
#define SCHEMA                                                                                           \
  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"break\":{\"type\":\"string\"}," \
  "\"step_size\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"description\":\"how far a step "  \
  "counts\"}}}"
#endif

#define MANIFEST                                              \
  "{\"abi\":1,\"id\":\"breaks_rules\",\"version\":\"" VERSION \
  "\",\"tables\":[{\"name\":\"rows\",\"key\":"                \
  "\"{id:uint64@0}8:8\",\"value\":\"{amount:int64@0;check:uint64@8}16:8\"}],\"config_schema\":" SCHEMA "}"

PERCH_MANIFEST(MANIFEST);

struct instance {
  const perch_host* host;
  char rule[32];
  double steps;
  double wrong;
  const perch_snapshot* kept_snapshot;
  perch_cursor kept_cursor;
  const perch_state_sink* kept_sink;
};

static int breaks(const struct instance* self, const char* rule) { return strcmp(self->rule, rule) == 0; }

/* What the host must have refused. */
static void expect(struct instance* self, int is_refused) {
  if (!is_refused) ++self->wrong;
}

static void gauge(const struct instance* self, const char* name, double value) {
  self->host->gauge_set(self->host->context, (perch_string){name, strlen(name)}, value);
}

/* ---- Host services, wrongly called in on_commit */

static void* wake_on_another_thread(void* instance) {
  const struct instance* const self = instance;
  self->host->wake_every(self->host->context, 3600000000000u);
  return NULL;
}

static void break_services(struct instance* self) {
  const perch_host* const host = self->host;
  const perch_string text = {"{}", 2};
  const perch_string none = {NULL, 5};
  if (breaks(self, "wake_late")) host->wake_every(host->context, 3600000000000u);
  if (breaks(self, "wake_elsewhere")) {
    pthread_t thread;
    pthread_create(&thread, NULL, wake_on_another_thread, self);
    pthread_join(thread, NULL);
  }
  if (breaks(self, "null_texts")) {
    host->log(host->context, PERCH_LOG_INFO, NULL, 5);
    expect(self, host->publish(host->context, text, none) == PERCH_FAILED);
    expect(self, host->publish(host->context, none, text) == PERCH_FAILED);
    host->counter_add(host->context, none, 1);
    host->gauge_set(host->context, none, 1);
    host->histogram_record(host->context, none, 1);
  }
}

/* Snapshot functions, wrongly called in on_commit. */
static void break_reads(struct instance* self, const perch_step* step) {
  const perch_host* const host = self->host;
  const uint64_t key = 1;
  const void* value = &key;
  perch_cursor cursor;
  memset(&cursor, 0, sizeof cursor);
  perch_run run = {sizeof run, 0, NULL, 0};
  perch_change change;
  if (breaks(self, "table_index")) {
    expect(self, host->table_rows(step->current, 7) == 0);
    expect(self, host->get(step->current, 7, &key) == NULL);
    host->get_many(step->current, 7, &key, 1, &value);
    expect(self, value == NULL);
    expect(self, host->scan_open(step->current, 7, NULL, &cursor) == PERCH_FAILED);
    expect(self, host->scan_next(&cursor, NULL, 1, &run) == 0);
    expect(self, host->diff_open(step->previous, step->current, 7, &cursor) == PERCH_FAILED);
  }
  if (breaks(self, "null_pointers")) {
    expect(self, host->get(step->current, 0, NULL) == NULL);
    host->get_many(step->current, 0, NULL, 1, &value);
    expect(self, value == NULL);
    host->get_many(step->current, 0, &key, 1, NULL);
    expect(self, host->scan_open(step->current, 0, NULL, NULL) == PERCH_FAILED);
    expect(self, host->scan_next(NULL, NULL, 1, &run) == 0);
    expect(self, host->diff_open(step->previous, step->current, 0, NULL) == PERCH_FAILED);
    expect(self, host->diff_next(NULL, NULL, 1, &change) == 0);
    host->scan_open(step->current, 0, NULL, &cursor);
    expect(self, host->scan_next(&cursor, NULL, 1, NULL) == 0);
    host->diff_open(step->previous, step->current, 0, &cursor);
    expect(self, host->diff_next(&cursor, NULL, 1, NULL) == 0);
  }
  if (breaks(self, "no_snapshot")) {
    const uint64_t other_memory[16] = {0};
    const perch_snapshot* const foreign = (const perch_snapshot*)other_memory;
    expect(self, host->snapshot_version(NULL) == 0);
    expect(self, host->snapshot_time_ns(foreign) == 0);
    expect(self, host->table_rows(foreign, 0) == 0);
    expect(self, host->get(foreign, 0, &key) == NULL);
    expect(self, host->scan_open(foreign, 0, NULL, &cursor) == PERCH_FAILED);
    expect(self, host->diff_open(foreign, step->current, 0, &cursor) == PERCH_FAILED);
    expect(self, host->diff_open(step->previous, NULL, 0, &cursor) == PERCH_FAILED);
  }
  if (breaks(self, "cursor_not_opened")) {
    expect(self, host->scan_next(&cursor, NULL, 1, &run) == 0);
    expect(self, host->diff_next(&cursor, NULL, 1, &change) == 0);
  }
  if (breaks(self, "cursor_outlives_snapshot")) {
    if (self->steps > 0) expect(self, host->scan_next(&self->kept_cursor, NULL, 1, &run) == 0);
    host->scan_open(step->previous, 0, NULL, &self->kept_cursor);
  }
  if (breaks(self, "struct_sizes")) {
    const perch_range range = {4, 0, 0, 0, 0, 0, 0, NULL, NULL};
    expect(self, host->scan_open(step->current, 0, &range, &cursor) == PERCH_FAILED);
    host->scan_open(step->current, 0, NULL, &cursor);
    run.struct_size = 8;
    expect(self, host->scan_next(&cursor, NULL, 1, &run) == 0);
  }
}

/* ---- The interface */

static perch_result create(const perch_host* host, perch_string config, void** made, perch_error* error) {
  struct instance* const self = calloc(1, sizeof *self);
  self->host = host;
  char* const text = strndup(config.data, config.size);
  const char* const rule = strstr(text, "\"break\":\"");
  if (rule != NULL) sscanf(rule + strlen("\"break\":\""), "%31[^\"]", self->rule);
  const char* const size = strstr(text, "\"step_size\":");
  gauge(self, "step_size", size != NULL ? strtod(size + strlen("\"step_size\":"), NULL) : 1);
  free(text);
  if (breaks(self, "unknown_result_of_create")) {
    snprintf(error->message, sizeof error->message, "as told");
    free(self);
    return -3;
  }
  *made = self;
  return PERCH_OK;
}

static perch_result restore(void* instance, uint32_t state_version, const void* state, size_t size,
                            perch_error* error) {
  struct instance* const self = instance;
  (void)state_version;
  (void)error;
  if (size != sizeof self->steps) return PERCH_FAILED;
  memcpy(&self->steps, state, size);
  return PERCH_OK;
}

static perch_result start(void* instance, perch_error* error) {
  const struct instance* const self = instance;
  snprintf(error->message, sizeof error->message, "as told");
  gauge(self, "steps", self->steps);
  return breaks(self, "bad_config_in_start") ? PERCH_BAD_CONFIG : PERCH_OK;
}

static perch_result on_commit(void* instance, const perch_step* step, perch_error* error) {
  struct instance* const self = instance;
  break_services(self);
  break_reads(self, step);
  self->kept_snapshot = step->previous;
  if (breaks(self, "sink_after_save") && self->kept_sink != NULL) {
    expect(self, self->kept_sink->write(self->kept_sink->context, "late", 4) == PERCH_FAILED);
  }
  if (breaks(self, "unknown_result")) return 77;
  if (breaks(self, "message_without_nul")) {
    memset(error->message, 'x', sizeof error->message);
    return PERCH_FAILED;
  }
  ++self->steps;
  gauge(self, "steps", self->steps);
  gauge(self, "wrong", self->wrong);
  return PERCH_OK;
}

static perch_result save(void* instance, const perch_state_sink* sink, perch_error* error) {
  struct instance* const self = instance;
  (void)error;
  self->kept_sink = sink;
  if (breaks(self, "dead_snapshot")) expect(self, self->host->snapshot_version(self->kept_snapshot) == 0);
  if (breaks(self, "state_too_large")) {
    /* Refused by its size alone: nothing is read. */
    expect(self, sink->write(sink->context, &self->steps, (size_t)2 << 30) == PERCH_FAILED);
  }
  if (breaks(self, "null_state")) expect(self, sink->write(sink->context, NULL, 5) == PERCH_FAILED);
  const perch_result written = sink->write(sink->context, &self->steps, sizeof self->steps);
  gauge(self, "wrong", self->wrong);
  return breaks(self, "state_too_large") || breaks(self, "null_state") ? PERCH_OK : written;
}

static perch_result stop(void* instance, perch_error* error) {
  (void)instance;
  (void)error;
  return PERCH_OK;
}

static void destroy(void* instance) { free(instance); }

#define MEMBERS(size)                                                                                     \
  {                                                                                                       \
    size, PERCH_ABI_VERSION, PERCH_MANIFEST_TEXT, PERCH_MANIFEST_SIZE, create, restore, start, on_commit, \
        save, stop, destroy                                                                               \
  }

#ifdef LARGER_INTERFACE
/* A newer plugin of the same interface version: it has members that this host does not know. */
struct larger_api {
  perch_plugin_api known;
  void (*more[4])(void);
};
PERCH_EXPORT extern const struct larger_api larger_plugin __asm__(PERCH_PLUGIN_SYMBOL);
const struct larger_api larger_plugin = {MEMBERS(sizeof larger_plugin), {NULL, NULL, NULL, NULL}};
#else
const perch_plugin_api perch_plugin = MEMBERS(sizeof perch_plugin);
#endif
