// The names that a config may use, per kind of object, as the sections have them. config/perch.schema.json
// says the same (a test compares).
#pragma once

#include <map>
#include <string>
#include <vector>

namespace perch {

/// Kind of object ("config" is the whole file, "source" one of its sources …) → its members' names, in the
/// order in which they are listed to people. Immutable.
const std::map<std::string, std::vector<std::string>>& config_names();

}  // namespace perch
