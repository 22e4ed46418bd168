// The test kit: a reader's unit test builds small tables in memory, commits rows, runs the reader and looks
// at what it published. No host is needed; the reader runs through the same binary interface that a host
// calls, C readers too.
//
//     #include <perch/testing.hpp>
//     #include "trades.hpp"
//
//     int main() {
//       perch::testing::Host<trades::Table> host;
//       perch::testing::Reader reader(host, R"({"every": "0"})");
//       host.put(trades::table, {{"AAPL"}, 1}, {.ts = {1}, .price = 100, .size = 2});
//       host.commit();
//       reader.step();
//       PERCH_CHECK(reader.published("volume").number("volume") == 2);
//
//       perch::testing::Reader next(host, "{}", reader.save());  // what a swap does
//       return perch::testing::result();
//     }
//
// Link it with the reader's own source: it defines perch_plugin. (perch_add_plugin_test() of the CMake
// package does.) Any test framework will do in place of PERCH_CHECK.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "perch/config.hpp"
#include "perch/detail/test_tables.hpp"
#include "perch/plugin.h"
#include "perch/snapshot.hpp"

namespace perch::testing {

/// Tables in memory and all versions that were committed. One thread.
class HostBase {
 public:
  HostBase(const HostBase&) = delete;
  HostBase& operator=(const HostBase&) = delete;

  /// Inserts the row, or replaces the one that is there; seen from the next commit on. Throws
  /// std::invalid_argument for NaN in a key.
  template <class T>
  void put(T, const typename T::Key& key, const typename T::Value& value) {
    put(index_of(T::facts), &key, &value);
  }
  /// Whether the row was there.
  template <class T>
  bool erase(T, const typename T::Key& key) {
    const std::size_t index = index_of(T::facts);
    return tables_[index].rows.erase(encode(index, &key)) == 1;
  }
  /// Makes the next version of all tables, and returns its number.
  std::uint64_t commit(timestamp_ns time = {0}) {
    detail::TestVersion version{versions_.back().version + 1, time.ns, {}};
    for (const Live& live : tables_) {
      detail::TestTable& table = version.tables.emplace_back(*live.type);
      table.reserve(live.rows.size());
      for (const auto& [encoded, row] : live.rows) table.append(encoded, row.key, row.value);
    }
    versions_.push_back(std::move(version));
    return versions_.back().version;
  }
  /// A version, to look at in a test; 0 is empty. Lives as long as this. Throws std::out_of_range when there
  /// is none.
  Snapshot at(std::uint64_t number) { return {view(), c_snapshot(number)}; }
  Snapshot newest() { return at(newest_version()); }

  // What Reader is made of, and tests of the binary interface itself.
  detail::View view() const noexcept { return {&reads_, facts_.data()}; }
  const perch_snapshot* c_snapshot(std::uint64_t number) {
    snapshots_.push_back({&version(number), &own_order_});
    return snapshots_.back().c_snapshot();
  }
  const detail::TestVersion& version(std::uint64_t number) const { return versions_.at(number); }
  std::uint64_t newest_version() const noexcept { return versions_.back().version; }
  /// Where the table of a manifest is; throws when the test has not got it, or has it with another layout.
  std::size_t find(const Config& table) const {
    const std::string name = table.string("name", "");
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      const detail::TableFacts& facts = *tables_[i].type->facts;
      if (facts.name != name) continue;
      if (facts.key_text == table.string("key", "") && facts.value_text == table.string("value", ""))
        return i;
      throw std::logic_error("the reader was built for table '" + name +
                             "' with other records than the test");
    }
    throw std::logic_error("the reader reads table '" + name + "', which the test's Host has not got");
  }

 protected:
  explicit HostBase(std::vector<const detail::TestTableType*> types) {
    detail::TestVersion& empty = versions_.emplace_back();
    for (const detail::TestTableType* type : types) {
      own_order_.push_back(tables_.size());
      facts_.push_back(type->facts);
      tables_.push_back({type, {}});
      empty.tables.emplace_back(*type);
    }
    facts_.push_back(nullptr);
    detail::fill_test_reads(reads_);
  }

 private:
  struct Row {
    detail::RecordWords key;
    detail::RecordWords value;
  };
  struct Live {
    const detail::TestTableType* type;
    std::map<std::string, Row> rows;  // by the encoded key
  };

