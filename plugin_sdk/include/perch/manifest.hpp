// The manifest of a plugin: what the host reads from the file before it loads it. Made at compile time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "perch/detail/json_scan.hpp"
#include "perch/detail/text.hpp"
#include "perch/plugin.h"
#include "perch/reader.hpp"
#include "perch/settings.hpp"

namespace perch::detail {

/// [a-z][a-z0-9_-]{0,63}
constexpr bool is_plugin_id(std::string_view id) noexcept {
  if (id.empty() || id.size() > 64 || id[0] < 'a' || id[0] > 'z') return false;
  for (const char c : id) {
    if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

/// Dot-separated identifiers, none empty; numeric ones without leading zero where `numbers` rules say so.
constexpr bool are_semver_identifiers(std::string_view text, bool leading_zero_allowed) noexcept {
  while (true) {
    const std::size_t size = text.find('.') == std::string_view::npos ? text.size() : text.find('.');
    bool numeric = true;
    for (const char c : text.substr(0, size)) {
      if (!is_letter(c) && !is_digit(c) && c != '-') return false;
      numeric = numeric && is_digit(c);
    }
    if (size == 0 || (numeric && size > 1 && text[0] == '0' && !leading_zero_allowed)) return false;
    if (size == text.size()) return true;
    text.remove_prefix(size + 1);
  }
}

/// Semantic Versioning 2.0.0: MAJOR.MINOR.PATCH, then -pre.release and +build where given.
constexpr bool is_semver(std::string_view version) noexcept {
  const std::size_t plus = version.find('+');
  if (plus != std::string_view::npos && !are_semver_identifiers(version.substr(plus + 1), true)) return false;
  version = version.substr(0, plus);
  const std::size_t dash = version.find('-');
  if (dash != std::string_view::npos && !are_semver_identifiers(version.substr(dash + 1), false))
    return false;
  version = version.substr(0, dash);
  int dots = 0;
  for (const char c : version) {
    if (!is_digit(c) && c != '.') return false;
    dots += c == '.' ? 1 : 0;
  }
  return dots == 2 && are_semver_identifiers(version, false);
}

template <class R>
concept HasSettings = requires {
  typename R::Settings;
};

template <class R>
constexpr void write_config_schema(TextSink& sink) {
  if constexpr (HasSettings<R>) {
    write_schema<typename R::Settings>(sink);
  } else {
    sink << (R::info.config_schema.empty() ? "{}" : R::info.config_schema);
  }
}

template <class R>
consteval bool setting_names_good() {
  if constexpr (HasSettings<R>) return are_setting_names<typename R::Settings>();
  return true;
}

template <class R>
struct ManifestOf {
  static_assert(is_plugin_id(R::info.id), "perch: a plugin's id is [a-z][a-z0-9_-]{0,63}");
  static_assert(is_semver(R::info.version), "perch: a plugin's version is semver, such as 1.2.0");
  static_assert(R::info.oldest_state <= R::info.state_version,
                "perch: oldest_state is newer than state_version");
  static_assert(R::info.config_schema.empty() || is_json_object(R::info.config_schema),
                "perch: the config schema is no JSON object");
  static_assert(R::info.config_schema.empty() || !HasSettings<R>,
                "perch: the config schema follows from Settings; leave out info.config_schema");
  static_assert(setting_names_good<R>(),
                "perch: a setting's name is [A-Za-z_][A-Za-z0-9_]{0,63}, and no two have the same");

  static constexpr auto text = make_text([](TextSink& sink) {
    sink << "{\"abi\":" << std::uint64_t{PERCH_ABI_VERSION}
         << ",\"host_size\":" << std::uint64_t{sizeof(perch_host)} << ",\"id\":\"" << R::info.id
         << "\",\"version\":\"" << R::info.version
         << "\",\"state\":{\"version\":" << std::uint64_t{R::info.state_version}
         << ",\"oldest\":" << std::uint64_t{R::info.oldest_state} << "},\"tables\":[";
    for (std::size_t i = 0; i < R::Tables::count; ++i) {
      const TableFacts& table = *R::Tables::facts[i];
      sink << (i == 0 ? "{\"name\":\"" : ",{\"name\":\"") << table.name << "\",\"key\":\"" << table.key_text
           << "\",\"value\":\"" << table.value_text << "\",\"key_hash\":\"" << hash_hex(table.key_hash).view()
           << "\",\"value_hash\":\"" << hash_hex(table.value_hash).view() << "\"}";
    }
    sink << "],\"config_schema\":";
    write_config_schema<R>(sink);
    sink << "}";
  });
  static_assert(text.view().size() <= PERCH_MANIFEST_BYTES_MAX, "perch: the manifest is over 64 KiB");
};

/// An ELF note (elf(5)): sizes, type, owner padded to 4 bytes, descriptor padded to 4 bytes.
template <std::size_t Size>
struct ManifestNote {
  std::uint32_t owner_size = sizeof PERCH_NOTE_OWNER;
  std::uint32_t descriptor_size = Size;
  std::uint32_t type = PERCH_NOTE_TYPE;
  char owner[8] = PERCH_NOTE_OWNER;
  char descriptor[(Size + 3) / 4 * 4]{};
};

template <class R>
consteval auto make_note() {
  constexpr std::string_view text = ManifestOf<R>::text.view();
  ManifestNote<text.size()> note;
  static_assert(sizeof note == 20 + sizeof note.descriptor && alignof(decltype(note)) == 4);
  for (std::size_t i = 0; i < text.size(); ++i) note.descriptor[i] = text[i];
  return note;
}

}  // namespace perch::detail
