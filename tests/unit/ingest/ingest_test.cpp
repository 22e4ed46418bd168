// The whole of ingest: random rows through decoder, queue and writer; stopping; a full arena.
#include "ingest/ingest.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include <algorithm>
#include <random>
#include <string>

#include "base/unique_fd.hpp"
#include "unit/ingest/ingest_fixture.hpp"

using namespace perch::ingest;
using namespace perch::ingest::test;
using perch::UniqueFd;

namespace ingest_test {

/// A row and what has to become of it, known from how it was made.
struct RandomRow {
  std::string text;
  std::string reason;  ///< "" when it is good
};

/// Rows of {id: uint64} {number: int64, share: float32, name: char[8]}.
class RowMaker {
 public:
  explicit RowMaker(std::uint64_t seed) : random_(seed) {}

  RandomRow make(std::uint64_t id, std::int64_t number) {
    Members members{{"id", std::to_string(id)},
                    {"number", std::to_string(number)},
                    {"share", std::to_string(static_cast<double>(random_() % 1000) / 8)},
                    {"name", "\"" + std::string(random_() % 9, 'n') + "\""}};
    std::string reason;
    if (random_() % 2 == 0) reason = spoil_member(members);
    if (random_() % 3 == 0) members.push_back({"surplus", "[1e999,{\"id\":\"x\"},\"}\"]"});
    if (random_() % 3 == 0) std::shuffle(members.begin(), members.end(), random_);
    std::string text = write(members);
    if (reason.empty() && random_() % 4 == 0) reason = spoil_text(text);
    return {text, reason};
  }

 private:
  using Members = std::vector<std::pair<std::string, std::string>>;

  std::string spoil_member(Members& members) {
    std::string& id = members[0].second;
    std::string& number = members[1].second;
    std::string& share = members[2].second;
    std::string& name = members[3].second;
    switch (random_() % 16) {
      case 0:
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(random_() % 4));
        return "missing_field";
      case 1:
        number = "1.0";
        return "wrong_type";
      case 2:
        number = "\"" + number + "\"";
        return "wrong_type";
      case 3:
        share = "true";
        return "wrong_type";
      case 4:
        name = "null";
        return "wrong_type";
      case 5:
        id = "-1";
        return "out_of_range";
      case 6:
        id = "18446744073709551616";
        return "out_of_range";
      case 7:
        number = "9223372036854775808";
        return "out_of_range";
      case 8:
        number = "-123456789012345678901234567890";
        return "out_of_range";
      case 9:
        share = "1e39";
        return "out_of_range";
      case 10:
        share = "-1e400";
        return "out_of_range";
      case 11:
        name = "\"ninebytes\"";
        return "string_too_long";
      case 12:
        name = "\"n\\u0000n\"";
        return "nul_in_string";
      case 13:
        name = "\"\xe2\x82\"";
        return "not_utf8";
      case 14:
        number = "0" + number + "1";
        return "not_json";
      default:
        members.push_back({"id", id});
        return "";  // a double that says the same
    }
  }

  std::string spoil_text(std::string& text) {
    switch (random_() % 7) {
      case 0:
        text.pop_back();
        return "not_json";
      case 1:
        text = "[" + text + "]";
        return "not_object";
      case 2:
        text += "}";
        return "not_json";
      case 3:
        text.insert(1, 1, '\0');
        return "not_json";
      case 4:
        text.insert(1, "\xff");
        return "not_utf8";
      case 5:
        text += std::string((1u << 20), ' ');
        return random_() % 64 == 0 ? "row_too_long" : (text.resize(text.size() - (1u << 20)), "");
      default:
        text = std::to_string(random_());
        return "not_object";
    }
  }

  std::string write(const Members& members) {
    std::string text = "{";
    for (const auto& [name, value] : members)
      text += (text.size() > 1 ? "," : "") + ("\"" + name + "\":" + value);
    return text + "}";
  }

  std::mt19937_64 random_;
};

perch::tables::TableSpec mixed_table() {
  return {"mixed",
          {{"id", "uint64"}},
          {{"number", "int64"}, {"share", "float32"}, {"name", "char[8]"}},
          std::nullopt};
}

