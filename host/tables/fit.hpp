// Fit: does a table, as somebody was built to read it, fit the host's? Answered from layout texts alone.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "tables/catalog.hpp"

namespace perch::tables {

/// A table as a plugin's manifest or another program names it.
struct WantedTable {
  std::string name;
  std::string key_layout;    ///< canonical text
  std::string value_layout;  ///< canonical text
};

/// Whether all of them fit: equal key layouts; each wanted value field with the same name, type and offset,
/// size and alignment at most the host's, whose records may go on. `who`: "plugin" or "program", for
/// messages. The error is `incompatible` with `message`, one detail line per difference and the command that
/// makes the right header; or what is wrong with a text.
Result<void> check_fit(const std::vector<WantedTable>& wanted, const Catalog& catalog, const std::string& who,
                       const std::string& message);

}  // namespace perch::tables
