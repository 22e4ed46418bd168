#include "ingest/ingest.hpp"

#include <utility>

#include "base/assert.hpp"
#include "ingest/reject_log.hpp"
#include "ingest/source.hpp"
#include "ingest/stop_signal.hpp"
#include "ingest/writer_loop.hpp"

namespace perch::ingest {

struct Ingest::Parts {
  Parts(tree::Store& store, const tables::Catalog& tables, IngestSpec the_spec, WhoRetains who_retains)
      : spec(std::move(the_spec)),
        catalog(tables),
        rejects(spec.reject_log, spec.reject_log_bytes_max),
        writer(store, catalog, spec, std::move(who_retains)) {}

  Result<void> open_sources();

  const IngestSpec spec;
  const tables::Catalog& catalog;
  RejectLog rejects;
  StopSignal stop;
  WriterLoop writer;
  std::vector<std::unique_ptr<Source>> sources;  // in the spec's order
};

Result<void> Ingest::Parts::open_sources() {
  for (const SourceSpec& source_spec : spec.sources) {
    tables::TablePtr table = catalog.find(source_spec.table);
    if (table == nullptr) {
      Error error = catalog.unknown_table(source_spec.table);
      error.message = "source " + source_spec.name + ": " + error.message;
      return fail(std::move(error));
    }
    auto source = std::make_unique<Source>(source_spec, std::move(table), rejects, writer.bell(), stop);
    if (auto opened = source->open(); !opened) return opened;
    sources.push_back(std::move(source));
  }
  return {};
}

Ingest::Ingest(tree::Store& store, const tables::Catalog& catalog, IngestSpec spec, WhoRetains who_retains)
    : parts_(std::make_unique<Parts>(store, catalog, std::move(spec), std::move(who_retains))) {}

Ingest::~Ingest() { stop(); }

Result<void> Ingest::start() {
  PERCH_ASSERT(parts_->sources.empty(), "ingest is started once");
  if (auto opened = parts_->rejects.open(); !opened) return opened;
  if (auto opened = parts_->open_sources(); !opened) {
    parts_->sources.clear();
    return opened;
  }
  parts_->writer.start(parts_->sources);
  for (const auto& source : parts_->sources) source->start();
  return {};
}

void Ingest::stop() {
  parts_->stop.request();
  for (const auto& source : parts_->sources) source->room_bell().ring();
  for (const auto& source : parts_->sources) source->join();
  parts_->writer.stop();
}

bool Ingest::finished() const {
  for (std::size_t index = 0; index < parts_->sources.size(); ++index) {
    const Source& source = *parts_->sources[index];
    // In this order: once it has ended, the number of its rows is final.
    if (!source.ended() || parts_->writer.committed(index).rows != source.rows()) return false;
  }
  return true;
}

std::vector<SourceStatus> Ingest::sources() const {
  std::vector<SourceStatus> all;
  for (std::size_t index = 0; index < parts_->sources.size(); ++index) {
    all.push_back(parts_->sources[index]->status());
    all.back().committed = parts_->writer.committed(index);
  }
  return all;
}

CommitStatus Ingest::commits() const { return parts_->writer.status(); }

std::vector<std::uint64_t> Ingest::evicted_rows() const {
  std::vector<std::uint64_t> all;
  for (const auto& table : parts_->catalog.tables())
    all.push_back(parts_->writer.evicted_rows(table->index()));
  return all;
}

}  // namespace perch::ingest
