#include "rows/reject_log.hpp"

#include <fcntl.h>
#include <simdjson.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"

namespace perch::rows {
namespace {

std::string base64(std::string_view bytes) {
  constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) out += digits[group >> (18 - 6 * i) & 63];
  }
  for (std::size_t pad = (3 - bytes.size() % 3) % 3, i = 0; i < pad; ++i) out[out.size() - 1 - i] = '=';
  return out;
}

std::string to_json(const std::string& source, const Line& row, const Reject& reject) {
  const std::string_view text = cut_text(row.text, RejectLog::row_bytes_max);
  nlohmann::ordered_json line{
      {"time", format_utc(unix_now_ns())}, {"source", source},          {"position", row.begin},
      {"reason", name(reject.reason)},     {"message", reject.message}, {"row", text}};
  if (!simdjson::validate_utf8(text.data(), text.size())) line["row_base64"] = base64(text);
  if (text.size() < row.bytes) line["truncated"] = true;
  line["row_bytes"] = row.bytes;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

RejectLog::RejectLog(std::filesystem::path file, std::uint64_t bytes_max)
    : file_(std::move(file)), bytes_max_(bytes_max) {}

Result<void> RejectLog::open() {
  const std::lock_guard lock(mutex_);
  fd_.reset(::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  struct stat status {};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) return fail_errno("open the reject log " + file_.string());
  size_ = static_cast<std::uint64_t>(status.st_size);
  return {};
}

bool RejectLog::write(const std::string& source, const Line& row, const Reject& reject) {
  const std::string line = to_json(source, row, reject);
  const std::lock_guard lock(mutex_);
  if (size_ > 0 && size_ + line.size() > bytes_max_) rotate();
  return append(line);
}

bool RejectLog::append(const std::string& line) {
  ssize_t written = 0;
  do {
    written = ::write(fd_.get(), line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) {
    size_ += line.size();
    note_success();
    return true;
  }
  if (written >= 0) errno = ENOSPC;  // a part of it found room
  note_failure();
  if (written > 0 && ::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) {
    size_ += static_cast<std::uint64_t>(written);  // half a line stays in the file
  }
  return false;
}

void RejectLog::rotate() {
  // Opened aside first: when that fails, the old file goes on. Its size bounds nothing then, so it is
  // emptied.
  const std::filesystem::path old = file_.string() + ".1";
  if (::rename(file_.c_str(), old.c_str()) == 0) {
    UniqueFd fresh(::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (fresh) {
      fd_ = std::move(fresh);
      size_ = 0;
      return;
    }
    ::rename(old.c_str(), file_.c_str());
  }
  if (::ftruncate(fd_.get(), 0) == 0) size_ = 0;
}

void RejectLog::note_failure() {
  ++lost_;
  if (failing_) return;
  failing_ = true;
  spdlog::error("cannot write the reject log {}: {}; rejected rows are counted only until it works again",
                file_.string(), std::strerror(errno));
}

void RejectLog::note_success() {
  if (!failing_) return;
  failing_ = false;
  spdlog::info("the reject log {} is written again; {} rejected rows were not logged", file_.string(), lost_);
}

}  // namespace perch::rows
