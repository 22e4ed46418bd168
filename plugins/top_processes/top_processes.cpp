// top_processes: who used the CPU and the memory of this machine over the last window of stream time.
//
// Keeps nothing: each step scans the window's rows anew, a few nanoseconds each, and publishes the top of
// them.
#include <perch/plugin.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <unordered_map>
#include <vector>

#include "processes.hpp"

namespace {

using std::chrono::nanoseconds;

double seconds(nanoseconds span) { return static_cast<double>(span.count()) / 1e9; }

/// One process over the window. The values are rows of the tree, read in place.
struct Usage {
  std::uint32_t pid = 0;
  double cpu_percent_sum = 0;
  perch::timestamp_ns first_ts{};
  perch::timestamp_ns last_ts{};
  const processes::Value* first = nullptr;
  const processes::Value* last = nullptr;

  /// Growth of a total per second. A smaller total is that of a new process with the same pid.
  double rate(std::uint64_t processes::Value::*total) const {
    const double span_s = seconds(last_ts - first_ts);
    return span_s > 0 && last->*total >= first->*total
               ? static_cast<double>(last->*total - first->*total) / span_s
               : 0;
  }
};

class TopProcesses : public perch::Reader {
 public:
  static constexpr perch::Info info{.id = "top_processes", .version = "1.0.0"};
  using Tables = perch::Tables<processes::Table>;

  struct Settings {
    nanoseconds window = std::chrono::seconds(10);
    std::uint32_t top = 5;
    perch::chars<8> by{"cpu"};
    nanoseconds every = std::chrono::seconds(1);

    static constexpr auto members =
        perch::settings(perch::setting("window", &Settings::window, "how far back to look"),
                        perch::setting("top", &Settings::top, "how many processes").from(1).to(100),
                        perch::setting("by", &Settings::by, "what to order them by").one_of("cpu", "memory"),
                        perch::setting("every", &Settings::every, "publish at most so often"));
  };

  TopProcesses(perch::Host& host, const Settings& settings) : host_(host), settings_(settings) {
    host.wake_every(settings.every);
  }

  void on_commit(const perch::Step& step) override {
    const perch::Snapshot now = step.current();
    auto backwards = now.scan(perch::Range(processes::table).reverse());
    const auto newest = backwards.begin();
    if (newest == backwards.end()) return;
    const processes::Key start{(*newest).key.ts - settings_.window, 0};

    std::size_t samples = 0;
    perch::timestamp_ns sample_ts = start.ts;
    std::unordered_map<std::uint32_t, Usage> usages;
    for (const auto& [key, value] : now.scan(perch::Range(processes::table).after(start, 1))) {
      if (key.ts != sample_ts) ++samples;
      sample_ts = key.ts;
      Usage& usage = usages[key.pid];
      if (usage.first == nullptr) usage = {key.pid, 0, key.ts, key.ts, &value, &value};
      usage.cpu_percent_sum += value.cpu_percent;
      usage.last_ts = key.ts;
      usage.last = &value;
    }
    publish(top_of(usages), samples);
  }

 private:
  std::vector<Usage> top_of(const std::unordered_map<std::uint32_t, Usage>& usages) const {
    std::vector<Usage> top;
    for (const auto& [pid, usage] : usages) top.push_back(usage);
    const auto more = [this](const Usage& a, const Usage& b) {
      const bool by_memory = settings_.by == "memory" || a.cpu_percent_sum == b.cpu_percent_sum;
      return by_memory ? a.last->rss_bytes > b.last->rss_bytes : a.cpu_percent_sum > b.cpu_percent_sum;
    };
    const auto end =
        top.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(settings_.top, top.size()));
    std::partial_sort(top.begin(), end, top.end(), more);
    top.erase(end, top.end());
    return top;
  }

  /// The mean is over all samples of the window: who ran for half of it counts half.
  void publish(const std::vector<Usage>& top, std::size_t samples) {
    perch::JsonWriter json;
    json.begin_object()
        .member("window_s", seconds(settings_.window))
        .member("by", settings_.by.view())
        .key("processes")
        .begin_array();
    for (const Usage& usage : top) {
      json.begin_object().member("pid", usage.pid).member("name", usage.last->name.view());
      json.member("cpu_percent", usage.cpu_percent_sum / static_cast<double>(samples));
      json.member("rss_bytes", usage.last->rss_bytes).member("threads", usage.last->threads);
      json.member("read_bytes_per_s", usage.rate(&processes::Value::read_bytes));
      json.member("written_bytes_per_s", usage.rate(&processes::Value::written_bytes)).end_object();
    }
    json.end_array().end_object();
    host_.publish("top", json.text());
  }

  perch::Host& host_;
  Settings settings_;
};

}  // namespace

PERCH_PLUGIN(TopProcesses)
