// The C functions of perch/client.h. No exception leaves them.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "client/connected_host.hpp"
#include "perch/client.h"

struct perch_client {
  std::unique_ptr<perch::client::ConnectedHost> host;
};

struct perch_events {
  perch::client::Client client;
  std::string text;
};

namespace perch::client {
namespace {

using namespace std::chrono_literals;

constexpr auto answer_time_max = 10s;

Deadline soon() { return std::chrono::steady_clock::now() + answer_time_max; }

std::string socket_of(const char* given) {
  if (given != nullptr) return given;
  const char* const wanted = std::getenv("PERCH_SOCKET");
  return wanted != nullptr ? wanted : "run/perch.sock";
}

void put_message(perch_error* error, std::string_view text) {
  if (error == nullptr) return;
  const std::string_view cut = cut_text(text, sizeof error->message - 1);
  std::memcpy(error->message, cut.data(), cut.size());
  error->message[cut.size()] = '\0';
}

perch_result result_of(const Failure& failure, bool is_connected) {
  switch (failure.exit_code) {
    case exit_no_host:
      return is_connected ? PERCH_ENDED : PERCH_NO_HOST;
    case exit_timeout:
      return PERCH_TIMEOUT;
    case exit_incompatible:
      return PERCH_INCOMPATIBLE;
    default:
      if (failure.error.kind == ErrorKind::refused) return PERCH_REFUSED;
      return PERCH_FAILED;
  }
}

perch_result tell(const Failure& failure, perch_error* error, bool is_connected = true) {
  std::string text = failure.error.message;
  for (const std::string& line : failure.error.details) text += "\n  " + line;
  put_message(error, text);
  return result_of(failure, is_connected);
}

template <class Body>
perch_result guarded(perch_error* error, Body body) noexcept {
  try {
    return body();
  } catch (const std::exception& exception) {
    put_message(error, exception.what());
    return PERCH_FAILED;
  }
}

perch_result misuse(perch_error* error, const char* what) {
  put_message(error, what);
  return PERCH_FAILED;
}

void describe(const tables::Table& table, std::uint32_t index, perch_table& out) {
  out.index = index;
  out.name = table.name().c_str();
  out.key_layout = table.key().text().c_str();
  out.value_layout = table.value().text().c_str();
  out.key_hash = table.key().hash();
  out.value_hash = table.value().hash();
  out.key_size = table.key().size();
  out.value_size = table.value().size();
}

/// Nothing where nobody wants it; zeros where there is nothing.
void put(void* array, std::size_t stride, std::uint64_t index, const void* record, std::size_t size) {
  if (array == nullptr) return;
  char* const place = static_cast<char*>(array) + index * stride;
  if (record != nullptr) {
    std::memcpy(place, record, size);
  } else {
    std::memset(place, 0, size);
  }
}

constexpr std::uint64_t batch_max = 64;

/// Null: there is no such table.
const tables::Table* table_at(const perch_client* client, std::uint32_t index) {
  const auto& tables = client->host->tables();
  return index < tables.size() ? &*tables[index] : nullptr;
}

/// Copies up to `items_max` items of a table, a batch at a time. `next(keys, wanted)` fetches a batch and
/// says how many items it has; `put_item(item, index, key)` puts one of them into place `index` of the
/// caller's arrays.
template <class Next, class PutItem>
std::uint64_t copy_items(const tables::Table& table, std::uint64_t items_max, Next next, PutItem put_item) {
  const std::size_t key_size = table.key().size();
  std::array<char, batch_max * 512> keys;
  PERCH_ASSERT(key_size <= keys.size() / batch_max, "a key of at most 64 words");
  std::uint64_t done = 0;
  while (done < items_max) {
    const std::uint32_t count =
        next(keys.data(), static_cast<std::uint32_t>(std::min(items_max - done, batch_max)));
    if (count == 0) break;
    for (std::uint32_t item = 0; item < count; ++item, ++done)
      put_item(item, done, keys.data() + item * key_size);
  }
  return done;
}

bool has_room(const perch_table* table) {
  return table != nullptr && table->struct_size >= sizeof(perch_table);
}

}  // namespace
}  // namespace perch::client

using namespace perch::client;

extern "C" {

perch_result perch_connect(const char* socket, const char* name, perch_client** client, perch_error* error) {
  return guarded(error, [&]() -> perch_result {
    if (client == nullptr) return misuse(error, "perch_connect needs somewhere to put the client");
    *client = nullptr;
    auto host = ConnectedHost::connect(socket_of(socket), name != nullptr ? name : "client", soon());
    if (!host) return tell(host.error(), error, false);
    *client = new perch_client{std::move(*host)};
    return PERCH_OK;
  });
}

void perch_close(perch_client* client) { delete client; }

uint32_t perch_table_count(const perch_client* client) {
  return static_cast<std::uint32_t>(client->host->tables().size());
}

perch_result perch_table_at(const perch_client* client, uint32_t index, perch_table* table) {
  const perch::tables::Table* const found = table_at(client, index);
  if (found == nullptr || !has_room(table)) return PERCH_FAILED;
  describe(*found, index, *table);
  return PERCH_OK;
}

perch_result perch_find_table(const perch_client* client, const char* name, perch_table* table,
                              perch_error* error) {
  return guarded(error, [&]() -> perch_result {
    if (name == nullptr || !has_room(table))
      return misuse(error, "perch_find_table needs a name, and a perch_table whose struct_size is set");
    const auto& tables = client->host->tables();
    for (std::uint32_t i = 0; i < tables.size(); ++i) {
      if (tables[i]->name() != name) continue;
      describe(*tables[i], i, *table);
      return PERCH_OK;
    }
    put_message(error, client->host->catalog().unknown_table(name).message);
    return PERCH_FAILED;
  });
}

perch_result perch_bind(perch_client* client, const perch_wanted_table* tables, uint32_t count,
                        perch_error* error) {
  return guarded(error, [&]() -> perch_result {
    std::vector<perch::tables::WantedTable> wanted;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (tables[i].name == nullptr) return misuse(error, "perch_bind: a table without a name");
      const auto text = [](const char* layout) {
        return layout != nullptr ? std::string(layout) : std::string();
      };
      wanted.push_back({tables[i].name, text(tables[i].key_layout), text(tables[i].value_layout)});
    }
    const auto bound = client->host->bind(wanted);
    return bound ? PERCH_OK : tell(bound.error(), error);
  });
}

