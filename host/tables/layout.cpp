#include "tables/layout.hpp"

#include <algorithm>
#include <cstdio>
#include <unordered_set>

#include "base/nearest_name.hpp"
#include "tables/field_types.hpp"

namespace perch::tables {
namespace {

constexpr std::uint32_t record_bytes_max = 4096;
constexpr std::size_t text_bytes_max = 65536;
constexpr std::size_t name_bytes_max = 64;

/// 'text' for a message: texts may come from hostile files, so it is cut and its control bytes are masked.
std::string quoted(std::string_view text) {
  constexpr std::size_t shown_max = 80;
  std::string result = "'";
  for (const char c : text.substr(0, shown_max)) result += c >= ' ' && c <= '~' ? c : '?';
  return result + (text.size() > shown_max ? "…'" : "'");
}

bool is_name(std::string_view name) noexcept {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= name_bytes_max && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::uint32_t align_up(std::uint32_t offset, std::uint32_t align) noexcept {
  return (offset + align - 1) / align * align;
}

tl::unexpected<Error> unknown_type(const FieldSpec& field) {
  std::string message = "field " + quoted(field.name) + ": unknown type " + quoted(field.type);
  const auto as_written = [](const std::string& name) { return name == "char" ? "char[N]" : name; };
  const std::string near = nearest_name(field.type.substr(0, field.type.find('[')), type_names());
  if (!near.empty()) message += "; did you mean '" + as_written(near) + "'?";
  message += " (types:";
  for (const std::string& name : type_names()) message += " " + as_written(name);
  message += ", and T[N] of a number type; N from 1 to 4096)";
  return fail(ErrorKind::usage, std::move(message));
}

/// Checks one field of a config and gives it type and extent; its offset is the layout's business.
Result<Field> make_field(const FieldSpec& spec, bool arrays_allowed) {
  if (!is_name(spec.name)) {
    return fail(ErrorKind::usage,
                "field " + quoted(spec.name) +
                    ": a name is a letter or _, then letters, digits or _, at most 64 in all");
  }
  const auto parsed = parse_type(spec.type);
  if (!parsed) return unknown_type(spec);
  if (parsed->extent != 0 && parsed->type != FieldType::chars && !arrays_allowed) {
    return fail(ErrorKind::usage,
                "field " + quoted(spec.name) + ": an array (" + spec.type + ") cannot be part of a key");
  }
  return Field{spec.name, parsed->type, parsed->extent, 0};
}

/// One "name:type@offset" of a canonical text.
struct FieldText {
  FieldSpec spec;
  std::string_view offset;
};

Result<FieldText> split_field(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::size_t at = text.find('@', colon == std::string_view::npos ? text.size() : colon);
  if (at == std::string_view::npos) {
    return fail("layout text: " + quoted(text) + " is not of the form name:type@offset");
  }
  return FieldText{{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1, at - colon - 1))},
                   text.substr(at + 1)};
}

}  // namespace

std::uint32_t Field::element_size() const noexcept { return type_size(type); }

std::string Field::type_text() const {
  std::string text(type_name(type));
  if (extent != 0) text += "[" + std::to_string(extent) + "]";
  return text;
}

Result<Layout> Layout::make(const std::vector<FieldSpec>& fields, bool arrays_allowed) {
  if (fields.empty()) return fail(ErrorKind::usage, "a record needs at least one field");
  Layout layout;
  std::unordered_set<std::string_view> names;
  std::uint32_t end = 0;
  layout.text_ = "{";
  for (const FieldSpec& spec : fields) {
    auto field = make_field(spec, arrays_allowed);
    if (!field) return fail(std::move(field.error()));
    if (!names.insert(spec.name).second) {
      return fail(ErrorKind::usage, "field " + quoted(spec.name) + " is there twice");
    }
    field->offset = align_up(end, field->element_size());
    end = field->offset + field->size();
    layout.align_ = std::max(layout.align_, field->element_size());
    if (align_up(end, layout.align_) > record_bytes_max) {
      return fail(ErrorKind::usage, "field " + quoted(spec.name) + ": the record is over 4096 bytes with it");
    }
    if (layout.text_.size() > 1) layout.text_ += ';';
    layout.text_ += field->name + ":" + field->type_text() + "@" + std::to_string(field->offset);
    layout.fields_.push_back(std::move(*field));
  }
  layout.size_ = align_up(end, layout.align_);
  layout.text_ += "}" + std::to_string(layout.size_) + ":" + std::to_string(layout.align_);
  if (layout.text_.size() > text_bytes_max) {
    return fail(ErrorKind::usage, "the layout's text is over 65536 bytes: use fewer fields or shorter names");
  }
  layout.hash_ = fnv1a_64(layout.text_);
  return layout;
}

Result<Layout> Layout::parse(std::string_view canonical_text) {
  if (canonical_text.size() > text_bytes_max) return fail("layout text: over 65536 bytes");
  const std::size_t close = canonical_text.find('}');
  if (canonical_text.empty() || canonical_text.front() != '{' || close == std::string_view::npos) {
    return fail("layout text: " + quoted(canonical_text) + " is not of the form {…}size:align");
  }
  std::vector<FieldSpec> specs;
  std::vector<std::string_view> offsets;
  std::string_view rest = canonical_text.substr(1, close - 1);
  for (bool more = true; more;) {
    const std::size_t end = rest.find(';');
    auto field = split_field(rest.substr(0, end));
    if (!field) return fail(std::move(field.error()));
    specs.push_back(std::move(field->spec));
    offsets.push_back(field->offset);
    more = end != std::string_view::npos;
    if (more) rest.remove_prefix(end + 1);
  }
  auto layout = make(specs, true);
  if (!layout) return fail("layout text: " + layout.error().message);
  // Numbers are compared as texts: that is what canonical means, and there is nothing to overflow.
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const std::string offset = std::to_string(layout->fields_[i].offset);
    if (offsets[i] != offset) {
      return fail("layout text: field " + quoted(specs[i].name) + " is at offset " + quoted(offsets[i]) +
                  ", C's natural alignment puts it at " + offset);
    }
  }
  if (layout->text_ != canonical_text) {
    const std::string_view wanted = std::string_view(layout->text_).substr(layout->text_.find('}') + 1);
    return fail("layout text: size and alignment are " + quoted(canonical_text.substr(close + 1)) +
                ", the fields give '" + std::string(wanted) + "'");
  }
  return layout;
}

const Field* Layout::find(std::string_view name) const noexcept {
  const auto field =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.name == name; });
  return field == fields_.end() ? nullptr : &*field;
}

std::string Layout::hash_hex() const {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash_));
  return text;
}

std::uint64_t fnv1a_64(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace perch::tables