TEST_CASE("ten thousand random rows: all good ones arrive, all bad ones are logged with the right reason") {
  Host host({mixed_table()});
  RowMaker maker(20261124);
  std::string text;
  std::map<std::uint64_t, std::int64_t> good;
  std::vector<std::pair<std::uint64_t, std::string>> bad;  // position and reason
  std::map<std::string, std::uint64_t> reasons;
  const auto add = [&](const RandomRow& row, std::uint64_t id, std::int64_t number) {
    if (row.reason.empty()) {
      good[id] = number;
    } else {
      bad.emplace_back(text.size(), row.reason);
      ++reasons[row.reason];
    }
    text += row.text + "\n";
    if (id % 50 == 0) text += " \n\r\n";
  };
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const std::uint64_t id = i % 3 == 0 ? i / 2 : i;  // some replace an earlier one
    const auto number = static_cast<std::int64_t>(i * 0x9e3779b97f4a7c15);
    add(maker.make(id, number), id, number);
  }
  add({"{\"id\":0,\"number\":\"" + std::string(10'000'000, 'x') + "\"}", "row_too_long"}, 0, 0);
  CHECK(reasons.size() == 9);  // every reason but nan_in_key, which JSON cannot say
  write_file(host.folder / "rows", text);
  host.add_file("file", host.folder / "rows");
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return ingest.finished(); }));
  ingest.stop();

  CHECK(host.rows() == good);
  CHECK(host.store->check() == "");
  CHECK(host.status().rejects_by_reason == reasons);
  CHECK(host.status().rejects == bad.size());
  const auto rejects = read_rejects(host.spec.reject_log);
  REQUIRE(rejects.size() == bad.size());
  for (std::size_t i = 0; i < bad.size(); ++i) {
    REQUIRE(rejects[i]["position"] == bad[i].first);
    REQUIRE_MESSAGE(rejects[i]["reason"] == bad[i].second, rejects[i].dump());
  }
  CHECK(rejects.back()["row_bytes"] > 10'000'000);
  CHECK(rejects.back()["truncated"] == true);
}

TEST_CASE("several sources fill several tables in the same commits, whatever the commit policy") {
  for (const std::uint32_t max_rows : {1u, 7u, 100'000u}) {
    for (const auto max_delay :
         {std::chrono::nanoseconds(0), std::chrono::nanoseconds(std::chrono::hours(1))}) {
      if (max_rows == 100'000u && max_delay > std::chrono::seconds(1)) continue;  // would wait for the hour
      CAPTURE(max_rows);
      Host host({numbers_table("even"), numbers_table("odd")});
      host.spec.commit_max_rows = max_rows;
      host.spec.commit_max_delay = max_delay;
      constexpr std::uint64_t rows = 7'000;
      for (const std::uint64_t start : {0u, 1u}) {
        std::string text;
        for (std::uint64_t id = start; id < 2 * rows; id += 2)
          text += number_row(id, static_cast<std::int64_t>(id));
        write_file(host.folder / std::to_string(start), text);
        host.add_file("file" + std::to_string(start), host.folder / std::to_string(start)).feeds = {
            {start == 0 ? "even" : "odd", {}, {}}};
      }
      Ingest& ingest = host.start();
      REQUIRE(eventually([&] { return ingest.finished(); }));
      const auto snapshot = host.store->reads().acquire();
      REQUIRE(snapshot->snapshot().positions().size() == 2);
      CHECK(snapshot->snapshot().positions()[0].rows == rows);
      CHECK(snapshot->snapshot().positions()[1].bytes == std::filesystem::file_size(host.folder / "1"));
      CHECK(host.rows(0).size() == rows);
      CHECK(host.rows(1).rbegin()->first == 2 * rows - 1);
      if (max_rows == 1) CHECK(ingest.commits().version == 2 * rows);
      if (max_rows == 7) CHECK(ingest.commits().version >= 2 * rows / 7);
      CHECK(ingest.commits().rows == 2 * rows);
    }
  }
}

TEST_CASE("rows that are no whole commit are committed all the same, together") {
  Host host;
  host.spec.commit_max_rows = 1000;
  host.spec.commit_max_delay = std::chrono::milliseconds(20);
  const auto path = host.folder / "rows";
  write_file(path, number_row(1, 1) + number_row(2, 2));
  host.add_file("file", path, true);
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return host.status().committed.rows == 2; }));
  CHECK(host.rows().size() == 2);
  CHECK(ingest.commits().version == 1);
}

TEST_CASE("rows that are no whole commit wait for the delay, and others join them") {
  Host host;
  host.spec.commit_max_rows = 3;
  host.spec.commit_max_delay = std::chrono::hours(1);
  const auto path = host.folder / "rows";
  write_file(path, number_row(1, 1) + number_row(2, 2));
  host.add_file("file", path, true);
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return host.status().rows == 2 && host.status().queued_batches == 0; }));
  append_file(path, number_row(3, 3) + number_row(4, 4));
  REQUIRE(eventually([&] { return host.status().committed.rows == 3; }));
  CHECK(ingest.commits().version == 1);
  ingest.stop();
  CHECK(ingest.commits().version == 2);
  CHECK(host.rows().size() == 4);
}

TEST_CASE("stopping while a source waits for input, or for room, ends at once and commits what was queued") {
  Host host;
  const auto fifo = host.folder / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const UniqueFd writer(::open(fifo.c_str(), O_RDWR));  // never closed: a feed that sent half a row and hangs
  const std::string text = number_row(1, 10) + number_row(2, 20) + "{\"id\":3,";
  REQUIRE(::write(writer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  host.add_file("hanging", fifo);
  host.add_exec("flood", {"/bin/sh", "-c", "while :; do echo '{\"id\":9,\"number\":1}'; done"});
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return host.status(0).rows == 2 && host.status(1).rows > 1000; }));
  ingest.stop();
  CHECK(host.rows().at(2) == 20);
  for (const SourceStatus& status : ingest.sources()) {
    CHECK(status.committed.rows == status.rows);
    CHECK(status.queued_batches == 0);
  }
}