perch_result perch_refresh(perch_client* client, perch_error* error) {
  return guarded(error, [&]() -> perch_result {
    const auto refreshed = client->host->refresh(soon());
    return refreshed ? PERCH_OK : tell(refreshed.error(), error);
  });
}

const perch_host* perch_functions(const perch_client* client) { return &client->host->functions(); }

perch_result perch_pin(perch_client* client, const perch_snapshot** snapshot, perch_error* error) {
  return guarded(error, [&]() -> perch_result {
    *snapshot = nullptr;
    const auto pinned = client->host->pin();
    if (!pinned) return tell(pinned.error(), error);
    *snapshot = *pinned;
    return PERCH_OK;
  });
}

void perch_unpin(perch_client* client, const perch_snapshot* snapshot) {
  guarded(nullptr, [&]() -> perch_result {
    client->host->unpin(snapshot);
    return PERCH_OK;
  });
}

uint64_t perch_copy_rows(const perch_client* client, uint32_t table, perch_cursor* cursor, void* keys,
                         size_t key_stride, void* values, size_t value_stride, uint64_t max_rows) {
  const perch::tables::Table* const from = table_at(client, table);
  if (from == nullptr) return 0;
  perch_run run{sizeof run, 0, nullptr, 0};
  return copy_items(
      *from, max_rows,
      [&](char* batch_keys, std::uint32_t wanted) {
        return client->host->functions().scan_next(cursor, keys != nullptr ? batch_keys : nullptr, wanted,
                                                   &run);
      },
      [&](std::uint32_t item, std::uint64_t index, const char* key) {
        put(keys, key_stride, index, key, from->key().size());
        put(values, value_stride, index, static_cast<const char*>(run.values) + item * run.value_stride,
            from->value().size());
      });
}

uint64_t perch_copy_changes(const perch_client* client, uint32_t table, perch_cursor* cursor, uint32_t* kinds,
                            void* keys, size_t key_stride, void* old_values, size_t old_stride,
                            void* new_values, size_t new_stride, uint64_t max_changes) {
  const perch::tables::Table* const from = table_at(client, table);
  if (from == nullptr) return 0;
  std::array<perch_change, batch_max> changes;
  return copy_items(
      *from, max_changes,
      [&](char* batch_keys, std::uint32_t wanted) {
        return client->host->functions().diff_next(cursor, batch_keys, wanted, changes.data());
      },
      [&](std::uint32_t item, std::uint64_t index, const char* key) {
        const perch_change& change = changes[item];
        if (kinds != nullptr) kinds[index] = change.kind;
        put(keys, key_stride, index, key, from->key().size());
        put(old_values, old_stride, index, change.old_value, from->value().size());
        put(new_values, new_stride, index, change.new_value, from->value().size());
      });
}

uint64_t perch_version(const perch_client* client) { return client->host->version(); }

perch_result perch_wait(perch_client* client, uint64_t seen, int64_t timeout_ns) {
  return guarded(nullptr, [&]() -> perch_result {
    const auto waited = client->host->wait(seen, timeout_ns);
    return waited ? PERCH_OK : result_of(waited.error(), true);
  });
}

perch_result perch_listen(const char* socket, const char* filter, perch_events** events, perch_error* error) {
  return guarded(error, [&]() -> perch_result {
    if (events == nullptr) return misuse(error, "perch_listen needs somewhere to put the events");
    *events = nullptr;
    const Json parameters =
        Json::parse(filter != nullptr ? filter : "{}", nullptr, /*allow_exceptions=*/false);
    if (!parameters.is_object()) return misuse(error, "the filter is no JSON object");
    auto client = Client::connect(socket_of(socket), soon());
    if (!client) return tell(client.error(), error, false);
    if (const auto answer = client->call("events.subscribe", parameters, soon()); !answer)
      return tell(answer.error(), error);
    *events = new perch_events{std::move(*client), {}};
    return PERCH_OK;
  });
}

perch_result perch_next_event(perch_events* events, int64_t timeout_ns, perch_string* json,
                              perch_error* error) {
  return guarded(error, [&]() -> perch_result {
    constexpr auto without_end = std::chrono::hours(24 * 365 * 100);
    const auto wait =
        timeout_ns < 0 ? std::chrono::nanoseconds(without_end) : std::chrono::nanoseconds(timeout_ns);
    const auto next = events->client.next_notification(std::chrono::steady_clock::now() + wait, -1);
    if (!next) return tell(next.error(), error);
    Json event = (**next).at("params");
    if ((**next).at("method") == "events.dropped") event["kind"] = "dropped";
    events->text = event.dump(-1, ' ', false, Json::error_handler_t::replace);
    *json = {events->text.data(), events->text.size()};
    return PERCH_OK;
  });
}

void perch_events_close(perch_events* events) { delete events; }

}  // extern "C"
