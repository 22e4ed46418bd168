// The header that a plugin includes to read a table.
#pragma once

#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace perch::cli {

/// `layout`: what table.layout answered. Names that C++ reserves as field names go to `unusable`: with them
/// the header does not compile, and a changed name would be another layout.
std::string cpp_header(const Json& layout, std::vector<std::string>& unusable);

/// What to do about such a name.
std::string unusable_field_text(const std::string& name);

/// The namespace that the header puts a table's records into: the table's name where C++ lets it be one.
std::string cpp_namespace(const std::string& table);

}  // namespace perch::cli
