// marked: a reader that fits the table `trades` and counts its rows: the counter-check that marks are left at
// all.
#include <perch/plugin.hpp>

#include "../../../plugins/vwap/trades.hpp"
#include "leaves_mark.hpp"

namespace {

const Mark mark("marked");

class Marked : public perch::Reader {
 public:
  static constexpr perch::Info info{.id = "marked", .version = "1.0.0"};
  using Tables = perch::Tables<trades::Table>;

  Marked(perch::Host& host, const perch::Config& config) : host_(host) { config.allow_only({}); }

  void on_commit(const perch::Step& step) override {
    for (const auto& change : step.changes(trades::table)) {
      if (change.kind == perch::ChangeKind::inserted) ++rows_;
    }
    perch::JsonWriter json;
    json.begin_object().member("rows", rows_).end_object();
    host_.publish("rows", json.text());
  }

 private:
  perch::Host& host_;
  std::uint64_t rows_ = 0;
};

}  // namespace

PERCH_PLUGIN(Marked)
