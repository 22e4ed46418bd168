#include "control/json_rpc.hpp"

#include "base/bounded_json.hpp"

namespace perch::control {
namespace {

using nlohmann::json;

tl::unexpected<RequestError> invalid(std::string id, std::string message) {
  return tl::make_unexpected(
      RequestError{std::move(id), RpcCode::invalid_request, Error{ErrorKind::usage, std::move(message), {}}});
}

tl::expected<Request, RequestError> read_request(json& message) {
  if (message.is_array()) return invalid("null", "batches are not supported: send one request per line");
  if (!message.is_object()) {
    return invalid("null",
                   R"(a request is an object such as {"jsonrpc":"2.0","id":1,"method":"host.status"})");
  }
  Request request;
  if (const auto id = message.find("id"); id != message.end()) {
    if (!id->is_string() && !id->is_number() && !id->is_null()) {
      return invalid("null", "\"id\" must be a string, a number or null");
    }
    request.id = id->dump();
  }
  const std::string id = request.id.value_or("null");
  if (message.value("jsonrpc", json()) != "2.0") return invalid(id, R"(a request needs "jsonrpc":"2.0")");
  const auto method = message.find("method");
  if (method == message.end() || !method->is_string()) {
    return invalid(id, R"(a request needs "method", a string; host.methods lists them)");
  }
  request.method = method->get<std::string>();
  if (const auto params = message.find("params"); params != message.end()) {
    if (!params->is_object()) {
      return tl::make_unexpected(
          RequestError{id, RpcCode::invalid_params,
                       Error{ErrorKind::usage, "\"params\" must be an object: parameters are named", {}}});
    }
    request.params = std::move(*params);
  }
  return request;
}

}  // namespace

std::string to_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

tl::expected<Request, RequestError> parse_request(std::string_view line) {
  auto message = parse_bounded(line, nesting_max);
  if (message) return read_request(*message);
  const JsonRefusal& refusal = message.error();
  const RpcCode code = refusal.is_too_deep ? RpcCode::invalid_request : RpcCode::parse_error;
  return tl::make_unexpected(
      RequestError{"null", code, Error{ErrorKind::usage, "the request " + refusal.message, {}}});
}

RpcCode code_of(ErrorKind kind) noexcept {
  return kind == ErrorKind::usage ? RpcCode::invalid_params : RpcCode::refused;
}

std::string result_line(std::string_view id, std::string_view result) {
  std::string line = R"({"jsonrpc":"2.0","id":)";
  line.append(id).append(R"(,"result":)").append(result).append("}\n");
  return line;
}

std::string error_line(std::string_view id, RpcCode code, const Error& error) {
  const Json body{{"code", static_cast<int>(code)},
                  {"message", error.message},
                  {"data", {{"kind", to_string(error.kind)}, {"details", error.details}}}};
  std::string line = R"({"jsonrpc":"2.0","id":)";
  line.append(id).append(R"(,"error":)").append(to_text(body)).append("}\n");
  return line;
}

std::string notification_line(std::string_view method, std::string_view params) {
  std::string line = R"({"jsonrpc":"2.0","method":")";
  line.append(method).append(R"(","params":)").append(params).append("}\n");
  return line;
}

}  // namespace perch::control
