// What perch_plugin says is believed only where it leads into the library itself.
#include "plugin/plugin_library.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <fstream>

#include "plugin/elf_inspection.hpp"
#include "plugin/mapped_library.hpp"
#include "unit/test_files.hpp"

namespace perch::plugin::test {
using namespace perch::test;
namespace plugin_library_test {

std::string refusal_of(const std::string& name) {
  const TemporaryFolder folder;
  auto file = PluginFile::open(faulty_plugin(name));
  REQUIRE(file);
  auto copy = file->copy_to(folder.path(), 1);
  if (!copy) return copy.error().message;
  const auto library = PluginLibrary::load(*file, *copy, 1);
  return library ? (*library)->unload() : library.error().message;
}

TEST_CASE("an entry that is wrong in the file is refused before its constructors run") {
  const TemporaryFolder folder;
  const fs::path mark = folder.path() / "mark";
  setenv("PERCH_TEST_MARK", mark.c_str(), 1);
  CHECK(refusal_of("lacks_a_function") ==
        faulty_plugin("lacks_a_function").string() + ": perch_plugin lacks a function; all are required");
  CHECK(refusal_of("another_manifest_in_memory") ==
        faulty_plugin("another_manifest_in_memory").string() +
            ": perch_plugin has another manifest in memory than the file's note");
  CHECK_FALSE(fs::exists(mark));
  CHECK(refusal_of("breaks_its_entry") ==
        faulty_plugin("breaks_its_entry").string() + ": perch_plugin lacks a function; all are required");
  CHECK(fs::exists(mark));  // only running it shows that
  unsetenv("PERCH_TEST_MARK");
}

TEST_CASE("a copy that somebody changed behind the check is not loaded") {
  const TemporaryFolder folder;
  auto file = PluginFile::open(faulty_plugin("summing"));
  REQUIRE(file);
  const auto copy = file->copy_to(folder.path(), 1);
  REQUIRE(copy);
  std::ofstream(*copy, std::ios::app) << "more";
  const auto library = PluginLibrary::load(*file, *copy, 1);
  REQUIRE_FALSE(library);
  CHECK(library.error().message.find("is not the copy of") != std::string::npos);
  CHECK_FALSE(fs::exists(*copy));
}

TEST_CASE("only a loaded library's own memory is its own") {
  const TemporaryFolder folder;
  auto file = PluginFile::open(faulty_plugin("summing"));
  REQUIRE(file);
  const auto copy = file->copy_to(folder.path(), 1);
  REQUIRE(copy);
  const auto library = PluginLibrary::load(*file, *copy, 1);
  REQUIRE(library);
  const MappedLibrary memory(*copy);
  const auto& api = (*library)->api();
  CHECK(memory.holds(&api, sizeof api));
  CHECK_FALSE(memory.holds(&api, std::uint64_t{1} << 40));
  CHECK_FALSE(memory.holds(&memory, 1));
  CHECK(memory.is_code(reinterpret_cast<std::uintptr_t>(api.create)));
  CHECK_FALSE(memory.is_code(reinterpret_cast<std::uintptr_t>(&api)));
  CHECK((*library)->unload().empty());
  CHECK_FALSE(MappedLibrary(*copy).holds(&api, 1));
}

TEST_CASE("an entry that lies about its manifest is caught before a pointer of it is followed") {
  struct Memory final : EntryMemory {
    bool is_code(std::uint64_t) const override { return true; }
    std::optional<std::string> bytes(std::uint64_t, std::uint64_t) const override { return std::nullopt; }
  };
  Manifest manifest;
  manifest.abi = PERCH_ABI_VERSION;
  manifest.text = "{}";
  perch_plugin_api entry{};
  entry.struct_size = sizeof entry;
  entry.abi_version = PERCH_ABI_VERSION;
  entry.create = [](const perch_host*, perch_string, void**, perch_error*) -> perch_result {
    return PERCH_OK;
  };
  entry.restore = [](void*, std::uint32_t, const void*, std::size_t, perch_error*) -> perch_result {
    return PERCH_OK;
  };
  entry.start = entry.stop = [](void*, perch_error*) -> perch_result { return PERCH_OK; };
  entry.on_commit = [](void*, const perch_step*, perch_error*) -> perch_result { return PERCH_OK; };
  entry.save = [](void*, const perch_state_sink*, perch_error*) -> perch_result { return PERCH_OK; };
  entry.destroy = [](void*) {};
  entry.manifest = reinterpret_cast<const void*>(std::uintptr_t{16});
  entry.manifest_size = ~std::uint64_t{0};
  CHECK(check_entry(entry, manifest, Memory()).error().message ==
        "perch_plugin has another manifest in memory than the file's note: 18446744073709551615 bytes "
        "instead of 2");
  entry.manifest_size = 2;
  CHECK(check_entry(entry, manifest, Memory()).error().message ==
        "perch_plugin says that its manifest is where the library has nothing to read");
}

}  // namespace plugin_library_test
}  // namespace perch::plugin::test
