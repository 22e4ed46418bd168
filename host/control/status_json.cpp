#include "control/status_json.hpp"

#include <cmath>
#include <cstring>

namespace perch::control {
namespace {

Json number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

/// [[upper end in ns, how many], …]
Json histogram(const std::vector<DurationHistogram::Bucket>& buckets) {
  Json list = Json::array();
  for (const auto& bucket : buckets) list.push_back({bucket.upper_end_ns, bucket.count});
  return list;
}

}  // namespace

Json to_json(const ingest::SourceStatus& source) {
  return {{"name", source.name},
          {"type", source.type},
          {"format", source.format},
          {"table", source.tables.empty() ? "" : source.tables.front()},
          {"tables", source.tables},
          {"state", source.state},
          {"last_error", source.last_error},
          {"rows", source.rows},
          {"bytes", source.bytes},
          {"rejects", source.rejects},
          {"rejects_by_reason", source.rejects_by_reason},
          {"rejects_not_logged", source.rejects_not_logged},
          {"skipped", source.skipped},
          {"restarts", source.restarts},
          {"connections", source.connections},
          {"connections_refused", source.connections_refused},
          {"lag_bytes", source.lag_bytes},
          {"lag_ns", source.lag_ns},
          {"latency_p50_ns", source.latency_p50_ns},
          {"latency_p99_ns", source.latency_p99_ns},
          {"latency_max_ns", source.latency_max_ns},
          {"latency_histogram", histogram(source.latency_histogram)},
          {"queued_batches", source.queued_batches},
          {"queue_capacity", source.queue_capacity},
          {"committed",
           {{"bytes", source.committed.bytes},
            {"rows", source.committed.rows},
            {"restarts", source.committed.restarts}}}};
}

Json to_json(const ingest::CommitStatus& commits) {
  return {{"version", commits.version},
          {"rows", commits.rows},
          {"last_commit_ns", commits.last_commit_ns},
          {"gap_p50_ns", commits.gap_p50_ns},
          {"gap_p99_ns", commits.gap_p99_ns},
          {"gap_p999_ns", commits.gap_p999_ns},
          {"longest_gap_ns", commits.longest_gap_ns},
          {"gap_histogram", histogram(commits.gap_histogram)},
          {"out_of_room", commits.out_of_room},
          {"out_of_room_reason", commits.out_of_room_reason}};
}

Json to_json(const instances::ReaderStatus& reader) {
  Json metrics = Json::object();
  for (const auto& [name, metric] : reader.metrics) {
    metrics[name] = {{"kind", metric.kind}, {"value", number(metric.value)}, {"count", metric.count}};
  }
  return {{"name", reader.name},
          {"plugin", reader.plugin},
          {"plugin_version", reader.plugin_version},
          {"state", reader.state},
          {"file", reader.file},
          {"config", Json::parse(reader.config)},
          {"generation", reader.generation},
          {"version", reader.version},
          {"checkpoint_version", reader.checkpoint_version},
          {"steps", reader.steps},
          {"first_step_ns", reader.first_step_ns},
          {"publications", reader.publications},
          {"refused_publications", reader.refused_publications},
          {"restarts", reader.restarts},
          {"version_time_ns", reader.version_time_ns},
          {"callback", reader.callback},
          {"callback_for_ns", reader.callback_for_ns},
          {"cpu_ns", reader.cpu_ns},
          {"callback_p50_ns", reader.callback_p50_ns},
          {"callback_p99_ns", reader.callback_p99_ns},
          {"callback_max_ns", reader.callback_max_ns},
          {"last_error", reader.last_error},
          {"last_error_ns", reader.last_error_ns},
          {"pinned_libraries", reader.pinned_libraries},
          {"isolation", reader.is_process ? "process" : "thread"},
          {"pid", reader.pid},
          {"metrics", std::move(metrics)}};
}

Json to_json(const readers::SwapReport& report) {
  Json steps = Json::array();
  for (const instances::SwapStep& step : report.steps)
    steps.push_back({{"what", step.what}, {"took_ns", step.took_ns}});
  return {{"reader", report.reader},         {"from_version", report.from_version},
          {"to_version", report.to_version}, {"generation", report.generation},
          {"at_version", report.at_version}, {"dry_run", report.dry_run},
          {"remark", report.remark},         {"left", report.left},
          {"steps", std::move(steps)}};
}

Json to_json(const tables::Layout& layout) {
  Json fields = Json::array();
  for (const tables::Field& field : layout.fields()) {
    fields.push_back({{"name", field.name}, {"type", field.type_text()}, {"offset", field.offset}});
  }
  return {{"layout", layout.text()},
          {"hash", layout.hash_hex()},
          {"size", layout.size()},
          {"align", layout.align()},
          {"fields", std::move(fields)}};
}

Json to_json(const tree::MemoryStats& memory) {
  return {{"reserved_bytes", memory.reserved_bytes},
          {"committed_bytes", memory.committed_bytes},
          {"huge_bytes", memory.huge_bytes},
          {"live_bytes", memory.live_bytes},
          {"retained_bytes", memory.retained_bytes},
          {"free_bytes", memory.free_bytes},
          {"commit_error", memory.commit_error == 0 ? "" : std::strerror(memory.commit_error)}};
}

}  // namespace perch::control
