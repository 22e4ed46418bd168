#include "ingest/byte_stream.hpp"

#include <sys/ioctl.h>

#include "base/assert.hpp"
#include "ingest/exec_stream.hpp"
#include "ingest/file_stream.hpp"
#include "ingest/stdin_stream.hpp"

namespace perch::ingest {

const char* to_string(SourceState state) noexcept {
  switch (state) {
    case SourceState::starting:
      return "starting";
    case SourceState::reading:
      return "reading";
    case SourceState::waiting:
      return "waiting";
    case SourceState::restarting:
      return "restarting";
    case SourceState::ended:
      return "ended";
    case SourceState::failed:
      return "failed";
  }
  PERCH_ASSERT(false, "a state without a name");
}

Result<std::unique_ptr<ByteStream>> open_stream(const SourceSpec& spec) {
  switch (spec.type) {
    case SourceType::exec:
      return ExecStream::open(spec);
    case SourceType::file:
      return FileStream::open(spec.path, spec.follow);
    case SourceType::standard_input:
      return std::make_unique<StdinStream>();
    case SourceType::tcp:
    case SourceType::unix_socket:
      break;  // many streams: ListenerLoop
  }
  PERCH_ASSERT(false, "a source type without a stream");
}

std::uint64_t readable_bytes(int descriptor) noexcept {
  int bytes = 0;
  return ::ioctl(descriptor, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

}  // namespace perch::ingest
