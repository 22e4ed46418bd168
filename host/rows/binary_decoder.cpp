#include "rows/binary_decoder.hpp"
#include "tables/field_types.hpp"

#include <libdeflate.h>
#include <perch/feed.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace perch::rows {
namespace {

using tables::Field;
using tables::FieldType;
using tables::Layout;

static_assert(std::endian::native == std::endian::little, "records are taken as they lie in memory");
static_assert(sizeof(perch_feed_header) == 32 && sizeof(perch_feed_frame) == 16);

constexpr std::size_t waiting_bytes_max =
    std::max<std::size_t>(sizeof(perch_feed_header) + PERCH_FEED_TEXT_BYTES_MAX,
                          sizeof(perch_feed_frame) + PERCH_FEED_FRAME_BYTES_MAX);

std::uint32_t align_up(std::uint32_t offset, std::uint32_t align) noexcept {
  return (offset + align - 1) / align * align;
}

std::string shape(const Field& field) { return field.type_text() + " @" + std::to_string(field.offset); }

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

/// A text ends at its first NUL and has nothing but NUL behind it; the reason is for one that is not good.
RejectReason text_problem(const char* text, std::uint32_t extent, bool& good) noexcept {
  const void* const end = std::memchr(text, 0, extent);
  const std::size_t length = end ? static_cast<std::size_t>(static_cast<const char*>(end) - text) : extent;
  const bool clean = std::all_of(text + length, text + extent, [](char c) { return c == 0; });
  good = clean && simdjson::validate_utf8(text, length);
  return clean ? RejectReason::not_utf8 : RejectReason::nul_in_string;
}

/// Eight bytes of ASCII with nothing behind the first NUL, told without a loop: what symbols mostly are.
bool is_short_ascii(const char* text, std::uint32_t extent) noexcept {
  if (extent != 8) return false;
  std::uint64_t word;
  std::memcpy(&word, text, sizeof word);
  constexpr std::uint64_t high = 0x8080808080808080u;
  if ((word & high) != 0) return false;
  const std::uint64_t not_zero =
      (word + 0x7f7f7f7f7f7f7f7fu) & high;             // the high bit of every byte that is not
  const std::uint64_t bytes = (not_zero >> 7) * 0xff;  // and all its other bits
  return (bytes & (bytes + 1)) == 0;                   // ones from the lowest byte on
}

}  // namespace

std::vector<std::string> record_differences(const Layout& stream, const Layout& table,
                                            const std::string& record) {
  std::vector<std::string> lines;
  for (const Field& field : table.fields()) {
    const Field* const theirs = stream.find(field.name);
    if (theirs == nullptr) {
      lines.push_back(record + " field " + field.name + ": the table has " + shape(field) +
                      ", the stream has none");
    } else if (shape(*theirs) != shape(field)) {
      lines.push_back(record + " field " + field.name + ": the table has " + shape(field) +
                      ", the stream has " + shape(*theirs));
    }
  }
  for (const Field& field : stream.fields()) {
    if (table.find(field.name) == nullptr)
      lines.push_back(record + " field " + field.name + ": the stream has " + shape(field) +
                      ", the table has none");
  }
  return lines;
}

BinaryDecoder::BinaryDecoder(const Mapping& mapping, Stamps& stamps)
    : stamps_(stamps), buffer_(waiting_bytes_max, LineSplitter::block_bytes_default) {
  for (const Mapping::Feed& feed : mapping.feeds()) plans_.push_back(plan_for(feed.table));
}

BinaryDecoder::RecordPlan BinaryDecoder::plan_for(const tables::TablePtr& table) {
  RecordPlan plan;
  const Layout& key = table->key();
  const Layout& value = table->value();
  plan.table = table;
  plan.value_offset = align_up(key.size(), value.align());
  plan.record_bytes = align_up(plan.value_offset + value.size(), std::max(key.align(), value.align()));
  const auto add_checks = [&](const Layout& layout, std::uint32_t offset) {
    for (const Field& field : layout.fields()) {
      if (field.type == FieldType::boolean || field.type == FieldType::chars)
        plan.checks.push_back({&field, offset + field.offset});
    }
  };
  add_checks(key, 0);
  add_checks(value, plan.value_offset);
  std::uint32_t end = 0;
  for (const Field& field : value.fields()) {
    if (field.offset > end) plan.padding.emplace_back(end, field.offset);
    end = field.offset + field.size();
  }
  if (end < value.size()) plan.padding.emplace_back(end, value.size());
  return plan;
}

