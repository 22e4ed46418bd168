#include "ingest/source.hpp"

#include <utility>

#include "base/assert.hpp"
#include "ingest/listener_loop.hpp"
#include "ingest/stream_loop.hpp"

namespace perch::ingest {

const char* to_string(SourceType type) noexcept {
  switch (type) {
    case SourceType::exec:
      return "exec";
    case SourceType::file:
      return "file";
    case SourceType::standard_input:
      return "stdin";
    case SourceType::tcp:
      return "tcp";
    case SourceType::unix_socket:
      return "unix";
  }
  PERCH_ASSERT(false, "a source type without a name");
}

namespace {

std::shared_ptr<WriterInput> make_writer_input(const std::string& name, std::uint32_t slot,
                                               const rows::RowFormat& format) {
  std::vector<WriterInput::Feed> feeds;
  for (const rows::RecordShape& shape : format.shapes()) {
    const rows::Mapping::Feed& feed = format.mapping().feeds()[feeds.size()];
    feeds.push_back({feed.table->index(), shape});
  }
  return std::make_shared<WriterInput>(name, slot, std::move(feeds));
}

}  // namespace

std::unique_ptr<InputLoop> make_input_loop(const SourceSpec& spec, ListeningSocket socket) {
  if (spec.type == SourceType::tcp || spec.type == SourceType::unix_socket)
    return std::make_unique<ListenerLoop>(spec, std::move(socket));
  return std::make_unique<StreamLoop>(spec);
}

Result<std::shared_ptr<Source>> Source::make(const SourceSpec& spec, const tables::Catalog& catalog,
                                             std::uint32_t slot, rows::RejectLog& rejects,
                                             rows::RowConsumer& consumer, ListeningSocket socket) {
  const auto named = [&](Error error) {
    error.message = "source " + spec.name + ": " + error.message;
    return fail(std::move(error));
  };
  auto mapping = rows::Mapping::make(spec.feeds, catalog);
  if (!mapping) return named(std::move(mapping.error()));
  auto source =
      std::make_shared<Source>(spec, std::move(*mapping), slot, rejects, consumer, std::move(socket));
  if (auto opened = source->loop_->open(); !opened) return named(std::move(opened.error()));
  const auto made = source->thread_.start("src:" + spec.name, [self = source.get()] { self->run(); });
  if (!made) return named(made.error());
  return source;
}

Source::Source(const SourceSpec& spec, rows::Mapping mapping, std::uint32_t slot, rows::RejectLog& rejects,
               rows::RowConsumer& consumer, ListeningSocket socket)
    : spec_(spec),
      format_(spec.format, spec.csv, std::move(mapping)),
      input_(make_writer_input(spec_.name, slot, format_)),
      intake_(*input_, format_, rejects, consumer, stop_),
      loop_(make_input_loop(spec_, std::move(socket))) {}

Source::~Source() {
  PERCH_ASSERT(!is_started_ || !thread_.is_joinable(), "a source destroyed while its thread runs");
  join();
}

bool Source::listens_like(const SourceSpec& other) const noexcept {
  const bool listens = spec_.type == SourceType::tcp || spec_.type == SourceType::unix_socket;
  return listens && spec_.type == other.type && spec_.path == other.path && spec_.address == other.address;
}

void Source::start() {
  loop_->take_over();
  is_started_ = true;
  go_.release();
}

void Source::request_stop() {
  stop_.request();
  input_->room_bell().ring();
}

void Source::join() {
  if (!is_started_ && thread_.is_joinable()) go_.release();
  thread_.join();
}

void Source::run() {
  go_.acquire();
  if (!is_started_) return;  // dropped before it began
  loop_->run(intake_);
  input_->end();
}

SourceStatus Source::status() const {
  SourceStatus status;
  status.name = spec_.name;
  status.type = to_string(spec_.type);
  status.format = to_string(spec_.format);
  for (const rows::Mapping::Feed& feed : format_.mapping().feeds())
    status.tables.push_back(feed.table->name());
  status.committed = input_->committed();  // before the rows: there are never fewer of them
  intake_.fill(status);
  return status;
}

}  // namespace perch::ingest
