#include "config/differences.hpp"

#include "config/sections.hpp"

namespace perch {

std::vector<Difference> config_differences(const Config& running, const Config& wanted) {
  std::vector<Difference> differences;
  config_section().compare("", running, wanted, differences);
  return differences;
}

}  // namespace perch
