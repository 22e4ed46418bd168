#include "elf/elf_symbols.hpp"

#include <algorithm>
#include <cstring>

namespace perch::elf {
namespace {

std::uint32_t gnu_hash(const char* name) {
  std::uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

std::uint32_t sysv_hash(const char* name) {
  std::uint32_t hash = 0;
  for (; *name != '\0'; ++name) {
    hash = (hash << 4) + static_cast<unsigned char>(*name);
    const std::uint32_t high = hash & 0xf0000000;
    hash ^= high >> 24;
    hash &= ~high;
  }
  return hash;
}

/// DT_GNU_HASH, read whole.
struct GnuHash {
  std::uint32_t first_symbol = 0;
  std::uint32_t shift = 0;
  std::vector<std::uint64_t> filter;
  std::vector<std::uint32_t> buckets;
  std::vector<std::uint32_t> chain;  ///< of symbols from first_symbol on, to the end of the last bucket
};

Result<GnuHash> read_gnu_hash(const ElfImage& image, std::uint64_t address) {
  const auto damaged = [](const char* what) { return malformed(std::string("its DT_GNU_HASH ") + what); };
  struct Header {
    std::uint32_t buckets, first_symbol, filter_words, shift;
  };
  const auto header = image.one<Header>(address);
  if (!header || address % sizeof(std::uint64_t) != 0) return damaged("reaches beyond its segment");
  if (header->buckets == 0) return damaged("has no buckets");
  if (header->filter_words == 0 || (header->filter_words & (header->filter_words - 1)) != 0) {
    return damaged("has a filter whose size is no power of two");
  }
  if (header->shift >= 32) return damaged("has a filter with an impossible shift");
  GnuHash hash{header->first_symbol, header->shift, {}, {}, {}};
  const std::uint64_t filter_at = address + sizeof(Header);
  const std::uint64_t filter_bytes = std::uint64_t{header->filter_words} * sizeof(std::uint64_t);
  const std::uint64_t bucket_bytes = std::uint64_t{header->buckets} * sizeof(std::uint32_t);
  const std::uint64_t chain_at = filter_at + filter_bytes + bucket_bytes;
  auto filter = image.table<std::uint64_t>(filter_at, filter_bytes);
  auto buckets = image.table<std::uint32_t>(filter_at + filter_bytes, bucket_bytes);
  if (!filter || !buckets || !image.is_in_file(address, chain_at - address)) {
    return damaged("reaches beyond its segment");
  }
  hash.filter = std::move(*filter);
  hash.buckets = std::move(*buckets);
  const std::uint32_t last = *std::max_element(hash.buckets.begin(), hash.buckets.end());
  if (last == 0) return hash;
  if (last < hash.first_symbol) return damaged("has a bucket before its first symbol");
  // The last bucket's chain ends the table; where that is, only its marks say.
  constexpr std::uint64_t block_entries = 256;
  const Elf64_Phdr& segment = *image.segment_of(address, 1);
  const std::uint64_t room = (segment.p_vaddr + segment.p_filesz - chain_at) / sizeof(std::uint32_t);
  const std::uint64_t sure = last - hash.first_symbol;
  if (sure >= room) return damaged("has a bucket beyond its segment");
  for (std::uint64_t count = sure + 1;; count += block_entries) {
    count = std::min(count, room);
    auto chain = image.table<std::uint32_t>(chain_at, count * sizeof(std::uint32_t));
    if (!chain) return damaged("reaches beyond its segment");
    const auto from = chain->begin() + static_cast<std::ptrdiff_t>(sure);
    const auto end = std::find_if(from, chain->end(), [](std::uint32_t entry) { return (entry & 1) != 0; });
    if (end != chain->end()) {
      chain->erase(end + 1, chain->end());
      hash.chain = std::move(*chain);
      return hash;
    }
    if (count == room) return damaged("has a chain without end");
  }
}

/// Each symbol must be found by its name: in the bucket and behind the filter that its hash says.
Result<void> check_gnu_hash(const GnuHash& hash, const std::vector<Elf64_Sym>& symbols,
                            const ElfDynamic& dynamic) {
  const auto damaged = [](const std::string& what) { return malformed("its DT_GNU_HASH " + what); };
  const std::uint32_t buckets = static_cast<std::uint32_t>(hash.buckets.size());
  std::vector<std::uint32_t> firsts(buckets, 0);
  for (std::size_t index = 0; index < hash.chain.size(); ++index) {
    const std::size_t symbol = hash.first_symbol + index;
    const std::uint32_t expected = gnu_hash(dynamic.strings().c_str() + symbols[symbol].st_name);
    if ((hash.chain[index] | 1) != (expected | 1)) {
      return damaged("has another hash than its name's for symbol " + std::to_string(symbol));
    }
    const std::uint32_t bucket = expected % buckets;
    const bool is_first = index == 0 || (hash.chain[index - 1] & 1) != 0;
    if (is_first != (firsts[bucket] == 0)) return damaged("has a chain that is cut or runs into another");
    if (is_first) firsts[bucket] = static_cast<std::uint32_t>(symbol);
    const std::uint64_t word = hash.filter[(expected / 64) & (hash.filter.size() - 1)];
    if (((word >> (expected % 64)) & (word >> ((expected >> hash.shift) % 64)) & 1) == 0) {
      return damaged("has a filter that hides symbol " + std::to_string(symbol));
    }
  }
  if (firsts != hash.buckets) return damaged("has a bucket that is not where its symbols begin");
  return {};
}

/// DT_HASH. Its count of symbols is the table's.
struct SysvHash {
  std::vector<std::uint32_t> buckets, chain;
};

Result<SysvHash> read_sysv_hash(const ElfImage& image, std::uint64_t address) {
  struct Header {
    std::uint32_t buckets, symbols;
  };
  const auto header = image.one<Header>(address);
  if (!header || header->buckets == 0 || header->symbols == 0) {
    return malformed("its DT_HASH has no buckets or no symbols");
  }
  const std::uint64_t bucket_bytes = std::uint64_t{header->buckets} * sizeof(std::uint32_t);
  const std::uint64_t chain_bytes = std::uint64_t{header->symbols} * sizeof(std::uint32_t);
  auto buckets = image.table<std::uint32_t>(address + sizeof(Header), bucket_bytes);
  auto chain = image.table<std::uint32_t>(address + sizeof(Header) + bucket_bytes, chain_bytes);
  if (!buckets || !chain || !image.is_in_file(address, sizeof(Header) + bucket_bytes + chain_bytes)) {
    return malformed("its DT_HASH reaches beyond its segment");
  }
  return SysvHash{std::move(*buckets), std::move(*chain)};
}

Result<void> check_sysv_hash(const SysvHash& hash, const std::vector<Elf64_Sym>& symbols,
                             const ElfDynamic& dynamic) {
  std::size_t steps = 0;
  for (std::size_t bucket = 0; bucket < hash.buckets.size(); ++bucket) {
    for (std::uint32_t at = hash.buckets[bucket]; at != STN_UNDEF; at = hash.chain[at]) {
      if (at >= symbols.size()) return malformed("its DT_HASH names a symbol that is not there");
      if (++steps > symbols.size()) return malformed("its DT_HASH has a chain without end");
      if (sysv_hash(dynamic.strings().c_str() + symbols[at].st_name) % hash.buckets.size() != bucket) {
        return malformed("its DT_HASH has a symbol in another bucket than its name's");
      }
    }
  }
  return {};
}

Result<void> check_symbol(const ElfImage& image, const ElfDynamic& dynamic, const Elf64_Sym& symbol,
                          std::size_t index) {
  const auto damaged = [&](const std::string& what) {
    return malformed("its symbol " + std::to_string(index) + " " + what);
  };
  if (symbol.st_name >= dynamic.strings().size()) return damaged("has its name outside the string table");
  const std::string name = dynamic.strings().c_str() + symbol.st_name;
  const unsigned type = ELF64_ST_TYPE(symbol.st_info);
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  if (binding > STB_WEAK && binding != STB_GNU_UNIQUE) return damaged(name + " has an unknown binding");
  if (type > STT_TLS && type != STT_GNU_IFUNC) return damaged(name + " has an unknown type");
  // The low bits are the visibility; others belong to other processors.
  if ((symbol.st_other & ~3) != 0) return damaged(name + " has an unknown visibility");
  if (symbol.st_shndx == SHN_UNDEF) {
    if (symbol.st_value != 0) return damaged(name + " is undefined and has a value");
    // The loader takes such a one for its own, and its value for an address.
    if (index != 0 && (binding == STB_LOCAL || (symbol.st_other & 3) != STV_DEFAULT)) {
      return damaged(name + " is undefined and may not be another library's");
    }
    return {};
  }
  if (symbol.st_shndx == SHN_ABS) return {};
  if (symbol.st_shndx == SHN_COMMON) return damaged(name + " was never linked");
  const std::size_t sections = image.file().sections().size();
  if (sections != 0 && symbol.st_shndx > sections) return damaged(name + " is in no section of the file");
  if (type == STT_TLS) return {};  // its place is an offset, checked with the relocations that use it
  if (type == STT_FUNC || type == STT_GNU_IFUNC) {
    if (!image.is_code(symbol.st_value)) return damaged(name + " is a function in no executable segment");
    return {};
  }
  // Marks of the end of a section may lie just behind a segment.
  if (symbol.st_size > 0 ? !image.is_mapped(symbol.st_value, symbol.st_size)
                         : !image.is_mapped(symbol.st_value, 0)) {
    return damaged(name + " lies in none of its segments");
  }
  return {};
}

}  // namespace

Result<std::vector<Elf64_Sym>> read_symbols(const ElfImage& image, const ElfDynamic& dynamic) {
  Result<GnuHash> gnu = GnuHash{};
  Result<SysvHash> sysv = SysvHash{};
  if (const auto address = dynamic.value(DT_GNU_HASH)) gnu = read_gnu_hash(image, *address);
  if (!gnu) return fail(gnu.error());
  if (const auto address = dynamic.value(DT_HASH)) sysv = read_sysv_hash(image, *address);
  if (!sysv) return fail(sysv.error());

  const std::uint64_t hashed = gnu->chain.empty() ? gnu->first_symbol : gnu->first_symbol + gnu->chain.size();
  const std::uint64_t count = sysv->chain.empty() ? hashed : sysv->chain.size();
  if (gnu->chain.empty() && sysv->chain.empty()) return malformed("it exports nothing");
  if (count < hashed) return malformed("its two hash tables have different counts of symbols");
  auto symbols = image.table<Elf64_Sym>(*dynamic.value(DT_SYMTAB), count * sizeof(Elf64_Sym));
  if (!symbols || symbols->empty() ||
      !image.is_in_file(*dynamic.value(DT_SYMTAB), count * sizeof(Elf64_Sym))) {
    return malformed("its symbols reach beyond their segment");
  }
  for (std::size_t index = 0; index < symbols->size(); ++index) {
    if (auto checked = check_symbol(image, dynamic, (*symbols)[index], index); !checked) {
      return fail(checked.error());
    }
  }
  if (!gnu->buckets.empty()) {
    if (auto checked = check_gnu_hash(*gnu, *symbols, dynamic); !checked) return fail(checked.error());
  }
  if (!sysv->buckets.empty()) {
    if (auto checked = check_sysv_hash(*sysv, *symbols, dynamic); !checked) return fail(checked.error());
  }
  return std::move(*symbols);
}

// ---- Versions

namespace {

constexpr std::size_t versions_max = 32768;  // an index has 15 bits

/// Walks DT_VERNEED and DT_VERDEF: an entry, its list of names, the next entry. Both are lists by offsets,
/// and the loader follows them until an offset is 0. They end here since no index may come twice.
class VersionWalk {
 public:
  VersionWalk(const ElfImage& image, const ElfDynamic& dynamic) : image_(image), dynamic_(dynamic) {}

