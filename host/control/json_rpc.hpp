// JSON-RPC 2.0 (https://www.jsonrpc.org/specification): from a line to a request, and the lines that answer
// it.
//
// Errors: the codes of the specification, and −32000 for what the host refused or failed to do. Each carries
// data {"kind": …, "details": […]} (see ErrorKind). Batches are not supported; parameters are named, never
// positional.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace perch::control {

/// Results keep the order that they are written in.
using Json = nlohmann::ordered_json;

/// One line of JSON; text that is not UTF-8 becomes U+FFFD.
std::string to_text(const Json& json);

enum class RpcCode : int {
  parse_error = -32700,
  invalid_request = -32600,
  method_not_found = -32601,
  invalid_params = -32602,
  internal_error = -32603,
  refused = -32000,
};

struct Request {
  std::optional<std::string> id;  ///< its JSON text; none: a notification, which is never answered
  std::string method;
  nlohmann::json params = nlohmann::json::object();
};

struct RequestError {
  std::string id = "null";  ///< of the request, where it could be read
  RpcCode code;
  Error error;
};

/// Objects and arrays may be nested so deep: JSON libraries recurse when they copy and print.
inline constexpr int nesting_max = 64;

tl::expected<Request, RequestError> parse_request(std::string_view line);

/// `usage` is invalid_params, everything else `refused`.
RpcCode code_of(ErrorKind kind) noexcept;

// Whole lines, with their '\n'. `result` and `params` are JSON texts of one line.
std::string result_line(std::string_view id, std::string_view result);
std::string error_line(std::string_view id, RpcCode code, const Error& error);
std::string notification_line(std::string_view method, std::string_view params);

}  // namespace perch::control
