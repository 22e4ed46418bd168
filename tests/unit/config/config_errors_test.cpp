// What a bad config is told: the place, what is wrong, the nearest valid name.
#include <algorithm>

#include "config_fixture.hpp"

TEST_CASE_FIXTURE(ConfigFixture, "the fixture's config is good, so that each patch is what makes it bad") {
  CHECK(problem_after("{}") == "");
}

TEST_CASE_FIXTURE(ConfigFixture, "a file that is missing or no JSON object") {
  const auto missing = perch::read_config(folder / "nowhere.json", folder);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().message == (folder / "nowhere.json").string() + ": No such file or directory");
  CHECK_FALSE(perch::read_config(folder, folder).has_value());

  CHECK(problem("").substr(0, 20) == ":1:1: not JSON: synt");
  CHECK(problem("{\n  \"host\": {},\n  oops\n}").substr(0, 15) == ":3:3: not JSON:");
  CHECK(problem("{ \"host\": {} ").find("not JSON") != std::string::npos);
  CHECK(problem("{\"host\": {}} {}").substr(0, 16) == ":1:14: not JSON:");
  CHECK(problem("{\"host\": {\"name\": \"\xff\"}}").find("not JSON") != std::string::npos);
  CHECK(problem("[]") == "a config is a JSON object, this is array");
  CHECK(problem(std::string(100000, '[')).find("nested more than 64 levels deep") != std::string::npos);
  CHECK(problem(std::string(5u << 20, ' ')) == "larger than 4 MiB, which no config is");
}

TEST_CASE_FIXTURE(ConfigFixture, "an unknown name: the nearest and all valid ones") {
  CHECK(problem_after(R"({"hosts": {}})") ==
        "hosts: unknown name; did you mean \"host\"? (valid names: host, arena, commit, tables, sources, "
        "readers, control)");
  CHECK(problem_after(R"({"host": {"rundir": "x"}})") ==
        "host.rundir: unknown name; did you mean \"run_dir\"? (valid names: name, run_dir, log)");
  CHECK(problem_after(R"({"host": {"log": {"lvel": "x"}}})").substr(0, 52) ==
        "host.log.lvel: unknown name; did you mean \"level\"? (");
  CHECK(problem_after(R"({"arena": {"sizes": 1}})").substr(0, 26) == "arena.sizes: unknown name;");
  CHECK(problem_after(R"({"commit": {"max_row": 1}})").find("did you mean \"max_rows\"?") !=
        std::string::npos);
  CHECK(problem_after(R"({"tables": {"trades": {"retian": {}}}})") ==
        "tables.trades.retian: unknown name; did you mean \"retain\"? (valid names: key, value, retain, "
        "rollup)");
  CHECK(problem_after(R"({"tables": {"t": {"rollup": {"off": "x"}}}})").substr(0, 47) ==
        "tables.t.rollup.off: unknown name; did you mean");
  CHECK(problem_after(R"({"tables": {"trades": {"retain": {"row": 5}}}})").substr(0, 32) ==
        "tables.trades.retain.row: unknow");
  CHECK(problem_after(R"({"tables": {"trades": {"key": [{"nme": "a", "type": "int8"}]}}})").substr(0, 45) ==
        "tables.trades.key[0].nme: unknown name; did y");
  CHECK(problem_after(R"({"sources": [{"name": "f", "type": "stdin", "tabel": "trades"}]})").substr(0, 55) ==
        "sources[0].tabel: unknown name; did you mean \"table\"? (");
  CHECK(problem_after(R"({"readers": {"foldr": "x"}})").find("\"folder\"") != std::string::npos);
  CHECK(problem_after(R"({"readers": {"instances": [{"name": "a", "plug": "b"}]}})").substr(0, 39) ==
        "readers.instances[0].plug: unknown name");
  CHECK(problem_after(R"({"control": {"sock": "x"}})").find("\"socket\"") != std::string::npos);
}