  Result<void> needed(std::uint64_t at, std::uint64_t count) {
    for (std::uint64_t number = 0;; ++number) {
      const auto entry = image_.one<Elf64_Verneed>(at);
      if (!entry || number >= count || entry->vn_version != VER_NEED_CURRENT) return damaged();
      // The loader asserts that it has loaded this library: an assertion that fails ends the host.
      const auto file = dynamic_.string(entry->vn_file);
      const auto& libraries = dynamic_.needed();
      if (!file || std::find(libraries.begin(), libraries.end(), *file) == libraries.end()) {
        return malformed("it needs versions of a library that it does not need");
      }
      if (auto names = needed_names(at + entry->vn_aux, entry->vn_cnt); !names) return names;
      if (entry->vn_next == 0) return number + 1 == count ? Result<void>() : damaged();
      at += entry->vn_next;
    }
  }

  Result<void> defined(std::uint64_t at, std::uint64_t count) {
    for (std::uint64_t number = 0;; ++number) {
      const auto entry = image_.one<Elf64_Verdef>(at);
      if (!entry || number >= count || entry->vd_version != VER_DEF_CURRENT || entry->vd_cnt == 0) {
        return damaged();
      }
      if (entry->vd_flags > (VER_FLG_BASE | VER_FLG_WEAK)) return damaged();
      const auto name = image_.one<Elf64_Verdaux>(at + entry->vd_aux);
      if (!name) return damaged();
      if (auto known = note(entry->vd_ndx, entry->vd_hash, name->vda_name); !known) return known;
      if (entry->vd_next == 0) return number + 1 == count ? Result<void>() : damaged();
      at += entry->vd_next;
    }
  }