Step BinaryDecoder::next(RowBatch& batch) {
  if (rows_left_ > 0) return take_record(batch);
  return take_head();
}

Step BinaryDecoder::finish(RowBatch& batch) {
  if (rows_left_ > 0) return take_record(batch);  // a whole frame waits
  const std::string_view rest = buffer_.waiting();
  const bool is_cut = !rest.empty();
  set_line(rest);
  buffer_.take(rest.size());
  position_ = 0;
  feed_ = -1;
  if (!is_cut) return Step::more;
  return refuse(RejectReason::bad_frame, "the stream ends inside of a frame: its rows are lost");
}

Step BinaryDecoder::take_head() {
  const std::string_view waiting = buffer_.waiting();
  if (waiting.size() < sizeof(perch_feed_frame)) return Step::more;
  std::uint32_t magic;
  std::memcpy(&magic, waiting.data(), sizeof magic);
  if (magic == PERCH_FEED_FRAME_MAGIC) return take_frame();
  if (std::memcmp(waiting.data(), PERCH_FEED_MAGIC, 8) == 0) return take_header();
  return broken(RejectReason::bad_frame, position_ == 0
                                             ? "the stream does not begin with a header (perch/feed.h)"
                                             : "what should be a frame or header is none");
}

Step BinaryDecoder::take_header() {
  const std::string_view waiting = buffer_.waiting();
  perch_feed_header header;
  if (waiting.size() < sizeof header) return Step::more;
  std::memcpy(&header, waiting.data(), sizeof header);
  const std::uint64_t text_bytes =
      std::uint64_t{header.table_bytes} + header.key_layout_bytes + header.value_layout_bytes;
  if (header.version != PERCH_FEED_VERSION) {
    return broken(RejectReason::bad_frame, "the stream is of version " + std::to_string(header.version) +
                                               " of the format, this host reads version " +
                                               std::to_string(PERCH_FEED_VERSION));
  }
  if (text_bytes > PERCH_FEED_TEXT_BYTES_MAX)
    return broken(RejectReason::bad_frame, "the header's texts are too long");
  if (waiting.size() < sizeof header + text_bytes) return Step::more;
  const std::string_view texts = waiting.substr(sizeof header, text_bytes);
  if (libdeflate_crc32(0, texts.data(), texts.size()) != header.crc32)
    return broken(RejectReason::bad_checksum, "the header's checksum is wrong");

  const std::string_view name = texts.substr(0, header.table_bytes);
  const auto named = [&](const RecordPlan& plan) { return name.empty() || plan.table->name() == name; };
  const auto found = std::find_if(plans_.begin(), plans_.end(), named);
  if (found == plans_.end())
    return broken(RejectReason::wrong_layout,
                  "this source feeds no table \"" + std::string(name.substr(0, 80)) + "\"");
  const tables::Table& table = *found->table;
  const std::string_view key_text = texts.substr(header.table_bytes, header.key_layout_bytes);
  const std::string_view value_text = texts.substr(header.table_bytes + header.key_layout_bytes);
  if (key_text != table.key().text() || value_text != table.value().text()) {
    const auto key = Layout::parse(key_text);
    const auto value = Layout::parse(value_text);
    if (!key || !value) {
      return broken(RejectReason::wrong_layout,
                    "the stream's layout is none: " + (key ? value.error().message : key.error().message));
    }
    auto lines = record_differences(*key, table.key(), table.name() + ", key");
    for (std::string& line : record_differences(*value, table.value(), table.name() + ", value"))
      lines.push_back(std::move(line));
    return broken(RejectReason::wrong_layout, "the stream's records are not the table's: " + join(lines));
  }
  if (header.record_bytes != found->record_bytes) {
    return broken(RejectReason::wrong_layout,
                  "the stream's records have " + std::to_string(header.record_bytes) +
                      " bytes, the table's " + std::to_string(found->record_bytes));
  }
  feed_ = static_cast<std::int32_t>(found - plans_.begin());
  consume(sizeof header + text_bytes);
  return Step::nothing;
}

