// vwap: the volume-weighted average price of each symbol over all its trades, in running totals.
//
// Every inserted trade is counted exactly once, since steps tile all versions; a correction of a trade counts
// as the difference. Trades that retention removes stay in the totals, and the totals survive a swap. About
// 2500 symbols fit into one publication.
#include <perch/plugin.hpp>

#include <chrono>
#include <map>

#include "trades.hpp"

#ifndef VWAP_VERSION
#define VWAP_VERSION "1.0.0"
#endif

namespace {

struct Totals {
  double turnover = 0;  // sum of price × size
  double volume = 0;    // sum of size
  std::uint64_t trades = 0;

  void add(const trades::Value& trade, double sign) {
    turnover += sign * trade.price * trade.size;
    volume += sign * trade.size;
  }
};

class Vwap : public perch::Reader {
 public:
  static constexpr perch::Info info{
      .id = "vwap", .version = VWAP_VERSION, .state_version = 1, .oldest_state = 1};
  using Tables = perch::Tables<trades::Table>;

  struct Settings {
    std::chrono::nanoseconds every = std::chrono::seconds(1);

    static constexpr auto members = perch::settings(
        perch::setting("every", &Settings::every, "publish at most so often; \"0\": after every step"));
  };

  Vwap(perch::Host& host, const Settings& settings) : host_(host) { host.wake_every(settings.every); }

  void start() override {
    if (version_ != 0) publish();  // what was taken over, rather than silence until the next trade
  }

  void on_commit(const perch::Step& step) override {
    version_ = step.current().version();
    bool changed = false;
    for (const auto& change : step.changes(trades::table)) {
      if (change.kind == perch::ChangeKind::removed) continue;
      Totals& totals = totals_[change.key.symbol];
      if (change.kind == perch::ChangeKind::inserted) {
        ++totals.trades;
      } else {
        totals.add(*change.old_value, -1);
      }
      totals.add(*change.new_value, 1);
      changed = true;
    }
    if (changed) publish();
  }

  void save(perch::StateWriter& out) const override {
    out.put(version_);
    out.put(std::uint64_t{totals_.size()});
    for (const auto& [symbol, totals] : totals_) {
      out.put(symbol);
      out.put(totals);
    }
  }

  void restore(perch::StateReader& in) override {
    version_ = in.get<std::uint64_t>();
    for (auto left = in.get<std::uint64_t>(); left > 0; --left) {
      const auto symbol = in.get<perch::chars<8>>();
      totals_[symbol] = in.get<Totals>();
    }
  }

 private:
  void publish() {
    Totals sum;
    for (const auto& [symbol, totals] : totals_) {
      sum.trades += totals.trades;
      sum.volume += totals.volume;
    }
    perch::JsonWriter json;
    json.begin_object().member("trades", sum.trades).member("volume", sum.volume).member("version", version_);
    json.key("symbols").begin_object();
    for (const auto& [symbol, totals] : totals_) {
      json.key(symbol.view()).begin_object();
      json.member("vwap", totals.volume != 0 ? totals.turnover / totals.volume : 0);
      json.member("volume", totals.volume).member("trades", totals.trades).end_object();
    }
    json.end_object().end_object();
    host_.publish("vwap", json.text());
  }

  perch::Host& host_;
  std::uint64_t version_ = 0;  // that the totals are of
  std::map<perch::chars<8>, Totals> totals_;
};

}  // namespace

PERCH_PLUGIN(Vwap)
