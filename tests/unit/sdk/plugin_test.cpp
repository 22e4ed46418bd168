// The C++ layer's side of the binary interface: what the host sees of a reader that works, throws or lies.
#include "perch/plugin.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "perch/testing.hpp"
#include "records.hpp"

namespace plugin_test {

/// Does what its config says, where it says it.
class Obedient : public perch::Reader {
 public:
  static constexpr perch::Info info{.id = "obedient-1",
                                    .version = "1.2.3-rc.1+build.007",
                                    .state_version = 4,
                                    .oldest_state = 2,
                                    .config_schema = R"({ "type": "object" })"};
  using Tables = perch::Tables<everything::Table, trades::Table>;

  Obedient(perch::Host& host, const perch::Config& config) : host_(host), fail_(config.string("fail", "")) {
    if (fail_ == "config") throw perch::BadConfig("no such thing");
    obey("create");
    host.wake_every(config.duration("every", {}));
    ++alive;
  }
  ~Obedient() override { --alive; }
  void start() override { obey("start"); }
  void on_commit(const perch::Step& step) override {
    obey("on_commit");
    sum_ += static_cast<double>(step.current().rows(trades::table));
    host_.counter_add("steps");
    host_.gauge_set("sum", sum_);
  }
  void save(perch::StateWriter& out) const override {
    obey("save");
    out.put(sum_);
  }
  void restore(perch::StateReader& in) override { sum_ = in.get<double>(); }
  void migrate(std::uint32_t from_version, perch::StateReader& in) override {
    sum_ = in.get<double>() * from_version;
  }
  void stop() override { obey("stop"); }

  static inline int alive = 0;

 private:
  void obey(const char* where) const {
    if (fail_ == where) throw std::runtime_error(std::string("told to fail in ") + where);
    if (fail_ == std::string(where) + " with an int") throw 7;
    if (fail_ == std::string(where) + " at length") {
      std::string text(510, 'x');
      for (int i = 0; i < 100; ++i) text += "ä";
      throw std::runtime_error(text);
    }
  }
  perch::Host& host_;
  std::string fail_;
  double sum_ = 0;
};

using Thunks = perch::detail::Plugin<Obedient>;
constexpr auto note = perch::detail::make_note<Obedient>();
constexpr perch_plugin_api api = Thunks::api(note.descriptor, note.descriptor_size);

/// Calls the binary interface directly: what it answers when something is wrong is the point.
struct Driver {
  perch::testing::Host<everything::Table, trades::Table> tables;
  perch::testing::Services services;
  void* instance = nullptr;
  perch_error error{};

  ~Driver() {
    if (instance != nullptr) api.destroy(instance);
    CHECK(Obedient::alive == 0);
  }
  perch_result create(const std::string& config) {
    return api.create(&services.c_host, {config.data(), config.size()}, &instance, &error);
  }
  /// On to the next version.
  perch_result step() {
    const std::uint64_t next = tables.commit();
    const perch::detail::TestSnapshot before{&tables.version(next - 1), &order};
    const perch::detail::TestSnapshot after{&tables.version(next), &order};
    const perch_step step{sizeof(perch_step), 0, before.c_snapshot(), after.c_snapshot()};
    return api.on_commit(instance, &step, &error);
  }
  perch_result save(std::string& bytes) {
    const perch_state_sink sink{sizeof(perch_state_sink), 0, &bytes,
                                [](void* context, const void* data, std::size_t size) -> perch_result {
                                  static_cast<std::string*>(context)->append(static_cast<const char*>(data),
                                                                             size);
                                  return PERCH_OK;
                                }};
    return api.save(instance, &sink, &error);
  }

