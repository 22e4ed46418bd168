/* Rows that verify themselves: `verified feed KEYS` writes them as NDJSON as fast as they are taken,
 * `verified read` reads them through libperch, checks each one, and exits with 3 at the first that is wrong.
 */
#include <inttypes.h>
#include <perch/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct row {
  uint64_t generation, check;
};

static uint64_t check_of(uint64_t id, uint64_t generation) {
  const uint64_t mixed = generation * 0xC2B2AE3D27D4EB4Fu;
  return (id + 1) * 0x9E3779B97F4A7C15u ^ (mixed << 17 | mixed >> 47);
}

static int feed(uint64_t keys) {
  uint64_t state = 88172645463325252u;
  for (uint64_t generation = 0;; ++generation) {
    uint64_t id = generation;
    if (generation >= keys) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      id = state % keys;
    }
    if (printf("{\"id\":%" PRIu64 ",\"generation\":%" PRIu64 ",\"check\":%" PRIu64 "}\n", id, generation,
               check_of(id, generation)) < 0)
      return 0;
  }
}

static void wrong(const char* what, uint64_t id) {
  fprintf(stderr, "WRONG: %s, row %" PRIu64 "\n", what, id);
  exit(3);
}

static uint64_t look_at_all(const perch_host* host, const perch_snapshot* snapshot) {
  perch_cursor cursor;
  perch_run run = {.struct_size = sizeof run};
  uint64_t keys[64], rows = 0;
  if (host->scan_open(snapshot, 0, NULL, &cursor) != PERCH_OK) wrong("no scan", 0);
  while (host->scan_next(&cursor, keys, 64, &run) > 0) {
    for (uint32_t i = 0; i < run.count; ++i, ++rows) {
      const struct row* row = (const struct row*)((const char*)run.values + i * run.value_stride);
      if (keys[i] != rows) wrong("a key is missing", keys[i]);
      if (row->check != check_of(keys[i], row->generation)) wrong("its check does not fit", keys[i]);
    }
  }
  if (rows != host->table_rows(snapshot, 0)) wrong("another number of rows than the table has", rows);
  return rows;
}

static int read_rows(void) {
  perch_error error = {{0}};
  perch_client* client = NULL;
  if (perch_connect(NULL, "verified", &client, &error) != PERCH_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  const perch_host* host = perch_functions(client);
  for (unsigned round = 0;; ++round) {
    const perch_snapshot *held = NULL, *newer = NULL;
    if (perch_pin(client, &held, &error) != PERCH_OK) break;
    const uint64_t before = look_at_all(host, held);
    const uint64_t version = host->snapshot_version(held);
    if (perch_wait(client, version, -1) != PERCH_OK) break;
    if (perch_pin(client, &newer, &error) != PERCH_OK) break;
    perch_cursor cursor;
    perch_change changes[64];
    uint64_t keys[64];
    if (host->diff_open(held, newer, 0, &cursor) != PERCH_OK) wrong("no diff", 0);
    for (uint32_t count; (count = host->diff_next(&cursor, keys, 64, changes)) > 0;) {
      for (uint32_t i = 0; i < count; ++i) {
        const struct row* row = changes[i].new_value;
        if (row == NULL || row->check != check_of(keys[i], row->generation))
          wrong("a change does not fit", keys[i]);
      }
    }
    if (look_at_all(host, held) != before) wrong("a pinned version has changed", before);
    perch_unpin(client, held);
    perch_unpin(client, newer);
    if (round == 0 && write(STDOUT_FILENO, "reading\n", 8) != 8) return 1;
  }
  perch_close(client);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "feed") == 0) return feed(strtoull(argv[2], NULL, 10));
  if (argc == 2 && strcmp(argv[1], "read") == 0) return read_rows();
  fprintf(stderr, "verified feed KEYS | verified read\n");
  return 2;
}
