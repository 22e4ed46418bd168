#include "cli/c_header.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace perch::cli {
namespace {

// C11 6.4.1, what GCC adds to it, and the macros of the headers that are included.
constexpr auto reserved = std::to_array<std::string_view>(
    {"NULL",       "_Alignas",  "_Alignof",       "_Atomic",       "_Bool",    "_Complex", "_Generic",
     "_Imaginary", "_Noreturn", "_Static_assert", "_Thread_local", "asm",      "auto",     "bool",
     "break",      "case",      "char",           "const",         "continue", "default",  "do",
     "double",     "else",      "enum",           "extern",        "false",    "float",    "for",
     "goto",       "if",        "inline",         "int",           "long",     "offsetof", "register",
     "restrict",   "return",    "short",          "signed",        "sizeof",   "static",   "struct",
     "switch",     "true",      "typedef",        "typeof",        "union",    "unsigned", "void",
     "volatile",   "while"});

static_assert(std::is_sorted(reserved.begin(), reserved.end()));

bool is_reserved(std::string_view name) { return std::binary_search(reserved.begin(), reserved.end(), name); }

std::string c_scalar(const std::string& type) {
  if (type == "float32") return "float";
  if (type == "float64") return "double";
  if (type == "bool" || type == "char") return type;
  if (type == "timestamp_ns") return "int64_t";
  return type + "_t";
}

/// "char[8]" symbol → "char symbol[8];  /* UTF-8 … */"
std::string c_member(const std::string& type, const std::string& name) {
  const std::size_t bracket = std::min(type.find('['), type.size());
  const std::string extent = type.substr(bracket);
  const char* comment = type == "timestamp_ns"      ? " /* timestamp_ns: nanoseconds since 1970 UTC */"
                        : type.starts_with("char[") ? " /* UTF-8, padded with NUL; no NUL when full */"
                                                    : "";
  return c_scalar(type.substr(0, bracket)) + " " + name + extent + ";" + comment;
}

/// The struct of a record, its layout's text, and the proof that the two are the same.
std::string record_struct(const std::string& name, const std::string& macro, const Json& record,
                          std::vector<std::string>& unusable) {
  std::string members, checks;
  for (const Json& field : record.at("fields")) {
    const auto field_name = field.at("name").get<std::string>();
    if (is_reserved(field_name)) unusable.push_back(field_name);
    members += "  " + c_member(field.at("type").get<std::string>(), field_name) + "\n";
    checks += "_Static_assert(offsetof(" + name + ", " + field_name + ") == " + field.at("offset").dump() +
              ", \"" + field_name + "\");\n";
  }
  return "typedef struct " + name + " {\n" + members + "} " + name + ";\n#define " + macro + " \"" +
         record.at("layout").get<std::string>() + "\"\n" + checks + "_Static_assert(sizeof(" + name +
         ") == " + record.at("size").dump() + " && _Alignof(" + name + ") == " + record.at("align").dump() +
         ", \"" + name + "\");\n";
}

}  // namespace

std::string c_macro_prefix(const std::string& table) {
  std::string prefix = table;
  std::transform(prefix.begin(), prefix.end(), prefix.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return prefix;
}

std::string c_header(const Json& layout, std::vector<std::string>& unusable) {
  const auto table = layout.at("table").get<std::string>();
  const std::string macro = c_macro_prefix(table);
  // One after the other: both may add to `unusable`.
  const std::string key = record_struct(table + "_key", macro + "_KEY_LAYOUT", layout.at("key"), unusable);
  const std::string value =
      record_struct(table + "_value", macro + "_VALUE_LAYOUT", layout.at("value"), unusable);
  return "/* Layout of table \"" + table + "\", printed by: perch layout " + table +
         " --c */\n"
         "#pragma once\n\n"
         "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n" +
         key + "\n" + value;
}

}  // namespace perch::cli
