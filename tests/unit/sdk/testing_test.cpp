// The test kit, judged by the host's own code: its tables sort as the host's keys do, and it refuses what a
// host would.
#include "perch/testing.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "perch/plugin.hpp"
#include "records.hpp"
#include "tables/key_codec.hpp"

namespace testing_test {

using perch::testing::Host;

/// Keys of every field type, edges included, few enough values that neighbours and repetitions are common.
everything::Key random_key(std::mt19937_64& random) {
  const auto pick = [&](auto... values) {
    const std::common_type_t<decltype(values)...> all[] = {values...};
    return all[random() % sizeof...(values)];
  };
  everything::Key key{};
  key.a = pick(std::int8_t{-128}, std::int8_t{-1}, std::int8_t{0}, std::int8_t{127});
  key.b = pick(std::uint16_t{0}, std::uint16_t{255}, std::uint16_t{256}, std::uint16_t{65535});
  key.c = pick(INT32_MIN, -256, -1, 0, 1, INT32_MAX);
  key.d = pick(false, true);
  key.e.ns = pick(INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX);
  key.f = pick(std::string_view(""), std::string_view("a"), std::string_view("a\x01"), std::string_view("ab"),
               std::string_view("abc"), std::string_view("\xc3\xa4"));
  key.g = pick(-std::numeric_limits<float>::infinity(), -1.5f, -0.0f, 0.0f, 1e-40f, 1.5f,
               std::numeric_limits<float>::infinity());
  return key;
}

TEST_CASE("the kit's tables are in the order of the host's keys, and hand out the keys that the host would") {
  const auto codec =
      perch::tables::KeyCodec::make(*perch::tables::Layout::parse(everything::Table::facts.key_text)).value();
  std::mt19937_64 random(7);
  Host<everything::Table> host;
  std::map<std::array<std::uint64_t, 8>, double> model;
  for (int row = 0; row < 3000; ++row) {
    const everything::Key key = random_key(random);
    std::array<std::uint64_t, 8> words{};
    REQUIRE(codec.encode(reinterpret_cast<const std::byte*>(&key), words.data()));
    if (random() % 4 == 0) {
      CHECK(host.erase(everything::table, key) == (model.erase(words) == 1));
      continue;
    }
    everything::Value value{};
    value.last = row;
    host.put(everything::table, key, value);
    model[words] = row;
  }
  host.commit();
  auto expected = model.begin();
  for (const auto& [key, value] : host.newest().scan(everything::table)) {
    REQUIRE(expected != model.end());
    everything::Key decoded;
    codec.decode(expected->first.data(), reinterpret_cast<std::byte*>(&decoded));
    CHECK(std::memcmp(&decoded, &key, sizeof key) == 0);
    CHECK(value.last == expected->second);
    ++expected;
  }
  CHECK(expected == model.end());
}

TEST_CASE("NaN in a key is refused, as the host rejects it") {
  Host<everything::Table> host;
  everything::Key key{};
  key.g = std::nanf("");
  CHECK_THROWS_AS(host.put(everything::table, key, {}), std::invalid_argument);
}

/// Remembers what its last step showed, and asks for it again in the next call, as the interface allows.
class Rememberer : public perch::Reader {
 public:
  static constexpr perch::Info info{
      .id = "rememberer", .version = "1.0.0", .state_version = 2, .oldest_state = 1};
  using Tables = perch::Tables<trades::Table, processes::Table>;
  Rememberer(perch::Host& host, const perch::Config& config) : host_(host) { config.allow_only({"fail"}); }
  void on_commit(const perch::Step& step) override {
    trades_ = step.current().rows(trades::table);
    processes_ = step.current().rows(processes::table);
    if (trades_ > 3) throw std::runtime_error("too many trades");
    perch::JsonWriter json;
    json.begin_object()
        .key("rows")
        .begin_object()
        .member("trades", trades_)
        .member("names", "a.b")
        .end_object();
    host_.publish("rows", json.end_object().text());
  }
  void save(perch::StateWriter& out) const override { out.put(trades_); }
  void restore(perch::StateReader& in) override { trades_ = in.get<std::uint64_t>(); }
  void migrate(std::uint32_t, perch::StateReader& in) override { trades_ = in.get<std::uint8_t>(); }

 private:
  perch::Host& host_;
  std::uint64_t trades_ = 0;
  std::uint64_t processes_ = 0;
};
constexpr auto note = perch::detail::make_note<Rememberer>();
constexpr perch_plugin_api api =
    perch::detail::Plugin<Rememberer>::api(note.descriptor, note.descriptor_size);

TEST_CASE("a reader's tables are found by name, whatever their order in the test") {
  Host<processes::Table, trades::Table> host;
  perch::testing::Reader reader(host, "{}", std::nullopt, api);
  CHECK_FALSE(reader.step());
  host.put(trades::table, {{"A"}, 1}, {});
  host.commit();
  CHECK(reader.step());
  CHECK_FALSE(reader.step());
  CHECK(reader.published("rows").number("rows.trades") == 1);
  CHECK(reader.published("rows").text("rows.names") == "a.b");
  CHECK(reader.published("rows").member("rows.none").empty());
  CHECK_THROWS_AS(reader.published("rows").number("rows.names"), perch::BadConfig);
  CHECK_THROWS_AS(reader.published("other"), std::out_of_range);
}

TEST_CASE("a test without the reader's table, or with other records, is told so") {
  Host<processes::Table> too_few;
  CHECK_THROWS_WITH(perch::testing::Reader(too_few, "{}", std::nullopt, api),
                    "the reader reads table 'trades', which the test's Host has not got");
  using Other = perch::Table<"trades", trades::Key, trades::Key>;
  Host<Other, processes::Table> other;
  CHECK_THROWS_WITH(perch::testing::Reader(other, "{}", std::nullopt, api),
                    "the reader was built for table 'trades' with other records than the test");
}

TEST_CASE("a reader goes on from a saved state exactly where it was saved, and from an older version's") {
  Host<processes::Table, trades::Table> host;
  perch::testing::Reader reader(host, "{}", std::nullopt, api);
  host.put(trades::table, {{"A"}, 1}, {});
  host.commit();
  reader.step();
  const perch::testing::State state = reader.save();
  CHECK(state.version == 2);
  CHECK(state.as_of == 1);
  host.put(trades::table, {{"A"}, 2}, {});
  host.commit();
  perch::testing::Reader next(host, "{}", state, api);
  CHECK(next.step());
  CHECK(next.published("rows").number("rows.trades") == 2);
  CHECK_NOTHROW(perch::testing::Reader(host, "{}", perch::testing::State{1, std::string(1, '\5'), 2}, api));
  CHECK_THROWS_WITH(perch::testing::Reader(host, "{}", perch::testing::State{3, "", 2}, api),
                    "restore: the plugin takes state versions 1 to 2, not 3");
  CHECK_THROWS_AS(perch::testing::Reader(host, "{}", perch::testing::State{2, "", 9}, api),
                  std::out_of_range);
  CHECK_THROWS_WITH(perch::testing::Reader(host, "{}", perch::testing::State{2, "x", 2}, api),
                    "restore: the state ends early: 8 bytes wanted, 1 left");
}

TEST_CASE("what a reader throws is thrown in the test, with the function's name") {
  Host<processes::Table, trades::Table> host;
  perch::testing::Reader reader(host, "{}", std::nullopt, api);
  for (std::uint64_t seq = 0; seq < 4; ++seq) host.put(trades::table, {{"A"}, seq}, {});
  host.commit();
  CHECK_THROWS_WITH(reader.step(), "on_commit: too many trades");
}

}  // namespace testing_test
