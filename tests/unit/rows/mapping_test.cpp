// Which member of a JSON row feeds which field of which table.
#include "unit/rows/decoder_fixture.hpp"

using namespace perch::rows;
using namespace perch::rows::test;
using Rows = std::vector<std::string>;

namespace mapping_test {

MemberSpec from(std::vector<std::string> path) {
  MemberSpec spec;
  spec.path = std::move(path);
  return spec;
}

TEST_CASE("members are found by path, renamed, with defaults") {
  MemberSpec price = from({"data", "p", "1"});
  price.fallback = "7.5";
  DecoderBench bench(
      Format::ndjson, {trades_table()},
      {{"trades", {}, {{"symbol", from({"data", "s"})}, {"price", price}, {"ts", from({"T"})}}}});
  bench.feed(R"({"data":{"s":"A","p":[1,2.5]},"T":5,"seq":1})"
             "\n"
             R"({"T":6,"seq":2,"data":{"p":[1],"s":"B"}})"
             "\n"
             R"({"T":7,"seq":3,"data":{"p":[0,null],"s":"C"}})"
             "\n"
             R"({"T":8,"seq":4,"data":{"s":"X","p":[1,2]},"data":{"s":"D"}})"
             "\n"
             R"({"T":9,"seq":5,"data":"none"})"
             "\n");
  CHECK(bench.rows == Rows{R"(trades {"symbol":"A","seq":1,"ts":5,"price":2.5})",
                           R"(trades {"symbol":"B","seq":2,"ts":6,"price":7.5})",
                           R"(trades {"symbol":"C","seq":3,"ts":7,"price":7.5})",
                           R"(trades {"symbol":"D","seq":4,"ts":8,"price":7.5})"});
  CHECK(bench.rejects == Rows{"missing_field: field \"symbol\" (char[8]) is missing: no member data.s"});
}

TEST_CASE("times come as ISO 8601 or as numbers of a unit") {
  for (const auto& [unit, text, ns] : std::vector<std::tuple<TimeUnit, std::string, std::string>>{
           {TimeUnit::ns, "1764015408123456789", "1764015408123456789"},
           {TimeUnit::us, "1764015408123456", "1764015408123456000"},
           {TimeUnit::ms, "1764015408123", "1764015408123000000"},
           {TimeUnit::s, "1764015408", "1764015408000000000"},
           {TimeUnit::s, "1764015408.5", "1764015408500000000"},
           {TimeUnit::s, "-1.25", "-1250000000"},
           {TimeUnit::ms, R"("2026-11-24T20:16:48.123456789Z")", "1795551408123456789"},
           {TimeUnit::ns, R"("2026-11-24 21:16:48+01:00")", "1795551408000000000"},
           {TimeUnit::ns, R"("1970-01-01")", "0"}}) {
    CAPTURE(text);
    MemberSpec ts;
    ts.unit = unit;
    DecoderBench bench(Format::ndjson, {trades_table()}, {{"trades", {}, {{"ts", ts}}}});
    bench.feed(R"({"symbol":"A","seq":1,"price":1,"ts":)" + text + "}\n");
    CHECK(bench.rows == Rows{R"(trades {"symbol":"A","seq":1,"ts":)" + ns + R"(,"price":1.0})"});
  }
  MemberSpec seconds;
  seconds.unit = TimeUnit::s;
  for (const auto& [text, reason] :
       std::vector<std::pair<std::string, std::string>>{{"10000000000", "out_of_range"},
                                                        {"1e300", "out_of_range"},
                                                        {R"("yesterday")", "wrong_type"},
                                                        {R"("2026-13-01T00:00:00Z")", "wrong_type"},
                                                        {R"("2026-11-24T20:16:48Zx")", "wrong_type"},
                                                        {R"("3000-01-01T00:00:00Z")", "out_of_range"},
                                                        {"true", "wrong_type"}}) {
    CAPTURE(text);
    DecoderBench bench(Format::ndjson, {trades_table()}, {{"trades", {}, {{"ts", seconds}}}});
    bench.feed(R"({"symbol":"A","seq":1,"price":1,"ts":)" + text + "}\n");
    REQUIRE(bench.rejects.size() == 1);
    CHECK(bench.rejects[0].substr(0, bench.rejects[0].find(':')) == reason);
  }
}

TEST_CASE("numbers may come in quotes where the map says so") {
  MemberSpec price;
  price.quoted = true;
  DecoderBench bench(Format::ndjson, {trades_table()}, {{"trades", {}, {{"price", price}}}});
  bench.feed(R"({"symbol":"A","seq":1,"ts":1,"price":"0.30000000000000004"})"
             "\n"
             R"({"symbol":"A","seq":2,"ts":1,"price":2})"
             "\n"
             R"({"symbol":"A","seq":3,"ts":1,"price":"2 apples"})"
             "\n");
  CHECK(bench.rows == Rows{R"(trades {"symbol":"A","seq":1,"ts":1,"price":0.30000000000000004})",
                           R"(trades {"symbol":"A","seq":2,"ts":1,"price":2.0})"});
  REQUIRE(bench.rejects.size() == 1);
  CHECK(bench.rejects[0].starts_with("wrong_type: field \"price\" (float64): expected a number"));
}

TEST_CASE("sequence numbers count the rows that are taken, arrivals grow from row to row") {
  MemberSpec sequence, arrival;
  sequence.origin = Origin::sequence;
  arrival.origin = Origin::arrival;
  DecoderBench bench(Format::ndjson, {trades_table()},
                     {{"trades", {}, {{"seq", sequence}, {"ts", arrival}}}});
  bench.feed(R"({"symbol":"A","price":1})"
             "\n"
             R"({"symbol":"A"})"
             "\n"
             R"({"symbol":"B","price":2})"
             "\n");
  CHECK(bench.rows == Rows{R"(trades {"symbol":"A","seq":1,"ts":1000,"price":1.0})",
                           R"(trades {"symbol":"B","seq":2,"ts":1001,"price":2.0})"});
}

TEST_CASE("one source feeds several tables, each with the rows that are for it, all of a row or nothing") {
  perch::tables::TableSpec quotes{"quotes", {{"symbol", "char[8]"}}, {{"bid", "float64"}}, {}};
  DecoderBench bench(Format::ndjson, {trades_table(), quotes},
                     {{"trades", {{{"kind"}, "\"trade\""}}, {}},
                      {"quotes", {{{"kind"}, "\"quote\""}}, {}},
                      {"quotes", {{{"kind"}, "\"trade\""}, {{"live"}, "true"}}, {{"bid", from({"price"})}}},
                      {"quotes", {{{"kind"}, "\"trade\""}, {{"seq"}, "9"}}, {{"bid", from({"ts"})}}}});
  bench.feed(R"({"kind":"trade","symbol":"A","seq":1,"ts":5,"price":1.5})"
             "\n"
             R"({"kind":"quote","symbol":"A","bid":3})"
             "\n"
             R"({"kind":"trade","symbol":"B","seq":9,"ts":6,"price":2.5,"live":true})"
             "\n"
             R"({"kind":"trade","symbol":"C","seq":9.0,"ts":7,"price":2.5,"live":"true"})"
             "\n"
             R"({"kind":"hello"})"
             "\n"
             R"({"kind":"quote","symbol":"A"})"
             "\n"
             R"({"kind":"trade","symbol":"D","seq":4,"ts":7,"price":"x","live":true})"
             "\n");
  CHECK(bench.rows ==
        Rows{R"(trades {"symbol":"A","seq":1,"ts":5,"price":1.5})", R"(quotes {"symbol":"A","bid":3.0})",
             R"(trades {"symbol":"B","seq":9,"ts":6,"price":2.5})", R"(quotes {"symbol":"B","bid":2.5})"});
  CHECK(bench.skipped == 1);
  REQUIRE(bench.rejects.size() == 3);
  CHECK(bench.rejects[0].starts_with("wrong_type: field \"seq\" (uint64): expected an integer"));
}

}  // namespace mapping_test
