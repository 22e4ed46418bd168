// What the ingest tests share: a folder of their own, a store with tables, waiting with a bound.
#pragma once

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/ingest.hpp"
#include "tables/catalog.hpp"
#include "tree/store.hpp"
#include "unit/test_files.hpp"

namespace perch::ingest::test {

using namespace perch::test;

std::vector<nlohmann::json> read_rejects(const std::filesystem::path& path);

/// Key {id: uint64}, value {number: int64}.
tables::TableSpec numbers_table(std::string name = "numbers");
std::string number_row(std::uint64_t id, std::int64_t number);

/// A store, the tables in it, and ingest, in a folder of its own.
class Host {
 public:
  explicit Host(std::vector<tables::TableSpec> tables = {numbers_table()},
                std::uint64_t arena_bytes = 256u << 20);

  SourceSpec& add_file(const std::string& name, const std::filesystem::path& path, bool follow = false);
  SourceSpec& add_exec(const std::string& name, std::vector<std::string> command, bool restart = false);
  Ingest& start();

  /// Rows of a table as (key word 0, the first 8 bytes of the value), of the newest version.
  std::map<std::uint64_t, std::int64_t> rows(tree::TableIndex table = 0);
  SourceStatus status(std::size_t source = 0) { return ingest->sources().at(source); }

  TemporaryFolder folder;
  IngestSpec spec;
  std::unique_ptr<tree::Store> store;
  tables::Catalog catalog;
  std::unique_ptr<Ingest> ingest;
};

}  // namespace perch::ingest::test
