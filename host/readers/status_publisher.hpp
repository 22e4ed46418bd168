// StatusPublisher: puts on the board what others see of the readers.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "instances/reader_status.hpp"
#include "readers/generation_loader.hpp"
#include "readers/reader.hpp"
#include "readers/reader_events.hpp"
#include "readers/retired_generations.hpp"
#include "readers/status_board.hpp"

namespace perch::readers {

/// For the manager thread. What it is made with outlives it.
class StatusPublisher {
 public:
  StatusPublisher(const GenerationLoader& loader, const RetiredGenerations& retired,
                  const ReaderEvents& events, StatusBoard& board)
      : loader_(loader), retired_(retired), events_(events), board_(board) {}

  instances::ReaderStatus status_of(const Reader& reader) const;
  /// Entries that are no readers (files that were refused); shown behind them from the next time on.
  void show_also(std::vector<instances::ReaderStatus> others) { others_ = std::move(others); }
  /// Each reader's parts must agree with its state.
  void publish(const std::map<std::string, Reader>& readers);

 private:
  static void add_holders(std::vector<HolderEntry>& holders, const Reader& reader);

  const GenerationLoader& loader_;
  const RetiredGenerations& retired_;
  const ReaderEvents& events_;
  StatusBoard& board_;
  std::vector<instances::ReaderStatus> others_;
  std::set<std::string> degraded_;  // as it was last told
};

}  // namespace perch::readers
