#include "control/json_rpc.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>

using namespace perch;
using namespace perch::control;

namespace json_rpc_test {

RequestError error_of(const std::string& line) {
  const auto request = parse_request(line);
  REQUIRE_MESSAGE(!request.has_value(), line);
  return request.error();
}

TEST_CASE("a request is read with its id as it was written") {
  const auto request =
      parse_request(R"({"jsonrpc":"2.0","id":18446744073709551615,"method":"a.b","params":{"x":1}})");
  REQUIRE(request);
  CHECK(request->id == "18446744073709551615");
  CHECK(request->method == "a.b");
  CHECK(request->params == nlohmann::json{{"x", 1}});
  CHECK(parse_request(R"({"jsonrpc":"2.0","id":"q\"7","method":"m"})")->id == R"("q\"7")");
  CHECK(parse_request(R"({"jsonrpc":"2.0","id":null,"method":"m"})")->id == "null");
}

TEST_CASE("a request without an id is a notification") {
  const auto request = parse_request(R"({"jsonrpc":"2.0","method":"m"})");
  REQUIRE(request);
  CHECK_FALSE(request->id);
  CHECK(request->params.is_object());
}

TEST_CASE("what is no request gets the code of the specification") {
  CHECK(error_of("").code == RpcCode::parse_error);
  CHECK(error_of("{").code == RpcCode::parse_error);
  CHECK(error_of("{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}").code == RpcCode::parse_error);
  CHECK(error_of(std::string("{\0}", 3)).code == RpcCode::parse_error);
  CHECK(error_of(R"({"jsonrpc":"2.0","id":1e999,"method":"m"})").code == RpcCode::parse_error);
  CHECK(error_of("17").code == RpcCode::invalid_request);
  CHECK(error_of("[]").code == RpcCode::invalid_request);
  CHECK(error_of(R"([{"jsonrpc":"2.0","id":1,"method":"m"}])").error.message.find("batch") !=
        std::string::npos);
  CHECK(error_of("{}").code == RpcCode::invalid_request);
  CHECK(error_of(R"({"jsonrpc":2.0,"id":1,"method":"m"})").code == RpcCode::invalid_request);
  CHECK(error_of(R"({"jsonrpc":"2.0","id":[1],"method":"m"})").code == RpcCode::invalid_request);
  CHECK(error_of(R"({"jsonrpc":"2.0","id":1,"method":1})").code == RpcCode::invalid_request);
  CHECK(error_of(R"({"jsonrpc":"2.0","id":1,"method":"m","params":[1]})").code == RpcCode::invalid_params);
}

TEST_CASE("an error goes to the id when there is one to go to") {
  CHECK(error_of(R"({"id":7,"method":"m"})").id == "7");
  CHECK(error_of(R"({"jsonrpc":"2.0","id":"x","method":"m","params":3})").id == "\"x\"");
  CHECK(error_of("{nonsense").id == "null");
}

TEST_CASE("nesting is bounded, whatever is nested and however deep") {
  const auto nested = [](int depth, char open, char close) {
    return R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"x":)" +
           std::string(static_cast<std::size_t>(depth), open) +
           std::string(static_cast<std::size_t>(depth), close) + "}}";
  };
  CHECK(parse_request(nested(nesting_max - 4, '[', ']')));
  CHECK(error_of(nested(nesting_max + 1, '[', ']')).code == RpcCode::invalid_request);
  CHECK(error_of(nested(500'000, '[', ']')).code == RpcCode::invalid_request);
  CHECK(error_of(std::string(500'000, '[')).code == RpcCode::invalid_request);
}

TEST_CASE("an error message stays short when the bad token is long") {
  const std::string line = "{\"a\":\"" + std::string(900'000, 'x');
  CHECK(error_of(line).error.message.size() < 500);
}

TEST_CASE("random damage to a request never throws and never passes for another method") {
  const std::string good =
      R"({"jsonrpc":"2.0","id":1,"method":"table.get","params":{"table":"t","key":{"seq":5}}})";
  std::mt19937 random(7);
  for (int i = 0; i < 50'000; ++i) {
    std::string line = good;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      line[random() % line.size()] = static_cast<char>(random());
    }
    const auto request = parse_request(line);
    if (!request) CHECK(request.error().error.message.size() < 600);
  }
}

TEST_CASE("answers are one line of JSON each") {
  CHECK(result_line("7", R"({"a":1})") == "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":1}}\n");
  CHECK(notification_line("event", "{}") == "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}\n");
  const std::string line =
      error_line("\"x\"", RpcCode::refused,
                 {ErrorKind::incompatible, "does\nnot \xff fit", {"price: float64, float32"}});
  CHECK(line.find('\n') == line.size() - 1);
  const auto reply = nlohmann::json::parse(line);
  CHECK(reply["id"] == "x");
  CHECK(reply["error"]["code"] == -32000);
  CHECK(reply["error"]["data"]["kind"] == "incompatible");
  CHECK(reply["error"]["data"]["details"] == nlohmann::json::array({"price: float64, float32"}));
}

TEST_CASE("64-bit integers keep every digit") {
  CHECK(to_text(Json{{"a", std::numeric_limits<std::uint64_t>::max()},
                     {"b", std::numeric_limits<std::int64_t>::min()}}) ==
        R"({"a":18446744073709551615,"b":-9223372036854775808})");
}

}  // namespace json_rpc_test