TEST_CASE_FIXTURE(ConfigFixture, "a wrong type: what it must be and what it is") {
  CHECK(problem_after(R"({"host": 5})") == "host: must be an object, not 5");
  CHECK(problem_after(R"({"host": {"name": 5}})") == "host.name: must be a text, not 5");
  CHECK(problem_after(R"({"host": {"run_dir": ""}})") == "host.run_dir: must not be empty");
  CHECK(problem_after(R"({"arena": {"size": 4}})") == "arena.size: must be a size such as \"4GiB\", not 4");
  CHECK(problem_after(R"({"commit": {"max_rows": "7"}})") ==
        "commit.max_rows: must be a whole number from 1 to 1000000, not \"7\"");
  CHECK(problem_after(R"({"commit": {"max_rows": -7}})").substr(0, 45) ==
        "commit.max_rows: must be a whole number from ");
  CHECK(problem_after(R"({"commit": {"max_rows": 1.5}})").substr(0, 45) ==
        "commit.max_rows: must be a whole number from ");
  CHECK(problem_after(R"({"commit": {"max_delay": true}})").find("a duration such as") != std::string::npos);
  CHECK(problem_after(R"({"tables": []})") == "tables: must be an object, not []");
  CHECK(problem_after(R"({"tables": {"trades": {"key": {}}}})").substr(0, 41) ==
        "tables.trades.key: must be an array, not ");
  CHECK(problem_after(R"({"tables": {"trades": {"key": [7]}}})") ==
        "tables.trades.key[0]: must be an object, not 7");
  CHECK(problem_after(R"({"tables": {"trades": {"retain": 7}}})") ==
        "tables.trades.retain: must be an object, not 7");
  CHECK(problem_after(R"({"sources": {}})") == "sources: must be an array, not {}");
  CHECK(problem_after(R"({"sources": ["x"]})") == "sources[0]: must be an object, not \"x\"");
  CHECK(problem_after(R"({"readers": {"instances": [{"name": "a", "plugin": "b", "config": 3}]}})") ==
        "readers.instances[0].config: must be an object, not 3");
}

TEST_CASE_FIXTURE(ConfigFixture, "anything given twice") {
  CHECK(problem(R"({"host": {}, "host": {}})") == "host: given twice");
  CHECK(problem(R"({"tables": {"trades": {}, "bars": {}, "trades": {}}})") == "tables.trades: given twice");
  CHECK(problem(R"({"sources": [{}, {"name": "a", "name": "b"}]})") == "sources[1].name: given twice");
  CHECK(problem(R"({"readers": {"instances": [{"config": {"x": [[], {"y": 1, "y": 1}]}}]}})") ==
        "readers.instances[0].config.x[1].y: given twice");
  CHECK(problem_after(R"({"sources": [{"name": "a", "type": "stdin", "table": "bars"},
                                       {"name": "a", "type": "stdin", "table": "bars"}]})") ==
        "sources[1].name: a second source \"a\"");
  CHECK(problem_after(R"({"sources": [{"name": "a", "type": "stdin", "table": "bars"},
                                       {"name": "b", "type": "stdin", "table": "bars"}]})") ==
        "sources[1].type: a second source reads stdin");
  CHECK(problem_after(
            R"({"readers": {"instances": [{"name": "a", "plugin": "x"}, {"name": "a", "plugin": "y"}]}})") ==
        "readers.instances[1].name: a second reader \"a\"");
}

TEST_CASE_FIXTURE(ConfigFixture, "tables that cannot be") {
  CHECK(problem_after(R"({"tables": null})") == "needs \"tables\"");
  CHECK(problem(R"({"tables": {}})") == "tables: must name at least one table");
  CHECK(problem_after(R"({"tables": {"trades": {"key": null}}})") == "tables.trades: needs \"key\"");
  CHECK(problem_after(R"({"tables": {"trades": {"value": null}}})") == "tables.trades: needs \"value\"");
  CHECK(problem_after(R"({"tables": {"trades": {"key": [{"name": "a"}]}}})") ==
        "tables.trades.key[0]: needs \"type\"");
  // What the layout says is passed on behind its place.
  const auto starts = [&](const char* patch, const std::string& with) {
    const std::string text = problem_after(patch);
    CHECK_MESSAGE(text.substr(0, with.size()) == with, text);
  };
  starts(R"({"tables": {"trades": {"key": []}}})", "tables.trades.key: ");
  starts(R"({"tables": {"trades": {"key": [{"name": "a", "type": "unit64"}]}}})", "tables.trades.key: ");
  CHECK(
      problem_after(R"({"tables": {"trades": {"key": [{"name": "a", "type": "unit64"}]}}})").find("uint64") !=
      std::string::npos);
  starts(R"({"tables": {"trades": {"key": [{"name": "a", "type": "char[65]"}]}}})", "tables.trades.key: ");
  starts(R"({"tables": {"trades": {"value": [{"name": "a", "type": "char[5000]"}]}}})",
         "tables.trades.value: ");
  starts(
      R"({"tables": {"no name": {"key": [{"name": "a", "type": "int8"}], "value": [{"name": "b", "type": "int8"}]}}})",
      "tables.no name: ");
  starts(R"({"tables": {"trades": {"retain": {"rows": null, "age": null}}}})", "tables.trades.retain: ");
  starts(R"({"tables": {"trades": {"retain": {"by": null}}}})", "tables.trades.retain: ");
  starts(R"({"tables": {"trades": {"retain": {"by": "pric"}}}})", "tables.trades.retain.by: ");
  CHECK(problem_after(R"({"tables": {"trades": {"retain": {"by": "pric", "age": null}}}})").find("price") !=
        std::string::npos);
  starts(R"({"tables": {"trades": {"retain": {"rows": 0}}}})",
         "tables.trades.retain.rows: must be a whole number");
}

