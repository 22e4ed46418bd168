#include "ingest/ndjson_decoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/assert.hpp"
#include "ingest/big_numbers.hpp"

namespace perch::ingest {
namespace {

using simdjson::dom::element_type;
using tables::Field;
using tables::FieldType;

constexpr std::size_t places_max = 256;  // of a row, whose members are remembered; those beyond are searched
constexpr std::size_t shown_bytes_max = 60;  // of a value, in a message

template <class T>
bool put(std::byte* out, T value) noexcept {
  std::memcpy(out, &value, sizeof value);
  return true;
}

/// `the string "abc"`, `the number 1.5`: what a person who looks for the fault wants to read.
std::string describe(simdjson::dom::element element) {
  std::string text = simdjson::minify(element);
  if (text.size() > shown_bytes_max) text = text.substr(0, shown_bytes_max) + "…";
  switch (element.type()) {
    case element_type::ARRAY:
      return "an array of " + std::to_string(simdjson::dom::array(element).size());
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "the string " + text;
    case element_type::BOOL:
    case element_type::NULL_VALUE:
      return text;
    default:
      return "the number " + text;
  }
}

std::string quoted(const Field& field) { return "field \"" + field.name + "\" (" + field.type_text() + ")"; }

}  // namespace

NdjsonDecoder::NdjsonDecoder(tables::TablePtr table)
    : table_(std::move(table)), key_record_(table_->key().size()) {
  for (const Field& field : table_->key().fields()) want(field, true);
  for (const Field& field : table_->value().fields()) want(field, false);
  member_at_.reserve(places_max);
}

void NdjsonDecoder::want(const Field& field, bool in_key) {
  const auto same = [&](const Member& member) { return member.name == field.name; };
  auto member = std::find_if(members_.begin(), members_.end(), same);
  if (member == members_.end()) member = members_.insert(member, Member{field.name, {}, {}, 0});
  member->targets.push_back({&field, in_key});
}

bool NdjsonDecoder::decode(std::string_view row, std::uint64_t* key, std::byte* value) {
  ++row_;
  simdjson::dom::object object;
  if (!parse(row, object)) return false;
  match(object);
  for (const Member& member : members_) {
    if (!store(member, value)) return false;
  }
  if (table_->codec().encode(key_record_.data(), key)) return true;
  return refuse(RejectReason::nan_in_key, "a key field is not a number (NaN)");
}

bool NdjsonDecoder::parse(std::string_view row, simdjson::dom::object& object) {
  big_numbers_ = false;
  Element root;
  // false: the padding is there, the row need not be copied.
  const auto error = parser_.parse(row.data(), row.size(), false).get(root);
  if (error != simdjson::SUCCESS && !parse_again(row, error, root)) return false;
  // A lone big number was rewritten into an object; the row's own first character tells.
  const bool is_object =
      root.get(object) == simdjson::SUCCESS && (!big_numbers_ || row[row.find_first_not_of(" \t\r")] == '{');
  return is_object || refuse(RejectReason::not_object, "a row must be a JSON object, found " +
                                                           (big_numbers_ ? "a number" : describe(root)));
}

/// After an error: tells numbers that are too large from those that are malformed, and names the reason.
bool NdjsonDecoder::parse_again(std::string_view row, simdjson::error_code error, Element& root) {
  if (error == simdjson::UTF8_ERROR) return refuse(RejectReason::not_utf8, "the row is not valid UTF-8");
  if (error == simdjson::NUMBER_ERROR) {
    if (auto rewritten = rewrite_big_numbers(row)) {
      rewritten_ = std::move(*rewritten);
      big_numbers_ = true;
      error = parser_.parse(rewritten_).get(root);
      if (error == simdjson::SUCCESS) return true;
    }
  }
  return refuse(RejectReason::not_json, std::string("the row is no JSON: ") + simdjson::error_message(error));
}

void NdjsonDecoder::match(simdjson::dom::object object) {
  std::uint32_t place = 0;
  for (const auto [name, element] : object) {
    const std::uint32_t index = find_member(name, place++);
    if (index == members_.size()) continue;
    members_[index].found = element;
    members_[index].found_in = row_;
  }
}

/// Rows of one feed look alike: the member that stood at this place in the last row is tried first.
std::uint32_t NdjsonDecoder::find_member(std::string_view name, std::uint32_t place) {
  const auto count = static_cast<std::uint32_t>(members_.size());
  if (place < member_at_.size()) {
    const std::uint32_t index = member_at_[place];
    if (index < count && members_[index].name == name) return index;
  }
  std::uint32_t index = 0;
  while (index < count && members_[index].name != name) ++index;
  if (place < member_at_.size()) {
    member_at_[place] = index;
  } else if (place < places_max) {
    member_at_.push_back(index);  // place is member_at_.size(): places come one by one
  }
  return index;
}

bool NdjsonDecoder::store(const Member& member, std::byte* value) {
  if (member.found_in != row_) {
    return refuse(RejectReason::missing_field, quoted(*member.targets.front().field) + " is missing");
  }
  for (const Target& target : member.targets) {
    std::byte* record = target.in_key ? key_record_.data() : value;
    if (!store_field(*target.field, member.found, record + target.field->offset)) return false;
  }
  return true;
}

bool NdjsonDecoder::store_field(const Field& field, Element element, std::byte* out) {
  if (field.type == FieldType::chars) return store_chars(field, element, out);
  if (field.extent > 0) return store_array(field, element, out);
  return store_scalar(field, element, out);
}

bool NdjsonDecoder::store_chars(const Field& field, Element element, std::byte* out) {
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS)
    return refuse(field, RejectReason::wrong_type, "a string", element);
  if (text.size() > field.extent) {
    return refuse(field, RejectReason::string_too_long,
                  "at most " + std::to_string(field.extent) + " bytes, not " + std::to_string(text.size()),
                  element);
  }
  if (std::memchr(text.data(), 0, text.size()) != nullptr) {
    return refuse(field, RejectReason::nul_in_string, "a string without NUL", element);
  }
  std::memcpy(out, text.data(), text.size());
  std::memset(out + text.size(), 0, field.extent - text.size());
  return true;
}

