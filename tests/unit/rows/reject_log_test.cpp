#include "rows/reject_log.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "unit/test_files.hpp"

using namespace perch::rows;
using perch::Line;
using namespace perch::test;

namespace reject_log_test {

std::vector<nlohmann::json> read_rejects(const std::filesystem::path& path) {
  std::vector<nlohmann::json> rejects;
  for (const std::string& line : read_lines(path)) rejects.push_back(nlohmann::json::parse(line));
  return rejects;
}

Line line_of(std::string_view text, std::uint64_t begin = 0) {
  return {text, begin, begin + text.size() + 1, text.size(), false};
}

TEST_CASE("a rejected row is one JSON object with everything about it") {
  const TemporaryFolder folder;
  RejectLog log(folder / "rejects.ndjson", 1u << 20);
  REQUIRE(log.open().has_value());
  log.write("feed", line_of("{\"a\":", 42), {RejectReason::not_json, "the row is \"no\" JSON"});
  const auto rejects = read_rejects(folder / "rejects.ndjson");
  REQUIRE(rejects.size() == 1);
  CHECK(rejects[0]["source"] == "feed");
  CHECK(rejects[0]["position"] == 42);
  CHECK(rejects[0]["reason"] == "not_json");
  CHECK(rejects[0]["message"] == "the row is \"no\" JSON");
  CHECK(rejects[0]["row"] == "{\"a\":");
  CHECK(rejects[0]["row_bytes"] == 5);
  CHECK(rejects[0]["time"].get<std::string>().back() == 'Z');
  CHECK(!rejects[0].contains("truncated"));
  CHECK(!rejects[0].contains("row_base64"));
}

TEST_CASE("bytes that are not UTF-8 are kept as base64, long rows are cut at a character") {
  const TemporaryFolder folder;
  RejectLog log(folder / "rejects.ndjson", 1u << 20);
  REQUIRE(log.open().has_value());
  for (const char* bytes : {"\xff", "\xff\xfe", "\xff\xfe\xfd", "x\xff\xfe\xfd"}) {
    log.write("feed", line_of(bytes), {RejectReason::not_utf8, ""});
  }
  const std::string wide = std::string(RejectLog::row_bytes_max - 1, 'x') + "é and more";
  log.write("feed", line_of(wide), {RejectReason::not_json, ""});
  const auto rejects = read_rejects(folder / "rejects.ndjson");
  REQUIRE(rejects.size() == 5);
  CHECK(rejects[0]["row_base64"] == "/w==");
  CHECK(rejects[1]["row_base64"] == "//4=");
  CHECK(rejects[2]["row_base64"] == "//79");
  CHECK(rejects[3]["row_base64"] == "eP/+/Q==");
  CHECK(rejects[0]["row"] == "\uFFFD");
  CHECK(rejects[4]["row"] == std::string(RejectLog::row_bytes_max - 1, 'x'));
  CHECK(rejects[4]["truncated"] == true);
  CHECK(rejects[4]["row_bytes"] == wide.size());
  CHECK(!rejects[4].contains("row_base64"));
}

TEST_CASE("the log is rotated at its size and goes on when the host starts again") {
  const TemporaryFolder folder;
  const auto file = folder / "rejects.ndjson";
  constexpr std::uint64_t bytes_max = 2000;
  std::uint64_t written = 0;
  for (int run = 0; run < 3; ++run) {
    RejectLog log(file, bytes_max);
    REQUIRE(log.open().has_value());
    for (int i = 0; i < 10; ++i)
      CHECK(log.write("feed", line_of("row", written++), {RejectReason::not_json, "no"}));
  }
  const auto old_rejects = read_rejects(file.string() + ".1");
  const auto rejects = read_rejects(file);
  CHECK(std::filesystem::file_size(file) <= bytes_max);
  CHECK(std::filesystem::file_size(file.string() + ".1") <= bytes_max);
  REQUIRE(!old_rejects.empty());
  REQUIRE(!rejects.empty());
  CHECK(rejects.back()["position"] == written - 1);
  CHECK(rejects.front()["position"] == old_rejects.back()["position"].get<std::uint64_t>() + 1);
}

TEST_CASE("a full disk loses lines, each is told, and nothing else") {
  RejectLog log("/dev/full", 1u << 20);
  REQUIRE(log.open().has_value());
  for (int i = 0; i < 3; ++i) CHECK_FALSE(log.write("feed", line_of("row"), {RejectReason::not_json, "no"}));
}

TEST_CASE("a log that cannot be opened is named") {
  RejectLog log("/no/such/folder/rejects.ndjson", 1u << 20);
  const auto opened = log.open();
  REQUIRE(!opened.has_value());
  CHECK(opened.error().message.find("/no/such/folder/rejects.ndjson") != std::string::npos);
}

TEST_CASE("lines of several sources are never mixed") {
  const TemporaryFolder folder;
  RejectLog log(folder / "rejects.ndjson", 64u << 20);
  REQUIRE(log.open().has_value());
  std::vector<std::thread> threads;
  for (int source = 0; source < 4; ++source) {
    threads.emplace_back([&log, source] {
      for (std::uint64_t i = 0; i < 500; ++i) {
        log.write(std::to_string(source), line_of(std::string(200, 'x'), i), {RejectReason::not_json, "no"});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::map<std::string, std::uint64_t> next;
  for (const auto& reject : read_rejects(folder / "rejects.ndjson")) {
    CHECK(reject["position"] == next[reject["source"]]++);
  }
  CHECK(next.size() == 4);
  for (const auto& [source, count] : next) CHECK(count == 500);
}

}  // namespace reject_log_test
