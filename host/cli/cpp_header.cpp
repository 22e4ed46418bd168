#include "cli/cpp_header.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace perch::cli {
namespace {

constexpr std::size_t line_width = 100;

// [lex.key] and [lex.digraph] of C++20.
constexpr auto keywords = std::to_array<std::string_view>(
    {"alignas",     "alignof",  "and",        "and_eq",    "asm",       "auto",         "bitand",
     "bitor",       "bool",     "break",      "case",      "catch",     "char",         "char16_t",
     "char32_t",    "char8_t",  "class",      "co_await",  "co_return", "co_yield",     "compl",
     "concept",     "const",    "const_cast", "consteval", "constexpr", "constinit",    "continue",
     "decltype",    "default",  "delete",     "do",        "double",    "dynamic_cast", "else",
     "enum",        "explicit", "export",     "extern",    "false",     "float",        "for",
     "friend",      "goto",     "if",         "inline",    "int",       "long",         "mutable",
     "namespace",   "new",      "noexcept",   "not",       "not_eq",    "nullptr",      "operator",
     "or",          "or_eq",    "private",    "protected", "public",    "register",     "reinterpret_cast",
     "requires",    "return",   "short",      "signed",    "sizeof",    "static",       "static_assert",
     "static_cast", "struct",   "switch",     "template",  "this",      "thread_local", "throw",
     "true",        "try",      "typedef",    "typeid",    "typename",  "union",        "unsigned",
     "using",       "virtual",  "void",       "volatile",  "wchar_t",   "while",        "xor",
     "xor_eq"});

// Functions and structs that C's headers put beside the namespaces, as far as somebody would name a table so.
constexpr auto c_names = std::to_array<std::string_view>(
    {"abort",  "accept", "access", "alarm",    "bind",     "clock",     "clone",    "close",  "connect",
     "daemon", "div",    "exit",   "exp",      "floor",    "fork",      "free",     "gamma",  "index",
     "kill",   "link",   "listen", "log",      "nan",      "nice",      "open",     "pause",  "pipe",
     "poll",   "pow",    "raise",  "random",   "read",     "remainder", "remove",   "rename", "revoke",
     "rewind", "round",  "select", "send",     "signal",   "sleep",     "socket",   "stat",   "sync",
     "system", "tan",    "time",   "timespec", "timezone", "tm",        "truncate", "wait",   "write"});
static_assert(std::is_sorted(c_names.begin(), c_names.end()));

bool is_keyword(std::string_view name) { return std::binary_search(keywords.begin(), keywords.end(), name); }

std::string cpp_scalar(const std::string& type) {
  if (type == "float32") return "float";
  if (type == "float64") return "double";
  if (type == "bool") return "bool";
  if (type == "timestamp_ns") return "perch::timestamp_ns";
  return "std::" + type + "_t";
}

/// "char[8]" → perch::chars<8>, "uint32[4]" → std::array<std::uint32_t, 4>.
std::string cpp_type(const std::string& type) {
  const std::size_t bracket = type.find('[');
  if (bracket == std::string::npos) return cpp_scalar(type);
  const std::string element = type.substr(0, bracket);
  const std::string extent = type.substr(bracket + 1, type.size() - bracket - 2);
  return element == "char" ? "perch::chars<" + extent + ">"
                           : "std::array<" + cpp_scalar(element) + ", " + extent + ">";
}

/// PERCH_LAYOUT(Key, symbol, seq), broken into lines where it grows too long.
std::string layout_macro(const std::string& name, const Json& fields) {
  std::string text = "PERCH_LAYOUT(" + name;
  std::size_t column = text.size();
  for (const Json& field : fields) {
    const auto field_name = field.at("name").get<std::string>();
    if (column + field_name.size() + 3 > line_width) {
      text += ",\n             " + field_name;
      column = 13 + field_name.size();
    } else {
      text += ", " + field_name;
      column += 2 + field_name.size();
    }
  }
  return text + ")\n";
}

std::string record_struct(const std::string& name, const Json& fields, std::vector<std::string>& unusable) {
  std::string text = "struct " + name + " {\n";
  for (const Json& field : fields) {
    const auto field_name = field.at("name").get<std::string>();
    if (is_keyword(field_name)) unusable.push_back(field_name);
    text += "  " + cpp_type(field.at("type").get<std::string>()) + " " + field_name + ";\n";
  }
  return text + "};\n" + layout_macro(name, fields);
}

}  // namespace

std::string unusable_field_text(const std::string& name) {
  return "field " + name +
         " has a name that the language reserves: the header does not compile, and another name would be "
         "another layout; rename the field in the host's config";
}

std::string cpp_namespace(const std::string& table) {
  const bool taken = is_keyword(table) || table == "perch" || table == "std" ||
                     std::binary_search(c_names.begin(), c_names.end(), table);
  return taken ? table + "_" : table;
}

std::string cpp_header(const Json& layout, std::vector<std::string>& unusable) {
  const auto table = layout.at("table").get<std::string>();
  const std::string space = cpp_namespace(table);
  return "// Layout of table \"" + table + "\", printed by: perch layout " + table +
         " --cpp\n"
         "#pragma once\n\n"
         "#include <perch/layout.hpp>\n\n"
         "namespace " +
         space + " {\n\n" + record_struct("Key", layout.at("key").at("fields"), unusable) + "\n" +
         record_struct("Value", layout.at("value").at("fields"), unusable) +
         "\nusing Table = perch::Table<\"" + table +
         "\", Key, Value>;\ninline constexpr Table table;\n\n}  // namespace " + space + "\n";
}

}  // namespace perch::cli
