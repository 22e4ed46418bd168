// What the host knows about its parts, as JSON objects. Units stand at the end of names; times are
// nanoseconds since 1970 UTC; NaN and infinities are strings.
#pragma once

#include "control/json_rpc.hpp"
#include "ingest/ingest.hpp"
#include "instances/reader_status.hpp"
#include "readers/swap_report.hpp"
#include "tables/catalog.hpp"
#include "tree/store.hpp"

namespace perch::control {

Json to_json(const ingest::SourceStatus& source);
Json to_json(const ingest::CommitStatus& commits);
Json to_json(const instances::ReaderStatus& reader);
Json to_json(const readers::SwapReport& report);
Json to_json(const tables::Layout& layout);
Json to_json(const tree::MemoryStats& memory);

}  // namespace perch::control
