#include "plugin/manifest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bounded_json.hpp"
#include "elf/elf_file.hpp"
#include "perch/plugin.h"
#include "plugin/config_schema.hpp"

namespace perch::plugin {
namespace {

using Json = nlohmann::json;

constexpr int json_depth_max = 64;
constexpr std::size_t version_chars_max = 64;

tl::unexpected<Error> refuse_manifest(const std::string& what) {
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

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

/// Takes a number without leading zeros, of at most 9 digits, off the front.
bool take_number(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto size = static_cast<std::size_t>(end - text.begin());
  if (size == 0 || size > 9 || (size > 1 && text[0] == '0')) return false;
  text.remove_prefix(size);
  return true;
}

/// Takes a mark and the dotted identifiers behind it off the front, where there is one.
bool take_identifiers(std::string_view& text, char mark) {
  if (text.empty() || text[0] != mark) return true;
  text.remove_prefix(1);
  char before = '.';
  std::size_t size = 0;
  for (; size < text.size() &&
         (is_letter(text[size]) || is_digit(text[size]) || text[size] == '-' || text[size] == '.');
       ++size) {
    if (text[size] == '.' && before == '.') return false;  // an empty one
    before = text[size];
  }
  text.remove_prefix(size);
  return before != '.';
}

bool take_dot(std::string_view& text) {
  if (text.empty() || text[0] != '.') return false;
  text.remove_prefix(1);
  return true;
}

/// semver.org, items 2, 9 and 10, but for leading zeros of pre-releases.
bool is_semver(std::string_view text) {
  return text.size() <= version_chars_max && take_number(text) && take_dot(text) && take_number(text) &&
         take_dot(text) && take_number(text) && take_identifiers(text, '-') && take_identifiers(text, '+') &&
         text.empty();
}

Result<void> check_names(const Manifest& manifest) {
  if (!is_plugin_id(manifest.id))
    return refuse_manifest("has no valid \"id\": it must match [a-z][a-z0-9_-]{0,63}");
  if (!is_semver(manifest.version))
    return refuse_manifest("has no valid \"version\": write it like 1.2.0 (semver)");
  if (manifest.state_oldest == 0 || manifest.state_oldest > manifest.state_version) {
    return refuse_manifest("has no valid \"state\": 1 ≤ oldest ≤ version");
  }
  return {};
}

/// The layout must be canonical, and its hash, when given, the text's.
Result<void> check_layout(const Json& table, const std::string& table_name, const char* member,
                          const char* hash_member) {
  const auto text = table.at(member).get<std::string>();
  const auto layout = tables::Layout::parse(text);
  if (!layout)
    return refuse_manifest("has a bad " + std::string(member) + " layout for table " + table_name + ": " +
                           layout.error().message);
  if (table.contains(hash_member) && table.at(hash_member).get<std::string>() != layout->hash_hex()) {
    return refuse_manifest("has a " + std::string(hash_member) + " for table " + table_name +
                           " that is not its layout's (" + layout->hash_hex() + ")");
  }
  return {};
}

Result<void> read_tables(const Json& list, Manifest& manifest) {
  if (!list.is_array()) return refuse_manifest("must have an array \"tables\"");
  if (list.size() > tree::tables_max)
    return refuse_manifest("names more than " + std::to_string(tree::tables_max) + " tables");
  for (const Json& entry : list) {
    tables::WantedTable table{entry.at("name").get<std::string>(), entry.at("key").get<std::string>(),
                              entry.at("value").get<std::string>()};
    // The rules for names of fields are those for names of tables.
    if (!tables::Layout::make({{table.name, "int8"}}, false)) {
      return refuse_manifest(
          "names a table whose name none can have: a letter or _, then letters, digits or _, at most 64 in "
          "all");
    }
    if (std::any_of(manifest.tables.begin(), manifest.tables.end(),
                    [&](const auto& t) { return t.name == table.name; })) {
      return refuse_manifest("names table " + table.name + " twice");
    }
    if (auto checked = check_layout(entry, table.name, "key", "key_hash"); !checked) return checked;
    if (auto checked = check_layout(entry, table.name, "value", "value_hash"); !checked) return checked;
    manifest.tables.push_back(std::move(table));
  }
  return {};
}

}  // namespace

bool is_plugin_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && is_lower(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-'; });
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (text.size() > PERCH_MANIFEST_BYTES_MAX) return refuse_manifest("is over 64 KiB");
  const auto parsed = parse_bounded(text, json_depth_max, JsonNames::once);
  if (!parsed) return refuse_manifest(parsed.error().message);
  const Json& json = *parsed;
  try {
    if (!json.is_object()) return refuse_manifest("is no JSON object");
    Manifest manifest;
    manifest.abi = positive_number(json, "abi");
    if (auto checked = check_abi(manifest.abi); !checked)
      return fail(checked.error());  // the rest may mean other things
    if (json.contains("host_size")) {
      const Json& size = json.at("host_size");
      if (!size.is_number_unsigned() || size == 0)
        return refuse_manifest("has a \"host_size\" that is no number of bytes");
      manifest.host_size = size.get<std::uint64_t>();
    }
    manifest.id = json.at("id").get<std::string>();
    manifest.version = json.at("version").get<std::string>();
    if (json.contains("state")) {
      manifest.state_version = positive_number(json.at("state"), "version");
      manifest.state_oldest = positive_number(json.at("state"), "oldest");
    }
    if (auto checked = check_names(manifest); !checked) return fail(checked.error());
    if (auto checked = read_tables(json.at("tables"), manifest); !checked) return fail(checked.error());
    const Json schema = json.value("config_schema", Json::object());
    if (!schema.is_object()) return refuse_manifest("has a \"config_schema\" that is no object");
    manifest.config_schema = schema.dump();
    if (const auto usable = ConfigSchema::parse(manifest.config_schema); !usable)
      return refuse_manifest("has a config schema that cannot be used: " + usable.error().message);
    manifest.text = text;
    return manifest;
  } catch (const Json::exception& exception) {
    return refuse_manifest(std::string("cannot be read: ") + exception.what());
  }
}

Result<Manifest> read_manifest(const elf::ElfFile& file) {
  auto note = file.find_note(PERCH_NOTE_SECTION, PERCH_NOTE_OWNER, PERCH_NOTE_TYPE, PERCH_MANIFEST_BYTES_MAX);
  if (!note) return fail(note.error());
  auto manifest = parse_manifest(note->text);
  if (manifest) {
    manifest->found_in = std::move(note->found_in);
  } else {
    manifest.error().message = file.name() + ": " + manifest.error().message;
  }
  return manifest;
}

Result<Manifest> read_manifest(int fd, const std::filesystem::path& name) {
  const auto file = elf::ElfFile::open(fd, name);
  return file ? read_manifest(*file) : fail(file.error());
}

}  // namespace perch::plugin
