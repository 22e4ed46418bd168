// RejectLog: the rows that were not taken, with the reason, one JSON object per line.
//
//   {"time":"2026-11-24T20:16:48.1Z","source":"feed","position":1042,"reason":"wrong_type","message":"field
//   …",
//    "row":"…","row_bytes":73}
//
// position: byte offset of the row in the source's input. row: its text, cut at 4096 bytes ("truncated":
// true). Bytes that are not UTF-8 become U+FFFD there, and "row_base64" has them as they were.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

#include "base/line_splitter.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "rows/reject.hpp"

namespace perch::rows {

/// Thread safety: any thread; a lock inside. The writer never touches it.
///
/// A write that fails (a full disk) loses that line, which is counted and told once; ingest goes on, and the
/// next line is tried again. At most 2 × bytes_max on disk.
class RejectLog {
 public:
  static constexpr std::size_t row_bytes_max = 4096;

  /// `bytes_max`: then the file is renamed to <name>.1 (replacing an older one) and begun anew.
  RejectLog(std::filesystem::path file, std::uint64_t bytes_max);

  /// Opens the file to append to it.
  Result<void> open();
  /// False: it could not be written.
  bool write(const std::string& source, const Line& row, const Reject& reject);

  const std::filesystem::path& file() const noexcept { return file_; }

 private:
  bool append(const std::string& line);
  void rotate();
  void note_failure();
  void note_success();

  const std::filesystem::path file_;
  const std::uint64_t bytes_max_;
  std::mutex mutex_;  // guards all below
  UniqueFd fd_;
  std::uint64_t size_ = 0;  // of the file
  std::uint64_t lost_ = 0;
  bool failing_ = false;
};

}  // namespace perch::rows
