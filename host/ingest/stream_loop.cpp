#include "ingest/stream_loop.hpp"

#include <spdlog/spdlog.h>

#include "ingest/spinning.hpp"

namespace perch::ingest {
Result<void> StreamLoop::open() {
  auto stream = open_stream(spec_);
  if (!stream) return fail(stream.error());
  stream_ = std::move(*stream);
  return {};
}

void StreamLoop::run(RowIntake& intake) {
  const auto decoder = intake.make_decoder();
  pump(intake, *decoder);
  intake.hand_over();
  stream_.reset();  // on this thread: a child process dies with the thread that started it
}

/// Reads until the stream is over or the stop is requested.
void StreamLoop::pump(RowIntake& intake, rows::RowDecoder& decoder) {
  while (!intake.stop().requested()) {
    const ReadResult result = stream_->read(decoder.space());
    switch (result.kind) {
      case ReadKind::data:
        intake.bytes_read(result.bytes);
        decoder.added(result.bytes);
        if (!intake.take(decoder, position_)) stream_->give_up(intake.broken_reason());
        look_at_lag(intake);
        break;
      case ReadKind::idle:
        intake.flush();
        intake.set_state(stream_->idle_state());
        intake.set_lag_bytes(0);
        if (spec_.spin && stream_->idle_state() == SourceState::waiting) {
          spin_once();
        } else {
          stream_->wait(intake.stop());
        }
        break;
      case ReadKind::run_ended:
        end_run(intake, decoder, result.error);
        intake.begin_run();
        intake.set_state(stream_->idle_state());
        if (!result.error.empty()) stream_->wait(intake.stop());  // bounds the rate of failures
        break;
      case ReadKind::ended:
      case ReadKind::failed:
        end_run(intake, decoder, result.error);
        intake.set_state(result.kind == ReadKind::ended ? SourceState::ended : SourceState::failed);
        if (result.kind == ReadKind::failed) spdlog::error("source {}: {}", spec_.name, result.error);
        spdlog::info("source {}: {}, {} rows", spec_.name, to_string(intake.state()), intake.rows());
        return;
    }
  }
}

void StreamLoop::end_run(RowIntake& intake, rows::RowDecoder& decoder, const std::string& error) {
  intake.finish(decoder, position_);
  intake.hand_over();
  if (!error.empty()) intake.set_error(error);
}

void StreamLoop::look_at_lag(RowIntake& intake) {
  if (lag_timer_.is_due()) intake.set_lag_bytes(stream_->bytes_waiting());
}

}  // namespace perch::ingest
