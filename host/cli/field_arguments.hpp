// field=value arguments, typed by a table's layout.
#pragma once

#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace perch::cli {

/// {"symbol":"AAPL","seq":17} from {"symbol=AAPL","seq=17"}. `fields`: the key's fields as table.layout gives
/// them. What does not look like its field's type stays a string: the host then says what it expected.
Outcome<Json> key_from_arguments(const Json& fields, const std::vector<std::string>& arguments);

}  // namespace perch::cli
