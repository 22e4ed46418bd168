// host.*, source.*, snapshot.*, log.*: the host as a whole.
#include <unistd.h>

#include "base/log.hpp"
#include "base/process_usage.hpp"
#include "base/units.hpp"
#include "control/method.hpp"
#include "control/snapshots_json.hpp"
#include "control/status_json.hpp"

namespace perch::control {
namespace {

Json sources_json(const Host& host) {
  Json sources = Json::array();
  for (const auto& source : host.ingest.sources()) sources.push_back(to_json(source));
  return sources;
}

Json tables_json(const Host& host) {
  const tree::SharedSnapshot snapshot = host.store.reads().acquire();
  const std::vector<std::uint64_t> evicted = host.ingest.evicted_rows();
  const std::vector<std::uint64_t> late = host.ingest.late_rows();
  Json tables = Json::array();
  for (const tables::TablePtr& table : host.catalog.tables()) {
    const tree::TableIndex index = table->index();
    Json one{{"name", table->name()},
             {"rows", snapshot->snapshot().rows(index)},
             {"evicted_rows", index < evicted.size() ? evicted[index] : 0}};
    if (table->rollup()) {
      one["rollup_of"] = table->rollup()->spec().of;
      one["late_rows"] = index < late.size() ? late[index] : 0;
    }
    tables.push_back(std::move(one));
  }
  return tables;
}

Json process_json() {
  const ProcessUsage usage = process_usage();
  return {{"heap_bytes", usage.heap_bytes},
          {"shared_bytes", usage.shared_bytes},
          {"threads", usage.threads},
          {"descriptors", usage.descriptors}};
}

void status(const Call& call) {
  const Host& host = call.host;
  const std::vector<instances::PinnedVersion> pinned = pinned_versions(host);
  const Json status{{"name", host.name},
                    {"version", host.version},
                    {"pid", ::getpid()},
                    {"started_ns", host.started_ns},
                    {"uptime_ns", unix_now_ns() - host.started_ns},
                    {"published_version", host.store.reads().published_version()},
                    {"commits", to_json(host.ingest.commits())},
                    {"tables", tables_json(host)},
                    {"memory", to_json(host.store.stats())},
                    {"process", process_json()},
                    {"sources", sources_json(host)},
                    {"readers", readers_json(host, pinned)},
                    {"snapshots", snapshots_json(pinned)},
                    {"degraded", host.readers.degraded()},
                    {"probation_ns", host.probation.count()},
                    {"events", host.events.published()},
                    {"log", {{"level", log::level()}, {"dropped", log::dropped()}}}};
  call.answer(to_text(status));
}

void methods(const Call& call) {
  Json list = Json::array();
  for (const Method& method : all_methods()) {
    Json parameters = Json::array();
    for (const Parameter& parameter : method.parameters) {
      parameters.push_back({{"name", parameter.name},
                            {"type", to_string(parameter.type)},
                            {"required", parameter.required},
                            {"description", parameter.description}});
    }
    list.push_back({{"name", method.name},
                    {"summary", method.summary},
                    {"changes", method.changes},
                    {"parameters", std::move(parameters)}});
  }
  call.answer(to_text(Json{{"methods", std::move(list)}}));
}

void reload(const Call& call) {
  if (!call.host.reload)
    return call.answer(fail(ErrorKind::refused, "this host has no config file to reload"));
  call.host.reload([answer = call.answer](const Result<ReloadReport>& done) {
    if (!done) return answer(fail(done.error()));
    answer(to_text(Json{{"added_tables", done->added_tables},
                        {"added_sources", done->added_sources},
                        {"removed_sources", done->removed_sources},
                        {"changed_sources", done->changed_sources},
                        {"added_readers", done->added_readers},
                        {"removed_readers", done->removed_readers},
                        {"changed_readers", done->changed_readers},
                        {"other", done->other},
                        {"problems", done->problems}}));
  });
}

void sources(const Call& call) { call.answer(to_text(Json{{"sources", sources_json(call.host)}})); }

void snapshots(const Call& call) {
  call.answer(to_text(Json{{"published_version", call.host.store.reads().published_version()},
                           {"retained_bytes", call.host.store.stats().retained_bytes},
                           {"snapshots", snapshots_json(pinned_versions(call.host))}}));
}

void log_level(const Call& call) {
  if (call.has("level")) {
    if (!may_change(call.connection.role())) {
      call.answer(fail(ErrorKind::refused, "log.level changes the host: a level is not for viewers to give"));
      return;
    }
    if (const auto set = log::set_level(call.text("level")); !set) {
      call.answer(fail(set.error()));
      return;
    }
  }
  call.answer(to_text(Json{{"level", log::level()}}));
}

}  // namespace

std::span<const Method> host_methods() {
  static const std::vector<Method> table{
      {"host.status",
       "The host at a glance: version, commits, tables, memory, sources, readers, pinned versions",
       false,
       {},
       status},
      {"host.methods", "This list", false, {}, methods},
      {"host.reload",
       "Takes over what its config file says now: new tables, sources and readers, and those that are gone; "
       "refuses "
       "all of it, with each point named, when something else changed",
       true,
       {},
       reload},
      {"source.list", "Every source with its state, rows and rejects", false, {}, sources},
      {"snapshot.list",
       "Every pinned version: since when, which readers hold it and for what, the bytes that hang on it",
       false,
       {},
       snapshots},
      {"log.level",
       "The log's level; sets it when one is given",
       false,
       {{"level", ParameterType::text, false, "trace, debug, info, warn, error or off; for owners"}},
       log_level},
  };
  return table;
}

}  // namespace perch::control