Step BinaryDecoder::take_frame() {
  const std::string_view waiting = buffer_.waiting();
  perch_feed_frame frame;
  std::memcpy(&frame, waiting.data(), sizeof frame);
  if (feed_ < 0) return broken(RejectReason::bad_frame, "a frame before the stream's header");
  const std::uint32_t record_bytes = plans_[static_cast<std::size_t>(feed_)].record_bytes;
  if (frame.record_bytes != record_bytes || frame.rows > PERCH_FEED_FRAME_BYTES_MAX / record_bytes) {
    return broken(RejectReason::bad_frame, "a frame of " + std::to_string(frame.rows) + " records of " +
                                               std::to_string(frame.record_bytes) + " bytes: at most " +
                                               std::to_string(PERCH_FEED_FRAME_BYTES_MAX / record_bytes) +
                                               " of " + std::to_string(record_bytes) + " are taken");
  }
  const std::size_t bytes = std::size_t{frame.rows} * record_bytes;
  if (waiting.size() < sizeof frame + bytes) return Step::more;
  const std::string_view records = waiting.substr(sizeof frame, bytes);
  if (libdeflate_crc32(0, records.data(), records.size()) != frame.crc32) {
    set_line(records);
    consume(sizeof frame + bytes);
    return refuse(RejectReason::bad_checksum,
                  "the frame's checksum is wrong: its " + std::to_string(frame.rows) + " rows are lost",
                  frame.rows);
  }
  consume(sizeof frame);
  rows_left_ = frame.rows;
  return Step::nothing;
}

Step BinaryDecoder::take_record(RowBatch& batch) {
  const RecordPlan& plan = plans_[static_cast<std::size_t>(feed_)];
  const std::string_view text = buffer_.waiting().substr(0, plan.record_bytes);
  const auto* const record = reinterpret_cast<const std::byte*>(text.data());
  set_line(text);
  consume(plan.record_bytes);
  --rows_left_;
  if (!check_record(plan, record)) return Step::rejected;
  const RowBatch::Open open = batch.open(static_cast<std::uint32_t>(feed_));
  if (!plan.table->codec().encode(record, open.key)) {
    batch.abandon_row();
    return refuse(RejectReason::nan_in_key, "a key field is not a number (NaN)");
  }
  std::memcpy(open.value, record + plan.value_offset, plan.table->value().size());
  for (const auto& [begin, end] : plan.padding) std::memset(open.value + begin, 0, end - begin);
  stamps_.taken();
  return Step::row;
}

bool BinaryDecoder::check_record(const RecordPlan& plan, const std::byte* record) {
  for (const Check& check : plan.checks) {
    const std::byte* const at = record + check.offset;
    if (check.field->type == FieldType::boolean) {
      if (std::to_integer<std::uint8_t>(*at) <= 1) continue;
      refuse(RejectReason::wrong_type,
             quoted(*check.field) + ": expected 0 or 1, found " + std::to_string(std::to_integer<int>(*at)));
      return false;
    }
    const char* const text = reinterpret_cast<const char*>(at);
    if (is_short_ascii(text, check.field->extent)) continue;
    bool good = false;
    const RejectReason reason = text_problem(text, check.field->extent, good);
    if (good) continue;
    refuse(reason,
           quoted(*check.field) + (reason == RejectReason::not_utf8 ? ": is not valid UTF-8"
                                                                    : ": has bytes behind its first NUL"));
    return false;
  }
  return true;
}

/// What follows cannot be read, since where frames begin is not known any more.
Step BinaryDecoder::broken(RejectReason reason, std::string message) {
  const std::string_view waiting = buffer_.waiting();
  set_line(waiting.substr(0, LineSplitter::prefix_bytes_max));
  refuse(reason, std::move(message));
  consume(waiting.size());
  return Step::broken;
}

void BinaryDecoder::set_line(std::string_view text) noexcept {
  line_ = {text, position_, position_ + text.size(), text.size(), false};
}

void BinaryDecoder::consume(std::size_t bytes) noexcept {
  buffer_.take(bytes);
  position_ += bytes;
}

}  // namespace perch::rows
