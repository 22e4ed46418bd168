// Format: how rows are written.
#pragma once

namespace perch::rows {

enum class Format { ndjson, csv, binary };
const char* to_string(Format format) noexcept;

}  // namespace perch::rows
