// leak_watch: processes whose resident memory keeps rising: the least-squares slope of RSS over a window of
// stream time.
//
// Keeps nothing between steps: each one folds the window's rows into a few sums per process, so that a
// process that is gone is forgotten, and memory is bounded by the processes of one window.
#include <perch/plugin.hpp>

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <vector>

#include "processes.hpp"

namespace {

using std::chrono::nanoseconds;

double seconds(nanoseconds span) { return static_cast<double>(span.count()) / 1e9; }

/// A straight line through (time, RSS), both counted from the process' first sample to keep the sums small.
struct Trend {
  std::uint32_t pid = 0;
  perch::timestamp_ns first_ts{};
  perch::timestamp_ns last_ts{};
  const processes::Value* first = nullptr;  // rows of the tree, read in place
  const processes::Value* last = nullptr;
  double count = 0, sum_t = 0, sum_y = 0, sum_tt = 0, sum_ty = 0, sum_yy = 0;

  void add(perch::timestamp_ns ts, const processes::Value& value) {
    const double t = seconds(ts - first_ts);
    const double y = static_cast<double>(value.rss_bytes) - static_cast<double>(first->rss_bytes);
    last_ts = ts;
    last = &value;
    count += 1;
    sum_t += t;
    sum_y += y;
    sum_tt += t * t;
    sum_ty += t * y;
    sum_yy += y * y;
  }
  double variance_t() const { return count * sum_tt - sum_t * sum_t; }
  double variance_y() const { return count * sum_yy - sum_y * sum_y; }
  double covariance() const { return count * sum_ty - sum_t * sum_y; }
  double slope_bytes_per_s() const { return variance_t() > 0 ? covariance() / variance_t() : 0; }
  /// R²: 1 when RSS rises along a line, about 0.75 when it jumped once, 0 when time tells nothing.
  double fit() const {
    const double spread = variance_t() * variance_y();
    return spread > 0 ? covariance() * covariance() / spread : 0;
  }
};

class LeakWatch : public perch::Reader {
 public:
  static constexpr perch::Info info{.id = "leak_watch", .version = "1.0.0"};
  using Tables = perch::Tables<processes::Table>;

  struct Settings {
    nanoseconds window = std::chrono::seconds(60);
    double min_slope_bytes_per_s = 65536;
    double min_fit = 0.8;
    nanoseconds every = std::chrono::seconds(5);

    static constexpr auto members = perch::settings(
        perch::setting("window", &Settings::window, "how far back to look"),
        perch::setting("min_slope_bytes_per_s", &Settings::min_slope_bytes_per_s,
                       "slower growth is no suspicion"),
        perch::setting("min_fit", &Settings::min_fit, "how steady the growth is: 1 is a straight line"),
        perch::setting("every", &Settings::every, "publish at most so often"));
  };

  LeakWatch(perch::Host& host, const Settings& settings) : host_(host), settings_(settings) {
    host.wake_every(settings.every);
  }

  void on_commit(const perch::Step& step) override {
    const perch::Snapshot now = step.current();
    auto backwards = now.scan(perch::Range(processes::table).reverse());
    const auto newest = backwards.begin();
    if (newest == backwards.end()) return;
    const processes::Key start{(*newest).key.ts - settings_.window, 0};

    perch::timestamp_ns sample_ts = start.ts;
    perch::timestamp_ns sample_ts_before = start.ts;
    std::unordered_map<std::uint32_t, Trend> trends;
    for (const auto& [key, value] : now.scan(perch::Range(processes::table).after(start, 1))) {
      if (key.ts != sample_ts) sample_ts_before = std::exchange(sample_ts, key.ts);
      Trend& trend = trends[key.pid];
      const bool other_process =
          trend.first == nullptr || trend.last->name != value.name;  // pids are used again
      if (other_process) trend = {key.pid, key.ts, key.ts, &value, &value};
      trend.add(key.ts, value);
    }
    // The newest sample may be committed in part so far: alive is who is in it or in the one before.
    publish(suspects_of(trends, sample_ts_before), trends.size());
  }

 private:
  static constexpr std::size_t suspects_max = 20;

  /// Alive, seen for half the window at least, and growing fast and steadily enough; the fastest first.
  std::vector<Trend> suspects_of(const std::unordered_map<std::uint32_t, Trend>& trends,
                                 perch::timestamp_ns alive) const {
    std::vector<Trend> suspects;
    for (const auto& [pid, trend] : trends) {
      const bool known = trend.last_ts >= alive && trend.last_ts - trend.first_ts >= settings_.window / 2;
      const bool grows =
          trend.slope_bytes_per_s() >= settings_.min_slope_bytes_per_s && trend.fit() >= settings_.min_fit;
      if (known && grows) suspects.push_back(trend);
    }
    std::sort(suspects.begin(), suspects.end(),
              [](const Trend& a, const Trend& b) { return a.slope_bytes_per_s() > b.slope_bytes_per_s(); });
    if (suspects.size() > suspects_max) suspects.erase(suspects.begin() + suspects_max, suspects.end());
    return suspects;
  }

  void publish(const std::vector<Trend>& suspects, std::size_t watched) {
    perch::JsonWriter json;
    json.begin_object()
        .member("window_s", seconds(settings_.window))
        .member("watched", watched)
        .key("processes")
        .begin_array();
    for (const Trend& trend : suspects) {
      json.begin_object().member("pid", trend.pid).member("name", trend.last->name.view());
      json.member("slope_bytes_per_s", trend.slope_bytes_per_s()).member("rss_bytes", trend.last->rss_bytes);
      json.member("fit", trend.fit()).member("seen_s", seconds(trend.last_ts - trend.first_ts)).end_object();
    }
    json.end_array().end_object();
    host_.publish("leaks", json.text());
  }

  perch::Host& host_;
  Settings settings_;
};

}  // namespace

PERCH_PLUGIN(LeakWatch)
