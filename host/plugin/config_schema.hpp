// ConfigSchema: the JSON Schema in a plugin's manifest, which a reader's config has to fit before the plugin
// sees it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/manifest.hpp"

namespace perch::plugin {

/// Immutable; thread safe. Reads no file and asks no network, whatever `$ref` says.
class ConfigSchema {
 public:
  /// Errors are `refused` and name the place in the schema: see schema_rules.hpp for what may be in one.
  static Result<ConfigSchema> parse(std::string_view text);

  /// What is wrong with a config, a line per problem; empty when nothing is.
  std::vector<std::string> problems(const nlohmann::json& config) const;

 private:
  struct Parts;
  std::shared_ptr<const Parts> parts_;
};

/// Whether the text is a JSON object of at most 256 KiB that fits the manifest's schema. The error is
/// `usage`, with one detail line per problem; `refused` when the schema itself cannot be used.
Result<void> check_config(const Manifest& manifest, const std::string& config);

}  // namespace perch::plugin