TEST_CASE_FIXTURE(ConfigFixture, "sources that cannot be") {
  const auto source = [&](const std::string& members) {
    return problem_after(R"({"sources": [{"name": "s", "table": "trades", )" + members + "}]}");
  };
  CHECK(problem_after(R"({"sources": [{"name": "s", "type": "stdin", "table": "trade"}]})") ==
        "sources[0].table: no table \"trade\"; did you mean \"trades\"? (tables: trades, bars)");
  CHECK(problem_after(R"({"sources": [{"name": "s", "type": "stdin"}]})") == "sources[0]: needs \"table\"");
  CHECK(problem_after(R"({"sources": [{"type": "stdin", "table": "bars"}]})") ==
        "sources[0]: needs \"name\"");
  CHECK(problem_after(R"({"sources": [{"name": "a b", "type": "stdin", "table": "bars"}]})").substr(0, 27) ==
        "sources[0].name: \"a b\" is n");
  CHECK(
      source(R"("type": "exce")") ==
      "sources[0].type: \"exce\" is not known; did you mean \"exec\"? (valid: exec, file, stdin, tcp, unix)");
  CHECK(source(R"("type": "stdin", "format": "cvs")") ==
        "sources[0].format: \"cvs\" is not known; did you mean \"csv\"? (valid: ndjson, csv, binary)");
  CHECK(source(R"("type": "exec")") == "sources[0]: needs \"command\"");
  CHECK(source(R"("type": "exec", "command": [])") ==
        "sources[0].command: must be a program and its arguments");
  CHECK(source(R"("type": "exec", "command": "ls")") == "sources[0].command: must be an array, not \"ls\"");
  CHECK(source(R"("type": "exec", "command": ["sh", 5])") == "sources[0].command[1]: must be a text, not 5");
  CHECK(source(R"("type": "exec", "command": ["perch-fed"])") ==
        "sources[0].command[0]: no program \"perch-fed\" in bin or PATH");
  CHECK(source(R"("type": "exec", "command": ["./none"])") == "sources[0].command[0]: no program none");
  write("plain", "text");
  CHECK(source(R"("type": "exec", "command": ["./plain"])") ==
        "sources[0].command[0]: plain is not executable");
  CHECK(source(R"("type": "exec", "command": ["sh"], "path": "x")") ==
        "sources[0].path: only sources of type \"file\" have a path");
  CHECK(source(R"("type": "exec", "command": ["sh"], "restart": "often")").substr(0, 39) ==
        "sources[0].restart: \"often\" is not know");
  CHECK(
      source(R"("type": "exec", "command": ["sh"], "restart_delay_min": "2s", "restart_delay_max": "1s")") ==
      "sources[0].restart_delay_max: must not be shorter than restart_delay_min");
  CHECK(source(R"("type": "file")") == "sources[0]: needs \"path\"");
  CHECK(source(R"("type": "file", "path": "nowhere")") ==
        "sources[0].path: no file nowhere (\"follow\": true would wait for it)");
  CHECK(source(R"("type": "file", "path": "bin")") == "sources[0].path: bin is a folder");
  CHECK(source(R"("type": "file", "path": "plain", "command": ["sh"])") ==
        "sources[0].command: only sources of type \"exec\" run a command");
  CHECK(source(R"("type": "stdin", "follow": true)") ==
        "sources[0].follow: only sources of type \"file\" can be followed");
}