  std::size_t index_of(const detail::TableFacts& facts) const {
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (tables_[i].type->facts == &facts) return i;
    }
    throw std::logic_error("the test's Host has no table '" + std::string(facts.name) + "'");
  }
  std::string encode(std::size_t index, const void* key) const {
    return detail::encoded_key(*tables_[index].type, key, tables_[index].type->key_field_count);
  }
  void put(std::size_t index, const void* key, const void* value) {
    const detail::TestTableType& type = *tables_[index].type;
    detail::RecordWords words(detail::words_for(type.value_size));
    std::memcpy(words.data(), value, type.value_size);
    tables_[index].rows[encode(index, key)] = {detail::clean_key(type, key), std::move(words)};
  }

  std::vector<Live> tables_;
  std::deque<detail::TestVersion> versions_;  // by number
  std::vector<std::size_t> own_order_;
  std::vector<const detail::TableFacts*> facts_;  // ends with null
  perch_host reads_{};
  std::deque<detail::TestSnapshot> snapshots_;  // that were given out
};

/// perch::testing::Host<trades::Table, quotes::Table> host;
template <class... Tables>
class Host : public HostBase {
 public:
  Host() : HostBase({&detail::test_table_type<Tables>...}) {}
};

/// What a reader published.
struct Publication {
  std::string topic;
  std::string json;

  /// The JSON text of a member: "volume", or "symbols.AAPL.vwap" for one that lies deeper; "" when there is
  /// none.
  std::string member(std::string_view path) const {
    std::string at = json;
    while (!path.empty() && !at.empty()) {
      const std::size_t dot = std::min(path.find('.'), path.size());
      at = detail::is_json_object(at) ? std::string(Config(at).json(path.substr(0, dot))) : "";
      path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return at;
  }
  /// Throws BadConfig, naming the member, when it is missing or of another type.
  double number(std::string_view path) const { return value<double>(path); }
  std::string text(std::string_view path) const { return value<std::string>(path); }
  bool boolean(std::string_view path) const { return value<bool>(path); }

 private:
  template <class T>
  T value(std::string_view path) const {
    const std::string found = member(path);
    if (found.empty()) throw BadConfig("no \"" + std::string(path) + "\" in " + json);
    return detail::value_of<T>({std::string(path), found});
  }
};

/// A state as the reader saved it.
struct State {
  std::uint32_t version = 1;  ///< the state version of the plugin's manifest
  std::string bytes;
  std::uint64_t as_of = 0;  ///< the commit that it is of: the restored reader's first step begins there
};

/// What a host offers one reader, kept to be looked at.
class Services {
 public:
  Services() {
    c_host.struct_size = sizeof c_host;
    c_host.abi_version = PERCH_ABI_VERSION;
    c_host.context = this;
    c_host.log = [](void* context, std::int32_t level, const char* text, std::size_t size) {
      of(context).logs.emplace_back(level, std::string(text, size));
    };
    c_host.publish = [](void* context, perch_string topic, perch_string json) -> perch_result {
      detail::JsonScanner scanner(std::string_view(json.data, json.size));
      if (json.size > publication_bytes_max || !scanner.skip_value() || !scanner.at_end())
        return PERCH_FAILED;
      of(context).publications.push_back({text_of(topic), text_of(json)});
      return PERCH_OK;
    };
    c_host.counter_add = [](void* context, perch_string name, double amount) {
      of(context).metrics[text_of(name)] += amount;
    };
    c_host.gauge_set = [](void* context, perch_string name, double value) {
      of(context).metrics[text_of(name)] = value;
    };
    c_host.histogram_record = c_host.gauge_set;
    c_host.wake_every = [](void* context, std::uint64_t interval_ns) {
      of(context).wake_every = std::chrono::nanoseconds(static_cast<std::int64_t>(interval_ns));
    };
    detail::fill_test_reads(c_host);
  }
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  /// The last publication on the topic; throws when there was none.
  const Publication& published(std::string_view topic) const {
    for (auto at = publications.rbegin(); at != publications.rend(); ++at) {
      if (at->topic == topic) return *at;
    }
    throw std::out_of_range("nothing was published on '" + std::string(topic) + "'");
  }

  std::vector<Publication> publications;                   ///< all, the oldest first
  std::vector<std::pair<std::int32_t, std::string>> logs;  ///< PERCH_LOG_…, text
  std::map<std::string, double> metrics;  ///< counter: the sum; gauge and histogram: the last value
  std::chrono::nanoseconds wake_every{0};
  perch_host c_host{};  ///< what the plugin gets

 private:
  static constexpr std::size_t publication_bytes_max = 256 * 1024;
  static Services& of(void* context) noexcept { return *static_cast<Services*>(context); }
  static std::string text_of(perch_string text) { return std::string(text.data, text.size); }
};

/// One running instance of a plugin: created, restored where a state is given, and started by the
/// constructor; stopped and destroyed by the destructor. What the plugin refuses is thrown as
/// std::runtime_error with its message. One thread.
class Reader : public Services {
 public:
  explicit Reader(HostBase& host, std::string_view config = "{}",
                  const std::optional<State>& state = std::nullopt,
                  const perch_plugin_api& api = perch_plugin)
      : tables_(host),
        api_(&api),
        manifest_(std::string_view(static_cast<const char*>(api.manifest), api.manifest_size)) {
    detail::for_each_element(manifest_.json("tables"), [&](std::string_view table) {
      table_order_.push_back(host.find(Config(table)));
    });
    call("create", [&](perch_error* error) {
      return api_->create(&c_host, {config.data(), config.size()}, &instance_, error);
    });
    try {
      if (state) restore(*state);
      call("start", [&](perch_error* error) { return api_->start(instance_, error); });
    } catch (...) {
      api_->destroy(instance_);
      throw;
    }
    active_ = true;
  }
  ~Reader() {
    perch_error ignored{};
    if (active_) api_->stop(instance_, &ignored);
    api_->destroy(instance_);
  }