 private:
  const std::vector<std::size_t> order{0, 1};
};

TEST_CASE("the manifest says what the class says") {
  const auto manifest = nlohmann::json::parse(std::string(note.descriptor, note.descriptor_size));
  CHECK(manifest["abi"] == PERCH_ABI_VERSION);
  CHECK(manifest["host_size"] == sizeof(perch_host));
  CHECK(manifest["id"] == "obedient-1");
  CHECK(manifest["version"] == "1.2.3-rc.1+build.007");
  CHECK(manifest["state"] == nlohmann::json{{"version", 4}, {"oldest", 2}});
  CHECK(manifest["config_schema"] == nlohmann::json{{"type", "object"}});
  REQUIRE(manifest["tables"].size() == 2);
  CHECK(manifest["tables"][0]["name"] == "everything");
  CHECK(manifest["tables"][1] == nlohmann::json{{"name", "trades"},
                                                {"key", perch::layout_text<trades::Key>()},
                                                {"value", perch::layout_text<trades::Value>()},
                                                {"key_hash", "5378b48232d16f80"},
                                                {"value_hash", "3d2bfb75cfe2210f"}});
}

TEST_CASE("versions are semver and ids are ids") {
  using perch::detail::is_plugin_id;
  using perch::detail::is_semver;
  for (const char* good :
       {"0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha.1", "1.0.0-x-y", "1.0.0+001", "1.0.0-0a.1+b.c"}) {
    CHECK(is_semver(good));
  }
  for (const char* bad : {"", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.03", "1.2.x", "v1.2.3", "1.2.3-",
                          "1.2.3-01", "1.2.3+", "1.2.3-a..b", "1..3", "-1.2.3", "1.2.3 "}) {
    CAPTURE(bad);
    CHECK_FALSE(is_semver(bad));
  }
  CHECK(is_plugin_id("a"));
  CHECK(is_plugin_id("top_processes-2"));
  CHECK(is_plugin_id(std::string(64, 'a')));
  CHECK_FALSE(is_plugin_id(std::string(65, 'a')));
  for (const char* bad : {"", "A", "1a", "a.b", "a b", "\xc3\xa4"}) CHECK_FALSE(is_plugin_id(bad));
}

TEST_CASE_FIXTURE(Driver, "a reader lives, reads, saves, and its state goes on in another instance") {
  REQUIRE(create(R"({"every": "250ms"})") == PERCH_OK);
  CHECK(services.wake_every == std::chrono::milliseconds(250));
  REQUIRE(api.start(instance, &error) == PERCH_OK);
  tables.put(trades::table, {{"A"}, 1}, {{1}, 2, 3});
  REQUIRE(step() == PERCH_OK);
  CHECK(services.metrics == std::map<std::string, double>{{"steps", 1}, {"sum", 1}});
  std::string state;
  REQUIRE(save(state) == PERCH_OK);
  CHECK(state.size() == sizeof(double));
  CHECK(api.stop(instance, &error) == PERCH_OK);
  api.destroy(instance);

  REQUIRE(create("{}") == PERCH_OK);
  CHECK(services.wake_every.count() == 0);
  REQUIRE(api.restore(instance, 4, state.data(), state.size(), &error) == PERCH_OK);
  REQUIRE(step() == PERCH_OK);
  CHECK(services.metrics["sum"] == 2);
}

TEST_CASE_FIXTURE(Driver, "a config that is wrong is told apart from a failure") {
  CHECK(create(R"({"fail": "config"})") == PERCH_BAD_CONFIG);
  CHECK(std::string(error.message) == "no such thing");
  CHECK(create("[]") == PERCH_BAD_CONFIG);
  CHECK(create(R"({"every": 3})") == PERCH_BAD_CONFIG);
  CHECK(create(R"({"fail": "create"})") == PERCH_FAILED);
  CHECK(std::string(error.message) == "told to fail in create");
  CHECK(instance == nullptr);
}

TEST_CASE_FIXTURE(Driver, "no exception leaves the plugin: each becomes a code and a message") {
  for (const std::string where : {"start", "on_commit", "save", "stop"}) {
    CAPTURE(where);
    for (const std::string how : {"", " with an int", " at length"}) {
      REQUIRE(create("{\"fail\": \"" + where + how + "\"}") == PERCH_OK);
      std::string state;
      const auto call = [&] {
        if (where == "start") return api.start(instance, &error);
        if (where == "save") return save(state);
        if (where == "stop") return api.stop(instance, &error);
        return step();
      };
      CHECK(call() == PERCH_FAILED);
      const std::string message = error.message;
      if (how.empty()) CHECK(message == "told to fail in " + where);
      if (how == " with an int") CHECK(message == "an exception that is no std::exception");
      if (how == " at length") CHECK(message == std::string(510, 'x'));  // and no half of an ä
      api.destroy(instance);
      instance = nullptr;
    }
  }
}

TEST_CASE_FIXTURE(Driver, "a state of an older version is migrated, one that is not known is refused") {
  const double one = 1;
  const auto restored = [&](std::uint32_t version) {
    REQUIRE(create("{}") == PERCH_OK);
    const perch_result result = api.restore(instance, version, &one, sizeof one, &error);
    std::string state;
    if (result == PERCH_OK) CHECK(save(state) == PERCH_OK);
    api.destroy(std::exchange(instance, nullptr));
    double sum = -1;
    if (result == PERCH_OK) std::memcpy(&sum, state.data(), sizeof sum);
    return sum;
  };
  CHECK(restored(4) == 1);
  CHECK(restored(3) == 3);  // migrate multiplies by the version that it was told
  CHECK(restored(2) == 2);
  CHECK(restored(1) == -1);
  CHECK(std::string(error.message) == "cannot restore state version 1");
  CHECK(restored(5) == -1);
  CHECK(std::string(error.message) == "cannot restore state version 5");
}

TEST_CASE_FIXTURE(Driver, "a state that is too short or too long fails the restore") {
  const char state[sizeof(double) + 3] = {};
  REQUIRE(create("{}") == PERCH_OK);
  CHECK(api.restore(instance, 4, state, 5, &error) == PERCH_FAILED);
  CHECK(std::string(error.message) == "the state ends early: 8 bytes wanted, 5 left");
  CHECK(api.restore(instance, 4, state, sizeof state, &error) == PERCH_FAILED);
  CHECK(std::string(error.message) == "restore left 3 of 11 bytes unread");
}

TEST_CASE_FIXTURE(Driver, "a host with another binary interface is refused") {
  services.c_host.abi_version = PERCH_ABI_VERSION + 1;
  CHECK(create("{}") == PERCH_FAILED);
  CHECK(std::string(error.message).find("binary interface") != std::string::npos);
  services.c_host.abi_version = PERCH_ABI_VERSION;
  services.c_host.struct_size = sizeof(perch_host) - 1;
  CHECK(create("{}") == PERCH_FAILED);
  services.c_host.struct_size = sizeof(perch_host) + 8;  // a newer host has more services
  CHECK(create("{}") == PERCH_OK);
}

TEST_CASE("a refused publication is a warning in the log") {
  perch::testing::Services services;
  perch::Host host(&services.c_host);
  CHECK_FALSE(host.publish("topic", "no json"));
  REQUIRE(services.logs.size() == 1);
  CHECK(services.logs[0].first == PERCH_LOG_WARN);
  CHECK(host.publish("topic", "{}"));
  CHECK(services.publications.size() == 1);
}

}  // namespace plugin_test
