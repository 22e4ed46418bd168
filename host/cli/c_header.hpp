// The header that a plugin in C includes to read a table.
#pragma once

#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace perch::cli {

/// `layout`: what table.layout answered. Names that C reserves go to `unusable`: with them the header does
/// not compile, and a changed name would be another layout.
std::string c_header(const Json& layout, std::vector<std::string>& unusable);

/// "trades" → "TRADES", what the header's macros begin with.
std::string c_macro_prefix(const std::string& table);

}  // namespace perch::cli
