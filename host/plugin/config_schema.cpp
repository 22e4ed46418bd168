#include "plugin/config_schema.hpp"

#include <regex>
#include <unordered_map>

#include "base/bounded_json.hpp"
#include "base/text.hpp"
#include "plugin/config_problems.hpp"
#include "plugin/schema_rules.hpp"

namespace perch::plugin {
namespace {

using Json = nlohmann::json;
using Patterns = std::unordered_map<std::string, std::regex>;

constexpr std::size_t config_bytes_max = std::size_t{256} << 10;
constexpr int config_depth_max = 64;

/// Breadth-first: std::regex's other way recurses with every character and takes exponential time.
Result<Patterns> compile(const std::vector<std::string>& texts) {
  Patterns patterns;
  for (const std::string& text : texts) {
    try {
      patterns.emplace(text, std::regex(text, std::regex::ECMAScript | std::regex_constants::__polynomial));
    } catch (const std::regex_error&) {
      return fail(ErrorKind::refused, "config_schema: the pattern " + clean_text(text, 200) +
                                          " is no regular expression, or refers back to a part of itself");
    }
  }
  return patterns;
}

}  // namespace

struct ConfigSchema::Parts {
  Json json;
  Patterns patterns;
};

Result<ConfigSchema> ConfigSchema::parse(std::string_view text) {
  auto usable = check_schema_rules(Json::parse(text, nullptr, false));
  if (!usable) return fail(usable.error());
  auto patterns = compile(usable->patterns);
  if (!patterns) return fail(patterns.error());
  auto parts = std::make_shared<Parts>();
  parts->json = std::move(usable->schema);
  parts->patterns = std::move(*patterns);
  ConfigSchema schema;
  schema.parts_ = std::move(parts);
  return schema;
}

std::vector<std::string> ConfigSchema::problems(const Json& config) const {
  const MatchesPattern matches = [this](const std::string& pattern, const std::string& text) {
    return std::regex_search(text, parts_->patterns.at(pattern));
  };
  return find_config_problems(parts_->json, config, matches);
}

Result<void> check_config(const Manifest& manifest, const std::string& config) {
  if (config.size() > config_bytes_max)
    return fail(ErrorKind::usage, "a reader's config has at most 256 KiB");
  const auto json = parse_bounded(config, config_depth_max);
  if (!json) return fail(ErrorKind::usage, "the reader's config " + json.error().message);
  if (!json->is_object()) return fail(ErrorKind::usage, "a reader's config must be a JSON object");
  const auto schema = ConfigSchema::parse(manifest.config_schema);
  if (!schema) return fail(schema.error());
  auto problems = schema->problems(*json);
  if (problems.empty()) return {};
  return fail(ErrorKind::usage, "the config does not fit plugin " + manifest.id + " " + manifest.version,
              std::move(problems));
}

}  // namespace perch::plugin
