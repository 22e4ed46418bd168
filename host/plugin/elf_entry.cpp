#include "plugin/elf_entry.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace perch::plugin {
namespace {

tl::unexpected<Error> refuse_entry(const std::string& what) {
  return fail(ErrorKind::refused, PERCH_PLUGIN_SYMBOL " " + what);
}

template <class Pointer>
std::uint64_t address_of(Pointer pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

std::array<std::uint64_t, 7> functions_of(const perch_plugin_api& entry) {
  return {address_of(entry.create),    address_of(entry.restore), address_of(entry.start),
          address_of(entry.on_commit), address_of(entry.save),    address_of(entry.stop),
          address_of(entry.destroy)};
}

class MemoryInFile final : public EntryMemory {
 public:
  explicit MemoryInFile(const elf::ElfImage& image) : image_(image) {}
  bool is_code(std::uint64_t address) const override { return image_.is_code(address); }
  std::optional<std::string> bytes(std::uint64_t address, std::uint64_t size) const override {
    return image_.bytes(address, size);
  }

 private:
  const elf::ElfImage& image_;
};

/// The struct as the loader will leave it, but for the library's address.
Result<perch_plugin_api> relocated(const elf::ElfLibrary& library, const Elf64_Sym& symbol) {
  const auto bytes = library.image().bytes(symbol.st_value, entry_bytes_min);
  if (!bytes) return refuse_entry("reaches beyond its segment");
  perch_plugin_api entry{};
  std::memcpy(&entry, bytes->data(), entry_bytes_min);
  for (std::size_t at = 0; at < entry_bytes_min; at += sizeof(void*)) {
    const elf::ElfRelocation* const relocation = relocation_at(library.relocations(), symbol.st_value + at);
    const bool is_pointer =
        at == offsetof(perch_plugin_api, manifest) || at >= offsetof(perch_plugin_api, create);
    if (!is_pointer && relocation != nullptr) return refuse_entry("has a pointer where a number must be");
    if (!is_pointer) continue;
    std::uint64_t target = 0;
    if (relocation != nullptr) {
      const auto within = target_of(*relocation, library.symbols());
      if (!within) return refuse_entry("points to another library");
      target = *within;
    }
    std::memcpy(reinterpret_cast<char*>(&entry) + at, &target, sizeof target);
  }
  return entry;
}

/// Functions begin where the compiler says that they do: none of the entry's lies within another, or between.
Result<void> check_functions(const perch_plugin_api& entry, const elf::ElfLibrary& library) {
  std::size_t known = 0;
  for (const std::uint64_t function : functions_of(entry)) {
    const auto place = library.place_in_function(function);
    if (place == elf::ElfFunctions::Place::inside) return refuse_entry("names a place within a function");
    known += place == elf::ElfFunctions::Place::start ? 1 : 0;
  }
  if (known != 0 && known != functions_of(entry).size())
    return refuse_entry("names a place that is no function");
  return {};
}

}  // namespace

Result<void> check_entry(const perch_plugin_api& entry, const Manifest& manifest, const EntryMemory& memory) {
  if (entry.struct_size < entry_bytes_min) {
    return refuse_entry("has " + std::to_string(entry.struct_size) +
                        " bytes, fewer than version 1 of the interface");
  }
  if (entry.abi_version != manifest.abi) {
    return refuse_entry("says interface version " + std::to_string(entry.abi_version) +
                        ", the manifest says " + std::to_string(manifest.abi));
  }
  for (const std::uint64_t function : functions_of(entry)) {
    if (function == 0) return refuse_entry("lacks a function; all are required");
    if (!memory.is_code(function)) return refuse_entry("names a function that is no code of this library");
  }
  if (entry.manifest_size != manifest.text.size()) {
    return refuse_entry(
        "has another manifest in memory than the file's note: " + std::to_string(entry.manifest_size) +
        " bytes instead of " + std::to_string(manifest.text.size()));
  }
  const auto text = memory.bytes(address_of(entry.manifest), entry.manifest_size);
  if (!text) return refuse_entry("says that its manifest is where the library has nothing to read");
  if (*text != manifest.text) return refuse_entry("has another manifest in memory than the file's note");
  return {};
}

Result<void> check_entry_in_file(const elf::ElfLibrary& library, const Manifest& manifest) {
  const auto& symbols = library.symbols();
  const auto symbol = std::find_if(symbols.begin(), symbols.end(), [&](const Elf64_Sym& each) {
    return each.st_shndx != SHN_UNDEF && library.name_of(each) == PERCH_PLUGIN_SYMBOL;
  });
  if (symbol == symbols.end()) return refuse_entry("is not exported");
  const unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
  if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_shndx >= SHN_LORESERVE ||
      symbol->st_value % alignof(perch_plugin_api) != 0) {
    return refuse_entry("is no variable");
  }
  if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL ||
      (visibility != STV_DEFAULT && visibility != STV_PROTECTED)) {
    return refuse_entry("is not exported");
  }
  const auto entry = relocated(library, *symbol);
  if (!entry) return fail(entry.error());
  if (auto checked = check_entry(*entry, manifest, MemoryInFile(library.image())); !checked) return checked;
  if (entry->struct_size > symbol->st_size) return refuse_entry("says that it is larger than it is");
  return check_functions(*entry, library);
}

Result<void> check_loadable(const elf::ElfFile& file, const Manifest& manifest) {
  const auto library = elf::ElfLibrary::read(file);
  if (!library) return fail(library.error());
  auto checked = check_entry_in_file(*library, manifest);
  if (!checked) checked.error().message = file.name() + ": " + checked.error().message;
  return checked;
}

}  // namespace perch::plugin
