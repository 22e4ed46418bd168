/* The binary interface between the host and a reader plugin. C11; every declaration is also valid C++20.
 *
 * A plugin is a shared library that exports one data symbol, `perch_plugin` (struct perch_plugin_api), and
 * carries a manifest in an ELF note (see "Manifest" below). C++ authors use perch/plugin.hpp and see none of
 * this.
 *
 * Rules that hold for everything here
 *   - Structs start with their size and grow only at the end; a member may be used when the other side's
 *     struct_size covers it. PERCH_ABI_VERSION changes only when that rule has to be broken.
 *   - No C++ type, exception or ownership of heap memory crosses this interface.
 *   - Strings are UTF-8, given by pointer and size, not NUL-terminated.
 *   - Whatever a function hands out is copied by the receiver before the function that got it returns,
 *     unless a longer life is written beside it.
 *   - A pointer may be NULL only where that is written.
 *
 * Every function says in brackets on which thread and in which state it may be called:
 *   - reader-thread: the one thread that the host runs this instance on, from create to destroy. It is
 *     joined before the library is unloaded.
 *   - any-thread: any thread, the plugin's own included, from create until destroy has returned.
 *   - created: after create returned PERCH_OK.
 *   - active: after start returned PERCH_OK, until stop is called.
 *   - stopped: after stop was called, whatever it returned.
 */
#ifndef PERCH_PLUGIN_H
#define PERCH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PERCH_ABI_VERSION 1u

/* ---- Results ---- */

typedef int32_t perch_result;
enum {
  PERCH_OK = 0,
  PERCH_FAILED = 1,    /* it did not work; perch_error.message says why */
  PERCH_BAD_CONFIG = 2 /* create: the config is wrong; the host does not retry */
};

/* Where a plugin leaves its message. The host passes a zeroed one; text beyond the end is cut. */
typedef struct perch_error {
  char message[512]; /* NUL-terminated */
} perch_error;

typedef struct perch_string {
  const char* data;
  size_t size;
} perch_string;

/* ---- Reading a snapshot ---- */

/* One version of all tables. It never changes. Alive during the call that passed it (on_commit), and, for
 * perch_step.current, until the next on_commit, save or stop of this instance has returned. */
typedef struct perch_snapshot perch_snapshot;

/* A table is named by its index in the plugin's manifest. Keys and values are the records of its layouts. */

/* A range of keys, in key order. from_fields/to_fields count the leading key fields that matter; the others
 * may have any value. 0 fields: no bound at that side (from/to may then be NULL). With fewer fields than the
 * key has, the bound covers every key that starts so. */
typedef struct perch_range {
  uint32_t struct_size;
  uint32_t from_fields;
  uint32_t to_fields;
  uint8_t from_exclusive; /* 0: rows equal to `from` belong to the range */
  uint8_t to_exclusive;   /* 0: rows equal to `to` belong to the range */
  uint8_t reverse;        /* 1: from the last key to the first */
  uint8_t reserved;
  const void* from; /* key record; read during scan_open only */
  const void* to;   /* key record; read during scan_open only */
} perch_range;

/* A position in a scan or diff. The caller's memory, opaque, nothing to close; lives as long as its
 * snapshots. */
typedef struct perch_cursor {
  uint64_t opaque[96];
} perch_cursor;

/* Neighbouring rows. Row i's value is at (const char*)values + i * value_stride; a negative stride is normal
 * in a reverse scan. The stride is the host's and may be larger than the plugin's record. */
typedef struct perch_run {
  uint32_t struct_size;
  uint32_t count;
  const void* values;
  ptrdiff_t value_stride;
} perch_run;

enum { PERCH_INSERTED = 1, PERCH_UPDATED = 2, PERCH_REMOVED = 3 };

/* One net change between two versions. Pointers live as long as both snapshots. */
typedef struct perch_change {
  uint32_t kind; /* PERCH_INSERTED … */
  uint32_t reserved;
  const void* old_value; /* NULL when inserted */
  const void* new_value; /* NULL when removed */
} perch_change;

/* ---- What the host offers ---- */

enum { PERCH_LOG_DEBUG = 0, PERCH_LOG_INFO = 1, PERCH_LOG_WARN = 2, PERCH_LOG_ERROR = 3 };

/* Collects the bytes of a saved state. Alive during save only. */
typedef struct perch_state_sink {
  uint32_t struct_size;
  uint32_t reserved;
  void* context;
  /* [reader-thread, during save] Appends bytes (copied). PERCH_FAILED when the state grows beyond 1 GiB. */
  perch_result (*write)(void* context, const void* bytes, size_t size);
} perch_state_sink;