TEST_CASE_FIXTURE(ConfigFixture, "numbers, sizes and durations out of bounds") {
  CHECK(problem_after(R"({"arena": {"size": "15MiB"}})") ==
        "arena.size: must be from 16.0 MiB to 256.0 GiB, not 15.0 MiB");
  CHECK(problem_after(R"({"arena": {"size": "257GiB"}})").substr(0, 24) == "arena.size: must be from");
  CHECK(problem_after(R"({"arena": {"size": "4 parsecs"}})").find("is no size") != std::string::npos);
  CHECK(problem_after(R"({"arena": {"size": "16MiB"}})") == "");
  CHECK(problem_after(R"({"commit": {"max_rows": 0}})") ==
        "commit.max_rows: must be a whole number from 1 to 1000000, not 0");
  CHECK(problem_after(R"({"commit": {"max_rows": 1000001}})").substr(0, 15) == "commit.max_rows");
  CHECK(problem_after(R"({"commit": {"max_rows": 1000000}})") == "");
  CHECK(problem_after(R"({"commit": {"max_delay": "61m"}})").substr(0, 25) == "commit.max_delay: must be");
  CHECK(problem_after(R"({"commit": {"max_delay": "soon"}})").find("is no duration") != std::string::npos);
  CHECK(problem_after(R"({"commit": {"max_delay": "0"}})") == "");
  CHECK(problem_after(R"({"readers": {"probation": "2h"}})").substr(0, 17) == "readers.probation");
}

TEST_CASE_FIXTURE(ConfigFixture, "the other sections") {
  CHECK(problem_after(R"({"host": {"log": {"level": "inof"}}})").find("did you mean \"info\"?") !=
        std::string::npos);
  CHECK(problem_after(R"({"readers": {"isolation": "proces"}})")
            .find("readers.isolation: \"proces\" is not known") != std::string::npos);
  CHECK(problem_after(R"({"readers": {"sandbox": {"memory": "1KiB"}}})").find("readers.sandbox.memory") !=
        std::string::npos);
  CHECK(problem_after(R"({"readers": {"trial": {"step": 1}}})").find("steps") != std::string::npos);
  CHECK(problem_after(R"({"readers": {"folder": null}})").substr(0, 23) == "readers: needs \"folder\"");
  CHECK(problem_after(R"({"readers": {"instances": [{"name": "a"}]}})") ==
        "readers.instances[0]: needs \"plugin\"");
  CHECK(problem_after(R"({"control": {"mode": "0888"}})").find("is no file mode") != std::string::npos);
  CHECK(problem_after(R"({"control": {"mode": "7777"}})").find("is no file mode") != std::string::npos);
  CHECK(problem_after(R"({"control": {"socket": ")" + std::string(120, 'x') + "\"}}")
            .find("is too long for a socket") != std::string::npos);
}

TEST_CASE_FIXTURE(ConfigFixture, "only the first problem is told") {
  const std::string text =
      problem_after(R"({"arena": {"size": 1}, "commit": {"max_rows": 0}, "sources": 3})");
  CHECK(text == "arena.size: must be a size such as \"4GiB\", not 1");
}

