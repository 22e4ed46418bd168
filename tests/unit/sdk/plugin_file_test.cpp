// What a built plugin's file looks like from outside: its note, its one symbol, nothing that would keep it
// loaded.
#include "plugin_file.hpp"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "perch/testing.hpp"
#include "records.hpp"

namespace plugin_file_test {

using perch::test::built_plugin;
using perch::test::ElfFile;
using perch::test::LoadedPlugin;

const std::pair<const char*, const char*> plugins[] = {
    {"vwap", "plugins"}, {"vwap", "plugins-next"}, {"top_processes", "plugins"}, {"leak_watch", "plugins"}};

TEST_CASE("the manifest is an ELF note in a PT_NOTE segment, and the same in memory") {
  for (const auto& [name, folder] : plugins) {
    CAPTURE(name);
    const ElfFile file(built_plugin(name, folder));
    const Elf64_Shdr* section = file.section(PERCH_NOTE_SECTION);
    REQUIRE(section != nullptr);
    CHECK(section->sh_type == SHT_NOTE);
    CHECK(section->sh_addralign == 4);
    CHECK((section->sh_flags & (SHF_ALLOC | SHF_WRITE)) == SHF_ALLOC);
    CHECK(file.in_note_segment(*section));

    Elf64_Nhdr header;
    REQUIRE(section->sh_size > 20);
    std::memcpy(&header, file.bytes().data() + section->sh_offset, sizeof header);
    CHECK(header.n_namesz == 6);
    CHECK(header.n_type == PERCH_NOTE_TYPE);
    CHECK(std::string(file.bytes(), section->sh_offset + 12, 8) == std::string("Perch\0\0\0", 8));
    CHECK(section->sh_size == 20 + (header.n_descsz + 3) / 4 * 4);
    const std::string text(file.bytes(), section->sh_offset + 20, header.n_descsz);
    const auto manifest = nlohmann::json::parse(text);
    CHECK(manifest["id"] == name);
    CHECK(manifest["version"] == (std::string(folder) == "plugins" ? "1.0.0" : "1.1.0"));

    const LoadedPlugin loaded(built_plugin(name, folder));
    CHECK(loaded.manifest() == text);
    CHECK(loaded.api().struct_size == sizeof(perch_plugin_api));
    CHECK(loaded.api().abi_version == PERCH_ABI_VERSION);
  }
}

TEST_CASE("exactly one symbol is exported") {
  for (const auto& [name, folder] : plugins) {
    CAPTURE(name);
    const auto symbols = ElfFile(built_plugin(name, folder)).defined_symbols(SHT_DYNSYM);
    REQUIRE(symbols.size() == 1);
    CHECK(symbols[0].name == PERCH_PLUGIN_SYMBOL);
  }
}

TEST_CASE("no symbol is unique, which would keep the library loaded for ever") {
  for (const auto& [name, folder] : plugins) {
    CAPTURE(name);
    const ElfFile file(built_plugin(name, folder));
    for (const std::uint32_t table : {SHT_DYNSYM, SHT_SYMTAB}) {
      for (const auto& symbol : file.defined_symbols(table)) {
        CAPTURE(symbol.name);
        CHECK(symbol.binding != STB_GNU_UNIQUE);
      }
    }
    CHECK(file.section(".note.gnu.build-id") != nullptr);
  }
}

#ifndef PERCH_ONE_MAPPING  // sanitizers keep libraries loaded
TEST_CASE("a plugin that has run is gone once it is closed") {
  const auto is_loaded = [](const std::filesystem::path& path) {
    void* library = dlopen(path.c_str(), RTLD_NOLOAD | RTLD_NOW);
    if (library != nullptr) dlclose(library);
    return library != nullptr;
  };
  const auto path = built_plugin("top_processes");
  perch::testing::Host<processes::Table> host;
  {
    const LoadedPlugin plugin(path);
    perch::testing::Reader reader(host, "{}", std::nullopt, plugin.api());
    host.put(processes::table, {{1}, 1}, {});
    host.commit();
    reader.step();
    CHECK(reader.publications.size() == 1);
    CHECK(is_loaded(path));
  }
  CHECK_FALSE(is_loaded(path));
}
#endif

}  // namespace plugin_file_test