  /// One on_commit over all that was committed since the last one; false, and no call, when nothing was.
  bool step() {
    const std::uint64_t newest = tables_.newest_version();
    if (seen_ == newest) return false;
    const detail::TestSnapshot before{&tables_.version(seen_), &table_order_};
    auto current =
        std::make_unique<detail::TestSnapshot>(detail::TestSnapshot{&tables_.version(newest), &table_order_});
    const perch_step c_step{sizeof c_step, 0, before.c_snapshot(), current->c_snapshot()};
    seen_ = newest;
    call("on_commit", [&](perch_error* error) { return api_->on_commit(instance_, &c_step, error); });
    current_ = std::move(current);  // the last one lived until now
    return true;
  }
  /// The state as of the last step.
  State save() {
    State state{state_member("version"), {}, seen_};
    const perch_state_sink sink{
        sizeof sink, 0, &state.bytes, [](void* context, const void* bytes, std::size_t size) -> perch_result {
          static_cast<std::string*>(context)->append(static_cast<const char*>(bytes), size);
          return PERCH_OK;
        }};
    call("save", [&](perch_error* error) { return api_->save(instance_, &sink, error); });
    current_.reset();
    return state;
  }
  /// For a test that wants to see what stop says; the destructor ignores it.
  void stop() {
    active_ = false;
    call("stop", [&](perch_error* error) { return api_->stop(instance_, error); });
  }

 private:
  std::uint32_t state_member(std::string_view name) const {
    return static_cast<std::uint32_t>(Config(manifest_.json("state")).integer(name, 1, 1, UINT32_MAX));
  }
  void restore(const State& state) {
    const std::uint32_t oldest = state_member("oldest");
    const std::uint32_t newest = state_member("version");
    if (state.version < oldest || state.version > newest) {
      throw std::runtime_error("restore: the plugin takes state versions " + std::to_string(oldest) + " to " +
                               std::to_string(newest) + ", not " + std::to_string(state.version));
    }
    static_cast<void>(tables_.version(state.as_of));  // throws when it is none of this host
    call("restore", [&](perch_error* error) {
      return api_->restore(instance_, state.version, state.bytes.data(), state.bytes.size(), error);
    });
    seen_ = state.as_of;
  }

  template <class Function>
  static void call(const char* name, Function function) {
    perch_error error{};
    if (function(&error) != PERCH_OK) throw std::runtime_error(std::string(name) + ": " + error.message);
  }

  HostBase& tables_;
  const perch_plugin_api* api_;
  Config manifest_;
  std::vector<std::size_t> table_order_;  // of the manifest's tables in the host's
  void* instance_ = nullptr;
  bool active_ = false;
  std::uint64_t seen_ = 0;                         // `current` of the last step
  std::unique_ptr<detail::TestSnapshot> current_;  // alive until the next call has returned
};

namespace detail_checks {
inline int failed = 0;

inline void check(bool holds, const char* what, const char* file, int line) {
  if (holds) return;
  ++failed;
  std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
}
template <class Function>
void check_throws(Function function, std::string_view part, const char* what, const char* file, int line) {
  std::string message = "nothing was thrown";
  try {
    function();
  } catch (const std::exception& problem) {
    message = problem.what();
    if (message.find(part) != std::string::npos) return;
    message = "it threw: " + message;
  }
  check(false, (std::string(what) + ": " + message).c_str(), file, line);
}
}  // namespace detail_checks

/// What main returns: 0 when every PERCH_CHECK held.
inline int result() noexcept {
  if (detail_checks::failed > 0) {
    std::fprintf(stderr, "%d %s failed\n", detail_checks::failed,
                 detail_checks::failed == 1 ? "check" : "checks");
  }
  return detail_checks::failed == 0 ? 0 : 1;
}

}  // namespace perch::testing

/// Says where a condition does not hold, and goes on.
#define PERCH_CHECK(condition) \
  ::perch::testing::detail_checks::check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
/// The expression must throw, with a message that contains `part`.
#define PERCH_CHECK_THROWS(expression, part)                                                               \
  ::perch::testing::detail_checks::check_throws([&] { static_cast<void>(expression); }, part, #expression, \
                                                __FILE__, __LINE__)