TEST_CASE_FIXTURE(ConfigFixture, "what is wrong with the care for readers, or with who may change the host") {
  const std::string tables =
      R"("tables": { "t": { "key": [ { "name": "k", "type": "uint64" } ], "value": [ { "name": "v", "type": "uint64" } ] } },)";
  const auto problem_in = [&](const std::string& section) { return problem("{" + tables + section + "}"); };
  CHECK(problem_in(R"("readers": { "restart": { "delay_min": "2s", "delay_max": "1s" } })")
            .find("readers.restart.delay_max: is shorter than delay_min") != std::string::npos);
  CHECK(problem_in(R"("readers": { "restart": { "delay_min": "1us" } })").find("readers.restart.delay_min") !=
        std::string::npos);
  CHECK(problem_in(R"("readers": { "restart": { "limits": 1 } })").find("limit") != std::string::npos);
  CHECK(problem_in(R"("readers": { "checkpoint": "1ms" })").find("readers.checkpoint: write at least") !=
        std::string::npos);
  CHECK(problem_in(R"("control": { "groups": [ "no-such-group" ] })")
            .find("control.groups[0]: this system has no group \"no-such-group\"") != std::string::npos);
  CHECK(problem_in(R"("control": { "groups": [ 5 ] })").find("control.groups[0]: must be the name") !=
        std::string::npos);
  CHECK(problem_in(R"("control": { "others": "change" })").find("control.others: \"change\" is not known") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(ConfigFixture, "a rollup's errors name the place") {
  const auto of_minutes = [&](const std::string& rollup) {
    return problem_after(R"({"tables": {"minutes": {"rollup": )" + rollup + "}}}");
  };
  const std::string good = R"json({"of": "trades", "group": ["symbol", {"bucket": "ts", "every": "1m"}],
                               "aggregate": {"open": "first(price)", "trades": "count()"}})json";
  CHECK(of_minutes(good) == "");
  CHECK(of_minutes("{}") == "tables.minutes.rollup: needs \"of\"");
  CHECK(of_minutes(R"json({"of": "trads", "group": ["symbol"], "aggregate": {"n": "count()"}})json") ==
        "tables.minutes.rollup.of: no table \"trads\"; did you mean \"trades\"? (tables: trades, bars, "
        "minutes)");
  CHECK(
      of_minutes(R"json({"of": "trades", "group": [{"bucket": "ts"}], "aggregate": {"n": "count()"}})json") ==
      "tables.minutes.rollup.group[0]: needs \"every\"");
  CHECK(of_minutes(R"({"of": "trades", "group": ["symbol"], "aggregate": {"n": 5}})") ==
        "tables.minutes.rollup.aggregate.n: must be a text such as \"sum(size)\"");
  CHECK(of_minutes(R"json({"of": "trades", "group": ["symbol"], "aggregate": {"n": "mean(prize)"}})json") ==
        "tables.minutes.rollup.aggregate.n: the source table has no field 'prize'; did you mean 'price'?");
  CHECK(problem_after(R"({"tables": {"trades": {"rollup": )" + good + "}}}") ==
        "tables.trades.key: a rollup's fields follow from \"group\"");
  CHECK(problem_after(R"({"tables": {"trades": {"retain": {"age": null, "per": ["symbol"]}}}})") == "");
  CHECK(problem_after(R"({"tables": {"trades": {"retain": {"per": ["symbol"]}}}})") ==
        "tables.trades.retain: \"per\" and \"age\" exclude each other");
  CHECK(problem_after(R"({"tables": {"trades": {"retain": {"age": null, "per": []}}}})") ==
        "tables.trades.retain.per: must name at least one field");
}

TEST_CASE_FIXTURE(ConfigFixture, "no source writes to a rollup") {
  CHECK(
      problem_after(
          R"json({"tables": {"bars": {"key": null, "value": null, "rollup": {"of": "trades", "group": ["symbol"],
                          "aggregate": {"n": "count()"}}}},
                          "sources": [{"name": "f", "type": "stdin", "table": "bars"}]})json") ==
      "sources[0].table: \"bars\" is a rollup: its rows follow from those of \"trades\"");
}

