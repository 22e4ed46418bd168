// FileStream: a file to its end, or for ever, like tail -F.
#pragma once

#include <filesystem>

#include "base/unique_fd.hpp"
#include "ingest/byte_stream.hpp"

namespace perch::ingest {

/// Following
///   - a file that grew is noticed at once (inotify), everything else within poll_interval;
///   - truncated: read again from its start. A file that was truncated and has since grown beyond what was
///   read looks
///     as if it had only grown (as it does to tail);
///   - replaced (the path names another file): the old one is read to its end first;
///   - missing, or unreadable: waited for;
///   - given up: the rest of it is passed over, until it is truncated or replaced.
class FileStream : public ByteStream {
 public:
  static constexpr int poll_interval_ms = 100;

  /// Errors: cannot be opened (a missing file that is followed is none), is a folder.
  static Result<std::unique_ptr<ByteStream>> open(const std::filesystem::path& path, bool follow);

  FileStream(std::filesystem::path path, bool follow);
  ReadResult read(std::span<char> space) override;
  void wait(const StopSignal& stop) override;
  void give_up(const std::string& reason) override;
  std::uint64_t bytes_waiting() const override;

 private:
  Result<void> open_file();
  ReadResult at_end(std::span<char> space);
  bool truncated() const;
  bool replaced() const;
  ReadResult read_failed();

  const std::filesystem::path path_;
  const bool follow_;
  UniqueFd file_;
  UniqueFd inotify_;        // watches file_; none: polling alone has to do
  std::uint64_t read_ = 0;  // bytes of file_
  std::string given_up_;    // why the rest of file_ is passed over; "": it is not
};

}  // namespace perch::ingest
