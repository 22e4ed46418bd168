// The header that a plugin includes to read a table.
#pragma once

#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace perch::cli {

/// `layout`: what table.layout answered. Names that C++ reserves as field names go to `unusable`: with them
/// the header does not compile, and a changed name would be another layout.
std::string cpp_header(const Json& layout, std::vector<std::string>& unusable);

}  // namespace perch::cli
