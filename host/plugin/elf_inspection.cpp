#include "plugin/elf_inspection.hpp"

#include "elf/elf_kind.hpp"
#include "plugin/elf_entry.hpp"

namespace perch::plugin {

Result<Inspection> inspect_file(const std::filesystem::path& path) {
  const auto opened = elf::open_regular(path, 0);
  if (!opened) return fail(opened.error());
  const auto file = elf::ElfFile::open(opened->fd.get(), path);
  if (!file) return fail(file.error());
  auto manifest = read_manifest(*file);
  if (!manifest) return fail(manifest.error());

  Inspection inspection;
  inspection.manifest = std::move(*manifest);
  inspection.build_id = file->build_id();
  const auto library = elf::ElfLibrary::read(*file);
  if (!library) {
    inspection.refusal = library.error().message;
    return inspection;
  }
  if (const auto entry = check_entry_in_file(*library, inspection.manifest); !entry) {
    inspection.refusal = path.string() + ": " + entry.error().message;
  }
  inspection.needed = library->dynamic().needed();
  inspection.exported = library->exported();
  inspection.undefined = library->undefined();
  inspection.never_unmapped = library->why_never_unmapped();
  return inspection;
}

std::vector<std::string> Inspection::warnings() const {
  std::vector<std::string> lines;
  std::string others;
  std::size_t count = 0;
  for (const std::string& name : exported) {
    if (name == PERCH_PLUGIN_SYMBOL) continue;
    if (++count <= 5) others += (others.empty() ? "" : ", ") + name;
  }
  if (count > 5) others += " and " + std::to_string(count - 5) + " more";
  if (count > 0) lines.push_back("exports more than " PERCH_PLUGIN_SYMBOL ": " + others);
  if (!never_unmapped.empty()) lines.push_back("would stay in memory after unloading: " + never_unmapped);
  return lines;
}

nlohmann::ordered_json to_json(const Inspection& inspection) {
  using Json = nlohmann::ordered_json;
  Json json{{"manifest", Json::parse(inspection.manifest.text)},
            {"manifest_in", inspection.manifest.found_in},
            {"build_id", inspection.build_id},
            {"loadable", inspection.refusal.empty()}};
  if (!inspection.refusal.empty()) json["refusal"] = inspection.refusal;
  json["needed"] = inspection.needed;
  json["exported"] = inspection.exported;
  json["warnings"] = inspection.warnings();
  return json;
}

}  // namespace perch::plugin
