#include "config/names.hpp"

#include "config/sections.hpp"

namespace perch {
namespace {

template <class... Specs>
std::map<std::string, std::vector<std::string>> names_of(const Section<Specs>&... sections) {
  return {{sections.kind(), sections.names()}...};
}

}  // namespace

const std::map<std::string, std::vector<std::string>>& config_names() {
  static const auto names = names_of(
      config_section(), host_section(), log_section(), arena_section(), commit_section(), control_section(),
      table_section(), field_section(), retain_section(), rollup_section(), bucket_section(),
      source_section(), csv_section(), feed_section(), member_section(), readers_section(), sandbox_section(),
      trial_section(), reader_restart_section(), instance_section());
  return names;
}

}  // namespace perch
