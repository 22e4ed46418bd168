// libFuzzer's way into one decoder (PERCH_FUZZED_FORMAT): any bytes, cut where the input says, never crash
// it, and every row it takes fits its table.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/assert.hpp"
#include "row_fuzz.hpp"
#include "rows/row_format.hpp"

using namespace perch;
using namespace perch::rows;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const tables::Catalog catalog = *tables::Catalog::make({fuzz::fuzzed_table()});
  if (size == 0) return 0;
  RowFormat format(Format::PERCH_FUZZED_FORMAT, {}, *Mapping::make({{"rows", {}, {}}}, catalog));
  const auto decoder = format.make_decoder();
  RowBatch batch(format.shapes());
  std::uint64_t rows = 0;
  const auto take = [&](bool at_end) {
    for (;;) {
      if (batch.full() || batch.size() == 0) batch.begin(0);
      const Step step = at_end ? decoder->finish(batch) : decoder->next(batch);
      if (step == Step::row) {
        batch.close_row(++rows);
        const RowBatch::Record record = batch.record(batch.record_begin(batch.size() - 1));
        PERCH_ASSERT(std::to_integer<int>(record.value[32]) <= 1, "a bool is 0 or 1");
      }
      if (step == Step::broken) return false;
      if (step == Step::more) return true;
    }
  };
  const std::size_t piece = data[0] + std::size_t{1};
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool is_good = true;
  while (is_good && !bytes.empty()) {
    const auto space = decoder->space();
    const std::size_t count = std::min({piece, space.size(), bytes.size()});
    std::memcpy(space.data(), bytes.data(), count);
    decoder->added(count);
    bytes.remove_prefix(count);
    is_good = take(false);
  }
  if (is_good) take(true);
  return 0;
}
