// A folder of its own for each test: a config file in it, and programs beside an imagined perchd.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "config/config.hpp"
#include "unit/test_files.hpp"

struct ConfigFixture {
  ConfigFixture() {
    std::filesystem::create_directory(folder / "bin");
    add_program("bin/perch-feed");
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }

  void add_program(const std::string& name) const {
    write(name, "#!/bin/sh\n");
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
  }

  perch::Result<perch::Config> read(const std::string& text) const {
    write("perch.json", text);
    return perch::read_config(folder / "perch.json", folder / "bin");
  }

  /// What is wrong with the text, without the folder; "" when nothing is.
  std::string problem(const std::string& text) const {
    const auto config = read(text);
    if (config) return "";
    CHECK(config.error().kind == perch::ErrorKind::usage);
    std::string message = config.error().message;
    const std::string prefix = (folder / "perch.json").string();
    CHECK(message.substr(0, prefix.size()) == prefix);
    message.erase(0, prefix.size());
    if (message.substr(0, 2) == ": ") message.erase(0, 2);
    for (std::size_t at; (at = message.find(folder.string() + "/")) != std::string::npos;) {
      message.erase(at, folder.string().size() + 1);
    }
    return message;
  }

  /// The valid config below, changed by a JSON merge patch (RFC 7396: null takes a member away).
  std::string problem_after(const std::string& patch) const {
    auto json = nlohmann::ordered_json::parse(valid);
    json.merge_patch(nlohmann::ordered_json::parse(patch));
    return problem(json.dump());
  }

  const perch::test::TemporaryFolder temporary;
  const std::filesystem::path folder = temporary.path();

  static constexpr const char* valid = R"({
    "host": { "name": "demo", "run_dir": "run", "log": { "level": "debug" } },
    "arena": { "size": "64MiB" },
    "commit": { "max_rows": 10, "max_delay": "2ms" },
    "tables": {
      "trades": { "key": [ { "name": "symbol", "type": "char[8]" }, { "name": "seq", "type": "uint64" } ],
                  "value": [ { "name": "ts", "type": "timestamp_ns" }, { "name": "price", "type": "float64" } ],
                  "retain": { "rows": 1000, "age": "1h", "by": "ts" } },
      "bars":   { "key": [ { "name": "ts", "type": "timestamp_ns" } ], "value": [ { "name": "open", "type": "float64" } ] }
    },
    "sources": [ { "name": "feed", "type": "exec", "command": [ "perch-feed", "market" ], "format": "ndjson", "table": "trades",
                   "restart": "never", "restart_delay_min": "5ms", "restart_delay_max": "1s" } ],
    "readers": { "folder": "plugins", "isolation": "thread", "probation": "3s",
                 "instances": [ { "name": "a", "plugin": "vwap", "config": { "window": "1m", "n": 9007199254740993 } } ] },
    "control": { "socket": "run/x.sock", "mode": "0600" }
  })";
};
