/* largest_trade: the trade with the highest turnover so far. A reader in plain C, against perch/plugin.h
 * alone.
 *
 * Everything that the C++ layer does for its readers is done by hand here: the manifest, the loop over
 * changes in batches, the JSON text, the state as bytes. */
#include <perch/plugin.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trades.h"

PERCH_MANIFEST(
    "{\"abi\":1,\"id\":\"largest_trade\",\"version\":\"1.0.0\","
    "\"state\":{\"version\":1,\"oldest\":1},"
    "\"tables\":[{\"name\":\"trades\",\"key\":\"" TRADES_KEY_LAYOUT "\",\"value\":\"" TRADES_VALUE_LAYOUT
    "\"}],"
    "\"config_schema\":{\"type\":\"object\",\"additionalProperties\":false}}");

enum { trades_table = 0, batch = 32 }; /* the table's index in the manifest */

/* What is saved, byte for byte: no padding, no pointer. */
typedef struct largest {
  trades_key key;
  trades_value value;
  uint64_t trades; /* seen so far; 0: there is no largest one yet */
} largest;

typedef struct reader {
  const perch_host* host;
  largest state;
} reader;

static void say(perch_error* error, const char* message) {
  snprintf(error->message, sizeof error->message, "%s", message);
}

static perch_result create(const perch_host* host, perch_string config, void** instance, perch_error* error) {
  (void)config; /* the host has checked it against the schema, which allows no member */
  reader* self = calloc(1, sizeof *self);
  if (self == NULL) {
    say(error, "out of memory");
    return PERCH_FAILED;
  }
  self->host = host;
  host->wake_every(host->context, UINT64_C(1000000000));
  *instance = self;
  return PERCH_OK;
}

static perch_result restore(void* instance, uint32_t state_version, const void* state, size_t size,
                            perch_error* error) {
  reader* self = instance;
  (void)state_version; /* there is one only */
  if (size != sizeof self->state) {
    say(error, "the state has another size than this version's");
    return PERCH_FAILED;
  }
  memcpy(&self->state, state, size);
  return PERCH_OK;
}

static perch_result start(void* instance, perch_error* error) {
  (void)instance;
  (void)error;
  return PERCH_OK;
}

/* Symbols come from outside: only what needs no escape gets into the JSON text. */
static void copy_symbol(char out[static 9], const char symbol[static 8]) {
  size_t size = 0;
  for (; size < 8 && symbol[size] != '\0'; ++size) {
    const unsigned char c = (unsigned char)symbol[size];
    out[size] = c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '?' : (char)c;
  }
  out[size] = '\0';
}

static void publish(const reader* self) {
  char symbol[9];
  char json[256];
  copy_symbol(symbol, self->state.key.symbol);
  const double turnover = self->state.value.price * self->state.value.size;
  const int size = snprintf(
      json, sizeof json, "{\"symbol\":\"%s\",\"seq\":%" PRIu64 ",\"turnover\":%.17g,\"trades\":%" PRIu64 "}",
      symbol, self->state.key.seq, turnover, self->state.trades);
  if (size <= 0 || (size_t)size >= sizeof json) return;
  const perch_string topic = {"largest", strlen("largest")};
  const perch_string text = {json, (size_t)size};
  self->host->publish(self->host->context, topic, text);
}

/* Whether the trade is the largest now. */
static int take(largest* state, const trades_key* key, const trades_value* value) {
  const double turnover = value->price * value->size;
  const int is_larger = state->trades++ == 0 || turnover > state->value.price * state->value.size;
  if (is_larger && turnover > -1e300 && turnover < 1e300) { /* JSON has no NaN and no infinities */
    state->key = *key;
    state->value = *value;
    return 1;
  }
  return 0;
}

static perch_result on_commit(void* instance, const perch_step* step, perch_error* error) {
  reader* self = instance;
  perch_cursor cursor;
  if (self->host->diff_open(step->previous, step->current, trades_table, &cursor) != PERCH_OK) {
    say(error, "the host refused to compare two versions of trades");
    return PERCH_FAILED;
  }
  trades_key keys[batch];
  perch_change changes[batch];
  int news = 0;
  for (uint32_t count; (count = self->host->diff_next(&cursor, keys, batch, changes)) > 0;) {
    for (uint32_t i = 0; i < count; ++i) {
      if (changes[i].kind == PERCH_INSERTED) news |= take(&self->state, &keys[i], changes[i].new_value);
    }
  }
  if (news) publish(self);
  return PERCH_OK;
}

static perch_result save(void* instance, const perch_state_sink* sink, perch_error* error) {
  const reader* self = instance;
  if (sink->write(sink->context, &self->state, sizeof self->state) == PERCH_OK) return PERCH_OK;
  say(error, "the host did not take the state");
  return PERCH_FAILED;
}

static perch_result stop(void* instance, perch_error* error) {
  (void)instance;
  (void)error;
  return PERCH_OK;
}

static void destroy(void* instance) { free(instance); }

const perch_plugin_api perch_plugin = {
    .struct_size = sizeof(perch_plugin_api),
    .abi_version = PERCH_ABI_VERSION,
    .manifest = PERCH_MANIFEST_TEXT,
    .manifest_size = PERCH_MANIFEST_SIZE,
    .create = create,
    .restore = restore,
    .start = start,
    .on_commit = on_commit,
    .save = save,
    .stop = stop,
    .destroy = destroy,
};
