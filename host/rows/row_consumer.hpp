// RowConsumer: what a source tells the writer.
#pragma once

namespace perch::rows {

/// For any source's thread.
class RowConsumer {
 public:
  virtual ~RowConsumer() = default;
  /// A batch was queued, and the next one is under way.
  virtual void batch_queued() = 0;
  /// A batch was queued, and the stream has no more for now: this thread has time.
  virtual void batch_queued_and_idle() = 0;
};

}  // namespace perch::rows
