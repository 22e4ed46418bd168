#include "cli/text_argument.hpp"

#include <fstream>
#include <iterator>

namespace perch::cli {

std::optional<std::string> text_of_argument(const std::string& argument) {
  if (!argument.starts_with("@")) return argument;
  std::ifstream file(argument.substr(1));
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace perch::cli
