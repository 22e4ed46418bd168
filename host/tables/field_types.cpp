#include "tables/field_types.hpp"

#include <array>
#include <charconv>

namespace perch::tables {
namespace {

struct TypeInfo {
  std::string_view name;
  std::uint32_t size;
};

// In the order of FieldType.
constexpr std::array<TypeInfo, 13> types{{{"int8", 1},
                                          {"int16", 2},
                                          {"int32", 4},
                                          {"int64", 8},
                                          {"uint8", 1},
                                          {"uint16", 2},
                                          {"uint32", 4},
                                          {"uint64", 8},
                                          {"float32", 4},
                                          {"float64", 8},
                                          {"bool", 1},
                                          {"timestamp_ns", 8},
                                          {"char", 1}}};
static_assert(types.size() == static_cast<std::size_t>(FieldType::chars) + 1);

/// The N of "[N]": 1 to 4096 (no record is larger), no leading zero.
std::optional<std::uint32_t> parse_extent(std::string_view brackets) noexcept {
  if (brackets.size() < 3 || brackets.size() > 6 || brackets.front() != '[' || brackets.back() != ']')
    return {};
  const char* first = brackets.data() + 1;
  const char* last = brackets.data() + brackets.size() - 1;
  std::uint32_t extent = 0;
  const auto [end, error] = std::from_chars(first, last, extent);
  if (error != std::errc{} || end != last || *first == '0' || extent > 4096) return {};
  return extent;
}

}  // namespace

std::string_view type_name(FieldType type) noexcept { return types[static_cast<std::size_t>(type)].name; }

std::uint32_t type_size(FieldType type) noexcept { return types[static_cast<std::size_t>(type)].size; }

bool is_integer(FieldType type) noexcept { return type <= FieldType::uint64; }

bool is_float(FieldType type) noexcept { return type == FieldType::float32 || type == FieldType::float64; }

bool is_signed(FieldType type) noexcept {
  return type <= FieldType::int64 || type == FieldType::timestamp_ns;
}

std::string quoted(const Field& field) { return "field \"" + field.name + "\" (" + field.type_text() + ")"; }

std::optional<ParsedType> parse_type(std::string_view text) noexcept {
  const std::string_view base = text.substr(0, text.find('['));
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i].name != base) continue;
    const auto type = static_cast<FieldType>(i);
    if (base.size() == text.size()) {
      if (type == FieldType::chars) return {};
      return ParsedType{type, 0};
    }
    if (type == FieldType::boolean || type == FieldType::timestamp_ns) return {};
    const auto extent = parse_extent(text.substr(base.size()));
    if (!extent) return {};
    return ParsedType{type, *extent};
  }
  return {};
}

const std::vector<std::string>& type_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const TypeInfo& info : types) result.emplace_back(info.name);
    return result;
  }();
  return names;
}

}  // namespace perch::tables