bool NdjsonDecoder::store_array(const Field& field, Element element, std::byte* out) {
  simdjson::dom::array array;
  // size() saturates at 2^24 − 1, far beyond any record.
  if (element.get(array) != simdjson::SUCCESS || array.size() != field.extent) {
    return refuse(field, RejectReason::wrong_type, "an array of " + std::to_string(field.extent), element);
  }
  for (const Element item : array) {
    if (!store_scalar(field, item, out)) return false;
    out += field.element_size();
  }
  return true;
}

bool NdjsonDecoder::store_scalar(const Field& field, Element element, std::byte* out) {
  switch (field.type) {
    case FieldType::int8:
      return store_integer<std::int8_t>(field, element, out);
    case FieldType::int16:
      return store_integer<std::int16_t>(field, element, out);
    case FieldType::int32:
      return store_integer<std::int32_t>(field, element, out);
    case FieldType::int64:
    case FieldType::timestamp_ns:
      return store_integer<std::int64_t>(field, element, out);
    case FieldType::uint8:
      return store_integer<std::uint8_t>(field, element, out);
    case FieldType::uint16:
      return store_integer<std::uint16_t>(field, element, out);
    case FieldType::uint32:
      return store_integer<std::uint32_t>(field, element, out);
    case FieldType::uint64:
      return store_integer<std::uint64_t>(field, element, out);
    case FieldType::float32:
    case FieldType::float64:
      return store_float(field, element, out);
    case FieldType::boolean: {
      bool flag = false;
      if (element.get(flag) != simdjson::SUCCESS) {
        return refuse(field, RejectReason::wrong_type, "true or false", element);
      }
      return put<std::uint8_t>(out, flag ? 1 : 0);
    }
    case FieldType::chars:
      break;
  }
  PERCH_ASSERT(false, "chars are no scalar");
}

template <class Number>
bool NdjsonDecoder::store_integer(const Field& field, Element element, std::byte* out) {
  const element_type type = element.type();
  if (type == element_type::INT64) {
    const std::int64_t number = element.get_int64().value_unsafe();
    if (std::in_range<Number>(number)) return put(out, static_cast<Number>(number));
  } else if (type == element_type::UINT64) {  // only what is beyond int64
    const std::uint64_t number = element.get_uint64().value_unsafe();
    if (std::in_range<Number>(number)) return put(out, static_cast<Number>(number));
  } else {
    const std::string_view big = big_number(element);
    if (big.empty() || !is_integer_literal(big))
      return refuse(field, RejectReason::wrong_type, "an integer", element);
  }
  return refuse(field, RejectReason::out_of_range,
                "an integer from " + std::to_string(std::numeric_limits<Number>::min()) + " to " +
                    std::to_string(std::numeric_limits<Number>::max()),
                element);
}

bool NdjsonDecoder::store_float(const Field& field, Element element, std::byte* out) {
  double number = 0;
  if (element.get(number) != simdjson::SUCCESS) {  // it takes integers as well
    const std::string_view big = big_number(element);
    if (big.empty()) return refuse(field, RejectReason::wrong_type, "a number", element);
    number = to_double(big);
  }
  const bool single = field.type == FieldType::float32;
  if (std::abs(number) >
      (single ? double{std::numeric_limits<float>::max()} : std::numeric_limits<double>::max())) {
    return refuse(field, RejectReason::out_of_range, "a number within the type's range", element);
  }
  return single ? put(out, static_cast<float>(number)) : put(out, number);
}

/// The number that a stand-in of rewrite_big_numbers stands for; "" when the element is none.
std::string_view NdjsonDecoder::big_number(Element element) const {
  std::string_view number;
  if (!big_numbers_ || element[big_number_member].get(number) != simdjson::SUCCESS) return {};
  return number;
}

bool NdjsonDecoder::refuse(RejectReason reason, std::string message) {
  reject_ = {reason, std::move(message)};
  return false;
}

bool NdjsonDecoder::refuse(const Field& field, RejectReason reason, const std::string& expected,
                           Element found) {
  const std::string_view big = big_number(found);
  return refuse(reason, quoted(field) + ": expected " + expected + ", found " +
                            (big.empty() ? describe(found)
                                         : "the number " + std::string(big.substr(0, shown_bytes_max))));
}

}  // namespace perch::ingest
