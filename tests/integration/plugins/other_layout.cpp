// other_layout: built for a table `trades` of another shape. In the key, seq is narrower; in the value, price
// and size have changed places, which leaves types, sizes and offsets as they were. OTHER_LAYOUT_ID: built a
// second time, as a version of the reader that runs.
#include <perch/plugin.hpp>

#include "leaves_mark.hpp"

#ifndef OTHER_LAYOUT_ID
#define OTHER_LAYOUT_ID "other_layout"
#endif

namespace trades {

struct Key {
  perch::chars<8> symbol;
  std::uint32_t seq;
};
PERCH_LAYOUT(Key, symbol, seq)

struct Value {
  perch::timestamp_ns ts;
  double size;
  double price;
};
PERCH_LAYOUT(Value, ts, size, price)

using Table = perch::Table<"trades", Key, Value>;

}  // namespace trades

namespace {

const Mark mark("other_layout");

class OtherLayout : public perch::Reader {
 public:
  static constexpr perch::Info info{.id = OTHER_LAYOUT_ID, .version = "2.0.0"};
  using Tables = perch::Tables<trades::Table>;

  OtherLayout(perch::Host&, const perch::Config&) {}
  void on_commit(const perch::Step&) override {}
};

}  // namespace

PERCH_PLUGIN(OtherLayout)
