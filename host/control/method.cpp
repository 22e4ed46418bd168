#include "control/method.hpp"

#include <algorithm>

#include "base/nearest_name.hpp"
#include "base/text.hpp"
#include "base/units.hpp"

namespace perch::control {
namespace {

using nlohmann::json;

bool is_of_type(ParameterType type, const json& value) {
  switch (type) {
    case ParameterType::text:
      return value.is_string();
    case ParameterType::integer:
      return value.is_number_unsigned();
    case ParameterType::boolean:
      return value.is_boolean();
    case ParameterType::object:
      return value.is_object();
    case ParameterType::texts:
      return value.is_array() &&
             std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_string(); });
    case ParameterType::duration:
      return value.is_string() && parse_duration(value.get_ref<const std::string&>());
  }
  return false;
}

Error unknown_parameter(const Method& method, const std::string& name) {
  std::vector<std::string> known;
  for (const Parameter& parameter : method.parameters) known.emplace_back(parameter.name);
  std::string message = std::string(method.name) + " has no parameter " + in_quotes(name);
  if (const std::string nearest = nearest_name(name, known); !nearest.empty()) {
    message += "; did you mean " + in_quotes(nearest) + "?";
  }
  message += " (parameters: ";
  for (const std::string& each : known) message += (&each == &known.front() ? "" : ", ") + each;
  return {ErrorKind::usage, message + (known.empty() ? "none)" : ")"), {}};
}

}  // namespace

const char* to_string(ParameterType type) noexcept {
  switch (type) {
    case ParameterType::text:
      return "string";
    case ParameterType::integer:
      return "integer of 0 or more";
    case ParameterType::boolean:
      return "boolean";
    case ParameterType::object:
      return "object";
    case ParameterType::texts:
      return "array of strings";
    case ParameterType::duration:
      return "duration such as \"5s\"";
  }
  return "";
}

const std::vector<Method>& all_methods() {
  static const std::vector<Method> methods = [] {
    std::vector<Method> all;
    for (const auto table :
         {host_methods(), reader_methods(), table_methods(), event_methods(), client_methods()}) {
      all.insert(all.end(), table.begin(), table.end());
    }
    return all;
  }();
  return methods;
}

Result<void> check_parameters(const Method& method, const json& params) {
  for (const auto& [name, value] : params.items()) {
    const auto known = std::find_if(method.parameters.begin(), method.parameters.end(),
                                    [&](const Parameter& parameter) { return name == parameter.name; });
    if (known == method.parameters.end()) return fail(unknown_parameter(method, name));
    if (!is_of_type(known->type, value)) {
      return fail(ErrorKind::usage, "parameter " + in_quotes(name) + " of " + method.name + ": expected " +
                                        to_string(known->type) + ", got " + value.type_name());
    }
  }
  for (const Parameter& parameter : method.parameters) {
    if (parameter.required && !params.contains(parameter.name)) {
      return fail(ErrorKind::usage, std::string(method.name) + " needs the parameter " +
                                        in_quotes(parameter.name) + ": " + parameter.description);
    }
  }
  return {};
}

Error unknown_method(std::string_view name) {
  std::vector<std::string> names;
  for (const Method& method : all_methods()) names.emplace_back(method.name);
  constexpr std::size_t quoted_bytes_max = 100;
  std::string message = "no method " + in_quotes(name.substr(0, quoted_bytes_max));
  if (const std::string nearest = nearest_name(name, names); !nearest.empty()) {
    message += "; did you mean " + in_quotes(nearest) + "?";
  }
  return {ErrorKind::not_found, message + " (host.methods lists them)", {}};
}

}  // namespace perch::control
