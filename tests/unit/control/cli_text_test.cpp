#include <doctest/doctest.h>

#include "cli/field_arguments.hpp"
#include "cli/human_text.hpp"

using namespace perch::cli;

TEST_CASE("what a terminal would obey is shown, not obeyed") {
  CHECK(exact_text(Json("a\x1b[31mb\r\n\x7f")) == "a\\x1b[31mb\\x0d\\x0a\\x7f");
  CHECK(exact_text(Json("\xc2\x9b"
                        "2J \xc2\xb5")) == "\\x9b2J \xc2\xb5");
}

TEST_CASE("exact text keeps numbers as they are") {
  CHECK(exact_text(Json::parse("18446744073709551615")) == "18446744073709551615");
  CHECK(exact_text(Json::parse("0.1")) == "0.1");
  CHECK(exact_text(Json(nullptr)) == "-");
  CHECK(exact_text(Json::parse("[1,\"a\"]")) == "[1,\"a\"]");
}

TEST_CASE("rounded text says about six digits and the unit of the name") {
  CHECK(rounded_text(3.0) == "3");
  CHECK(rounded_text(0.123456789) == "0.12346");
  CHECK(rounded_text(123456.789) == "123456.79");
  CHECK(rounded_text(1e300) == "1e+300");
  CHECK(rounded_text(-2.5) == "-2.5");
  CHECK(rounded_text("rss_bytes", Json(1536)) == "1.5 KiB");
  CHECK(rounded_text("read_bytes_per_s", Json(2048.5)) == "2.0 KiB/s");
  CHECK(rounded_text("window_ns", Json(1'500'000)) == "1.5ms");
  CHECK(rounded_text("at_ns", Json(1'700'000'000'000'000'000)) == "2023-11-14T22:13:20.000000000Z");
  CHECK(grouped_text(1234567) == "1,234,567");
  CHECK(grouped_text(123) == "123");
}

TEST_CASE("a reader's result becomes a line and small tables") {
  const Json result =
      Json::parse(R"({"window":"1m","top":[{"pid":1,"name":"init"},{"pid":4242,"name":"perchd","x":0.5}]})");
  CHECK(pretty_text(result) ==
        "  window 1m\n"
        "  top\n"
        "   pid  name      x\n"
        "     1  init\n"
        "  4242  perchd  0.5\n");
  CHECK(pretty_text(Json::parse(R"({"n":2,"symbols":{"AAPL":{"vwap":1.5},"B":{"vwap":20}}})")) ==
        "  n 2\n"
        "  symbols  vwap\n"
        "  AAPL      1.5\n"
        "  B          20\n");
  CHECK(pretty_text(Json::parse("[]")) == "  []\n");
  CHECK(pretty_text(Json("text")) == "  text\n");
}

TEST_CASE("field=value is typed by the layout") {
  const Json fields = Json::parse(R"([{"name":"symbol","type":"char[8]"},{"name":"seq","type":"uint64"},
    {"name":"d","type":"int16"},{"name":"f","type":"float64"},{"name":"b","type":"bool"},{"name":"ts","type":"timestamp_ns"}])");
  const auto key = key_from_arguments(fields, {"symbol=17", "seq=18446744073709551615", "d=-5", "f=1e3",
                                               "b=true", "ts=2026-11-24T20:16:48Z"});
  REQUIRE(key);
  CHECK(
      key->dump() ==
      R"({"symbol":"17","seq":18446744073709551615,"d":-5,"f":1000.0,"b":true,"ts":"2026-11-24T20:16:48Z"})");
  CHECK(key_from_arguments(fields, {"symbol=a=b"})->dump() == R"({"symbol":"a=b"})");
  CHECK(key_from_arguments(fields, {"seq=x"})->dump() == R"({"seq":"x"})");
  CHECK(key_from_arguments(fields, {"f=NaN"})->dump() == R"({"f":"NaN"})");
  CHECK(key_from_arguments(fields, {"trades"}).error().exit_code == exit_usage);
  CHECK(key_from_arguments(fields, {"=1"}).error().exit_code == exit_usage);
  CHECK(key_from_arguments(fields, {"d=1", "d=2"}).error().exit_code == exit_usage);
}