  bool knows(std::uint16_t index) const {
    const std::uint16_t version = index & 0x7fff;
    return version <= VER_NDX_GLOBAL || known_[version];
  }

 private:
  static tl::unexpected<Error> damaged() { return malformed("its list of symbol versions is damaged"); }

  Result<void> needed_names(std::uint64_t at, std::uint64_t count) {
    for (std::uint64_t number = 0;; ++number) {
      const auto name = image_.one<Elf64_Vernaux>(at);
      if (!name || number >= count || (name->vna_flags & ~VER_FLG_WEAK) != 0) return damaged();
      if (auto known = note(name->vna_other, name->vna_hash, name->vna_name); !known) return known;
      if (name->vna_next == 0) return number + 1 == count ? Result<void>() : damaged();
      at += name->vna_next;
    }
  }

  Result<void> note(std::uint16_t index, std::uint32_t hash, std::uint32_t name_offset) {
    const auto name = dynamic_.string(name_offset);
    if (!name || sysv_hash(name->c_str()) != hash) return damaged();
    const std::uint16_t version = index & 0x7fff;
    if (version == VER_NDX_LOCAL || known_[version]) return damaged();  // two versions of one index
    known_[version] = true;
    return {};
  }

  const ElfImage& image_;
  const ElfDynamic& dynamic_;
  std::vector<bool> known_ = std::vector<bool>(versions_max);
};

/// No symbol is there twice with one version: one of them would have another one's name.
Result<void> check_names(const ElfDynamic& dynamic, const std::vector<Elf64_Sym>& symbols,
                         const std::vector<Elf64_Versym>& versions) {
  std::vector<std::pair<std::string_view, Elf64_Versym>> names;
  for (std::size_t index = 0; index < symbols.size(); ++index) {
    if (ELF64_ST_BIND(symbols[index].st_info) == STB_LOCAL) continue;
    names.emplace_back(dynamic.strings().c_str() + symbols[index].st_name, versions[index]);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return malformed("its symbol " + std::string(twice->first) + " is there twice");
}

}  // namespace

Result<void> check_versions(const ElfImage& image, const ElfDynamic& dynamic,
                            const std::vector<Elf64_Sym>& symbols) {
  VersionWalk walk(image, dynamic);
  const auto needed = dynamic.range(DT_VERNEED, DT_VERNEEDNUM);
  const auto defined = dynamic.range(DT_VERDEF, DT_VERDEFNUM);
  const auto versions = dynamic.value(DT_VERSYM);
  for (const auto& [address, count] :
       {std::pair(DT_VERNEED, DT_VERNEEDNUM), std::pair(DT_VERDEF, DT_VERDEFNUM)}) {
    if (dynamic.value(address).has_value() != dynamic.value(count).has_value()) {
      return malformed("its symbol versions have no count, or a count without them");
    }
  }
  if ((needed || defined) && !versions) return malformed("its symbols have no versions, but it lists some");
  if (needed) {
    if (auto walked = walk.needed(needed->address, needed->size); !walked) return walked;
  }
  if (defined) {
    if (auto walked = walk.defined(defined->address, defined->size); !walked) return walked;
  }
  if (!versions) return check_names(dynamic, symbols, std::vector<Elf64_Versym>(symbols.size()));
  const std::uint64_t bytes = symbols.size() * sizeof(Elf64_Versym);
  const auto indexes = image.table<Elf64_Versym>(*versions, bytes);
  if (!indexes || !image.is_in_file(*versions, bytes))
    return malformed("its symbol versions reach beyond their segment");
  for (std::size_t symbol = 0; symbol < indexes->size(); ++symbol) {
    if (!walk.knows((*indexes)[symbol])) {
      return malformed("its symbol " + std::to_string(symbol) + " has a version that is not listed");
    }
  }
  return check_names(dynamic, symbols, *indexes);
}

}  // namespace perch::elf
