// Arguments that are a text, or @FILE for the text in a file.
#pragma once

#include <optional>
#include <string>

namespace perch::cli {

/// Nothing when the file cannot be read; errno says why.
std::optional<std::string> text_of_argument(const std::string& argument);

}  // namespace perch::cli
