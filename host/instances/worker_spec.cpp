#include "instances/worker_spec.hpp"

#include <system_error>

namespace perch::instances {

std::vector<std::string> missing_paths(const SandboxSpec& sandbox) {
  std::vector<std::string> missing;
  if (!sandbox.is_on) return missing;
  const auto look = [&missing](const char* member, const std::vector<std::filesystem::path>& paths) {
    for (const auto& path : paths) {
      std::error_code ignored;
      if (!std::filesystem::exists(path, ignored))
        missing.push_back(std::string("readers.sandbox.") + member + ": " + path.string() +
                          " is not there; a reader may use it once it is there and the reader starts again");
    }
  };
  look("read", sandbox.read);
  look("write", sandbox.write);
  return missing;
}

}  // namespace perch::instances
