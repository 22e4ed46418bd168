#include "cli/new_project.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "cli/c_header.hpp"
#include "cli/cpp_header.hpp"
#include "plugin/manifest.hpp"

namespace perch::cli {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

/// "price-watch" → "PriceWatch"; not the namespace of the table.
std::string class_name(const std::string& name, const std::string& space) {
  std::string result;
  bool starts_word = true;
  for (const char c : name) {
    if (c != '_' && c != '-') result += starts_word && is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
    starts_word = c == '_' || c == '-';
  }
  return result == space ? result + "Reader" : result;
}

bool is_number(const std::string& type) {
  return type.find('[') == type.npos && type != "bool" && type != "timestamp_ns";
}

/// The value's field that the reader looks at: fractions before whole numbers; "" when there is none.
std::string measured_field(const Json& fields) {
  std::string measured;
  for (const Json& field : fields) {
    const auto type = field.at("type").get<std::string>();
    if (type.starts_with("float") && is_number(type)) return field.at("name");
    if (measured.empty() && is_number(type)) measured = field.at("name");
  }
  return measured;
}

/// The smaller and the greater of two values of the type, as C++ text.
std::pair<std::string, std::string> two_values(const std::string& type) {
  if (type.starts_with("char[")) return {"\"a\"", "\"b\""};
  if (type == "bool") return {"false", "true"};
  if (type == "timestamp_ns") return {"{1}", "{2}"};
  return {"1", "2"};
}

TemplateWords words_for(const NewProject& project) {
  const Json& layout = project.layout;
  const auto table = layout.at("table").get<std::string>();
  const bool is_c = project.language == "c";
  const Json& key = layout.at("key").at("fields").back();
  const auto [first, second] = two_values(key.at("type"));
  return {{"name", project.name},
          {"class", class_name(project.name, cpp_namespace(table))},
          {"source", project.name + (is_c ? ".c" : ".cpp")},
          {"table", table},
          {"space", cpp_namespace(table)},
          {"macro", c_macro_prefix(table)},
          {"key", key.at("name").get<std::string>()},
          {"first", first},
          {"second", second},
          {"field", measured_field(layout.at("value").at("fields"))},
          {"prefix", project.prefix.string()},
          {"perch", project.perch},
          {"socket", project.socket},
          {"layout_c", is_c ? project.perch + " layout " + table + " --c > " + table + ".h" : ""}};
}

}  // namespace

Result<void> check_project_name(const std::string& name) {
  if (!plugin::is_plugin_id(name)) {
    return fail("\"" + name +
                "\" cannot be a plugin's id: give a lower-case letter and up to 63 more, digits, _ or -, "
                "such as price-watch");
  }
  constexpr auto taken = std::to_array<std::string_view>(
      {"all", "clean", "depend", "edit_cache", "help", "install", "list_install_components", "package",
       "package_source", "perch", "rebuild_cache", "test"});
  if (std::find(taken.begin(), taken.end(), name) != taken.end())
    return fail("\"" + name + "\" means something to CMake already: give another name, such as my-" + name);
  return {};
}

Json example_table() {
  return Json::parse(R"({
  "table": "trades",
  "key": { "layout": "{symbol:char[8]@0;seq:uint64@8}16:8", "size": 16, "align": 8,
           "fields": [ { "name": "symbol", "type": "char[8]", "offset": 0 },
                       { "name": "seq", "type": "uint64", "offset": 8 } ] },
  "value": { "layout": "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8", "size": 24, "align": 8,
             "fields": [ { "name": "ts", "type": "timestamp_ns", "offset": 0 },
                         { "name": "price", "type": "float64", "offset": 8 },
                         { "name": "size", "type": "float64", "offset": 16 } ] } })");
}

Result<std::vector<ProjectFile>> project_files(const NewProject& project,
                                               const std::filesystem::path& templates) {
  const auto table = project.layout.at("table").get<std::string>();
  std::vector<std::string> unusable;
  std::vector<ProjectFile> files{{table + ".hpp", cpp_header(project.layout, unusable)}};
  if (project.language == "c") files.push_back({table + ".h", c_header(project.layout, unusable)});
  if (!unusable.empty()) return fail("table " + table + ": " + unusable_field_text(unusable.front()));
  const TemplateWords words = words_for(project);
  const std::map<std::string, std::string> names{{"gitignore", ".gitignore"},
                                                 {"reader.cpp", project.name + ".cpp"},
                                                 {"reader.c", project.name + ".c"},
                                                 {"reader_test.cpp", project.name + "_test.cpp"}};
  for (const std::string& part : {std::string("common"), project.language}) {
    auto filled = fill_templates(templates / part, words, names);
    if (!filled) return filled;
    std::move(filled->begin(), filled->end(), std::back_inserter(files));
  }
  return files;
}

}  // namespace perch::cli