TEST_CASE("a full arena holds the sources back, loses nothing, and ingest goes on by itself") {
  constexpr std::uint64_t rows = 300'000;
  auto table = numbers_table();
  table.value.push_back({"filler", "char[64]"});
  table.retain = perch::tables::RetainSpec{20'000, std::nullopt, std::nullopt};
  Host host({table}, 16u << 20);
  std::string text;
  for (std::uint64_t id = 0; id < rows; ++id) {
    text += "{\"id\":" + std::to_string(id) + ",\"number\":" + std::to_string(id) + ",\"filler\":\"x\"}\n";
  }
  write_file(host.folder / "rows", text);
  host.add_file("file", host.folder / "rows");
  host.ingest = std::make_unique<Ingest>(*host.store, host.catalog, host.spec);

  // Snapshots of many versions, each with rows that the others do not have: nothing of them may be reused.
  std::vector<perch::tree::SharedSnapshot> pins;
  REQUIRE(host.ingest->start().has_value());
  while (!host.ingest->commits().out_of_room && !host.ingest->finished())
    pins.push_back(host.store->reads().acquire());
  REQUIRE(host.ingest->commits().out_of_room);
  const std::uint64_t before = host.status().committed.rows;
  CHECK(before < rows);
  CHECK(eventually([&] { return host.status().queued_batches == host.status().queue_capacity; }));
  pins.clear();
  REQUIRE(eventually([&] { return host.ingest->finished(); }));
  CHECK(!host.ingest->commits().out_of_room);
  host.ingest->stop();
  CHECK(host.status().committed.rows == rows);
  CHECK(host.ingest->evicted_rows().at(0) == rows - 20'000);
  const auto kept = host.rows();
  CHECK(kept.size() == 20'000);
  CHECK(kept.begin()->first == rows - 20'000);
  CHECK(host.store->check() == "");
}

TEST_CASE("stopping while the arena is full ends, and says what was not committed") {
  auto table = numbers_table();
  table.value.push_back({"filler", "char[1024]"});
  Host host({table}, 8u << 20);
  std::string text;
  for (std::uint64_t id = 0; id < 50'000; ++id) {
    text += "{\"id\":" + std::to_string(id) + ",\"number\":1,\"filler\":\"x\"}\n";
  }
  write_file(host.folder / "rows", text);
  host.add_file("file", host.folder / "rows");
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return ingest.commits().out_of_room; }));
  ingest.stop();
  CHECK(host.rows().size() == host.status().committed.rows);
  CHECK(host.status().committed.rows < host.status().rows);
  CHECK(!ingest.finished());
}

TEST_CASE("keys of every length arrive, in batches and in commits of every size") {
  for (const char* name_type : {"char[8]", "char[24]", "char[56]"}) {
    for (const std::uint32_t max_rows : {1u, 7u, 256u}) {
      CAPTURE(name_type);
      CAPTURE(max_rows);
      Host host({{"t", {{"name", name_type}, {"id", "uint64"}}, {{"number", "int64"}}, std::nullopt}});
      host.spec.commit_max_rows = max_rows;
      std::string text;
      for (std::int64_t number = 0; number < 6000; ++number) {
        const std::int64_t id = number * 7919 % 2000;  // each three times
        text += "{\"name\":\"n" + std::to_string(id % 10) + "\",\"id\":" + std::to_string(id) +
                ",\"number\":" + std::to_string(number) + "}\n";
      }
      write_file(host.folder / "rows", text);
      host.add_file("file", host.folder / "rows");
      Ingest& ingest = host.start();
      REQUIRE(eventually([&] { return ingest.finished(); }));
      ingest.stop();
      const auto& codec = host.catalog.tables()[0]->codec();
      CHECK(host.store->rows(0) == 2000);
      for (std::int64_t number = 4000; number < 6000; ++number) {
        const std::uint64_t id = static_cast<std::uint64_t>(number * 7919 % 2000);
        std::vector<std::byte> key(codec.record_size());
        const std::string name = "n" + std::to_string(id % 10);
        std::memcpy(key.data(), name.data(), name.size());
        std::memcpy(key.data() + key.size() - sizeof id, &id, sizeof id);
        std::uint64_t words[perch::tree::key_words_max] = {};
        REQUIRE(codec.encode(key.data(), words));
        const std::byte* value = host.store->find(0, words);
        REQUIRE(value);
        REQUIRE(std::memcmp(value, &number, sizeof number) == 0);
      }
      CHECK(host.store->check() == "");
    }
  }
}

}  // namespace ingest_test
