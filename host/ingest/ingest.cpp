#include "ingest/ingest.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/assert.hpp"
#include "ingest/source.hpp"
#include "ingest/writer_loop.hpp"
#include "rows/reject_log.hpp"

namespace perch::ingest {

namespace {

WriterLoop::Inputs inputs_of(const std::vector<std::shared_ptr<Source>>& sources) {
  WriterLoop::Inputs inputs;
  for (const auto& source : sources) inputs.push_back(source->input());
  return inputs;
}

}  // namespace

struct Ingest::Parts {
  using Sources = std::vector<std::shared_ptr<Source>>;

  Parts(tree::Store& store, tables::Catalog& tables, IngestSpec the_spec, WhoRetains who_retains)
      : spec(std::move(the_spec)),
        catalog(tables),
        rejects(spec.reject_log, spec.reject_log_bytes_max),
        writer(store, catalog, spec, std::move(who_retains)) {}

  /// A copy: sources come and go.
  Sources current_sources() const {
    const std::lock_guard lock(mutex);
    return sources;
  }
  std::uint32_t free_slot(const Sources& taken) const;
  Result<Sources> make_sources(const std::vector<SourceSpec>& specs, const tables::Catalog& tables,
                               const Sources& kept, const Sources& removed);
  void add_tables(const std::vector<tables::TablePtr>& tables);

  const IngestSpec spec;
  tables::Catalog& catalog;
  rows::RejectLog rejects;
  WriterLoop writer;
  mutable std::mutex mutex;  // guards what follows
  Sources sources;           // in the order in which they were added
};

std::uint32_t Ingest::Parts::free_slot(const Sources& taken) const {
  std::uint32_t slot = 0;
  const auto is_taken = [&](const auto& source) { return source->input()->slot() == slot; };
  while (std::any_of(taken.begin(), taken.end(), is_taken)) ++slot;
  return slot;
}

/// Opened, with their threads, and not yet started. A listener goes on with the socket of the one that it
/// takes the place of.
Result<Ingest::Parts::Sources> Ingest::Parts::make_sources(const std::vector<SourceSpec>& specs,
                                                           const tables::Catalog& tables, const Sources& kept,
                                                           const Sources& removed) {
  Sources added;
  Sources taken = kept;  // the slots of those that go are free only when they are gone
  taken.insert(taken.end(), removed.begin(), removed.end());
  for (const SourceSpec& source_spec : specs) {
    const std::uint32_t slot = free_slot(taken);
    if (slot >= tree::sources_max)
      return fail(ErrorKind::usage, "more than " + std::to_string(tree::sources_max) + " sources at a time");
    ListeningSocket socket;
    for (const auto& old : removed) {
      if (!old->listens_like(source_spec)) continue;
      auto copied = old->copy_socket();
      if (!copied) return fail(std::move(copied.error()));
      socket = std::move(*copied);
    }
    auto made = Source::make(source_spec, tables, slot, rejects, writer, std::move(socket));
    if (!made) return fail(std::move(made.error()));
    taken.push_back(*made);
    added.push_back(std::move(*made));
  }
  return added;
}

/// Their rows can be read when this returns, and are before anybody can know of them.
void Ingest::Parts::add_tables(const std::vector<tables::TablePtr>& tables) {
  if (tables.empty()) return;
  writer.change([&] {
    for (const tables::TablePtr& table : tables) writer.add_table(table);
    writer.commit_now();
  });
  for (const tables::TablePtr& table : tables) catalog.add(table);
}

Ingest::Ingest(tree::Store& store, tables::Catalog& catalog, IngestSpec spec, WhoRetains who_retains)
    : parts_(std::make_unique<Parts>(store, catalog, std::move(spec), std::move(who_retains))) {}

Ingest::~Ingest() { stop(); }

Result<void> Ingest::start() {
  PERCH_ASSERT(parts_->sources.empty(), "ingest is started once");
  if (auto opened = parts_->rejects.open(); !opened) return opened;
  auto made = parts_->make_sources(parts_->spec.sources, parts_->catalog, {}, {});
  if (!made) return fail(std::move(made.error()));
  if (auto started = parts_->writer.start(inputs_of(*made)); !started) return started;
  {
    const std::lock_guard lock(parts_->mutex);
    parts_->sources = *made;
  }
  for (const auto& source : *made) source->start();
  return {};
}

Result<void> Ingest::change(const IngestChange& change) {
  Parts::Sources kept;
  Parts::Sources removed;
  for (const auto& source : parts_->current_sources()) {
    const bool goes = std::find(change.remove_sources.begin(), change.remove_sources.end(),
                                source->spec().name) != change.remove_sources.end();
    (goes ? removed : kept).push_back(source);
  }
  const tables::Catalog tables = parts_->catalog.with(change.add_tables);
  auto added = parts_->make_sources(change.add_sources, tables, kept, removed);
  if (!added) return fail(std::move(added.error()));
  // From here on nothing can fail.
  parts_->add_tables(change.add_tables);
  for (const auto& source : removed) source->request_stop();
  for (const auto& source : removed) source->join();
  kept.insert(kept.end(), added->begin(), added->end());
  parts_->writer.change([&] {
    parts_->writer.set_commit_policy(change.commit_max_rows, change.commit_max_delay);
    parts_->writer.set_inputs(inputs_of(kept));
  });
  {
    const std::lock_guard lock(parts_->mutex);
    parts_->sources = kept;
  }
  for (const auto& source : *added) source->start();
  return {};
}

void Ingest::stop() {
  const Parts::Sources sources = parts_->current_sources();
  for (const auto& source : sources) source->request_stop();
  for (const auto& source : sources) source->join();
  parts_->writer.stop();
}

bool Ingest::finished() const {
  const Parts::Sources sources = parts_->current_sources();
  return std::all_of(sources.begin(), sources.end(),
                     [](const auto& source) { return source->input()->is_finished(); });
}

std::vector<SourceStatus> Ingest::sources() const {
  std::vector<SourceStatus> all;
  for (const auto& source : parts_->current_sources()) all.push_back(source->status());
  return all;
}

CommitStatus Ingest::commits() const { return parts_->writer.status(); }

std::vector<std::uint64_t> Ingest::evicted_rows() const {
  std::vector<std::uint64_t> all;
  for (const auto& table : parts_->catalog.tables())
    all.push_back(parts_->writer.evicted_rows(table->index()));
  return all;
}

std::vector<std::uint64_t> Ingest::late_rows() const {
  std::vector<std::uint64_t> all;
  for (const auto& table : parts_->catalog.tables()) all.push_back(parts_->writer.late_rows(table->index()));
  return all;
}

}  // namespace perch::ingest