/* Services, one per instance; valid from create until destroy has returned. */
typedef struct perch_host {
  uint32_t struct_size;
  uint32_t abi_version;
  void* context; /* first argument of the services that take a context */

  /* [any-thread] One line in the host's log, marked with the reader's name. Bounded: a flood is cut and
   * counted. */
  void (*log)(void* context, int32_t level, const char* text, size_t size);
  /* [any-thread] Sends a result, a JSON text, to everyone who listens to the topic. PERCH_FAILED when it is
   * over 256 KiB, over 64 levels deep, or no JSON. Never blocks; bounded like log. */
  perch_result (*publish)(void* context, perch_string topic, perch_string json);
  /* [any-thread] Adds to a counter. At most 64 names of metrics in one instance; further ones are left out,
   * and the log says so once. Never blocks. */
  void (*counter_add)(void* context, perch_string name, double amount);
  /* [any-thread] Sets a gauge. Names as for counter_add. */
  void (*gauge_set)(void* context, perch_string name, double value);
  /* [any-thread] Records a value of a histogram. Names as for counter_add. */
  void (*histogram_record)(void* context, perch_string name, double value);
  /* [reader-thread, create or start] How on_commit wakes: 0 (the default) at once after each commit;
   * otherwise at most once per interval. Either way a step may span several commits. */
  void (*wake_every)(void* context, uint64_t interval_ns);

  /* [any-thread, while the snapshot lives] 1, 2, 3 …; 0 is the empty one before the first commit. */
  uint64_t (*snapshot_version)(const perch_snapshot* snapshot);
  /* [any-thread, while the snapshot lives] When it was committed: nanoseconds since 1970 UTC. */
  int64_t (*snapshot_time_ns)(const perch_snapshot* snapshot);
  /* [any-thread, while the snapshot lives] How many rows the table has. */
  uint64_t (*table_rows)(const perch_snapshot* snapshot, uint32_t table);
  /* [any-thread, while the snapshot lives] The value of a key in place, or NULL. `key` is a key record, read
   * during the call. The value is alive as long as the snapshot. */
  const void* (*get)(const perch_snapshot* snapshot, uint32_t table, const void* key);
  /* [any-thread, while the snapshot lives] Begins a scan. `range` NULL: all rows in order; read during the
   * call. PERCH_FAILED: no such table, or a range that is none; the cursor is then not to be used. */
  perch_result (*scan_open)(const perch_snapshot* snapshot, uint32_t table, const perch_range* range,
                            perch_cursor* cursor);
  /* [any-thread, one at a time for one cursor, while the snapshot lives] The next run of at most max_rows
   * rows; returns its count, 0 at the end. `keys`: room for max_rows key records, filled for the run, or NULL
   * when keys are not needed. */
  uint32_t (*scan_next)(perch_cursor* cursor, void* keys, uint32_t max_rows, perch_run* run);
  /* [any-thread, while both snapshots live] Begins the net changes from `previous` to `current`, in key
   * order. Cost follows the number of changes. PERCH_FAILED as for scan_open. */
  perch_result (*diff_open)(const perch_snapshot* previous, const perch_snapshot* current, uint32_t table,
                            perch_cursor* cursor);
  /* [any-thread, one at a time for one cursor, while both snapshots live] Up to max_changes changes; returns
   * how many, 0 at the end. `keys`: room for max_changes key records, or NULL. */
  uint32_t (*diff_next)(perch_cursor* cursor, void* keys, uint32_t max_changes, perch_change* changes);

  /* [any-thread, while the snapshot lives] get for `count` keys: `keys` are key records, one after the other,
   * and values[i] becomes what get returns for the i-th. Several times faster than as many calls of get,
   * since the look-ups wait for memory together; use at least 16 keys where there are so many. */
  void (*get_many)(const perch_snapshot* snapshot, uint32_t table, const void* keys, size_t count,
                   const void** values);
} perch_host;

/* ---- What a plugin offers ---- */

/* What changed since the last on_commit. The steps (previous, current] of a reader tile all versions: no
 * commit is missed, none is seen twice. The first `previous` is version 0 (empty), or the version restored.
 */
typedef struct perch_step {
  uint32_t struct_size;
  uint32_t reserved;
  const perch_snapshot* previous; /* alive during on_commit */
  const perch_snapshot* current;  /* alive until the next call of this instance has returned */
} perch_step;

/* The life of an instance: create → restore? → start → on_commit… → save… → stop → destroy.
 * All functions are required. None is called concurrently with another one of the same instance. */
