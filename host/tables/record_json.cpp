#include "tables/record_json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "base/nearest_name.hpp"
#include "base/units.hpp"
#include "tables/field_types.hpp"
#include "tables/ordered_bits.hpp"

namespace perch::tables {
namespace {

using nlohmann::json;

// ---- Writing
// ----------------------------------------------------------------------------------------------------

template <class Number>
void append_number(Number number, std::string& out) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  out.append(text, end);
  if constexpr (std::is_floating_point_v<Number>) {
    // 3 → 3.0: a reader sees which type it is.
    if (std::string_view(text, static_cast<std::size_t>(end - text)).find_first_of(".e") ==
        std::string_view::npos) {
      out += ".0";
    }
  }
}

template <class Float>
void append_float(Float number, std::string& out) {
  if (std::isfinite(number)) return append_number(number, out);
  out += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

void append_string(std::string_view text, std::string& out) {
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  for (const char c : text) {
    if (!is_plain(c)) {
      out += json(text).dump(-1, ' ', false, json::error_handler_t::replace);
      return;
    }
  }
  out += '"';
  out += text;
  out += '"';
}

void append_element(FieldType type, const std::byte* bytes, std::string& out) {
  if (type == FieldType::boolean) {
    out += *bytes == std::byte{0} ? "false" : "true";
    return;
  }
  with_number_type(type, [&]<class Number>(std::type_identity<Number>) {
    if constexpr (std::is_floating_point_v<Number>) {
      append_float(load<Number>(bytes), out);
    } else {
      append_number(load<Number>(bytes), out);
    }
  });
}

void append_field(const Field& field, const std::byte* bytes, std::string& out) {
  if (field.type == FieldType::chars) {
    const char* text = reinterpret_cast<const char*>(bytes);
    return append_string({text, strnlen(text, field.extent)}, out);
  }
  if (field.extent == 0) return append_element(field.type, bytes, out);
  out += '[';
  for (std::uint32_t i = 0; i < field.extent; ++i) {
    if (i > 0) out += ',';
    append_element(field.type, bytes + std::size_t{i} * field.element_size(), out);
  }
  out += ']';
}

/// Members of the layout; a name that `taken` has too gets the prefix "value.".
void append_members_beside(const Layout& layout, const Layout* taken, const std::byte* record,
                           std::string& out) {
  bool first = true;
  for (const Field& field : layout.fields()) {
    if (!first) out += ',';
    first = false;
    out += '"';
    if (taken && taken->find(field.name)) out += "value.";
    out += field.name;
    out += "\":";
    append_field(field, record + field.offset, out);
  }
}

// ---- Reading
// ----------------------------------------------------------------------------------------------------

/// "price: expected float64, got "abc"", with the value cut.
tl::unexpected<Error> mismatch(const std::string& member, const std::string& expected, const json& given) {
  constexpr std::size_t shown_max = 64;
  std::string shown = given.dump(-1, ' ', true, json::error_handler_t::replace);
  if (shown.size() > shown_max) shown = shown.substr(0, shown_max) + "…";
  return fail(ErrorKind::usage, "member '" + member + "': expected " + expected + ", got " + shown);
}

template <class Float>
bool read_float(const json& given, Float& number) {
  using Limits = std::numeric_limits<Float>;
  if (given.is_number()) {
    const double wide = given.get<double>();
    number = static_cast<Float>(wide);
    return std::isfinite(number);
  }
  if (!given.is_string()) return false;
  const auto& text = given.get_ref<const std::string&>();
  if (text == "NaN")
    number = Limits::quiet_NaN();
  else if (text == "Infinity")
    number = Limits::infinity();
  else if (text == "-Infinity")
    number = -Limits::infinity();
  else
    return false;
  return true;
}

template <class Integer>
bool read_integer(const json& given, Integer& number) {
  const auto take = [&](auto wide) {
    number = static_cast<Integer>(wide);
    return std::in_range<Integer>(wide);
  };
  if (given.is_number_unsigned()) return take(given.get<std::uint64_t>());
  return given.is_number_integer() && take(given.get<std::int64_t>());
}

bool read_number(FieldType type, const json& given, std::byte* bytes) {
  return with_number_type(type, [&]<class Number>(std::type_identity<Number>) {
    Number number{};
    bool read;
    if constexpr (std::is_floating_point_v<Number>) {
      read = read_float(given, number);
    } else {
      read = read_integer(given, number);
    }
    if (read) store(number, bytes);
    return read;
  });
}

bool read_element(FieldType type, const json& given, std::byte* bytes) {
  if (type == FieldType::boolean) {
    if (given.is_boolean()) *bytes = given.get<bool>() ? std::byte{1} : std::byte{0};
    return given.is_boolean();
  }
  if (type == FieldType::timestamp_ns && given.is_string()) {
    const auto time = parse_utc(given.get_ref<const std::string&>());
    if (time) store(*time, bytes);
    return time.has_value();
  }
  return read_number(type, given, bytes);
}

std::string expectation(const Field& field) {
  const std::string text = field.type_text();
  switch (field.type) {
    case FieldType::boolean:
      return "bool (true or false)";
    case FieldType::timestamp_ns:
      return "timestamp_ns (integer nanoseconds or \"2026-11-24T20:16:48.123Z\")";
    case FieldType::chars:
      return text + " (a string of at most " + std::to_string(field.extent) + " bytes, without NUL)";
    default:
      return field.extent == 0 ? text : text + " (an array of " + std::to_string(field.extent) + " numbers)";
  }
}

/// Writes the field's bytes, which are zero before.
Result<void> read_field(const Field& field, const json& given, std::byte* bytes) {
  if (field.type == FieldType::chars) {
    if (!given.is_string()) return mismatch(field.name, expectation(field), given);
    const auto& text = given.get_ref<const std::string&>();
    if (text.size() > field.extent || text.find('\0') != std::string::npos) {
      return mismatch(field.name, expectation(field), given);
    }
    std::memcpy(bytes, text.data(), text.size());
    return {};
  }
  if (field.extent == 0) {
    if (!read_element(field.type, given, bytes)) return mismatch(field.name, expectation(field), given);
    return {};
  }
  if (!given.is_array() || given.size() != field.extent)
    return mismatch(field.name, expectation(field), given);
  for (std::uint32_t i = 0; i < field.extent; ++i) {
    if (!read_element(field.type, given[i], bytes + std::size_t{i} * field.element_size())) {
      return mismatch(field.name + "[" + std::to_string(i) + "]", std::string(type_name(field.type)),
                      given[i]);
    }
  }
  return {};
}

Result<void> check_members_known(const Layout& layout, const json& object) {
  for (const auto& [name, value] : object.items()) {
    if (layout.find(name)) continue;
    std::vector<std::string> names;
    for (const Field& field : layout.fields()) names.push_back(field.name);
    const std::string near = nearest_name(name, names);
    return fail(ErrorKind::usage, "unknown member '" + name.substr(0, 80) + "'" +
                                      (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  return {};
}

}  // namespace

void append_members(const Layout& layout, const std::byte* record, std::string& out) {
  append_members_beside(layout, nullptr, record, out);
}

std::string row_json(const Table& table, const std::byte* key_record, const std::byte* value) {
  std::string out = "{";
  append_members_beside(table.key(), nullptr, key_record, out);
  out += ',';
  append_members_beside(table.value(), &table.key(), value, out);
  out += '}';
  return out;
}

Result<void> record_from_json(const Layout& layout, const json& object, std::byte* record,
                              std::uint32_t* fields_given) {
  if (!object.is_object()) {
    return fail(ErrorKind::usage,
                std::string("expected an object with a member for each field, got ") + object.type_name());
  }
  if (auto known = check_members_known(layout, object); !known) return known;
  std::memset(record, 0, layout.size());
  std::uint32_t leading = 0;
  const Field* missing = nullptr;
  for (const Field& field : layout.fields()) {
    const auto given = object.find(field.name);
    if (given == object.end()) {
      if (!missing) missing = &field;
      continue;
    }
    if (missing) break;
    if (auto read = read_field(field, *given, record + field.offset); !read) return read;
    ++leading;
  }
  if (missing && (!fields_given || leading != object.size())) {
    return fail(ErrorKind::usage, "member '" + missing->name + "' (" + missing->type_text() + ") is missing");
  }
  if (fields_given) *fields_given = leading;
  return {};
}

}  // namespace perch::tables
