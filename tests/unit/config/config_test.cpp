// What a good config becomes.
#include "config_fixture.hpp"

using namespace std::chrono_literals;

TEST_CASE_FIXTURE(ConfigFixture, "a config that uses every name is read completely") {
  const auto config = read(valid);
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(config->name == "demo");
  CHECK(config->log_level == "debug");
  CHECK(config->store.arena_bytes == 64u << 20);
  CHECK(config->ingest.commit_max_rows == 10);
  CHECK(config->ingest.commit_max_delay == 2ms);

  REQUIRE(config->tables.size() == 2);
  CHECK(config->tables[0].name == "trades");  // the file's order, not the alphabet's
  CHECK(config->tables[0].key[1].name == "seq");
  CHECK(config->tables[0].value[0].type == "timestamp_ns");
  CHECK(config->tables[0].retain->rows == 1000);
  CHECK(config->tables[0].retain->age == 1h);
  CHECK(config->tables[0].retain->by == "ts");
  CHECK_FALSE(config->tables[1].retain.has_value());

  REQUIRE(config->ingest.sources.size() == 1);
  const auto& source = config->ingest.sources[0];
  CHECK(source.name == "feed");
  CHECK(source.type == perch::ingest::SourceType::exec);
  CHECK(source.command == std::vector<std::string>{(folder / "bin/perch-feed").string(), "market"});
  REQUIRE(source.feeds.size() == 1);
  CHECK(source.feeds[0].table == "trades");
  CHECK_FALSE(source.restart);
  CHECK(source.restart_delay_min == 5ms);
  CHECK(source.restart_delay_max == 1s);

  CHECK(config->readers.probation == 3s);
  REQUIRE(config->readers.instances.size() == 1);
  CHECK(config->readers.instances[0].name == "a");
  CHECK(config->readers.instances[0].plugin == "vwap");
  CHECK(config->readers.instances[0].config == R"({"window":"1m","n":9007199254740993})");
  CHECK(config->control.mode == 0600);
}

TEST_CASE_FIXTURE(ConfigFixture, "what is left out has a default") {
  const auto config = read(R"({ "tables": { "t": { "key": [ { "name": "k", "type": "uint64" } ],
                                                    "value": [ { "name": "v", "type": "uint64" } ] } } })");
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(config->name == "perch");
  CHECK(config->log_level == "info");
  CHECK(config->run_dir == folder / "run");
  CHECK(config->store.arena_bytes == std::uint64_t{4} << 30);
  CHECK(config->ingest.commit_max_rows == 256);
  CHECK(config->ingest.commit_max_delay == 1ms);
  CHECK(config->ingest.sources.empty());
  CHECK(config->ingest.reject_log == folder / "run/rejects.ndjson");
  CHECK(config->readers.folder.empty());
  CHECK(config->readers.probation == 5s);
  CHECK(config->readers.private_folder == folder / "run/generations");
  CHECK(config->readers.disabled_file == folder / "run/disabled.json");
  CHECK(config->readers.blame_file == folder / "run/crashed.txt");
  CHECK(config->readers.checkpoint == 30s);
  CHECK(config->readers.callback_deadline == 10s);
  CHECK(config->readers.retain_warning_bytes == std::uint64_t{256} << 20);
  CHECK(config->readers.restart.delay_min == 100ms);
  CHECK(config->readers.restart.delay_max == 10s);
  CHECK(config->readers.restart.limit == 5);
  CHECK(config->readers.restart.window == 1min);
  CHECK(config->control.groups.empty());
  CHECK(config->control.others_may_look);
  CHECK(config->control.socket == folder / "run/perch.sock");
  CHECK(config->control.mode == 0660);
}

TEST_CASE_FIXTURE(ConfigFixture, "relative paths are relative to the config file") {
  std::filesystem::create_directory(folder / "config");
  write("rows.ndjson", "");
  write("config/perch.json", R"({ "host": { "run_dir": "../run" }, "tables": { "t": {
      "key": [ { "name": "k", "type": "uint64" } ], "value": [ { "name": "v", "type": "uint64" } ] } },
    "sources": [ { "name": "f", "type": "file", "path": "../rows.ndjson", "table": "t" },
                 { "name": "g", "type": "file", "path": "/nowhere/later", "follow": true, "table": "t" },
                 { "name": "i", "type": "stdin", "table": "t" } ],
    "readers": { "folder": "./plugins" }, "control": { "socket": "../s.sock" } })");
  const auto config = perch::read_config(folder / "config/perch.json", folder / "bin");
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(config->run_dir == folder / "run");
  CHECK(config->ingest.sources[0].path == folder / "rows.ndjson");
  CHECK(config->ingest.sources[1].path == "/nowhere/later");
  CHECK(config->ingest.sources[1].follow);
  CHECK(config->ingest.sources[2].type == perch::ingest::SourceType::standard_input);
  CHECK(config->readers.folder == folder / "config/plugins");
  CHECK(config->control.socket == folder / "s.sock");
}

TEST_CASE_FIXTURE(ConfigFixture, "a relative config file resolves against the working folder") {
  write("perch.json", valid);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  const auto config = perch::read_config("perch.json", folder / "bin");
  std::filesystem::current_path(before);
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(config->run_dir == folder / "run");
}

TEST_CASE_FIXTURE(ConfigFixture, "programs are found beside perchd, then in PATH, or by their path") {
  const auto command = [&](const std::string& program) {
    auto json = nlohmann::ordered_json::parse(valid);
    json["sources"][0]["command"] = {program};
    const auto config = read(json.dump());
    return config ? config->ingest.sources[0].command[0] : config.error().message;
  };
  CHECK(command("perch-feed") == (folder / "bin/perch-feed").string());
  const std::string shell = command("sh");
  CHECK((shell == "/bin/sh" || shell == "/usr/bin/sh"));
  add_program("bin/sh");
  CHECK(command("sh") == (folder / "bin/sh").string());
  add_program("tool");
  CHECK(command("./tool") == (folder / "tool").string());
  CHECK(command("/bin/sh") == "/bin/sh");
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "what becomes of readers that fail, and who may change the host, is configurable") {
  const auto config = read(R"({ "tables": { "t": { "key": [ { "name": "k", "type": "uint64" } ],
                                                    "value": [ { "name": "v", "type": "uint64" } ] } },
    "readers": { "checkpoint": "0", "callback_deadline": "250ms", "retain_warning": "1MiB",
                 "restart": { "delay_min": "1ms", "delay_max": "2ms", "limit": 0, "window": "10s" } },
    "control": { "groups": [ "root" ], "others": "nothing" } })");
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(config->readers.checkpoint == 0s);
  CHECK(config->readers.callback_deadline == 250ms);
  CHECK(config->readers.retain_warning_bytes == std::uint64_t{1} << 20);
  CHECK(config->readers.restart.delay_min == 1ms);
  CHECK(config->readers.restart.delay_max == 2ms);
  CHECK(config->readers.restart.limit == 0);
  CHECK(config->readers.restart.window == 10s);
  REQUIRE(config->control.groups.size() == 1);
  CHECK(config->control.groups[0] == std::pair<std::string, gid_t>("root", 0));
  CHECK_FALSE(config->control.others_may_look);
}
