#include "config/names.hpp"

namespace perch {

const std::map<std::string, std::vector<std::string>>& config_names() {
  static const std::map<std::string, std::vector<std::string>> names{
      {"config", {"host", "arena", "commit", "tables", "sources", "readers", "control"}},
      {"host", {"name", "run_dir", "log"}},
      {"log", {"level"}},
      {"arena", {"size"}},
      {"commit", {"max_rows", "max_delay"}},
      {"table", {"key", "value", "retain", "rollup"}},
      {"field", {"name", "type"}},
      {"retain", {"rows", "age", "by", "per"}},
      {"rollup", {"of", "group", "aggregate"}},
      {"bucket", {"bucket", "every"}},
      {"source",
       {"name", "type", "command", "path", "follow", "restart", "restart_delay_min", "restart_delay_max",
        "listen", "connections_max", "mode", "spin", "format", "csv", "table", "when", "map", "feeds"}},
      {"csv", {"separator", "quote", "columns", "header"}},
      {"feed", {"table", "when", "map"}},
      {"member", {"from", "default", "unit", "quoted", "value"}},
      {"readers",
       {"folder", "isolation", "probation", "checkpoint", "callback_deadline", "retain_warning", "retain_max",
        "sandbox", "trial", "restart", "instances"}},
      {"sandbox", {"enabled", "read", "write", "memory", "cpu", "files"}},
      {"trial", {"steps", "time"}},
      {"reader_restart", {"delay_min", "delay_max", "limit", "window"}},
      {"instance", {"name", "plugin", "config", "spin", "isolation"}},
      {"control", {"socket", "mode", "groups", "others"}},
  };
  return names;
}

}  // namespace perch
