// CSV rows: headers, quotes, separators, and what is wrong with them.
#include "unit/rows/decoder_fixture.hpp"

using namespace perch::rows;
using namespace perch::rows::test;
using Rows = std::vector<std::string>;

namespace csv_decoder_test {

DecoderBench trades(CsvSpec csv = {}) {
  return {Format::csv, {trades_table()}, {{"trades", {}, {}}}, std::move(csv)};
}

TEST_CASE("the header says where columns are, and each stream has its own") {
  DecoderBench bench = trades();
  bench.feed("price,more,seq,ts,symbol\n1.5,x,1,5,A\r\n\n+2,y, 2 ,2026-11-24T20:16:48Z,B");
  bench.feed("\xEF\xBB\xBFsymbol,seq,ts,price\n,3,-1.0,-2e3\n");
  CHECK(bench.rows == Rows{R"(trades {"symbol":"A","seq":1,"ts":5,"price":1.5})",
                           R"(trades {"symbol":"B","seq":2,"ts":1795551408000000000,"price":2.0})",
                           R"(trades {"symbol":"","seq":3,"ts":-1,"price":-2000.0})"});
  CHECK(bench.rejects.empty());
}

TEST_CASE("given columns need no header, any character separates and quotes") {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    CsvSpec csv;
    csv.columns = {"symbol", "seq", "ts", "price"};
    csv.header = false;
    csv.separator = ';';
    csv.quote = '\'';
    DecoderBench bench = trades(csv);
    bench.feed("'a;''b';1;'2';3\n\"q\";2;3;4\n", piece);
    CHECK(bench.rows == Rows{R"(trades {"symbol":"a;'b","seq":1,"ts":2,"price":3.0})",
                             R"(trades {"symbol":"\"q\"","seq":2,"ts":3,"price":4.0})"});
  }
  CsvSpec passed_over;
  passed_over.columns = {"symbol", "seq", "ts", "price"};
  passed_over.separator = '\t';
  DecoderBench bench = trades(passed_over);
  bench.feed("who\twhat\twhen\thow much\na\t1\t2\t3\n");
  CHECK(bench.rows == Rows{R"(trades {"symbol":"a","seq":1,"ts":2,"price":3.0})"});
}

TEST_CASE("every bad row is rejected for its reason, and costs nobody else") {
  DecoderBench bench = trades();
  bench.feed(std::string("symbol,seq,ts,price\n"
                         "a,1,2\n"
                         "a,1,2,3,4\n"
                         "\"a,1,2,3\n"
                         "\"a\"b,1,2,3\n"
                         "a,,2,3\n"
                         "a,x,2,3\n"
                         "a,-1,2,3\n"
                         "a,18446744073709551616,2,3\n"
                         "a,1,noon,3\n"
                         "a,1,99999999999999999999,3\n"
                         "a,1,2,1e999\n"
                         "a,1,2,1.5x\n"
                         "123456789,1,2,3\n"
                         "\xff,1,2,3\n") +
             std::string("a\0b,1,2,3\n", 10) + "good,7,8,9\n");
  CHECK(bench.rows == Rows{R"(trades {"symbol":"good","seq":7,"ts":8,"price":9.0})"});
  std::vector<std::string> reasons;
  for (const auto& reject : bench.rejects) reasons.push_back(reject.substr(0, reject.find(':')));
  CHECK(reasons == Rows{"wrong_columns", "wrong_columns", "wrong_columns", "wrong_columns", "missing_field",
                        "wrong_type", "out_of_range", "out_of_range", "wrong_type", "out_of_range",
                        "out_of_range", "wrong_type", "string_too_long", "not_utf8", "nul_in_string"});
  CHECK(bench.rejects[0] == "wrong_columns: the row has 3 columns, there should be 4");
  CHECK(bench.rejects[5] == "wrong_type: field \"seq\" (uint64): expected an integer, found \"x\"");
}

TEST_CASE("a column that is not there is missing, or has its default; NaN is no key") {
  DecoderBench bench = trades();
  bench.feed("symbol,seq,ts\na,1,2\n");
  CHECK(bench.rejects == Rows{"missing_field: field \"price\" (float64) is missing: no column \"price\""});
  MemberSpec price;
  price.path = {"last.price"};
  price.fallback = "-1";
  DecoderBench with_default(Format::csv, {trades_table()}, {{"trades", {}, {{"price", price}}}});
  with_default.feed("symbol,seq,ts,last.price\na,1,2,\na,2,2,nan\n");
  CHECK(with_default.rows == Rows{R"(trades {"symbol":"a","seq":1,"ts":2,"price":-1.0})",
                                  R"(trades {"symbol":"a","seq":2,"ts":2,"price":"NaN"})"});
  perch::tables::TableSpec floats{"floats", {{"x", "float32"}}, {{"v", "int16[3]"}, {"ok", "bool"}}, {}};
  DecoderBench keys(Format::csv, {floats}, {{"floats", {}, {}}});
  keys.feed(
      "x,v,ok\nnan,1 2 3,1\n1.5,\"[1, -2, 3]\",false\n1.5,1 2,true\n1.5,1;2;40000,true\n1.5,1 2 3,yes\n");
  CHECK(keys.rows == Rows{R"(floats {"x":1.5,"v":[1,-2,3],"ok":false})"});
  REQUIRE(keys.rejects.size() == 4);
  CHECK(keys.rejects[0].starts_with("nan_in_key"));
  CHECK(keys.rejects[1].find("expected 3 values") != std::string::npos);
  CHECK(keys.rejects[2].starts_with("out_of_range"));
  CHECK(keys.rejects[3].find("expected true or false") != std::string::npos);
}

TEST_CASE("conditions look at columns") {
  DecoderBench bench(Format::csv, {trades_table()}, {{"trades", {{{"kind"}, "5"}, {{"note"}, "\"x\""}}, {}}});
  bench.feed("kind,note,symbol,seq,ts,price\n5,x,a,1,2,3\n5,y,b,1,2,3\n6,x,c,1,2,3\n");
  CHECK(bench.rows.size() == 1);
  CHECK(bench.skipped == 2);
}

}  // namespace csv_decoder_test