TEST_CASE_FIXTURE(ConfigFixture, "listeners, formats and maps that cannot be") {
  const auto source = [&](const std::string& members) {
    return problem_after(R"({"sources": [{"name": "s", )" + members + "}]}");
  };
  const auto mapped = [&](const std::string& map, const std::string& more = "") {
    return source(R"("type": "stdin", "table": "trades", "map": {)" + map + "}" + more);
  };
  CHECK(source(R"("type": "tcp", "table": "trades")") == "sources[0]: needs \"listen\"");
  CHECK(
      source(R"("type": "tcp", "listen": "here", "table": "trades")").find("\"here\" is no address; write") !=
      std::string::npos);
  CHECK(source(R"("type": "tcp", "listen": "127.0.0.1:99999", "table": "trades")").find("is no address") !=
        std::string::npos);
  CHECK(source(R"("type": "tcp", "listen": "[::1]:99", "table": "trades")") == "");
  CHECK(source(R"("type": "unix", "listen": "x.sock", "mode": "9", "table": "trades")")
            .find("is no file mode") != std::string::npos);
  CHECK(source(R"("type": "file", "path": "x", "listen": "y", "follow": true, "table": "trades")") ==
        "sources[0].listen: only sources of type \"tcp\" and \"unix\" listen");
  CHECK(problem_after(R"({"sources": [{"name": "a", "type": "tcp", "listen": ":5", "table": "trades"},
                                      {"name": "b", "type": "tcp", "listen": ":5", "table": "trades"}]})") ==
        "sources[1].listen: source \"a\" listens there");
  CHECK(source(R"("type": "stdin", "table": "trades", "csv": {})") ==
        "sources[0].csv: only sources of format \"csv\" have columns");
  CHECK(source(R"("type": "stdin", "table": "trades", "format": "csv", "csv": {"header": false})") ==
        "sources[0].csv.header: without a header the \"columns\" have to be given");
  CHECK(source(R"("type": "stdin", "table": "trades", "format": "csv", "csv": {"separator": "::"})")
            .find("must be one character") != std::string::npos);
  CHECK(source(R"("type": "stdin", "table": "trades", "format": "binary", "map": {"price": "p"})") ==
        "sources[0].map: binary rows are the table's own records");
  CHECK(mapped(R"("prize": "p")") ==
        "sources[0]: map.prize: table \"trades\" has no such field; did you mean \"price\"?");
  CHECK(mapped(R"("price": {"form": "p"})").find("sources[0].map.price.form: unknown name") == 0);
  CHECK(mapped(R"("price": {"unit": "ms"})") ==
        "sources[0]: map.price: \"unit\" is for timestamp_ns, not for a float64");
  CHECK(mapped(R"("price": {"value": "sequence"})").find("goes into an int64 or uint64, not a float64") !=
        std::string::npos);
  CHECK(mapped(R"("seq": {"value": "sequence", "default": 1})") ==
        "sources[0].map.seq.default: \"value\" comes from the source itself");
  CHECK(mapped(R"("price": {"default": "x"})").find("map.price: default: ") != std::string::npos);
  CHECK(mapped(R"("ts": {"default": "yesterday"})").find("is no time") != std::string::npos);
  CHECK(mapped(R"("price": "a..b")").find("sources[0].map.price: must be a member's name") == 0);
  CHECK(source(R"("type": "stdin", "feeds": [{"table": "trades"}, {"table": "trds"}])") ==
        "sources[0].feeds[1].table: no table \"trds\"; did you mean \"trades\"? (tables: trades, bars)");
  CHECK(source(R"("type": "stdin", "feeds": [{"table": "trades"}], "table": "bars")") ==
        "sources[0].table: with \"feeds\" each of these has its own");
}

TEST_CASE_FIXTURE(ConfigFixture, "a source's map, as it is read") {
  const auto config = read(nlohmann::ordered_json::parse(valid)
                               .patch(nlohmann::ordered_json::parse(R"([
    {"op": "replace", "path": "/sources", "value": [
      {"name": "s", "type": "tcp", "listen": "127.0.0.1:4000", "connections_max": 7, "spin": true, "feeds": [
        {"table": "trades", "when": {"kind": "trade", "data.live": true},
         "map": {"symbol": "s", "seq": {"value": "sequence"}, "ts": {"from": "data.T", "unit": "ms"},
                 "price": {"from": ["data", "a.b"], "quoted": true, "default": 1.5}}},
        {"table": "bars", "map": {"ts": {"value": "arrival"}, "open": "o.0"}}]}]}])"))
                               .dump());
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  const auto& source = config->ingest.sources.at(0);
  CHECK(source.type == perch::ingest::SourceType::tcp);
  CHECK(source.address == "127.0.0.1:4000");
  CHECK(source.connections_max == 7);
  CHECK(source.spin);
  REQUIRE(source.feeds.size() == 2);
  using Path = std::vector<std::string>;
  const auto& feed = source.feeds[0];
  REQUIRE(feed.when.size() == 2);
  CHECK(feed.when[1].path == Path{"data", "live"});
  CHECK(feed.when[1].value == "true");
  REQUIRE(feed.map.size() == 4);
  CHECK(feed.map[0].second.path == Path{"s"});
  CHECK(feed.map[1].second.origin == perch::rows::Origin::sequence);
  CHECK(feed.map[2].second.path == Path{"data", "T"});
  CHECK(feed.map[2].second.unit == perch::rows::TimeUnit::ms);
  CHECK(feed.map[3].second.path == Path{"data", "a.b"});
  CHECK(feed.map[3].second.quoted);
  CHECK(feed.map[3].second.fallback == "1.5");
  CHECK(source.feeds[1].map[0].second.origin == perch::rows::Origin::arrival);
}
