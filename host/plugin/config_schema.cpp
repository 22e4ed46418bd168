// The one file that includes valijson: it is large, and so is what the compiler makes of it.
#include "plugin/config_schema.hpp"

#include <algorithm>
#include <regex>
#include <unordered_map>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validation_visitor.hpp>

#include "base/bounded_json.hpp"
#include "base/text.hpp"
#include "plugin/config_problems.hpp"
#include "plugin/schema_rules.hpp"

namespace perch::plugin {
namespace {

using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;
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

/// valijson takes an integer over INT64_MAX for a negative one.
bool has_larger_integers(const Json& config) {
  if (config.is_number_unsigned()) return config.get<std::uint64_t>() > INT64_MAX;
  return config.is_structured() && std::any_of(config.begin(), config.end(), has_larger_integers);
}

/// "<root>", "[window]", "[0]" → config[window][0]
std::string place_of(const std::vector<std::string>& context) {
  std::string place = "config";
  for (std::size_t i = 1; i < context.size(); ++i) place += context[i];
  return clean_text(place, 200);
}

}  // namespace

struct ConfigSchema::Parts {
  Json json;
  Patterns patterns;
  valijson::Schema schema;

  /// What valijson says; empty when it has nothing against the config.
  std::vector<std::string> verdict(const Json& config) const {
    // It looks patterns up here before it would compile them in its own way: all are there.
    Patterns cache = patterns;
    valijson::ValidationResults results;
    valijson::ValidationVisitor<Adapter> visitor(Adapter(config), {"<root>"}, true, &results, cache);
    if (visitor.validateSchema(schema)) return {};
    std::vector<std::string> lines;
    for (const auto& error : results)
      lines.push_back(place_of(error.context) + ": " + clean_text(error.description, 200));
    if (lines.empty()) lines.emplace_back("config: does not fit the schema");
    lines.resize(std::min<std::size_t>(lines.size(), 20));
    return lines;
  }
};

Result<ConfigSchema> ConfigSchema::parse(std::string_view text) {
  auto usable = check_schema_rules(Json::parse(text, nullptr, false));
  if (!usable) return fail(usable.error());
  auto patterns = compile(usable->patterns);
  if (!patterns) return fail(patterns.error());
  auto parts = std::make_shared<Parts>();
  parts->json = std::move(usable->schema);
  parts->patterns = std::move(*patterns);
  try {
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(Adapter(parts->json), parts->schema);
  } catch (const std::exception& error) {
    return fail(ErrorKind::refused, std::string("config_schema: ") + error.what());
  }
  ConfigSchema schema;
  schema.parts_ = std::move(parts);
  return schema;
}

std::vector<std::string> ConfigSchema::problems(const Json& config) const {
  const MatchesPattern matches = [this](const std::string& pattern, const std::string& text) {
    return std::regex_search(text, parts_->patterns.at(pattern));
  };
  ConfigProblems found = find_config_problems(parts_->json, config, matches);
  // valijson has the last word, in its own words only where there are no better ones: they are about the
  // schema. What is too large is not for it.
  if (!found.lines.empty() || has_larger_integers(config)) return std::move(found.lines);
  try {
    return parts_->verdict(config);
  } catch (const std::exception& error) {
    return {std::string("config: cannot be checked: ") + error.what()};
  }
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