typedef struct perch_plugin_api {
  uint32_t struct_size;
  uint32_t abi_version;
  const void* manifest; /* the note's descriptor in memory: must equal the file's */
  uint64_t manifest_size;

  /* [reader-thread] Makes an instance. `host` lives until destroy has returned. `config` is a JSON object
   * that the host has checked against the manifest's schema; it lives during the call. *instance may stay
   * NULL when the plugin needs none. After a failure *instance is not used, and no other function is called.
   */
  perch_result (*create)(const perch_host* host, perch_string config, void** instance, perch_error* error);
  /* [reader-thread, created, not yet active] Takes over a state that an instance of this plugin saved, with
   * the state version that one's manifest named: from "oldest" to "version" of this one's. The state lives
   * during the call. Never called on an instance that starts afresh. After a failure only destroy follows. */
  perch_result (*restore)(void* instance, uint32_t state_version, const void* state, size_t size,
                          perch_error* error);
  /* [reader-thread, created] The instance has all that it starts from. After a failure only destroy follows.
   */
  perch_result (*start)(void* instance, perch_error* error);
  /* [reader-thread, active] Once per step. `step` lives during the call, its snapshots as written there.
   * After a failure stop and destroy follow, and later a new instance is made. */
  perch_result (*on_commit)(void* instance, const perch_step* step, perch_error* error);
  /* [reader-thread, active] Writes the state as of the last on_commit. No side effect: on_commit may follow,
   * also after a failure. `sink` lives during the call. */
  perch_result (*save)(void* instance, const perch_state_sink* sink, perch_error* error);
  /* [reader-thread, active] Whatever it returns, only destroy follows. */
  perch_result (*stop)(void* instance, perch_error* error);
  /* [reader-thread, created or stopped] Frees everything, ends the plugin's own threads. The library may be
   * unloaded as soon as it has returned and the reader's thread has ended. */
  void (*destroy)(void* instance);
} perch_plugin_api;

#if defined(__GNUC__)
#define PERCH_EXPORT __attribute__((visibility("default")))
#else
#define PERCH_EXPORT
#endif

/* The one exported symbol: the plugin defines it. */
#define PERCH_PLUGIN_SYMBOL "perch_plugin"
extern PERCH_EXPORT const perch_plugin_api perch_plugin;

/* ---- Manifest ----
 *
 * An ELF note in section .note.perch: owner "Perch", type PERCH_NOTE_TYPE, descriptor: a JSON text (no NUL):
 *
 *   { "abi": 1, "host_size": 136,                          sizeof(perch_host) at the plugin's build; optional
 *     "id": "vwap", "version": "1.2.0",
 *     "state": { "version": 2, "oldest": 1 },              state versions: written, oldest that restore takes
 *     "tables": [ { "name": "trades", "key": "{symbol:char[8]@0;…}16:8", "value": "{…}24:8",
 *                   "key_hash": "…16 hex digits…", "value_hash": "…" } ],
 *     "config_schema": { … } }                             JSON Schema of the config, {} when anything goes
 *
 * The host reads it from the file before the library is loaded; code of a plugin that does not fit never
 * runs. Ids match [a-z][a-z0-9_-]{0,63}; versions are semver. 64 KiB at most.
 */
#define PERCH_NOTE_SECTION ".note.perch"
#define PERCH_NOTE_OWNER "Perch"
#define PERCH_NOTE_TYPE 1u
#define PERCH_MANIFEST_BYTES_MAX 65536u

/* For plugins in C: puts the manifest, a string literal, where the host reads it. Once, at file scope;
 * perch_plugin.manifest and .manifest_size are then PERCH_MANIFEST_TEXT and PERCH_MANIFEST_SIZE. (Padded to 4
 * bytes and not one more: a note area ends with its last note. The literal's NUL may have no room, which C
 * allows.) */
#define PERCH_MANIFEST(text)                                                               \
  enum { perch_manifest_size = sizeof(text) - 1 };                                         \
  static const struct {                                                                    \
    uint32_t owner_size;                                                                   \
    uint32_t text_size;                                                                    \
    uint32_t type;                                                                         \
    char owner[8];                                                                         \
    char text_bytes[(sizeof(text) + 2) / 4 * 4];                                           \
  } perch_manifest_note __attribute__((section(PERCH_NOTE_SECTION), used, aligned(4))) = { \
      sizeof(PERCH_NOTE_OWNER), perch_manifest_size, PERCH_NOTE_TYPE, PERCH_NOTE_OWNER, text}
#define PERCH_MANIFEST_TEXT perch_manifest_note.text_bytes
#define PERCH_MANIFEST_SIZE perch_manifest_size

#ifdef __cplusplus
}
#endif

#endif
