#include "config/field_kinds.hpp"

namespace perch {

std::string show_text(const std::string& text) { return "\"" + text + "\""; }

std::string show_path(const std::filesystem::path& path) { return path.string(); }

std::string cannot_change(const std::string& place, const std::string& running, const std::string& wanted) {
  if (running.empty() || wanted.empty()) return place + " cannot change while the host runs";
  return place + ": runs with " + running + ", cannot become " + wanted + " while the host runs";
}

}  // namespace perch
