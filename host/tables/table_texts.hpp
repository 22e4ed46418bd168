// The tables of a host as texts, for a process that reads them: [{"name":…,"key":layout,"value":layout},…].
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.hpp"
#include "tables/catalog.hpp"

namespace perch::tables {

nlohmann::ordered_json to_texts(const Catalog& catalog);
/// The same tables, with the same indexes, as far as reading them goes: what is kept, and of which table they
/// are rollups, is the host's business. Errors: what is no such list.
Result<Catalog> from_texts(const nlohmann::ordered_json& texts);

}  // namespace perch::tables
