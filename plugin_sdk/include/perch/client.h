/* libperch: reads a host's live tree from a process of its own. C11; every declaration is also valid C++20.
 *
 * A client connects to the host's control socket, gets the tree's memory read-only, and from then on reads by
 * itself: what a pinned version costs, and how its rows are read, is the same as in a reader plugin, and the
 * functions that read are the same ones (perch_host in perch/plugin.h). C++ authors use perch/client.hpp.
 *
 *   perch_error error = {0};
 *   perch_client* client = NULL;
 *   if (perch_connect(NULL, "my-tool", &client, &error) != PERCH_OK) { … error.message … }
 *   const perch_host* host = perch_functions(client);
 *   const perch_snapshot* snapshot = NULL;
 *   if (perch_pin(client, &snapshot, &error) == PERCH_OK) {
 *     … host->table_rows(snapshot, 0) …
 *     perch_unpin(client, snapshot);
 *   }
 *   perch_close(client);
 *
 * Rules
 *   - A pinned version never changes, and costs the host memory as long as it is pinned. A process that holds
 *     back too much (readers.retain_max of the host's config) is warned in the host's log, then killed.
 *   - A client is not inherited by fork(2): the child has none of its memory.
 *   - When the host ends, perch_wait and perch_pin say so (PERCH_ENDED); what is pinned stays readable until
 *     perch_close. Connect again for the next host.
 *   - Any thread may call anything, but where it is written otherwise.
 *
 * pkg-config: perch. CMake: find_package(perch), perch::client.
 */
#ifndef PERCH_CLIENT_H
#define PERCH_CLIENT_H

#include "perch/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Beside PERCH_OK and PERCH_FAILED: */
enum {
  PERCH_TIMEOUT = 3,      /* the time was over first */
  PERCH_ENDED = 4,        /* the host has ended, or ended the connection */
  PERCH_NO_HOST = 5,      /* nobody answers at the socket */
  PERCH_INCOMPATIBLE = 6, /* built for other tables, or another format, than the host's */
  PERCH_REFUSED = 7       /* the host does not let this process read, or not that much */
};

typedef struct perch_client perch_client;

/* Connects. `socket` NULL: $PERCH_SOCKET, else run/perch.sock. `name`: what the host calls this process where
 * it shows who pins what; 1 to 64 bytes. Waits up to 10 s. On success *client is to be closed. */
PERCH_EXPORT perch_result perch_connect(const char* socket, const char* name, perch_client** client,
                                        perch_error* error);
/* Gives everything back; every snapshot of the client is invalid. No other call may be under way. NULL:
 * nothing. */
PERCH_EXPORT void perch_close(perch_client* client);

/* ---- Tables ----
 * Named by their index: at first all of the host's, in its order; after perch_bind those, in that order. */

typedef struct perch_table {
  uint32_t struct_size; /* set it to sizeof(perch_table) */
  uint32_t index;
  const char* name;
  const char* key_layout; /* canonical text, "{symbol:char[8]@0;seq:uint64@8}16:8" */
  const char* value_layout;
  uint64_t key_hash; /* FNV-1a of the texts */
  uint64_t value_hash;
  uint32_t key_size;   /* bytes of a key record */
  uint32_t value_size; /* bytes of a value record; rows may lie further apart, see perch_run */
} perch_table;

PERCH_EXPORT uint32_t perch_table_count(const perch_client* client);
/* The strings live until perch_bind, perch_refresh or perch_close. PERCH_FAILED: no such index. */
PERCH_EXPORT perch_result perch_table_at(const perch_client* client, uint32_t index, perch_table* table);
/* PERCH_FAILED: no such table; the message names the nearest. */
PERCH_EXPORT perch_result perch_find_table(const perch_client* client, const char* name, perch_table* table,
                                           perch_error* error);

typedef struct perch_wanted_table {
  const char* name;
  const char* key_layout; /* canonical text that this program was built with, or NULL: whatever it is */
  const char* value_layout;
} perch_wanted_table;

/* From now on these are the client's tables. PERCH_INCOMPATIBLE when one does not fit: key layouts must be
 * equal, value records may go on behind what is wanted; the message names every difference, as far as it has
 * room. Nothing may be pinned. */
PERCH_EXPORT perch_result perch_bind(perch_client* client, const perch_wanted_table* tables, uint32_t count,
                                     perch_error* error);
/* Asks the host again for its tables, which may have become more; all of them are the client's then. Nothing
 * may be pinned. */
PERCH_EXPORT perch_result perch_refresh(perch_client* client, perch_error* error);

/* ---- Reading ---- */

/* The functions that read: snapshot_version, snapshot_time_ns, table_rows, get, get_many, scan_open,
 * scan_next, diff_open, diff_next; the others are NULL. As long as the client. */
PERCH_EXPORT const perch_host* perch_functions(const perch_client* client);

/* Pins the newest version. Some 10 ns; never waits for the host. PERCH_ENDED: the host has ended.
 * PERCH_REFUSED: a process can pin about 1000 at once. */
PERCH_EXPORT perch_result perch_pin(perch_client* client, const perch_snapshot** snapshot,
                                    perch_error* error);
/* The snapshot is invalid from here on. */
PERCH_EXPORT void perch_unpin(perch_client* client, const perch_snapshot* snapshot);

/* In bulk, for callers to whom a call per run is dear: up to max_rows rows of a scan, copied, row i's key
 * record to (char*)keys + i * key_stride and its value record to (char*)values + i * value_stride; either may
 * be NULL. Returns how many, 0 at the end. `table`: that of the cursor. */
PERCH_EXPORT uint64_t perch_copy_rows(const perch_client* client, uint32_t table, perch_cursor* cursor,
                                      void* keys, size_t key_stride, void* values, size_t value_stride,
                                      uint64_t max_rows);
/* The same of a diff. kinds[i]: PERCH_INSERTED …; the value that a change has not is zeroed. */
PERCH_EXPORT uint64_t perch_copy_changes(const perch_client* client, uint32_t table, perch_cursor* cursor,
                                         uint32_t* kinds, void* keys, size_t key_stride, void* old_values,
                                         size_t old_stride, void* new_values, size_t new_stride,
                                         uint64_t max_changes);

/* The newest version's number. */
PERCH_EXPORT uint64_t perch_version(const perch_client* client);
/* Sleeps until a version other than `seen` is there. PERCH_TIMEOUT after timeout_ns (negative: no bound);
 * PERCH_ENDED as soon as the host has ended. */
PERCH_EXPORT perch_result perch_wait(perch_client* client, uint64_t seen, int64_t timeout_ns);

/* ---- Results of readers, and what happens to them ---- */

typedef struct perch_events perch_events;

/* Listens from now on. `filter`: NULL for all, or the parameters of events.subscribe as a JSON object, such
 * as
 * {"reader":"vwap","kinds":["publication"]}. */
PERCH_EXPORT perch_result perch_listen(const char* socket, const char* filter, perch_events** events,
                                       perch_error* error);
/* The next one, as a JSON object with kind, reader, topic, version, data …; the text lives until the next
 * call.
 * {"kind":"dropped","count":n}: so many were missed since this process was too slow. One thread at a time. */
PERCH_EXPORT perch_result perch_next_event(perch_events* events, int64_t timeout_ns, perch_string* json,
                                           perch_error* error);
PERCH_EXPORT void perch_events_close(perch_events* events);

#ifdef __cplusplus
}
#endif

#endif
