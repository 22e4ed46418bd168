#include "unit/ingest/ingest_fixture.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <iterator>
#include <thread>

#include "tree/cursor.hpp"
#include "tree/pins.hpp"

namespace perch::ingest::test {

std::vector<nlohmann::json> read_rejects(const std::filesystem::path& path) {
  std::vector<nlohmann::json> rejects;
  for (const std::string& line : read_lines(path)) rejects.push_back(nlohmann::json::parse(line));
  return rejects;
}

tables::TableSpec numbers_table(std::string name) {
  return {std::move(name), {{"id", "uint64"}}, {{"number", "int64"}}, std::nullopt};
}

std::string number_row(std::uint64_t id, std::int64_t number) {
  return "{\"id\":" + std::to_string(id) + ",\"number\":" + std::to_string(number) + "}\n";
}

Host::Host(std::vector<tables::TableSpec> tables, std::uint64_t arena_bytes) {
  auto made = tree::Store::create({arena_bytes});
  REQUIRE(made.has_value());
  store = std::move(*made);
  auto tables_made = tables::Catalog::make(tables);
  REQUIRE(tables_made.has_value());
  catalog = std::move(*tables_made);
  spec.reject_log = folder / "rejects.ndjson";
}

SourceSpec& Host::add_file(const std::string& name, const std::filesystem::path& path, bool follow) {
  SourceSpec& source = spec.sources.emplace_back();
  source.name = name;
  source.type = SourceType::file;
  source.path = path;
  source.follow = follow;
  source.feeds = {{catalog.tables().front()->name(), {}, {}}};
  return source;
}

SourceSpec& Host::add_exec(const std::string& name, std::vector<std::string> command, bool restart) {
  SourceSpec& source = spec.sources.emplace_back();
  source.name = name;
  source.type = SourceType::exec;
  source.command = std::move(command);
  source.restart = restart;
  source.restart_delay_min = std::chrono::milliseconds(1);
  source.restart_delay_max = std::chrono::milliseconds(20);
  source.feeds = {{catalog.tables().front()->name(), {}, {}}};
  return source;
}

Ingest& Host::start() {
  ingest = std::make_unique<Ingest>(*store, catalog, spec);
  const auto started = ingest->start();
  REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().message));
  return *ingest;
}

std::map<std::uint64_t, std::int64_t> Host::rows(tree::TableIndex table) {
  std::map<std::uint64_t, std::int64_t> rows;
  const auto snapshot = store->reads().acquire();
  tree::Cursor cursor(snapshot->snapshot(), table);
  for (auto run = cursor.next(); run.count > 0; run = cursor.next()) {
    for (std::uint32_t row = 0; row < run.count; ++row) {
      std::int64_t number = 0;
      std::memcpy(&number, run.values + row * run.value_stride, sizeof number);
      rows[run.key_word(row, 0)] = number;
    }
  }
  REQUIRE(rows.size() == snapshot->snapshot().rows(table));
  return rows;
}

}  // namespace perch::ingest::test
