#include "cli/field_arguments.hpp"

#include <charconv>
#include <cmath>

namespace perch::cli {
namespace {

template <class Number>
bool read_whole(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

std::string type_of(const Json& fields, const std::string& name) {
  for (const Json& field : fields) {
    if (field.at("name") == name) return field.at("type").get<std::string>();
  }
  return {};
}

Json typed(const std::string& type, const std::string& text) {
  if (type.starts_with("char[")) return text;
  if (type == "bool" && (text == "true" || text == "false")) return text == "true";
  if (type.starts_with("float")) {
    double number = 0;
    if (read_whole(text, number) && std::isfinite(number)) return number;
    return text;
  }
  if (std::uint64_t number = 0; read_whole(text, number)) return number;
  if (std::int64_t number = 0; read_whole(text, number)) return number;
  return text;
}

}  // namespace

Outcome<Json> key_from_arguments(const Json& fields, const std::vector<std::string>& arguments) {
  Json key = Json::object();
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      return end_with(exit_usage, "\"" + argument + "\" is no field=value (the table's name comes first)");
    }
    const std::string name = argument.substr(0, equals);
    if (key.contains(name)) return end_with(exit_usage, "field " + name + " is given twice");
    key[name] = typed(type_of(fields, name), argument.substr(equals + 1));
  }
  return key;
}

}  // namespace perch::cli
