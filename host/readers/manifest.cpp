#include "readers/manifest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>

#include "perch/plugin.h"
#include "readers/elf_file.hpp"

namespace perch::readers {
namespace {

using Json = nlohmann::json;

constexpr int json_depth_max = 64;
constexpr std::size_t version_chars_max = 64;

tl::unexpected<Error> refuse(const std::string& what) {
  return fail(ErrorKind::refused, "its manifest " + what);
}

/// Throws nlohmann exceptions for a member that is missing or of another type: parse_manifest catches.
std::uint32_t positive_number(const Json& object, const char* name) {
  const Json& member = object.at(name);
  if (!member.is_number_unsigned() || member.get<std::uint64_t>() > UINT32_MAX) {
    throw Json::type_error::create(302, std::string(name) + " must be a whole number", &member);
  }
  return member.get<std::uint32_t>();
}

Result<void> check_abi(std::uint32_t abi) {
  if (abi == PERCH_ABI_VERSION) return {};
  const std::string numbers =
      "interface version " + std::to_string(abi) + ", this host speaks " + std::to_string(PERCH_ABI_VERSION);
  return fail(ErrorKind::incompatible, abi > PERCH_ABI_VERSION
                                           ? "the plugin is newer than this host: built for " + numbers +
                                                 "; rebuild it with this host's SDK or start a newer host"
                                           : "the plugin is older than this host: built for " + numbers +
                                                 "; rebuild it with this host's SDK");
}

Result<void> check_names(const Manifest& manifest) {
  static const std::regex id("[a-z][a-z0-9_-]{0,63}");
  // semver.org, item 2, 9 and 10; without its rule on leading zeros of pre-releases.
  static const std::regex version(
      R"((0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)");
  // The lengths come first: std::regex recurses once per character.
  if (manifest.id.size() > 64 || !std::regex_match(manifest.id, id)) {
    return refuse("has no valid \"id\": it must match [a-z][a-z0-9_-]{0,63}");
  }
  if (manifest.version.size() > version_chars_max || !std::regex_match(manifest.version, version)) {
    return refuse("has no valid \"version\": write it like 1.2.0 (semver)");
  }
  if (manifest.state_oldest == 0 || manifest.state_oldest > manifest.state_version) {
    return refuse("has no valid \"state\": 1 ≤ oldest ≤ version");
  }
  return {};
}

/// The layout must be canonical, and its hash, when given, the text's.
Result<void> check_layout(const Json& table, const std::string& table_name, const char* member,
                          const char* hash_member) {
  const auto text = table.at(member).get<std::string>();
  const auto layout = tables::Layout::parse(text);
  if (!layout)
    return refuse("has a bad " + std::string(member) + " layout for table " + table_name + ": " +
                  layout.error().message);
  if (table.contains(hash_member) && table.at(hash_member).get<std::string>() != layout->hash_hex()) {
    return refuse("has a " + std::string(hash_member) + " for table " + table_name +
                  " that is not its layout's (" + layout->hash_hex() + ")");
  }
  return {};
}

Result<void> read_tables(const Json& list, Manifest& manifest) {
  if (!list.is_array()) return refuse("must have an array \"tables\"");
  if (list.size() > tree::tables_max)
    return refuse("names more than " + std::to_string(tree::tables_max) + " tables");
  for (const Json& entry : list) {
    ManifestTable table{entry.at("name").get<std::string>(), entry.at("key").get<std::string>(),
                        entry.at("value").get<std::string>()};
    if (table.name.empty() || table.name.size() > 64)
      return refuse("names a table \"" + table.name.substr(0, 64) + "\"");
    if (std::any_of(manifest.tables.begin(), manifest.tables.end(),
                    [&](const auto& t) { return t.name == table.name; })) {
      return refuse("names table " + table.name + " twice");
    }
    if (auto checked = check_layout(entry, table.name, "key", "key_hash"); !checked) return checked;
    if (auto checked = check_layout(entry, table.name, "value", "value_hash"); !checked) return checked;
    manifest.tables.push_back(std::move(table));
  }
  return {};
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view text) {
  if (text.size() > PERCH_MANIFEST_BYTES_MAX) return refuse("is over 64 KiB");
  try {
    // nlohmann parses and destroys without recursion, but dumps with it: depth is bounded here.
    bool too_deep = false;
    const Json json = Json::parse(text, [&too_deep](int depth, Json::parse_event_t, Json&) {
      too_deep = too_deep || depth > json_depth_max;
      return true;
    });
    if (too_deep) return refuse("is nested deeper than " + std::to_string(json_depth_max) + " levels");
    if (!json.is_object()) return refuse("is no JSON object");
    Manifest manifest;
    manifest.abi = positive_number(json, "abi");
    if (auto checked = check_abi(manifest.abi); !checked)
      return fail(checked.error());  // the rest may mean other things
    manifest.id = json.at("id").get<std::string>();
    manifest.version = json.at("version").get<std::string>();
    if (json.contains("state")) {
      manifest.state_version = positive_number(json.at("state"), "version");
      manifest.state_oldest = positive_number(json.at("state"), "oldest");
    }
    if (auto checked = check_names(manifest); !checked) return fail(checked.error());
    if (auto checked = read_tables(json.at("tables"), manifest); !checked) return fail(checked.error());
    const Json schema = json.value("config_schema", Json::object());
    if (!schema.is_object()) return refuse("has a \"config_schema\" that is no object");
    manifest.config_schema = schema.dump();
    manifest.text = text;
    return manifest;
  } catch (const Json::exception& exception) {
    return refuse(std::string("cannot be read: ") + exception.what());
  }
}

Result<Manifest> read_manifest(int fd, const std::filesystem::path& name) {
  const auto file = ElfFile::open(fd, name);
  if (!file) return fail(file.error());
  const auto note =
      file->find_note(PERCH_NOTE_SECTION, PERCH_NOTE_OWNER, PERCH_NOTE_TYPE, PERCH_MANIFEST_BYTES_MAX);
  if (!note) return fail(note.error());
  auto manifest = parse_manifest(*note);
  if (!manifest) manifest.error().message = name.string() + ": " + manifest.error().message;
  return manifest;
}

}  // namespace perch::readers
