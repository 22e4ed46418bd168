#include "rows/ndjson_decoder.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "rows/big_numbers.hpp"
#include "rows/json_text.hpp"
#include "rows/text_value.hpp"
#include "tables/field_types.hpp"

namespace perch::rows {
namespace {

using simdjson::dom::element_type;
using tables::Field;
using tables::FieldType;

constexpr std::size_t places_max = 256;  // of a row, whose members are remembered; those beyond are searched

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

}  // namespace

NdjsonRows::NdjsonRows(const Mapping& mapping, Stamps& stamps)
    : mapping_(mapping), assembly_(mapping, stamps), nodes_(1), found_(mapping.inputs().size()) {
  for (std::uint32_t input = 0; input < mapping.inputs().size(); ++input)
    want(mapping.inputs()[input], input);
}

void NdjsonRows::want(const Mapping::Path& path, std::uint32_t input) {
  std::uint32_t at = 0;
  for (const std::string& name : path) {
    const auto named = [&](std::uint32_t child) { return nodes_[child].name == name; };
    const auto& children = nodes_[at].children;
    const auto child = std::find_if(children.begin(), children.end(), named);
    if (child != children.end()) {
      at = *child;
      continue;
    }
    const auto added = static_cast<std::uint32_t>(nodes_.size());
    nodes_[at].children.push_back(added);
    nodes_.push_back({name, {}, {}, {}});
    at = added;
  }
  nodes_[at].input = input;
}

Step NdjsonRows::take(std::string_view row, RowBatch& batch) {
  ++row_;
  text_ = row;
  simdjson::dom::object object;
  if (!parse(row, object)) return Step::rejected;
  match(0, object);
  return assembly_.assemble(*this, batch);
}

bool NdjsonRows::parse(std::string_view row, simdjson::dom::object& object) {
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
bool NdjsonRows::parse_again(std::string_view row, simdjson::error_code error, Element& root) {
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

void NdjsonRows::match(std::uint32_t node, simdjson::dom::object object) {
  std::uint32_t place = 0;
  for (const auto [name, element] : object) {
    const std::uint32_t child = find_child(nodes_[node], name, place++);
    if (child < nodes_[node].children.size()) found(nodes_[node].children[child], element);
  }
}

/// Elements are named by their place: "0", "1" …
void NdjsonRows::match(std::uint32_t node, simdjson::dom::array array) {
  for (const std::uint32_t child : nodes_[node].children) {
    std::size_t place = 0;
    const std::string& name = nodes_[child].name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), place);
    Element element;
    const bool is_place = error == std::errc{} && end == name.data() + name.size();
    if (is_place && array.at(place).get(element) == simdjson::SUCCESS) found(child, element);
  }
}

void NdjsonRows::found(std::uint32_t node, Element element) {
  if (nodes_[node].input) found_[*nodes_[node].input] = {element, row_};
  if (nodes_[node].children.empty()) return;
  forget_below(node);  // a second member of this name takes the place of the first, and of all in it
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (element.get(object) == simdjson::SUCCESS) {
    match(node, object);
  } else if (element.get(array) == simdjson::SUCCESS) {
    match(node, array);
  }
}

void NdjsonRows::forget_below(std::uint32_t node) {
  for (const std::uint32_t child : nodes_[node].children) {
    if (nodes_[child].input) found_[*nodes_[child].input].row = 0;
    forget_below(child);
  }
}

/// Rows of one feed look alike: the member that stood at this place in the last row is tried first.
std::uint32_t NdjsonRows::find_child(Node& node, std::string_view name, std::uint32_t place) {
  const auto count = static_cast<std::uint32_t>(node.children.size());
  if (place < node.child_at.size()) {
    const std::uint32_t index = node.child_at[place];
    if (index < count && nodes_[node.children[index]].name == name) return index;
  }
  std::uint32_t index = 0;
  while (index < count && nodes_[node.children[index]].name != name) ++index;
  if (place < node.child_at.size()) {
    node.child_at[place] = index;
  } else if (place < places_max) {
    node.child_at.push_back(index);  // place is child_at.size(): places come one by one
  }
  return index;
}

bool NdjsonRows::matches(const Mapping::Condition& condition) const {
  const Found& found = found_[condition.input];
  if (found.row != row_) return condition.value == "null";
  std::string_view text;
  if (found.element.get(text) == simdjson::SUCCESS)
    return condition.value[0] == '"' && text == condition.text;
  double number = 0;
  if (found.element.get(number) == simdjson::SUCCESS) {
    double wanted = 0;
    const char* const end = condition.value.data() + condition.value.size();
    const auto [last, error] = std::from_chars(condition.value.data(), end, wanted);
    return error == std::errc{} && last == end && number == wanted;
  }
  return simdjson::minify(found.element) == condition.value;
}

bool NdjsonRows::is_missing(const Mapping::Target& target) const { return found_[target.input].row != row_; }

Step NdjsonRows::missing(const Mapping::Target& target) {
  const std::string path = to_string(mapping_.inputs()[target.input]);
  refuse(RejectReason::missing_field,
         quoted(*target.field) + " is missing" + (path == target.field->name ? "" : ": no member " + path));
  return Step::rejected;
}

Step NdjsonRows::nan_in_key() {
  refuse(RejectReason::nan_in_key, "a key field is not a number (NaN)");
  return Step::rejected;
}

bool NdjsonRows::store(const Mapping::Target& target, std::byte* out) {
  const Element element = found_[target.input].element;
  if (!target.fallback.empty() && element.is_null()) {
    std::memcpy(out, target.fallback.data(), target.fallback.size());
    return true;
  }
  if (target.field->type == FieldType::chars) return store_chars(*target.field, element, out);
  if (target.format) return store_formatted(target, element, out);
  if (target.quoted && element.is_string()) return store_text(target, element, out);
  if (target.field->extent > 0) return store_array(target, element, out);
  return store_scalar(target, element, out);
}

bool NdjsonRows::store_text(const Mapping::Target& target, Element element, std::byte* out) {
  const TextError error =
      store_text_value(*target.field, element.get_string().value_unsafe(), target.unit, out);
  return !error || refuse(*target.field, error.reason, error.expected, element);
}

/// A string, or a number that is one: 20260305.
bool NdjsonRows::store_formatted(const Mapping::Target& target, Element element, std::byte* out) {
  if (!element.is_string() && !element.is_number())
    return refuse(*target.field, RejectReason::wrong_type, "a time as " + target.format->text(), element);
  const std::string_view text =
      element.is_string() ? element.get_string().value_unsafe() : text_of(target.input);
  const TextError error = store_formatted_time(*target.format, text, out);
  return !error || refuse(*target.field, error.reason, error.expected, element);
}

bool NdjsonRows::store_chars(const Field& field, Element element, std::byte* out) {
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

bool NdjsonRows::store_array(const Mapping::Target& target, Element element, std::byte* out) {
  const Field& field = *target.field;
  simdjson::dom::array array;
  // size() saturates at 2^24 − 1, far beyond any record.
  if (element.get(array) != simdjson::SUCCESS || array.size() != field.extent) {
    return refuse(field, RejectReason::wrong_type, "an array of " + std::to_string(field.extent), element);
  }
  for (const Element item : array) {
    if (!store_scalar(target, item, out)) return false;
    out += field.element_size();
  }
  return true;
}

bool NdjsonRows::store_scalar(const Mapping::Target& target, Element element, std::byte* out) {
  const Field& field = *target.field;
  if (field.type == FieldType::timestamp_ns) return store_time(target, element, out);
  if (field.type == FieldType::boolean) return store_bool(field, element, out);
  return tables::with_number_type(field.type, [&]<class Number>(std::type_identity<Number>) {
    if constexpr (std::is_floating_point_v<Number>) {
      return store_float<Number>(field, element, out);
    } else {
      return store_integer<Number>(field, element, out);
    }
  });
}

bool NdjsonRows::store_bool(const Field& field, Element element, std::byte* out) {
  bool flag = false;
  if (element.get(flag) != simdjson::SUCCESS)
    return refuse(field, RejectReason::wrong_type, "true or false", element);
  return put<std::uint8_t>(out, flag ? 1 : 0);
}

template <class Number>
bool NdjsonRows::store_integer(const Field& field, Element element, std::byte* out) {
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

/// An integer of the unit, decimals where it is no nanosecond, or ISO 8601.
bool NdjsonRows::store_time(const Mapping::Target& target, Element element, std::byte* out) {
  const Field& field = *target.field;
  if (target.unit == TimeUnit::ns && !element.is_string())
    return store_integer<std::int64_t>(field, element, out);
  ParsedTime time{0, TimeError::malformed};
  if (element.is_string()) {
    time = parse_iso8601(element.get_string().value_unsafe());
  } else if (element.is_int64()) {
    time = time_of(element.get_int64().value_unsafe(), target.unit);
  } else if (element.is_number()) {
    time = parse_time_number(text_of(target.input), target.unit);
  } else if (!big_number(element).empty()) {
    time.error = TimeError::out_of_range;
  }
  if (time.error == TimeError::none) return put(out, time.unix_ns);
  if (time.error == TimeError::out_of_range)
    return refuse(field, RejectReason::out_of_range, "a time from 1677 to 2262", element);
  return refuse(field, RejectReason::wrong_type, "a number or a time as 2026-11-24T20:16:48Z", element);
}

template <class Number>
bool NdjsonRows::store_float(const Field& field, Element element, std::byte* out) {
  double number = 0;
  if (element.get(number) != simdjson::SUCCESS) {  // it takes integers as well
    const std::string_view big = big_number(element);
    if (big.empty()) return refuse(field, RejectReason::wrong_type, "a number", element);
    number = to_double(big);
  }
  if (std::abs(number) > double{std::numeric_limits<Number>::max()})
    return refuse(field, RejectReason::out_of_range, "a number within the type's range", element);
  return put(out, static_cast<Number>(number));
}

/// The number that a stand-in of rewrite_big_numbers stands for; "" when the element is none.
std::string_view NdjsonRows::big_number(Element element) const {
  std::string_view number;
  if (!big_numbers_ || element[big_number_member].get(number) != simdjson::SUCCESS) return {};
  return number;
}

/// A member's text, for a number whose digits a double would lose.
std::string_view NdjsonRows::text_of(std::uint32_t input) const {
  const Mapping::Path& path = mapping_.inputs()[input];
  const std::vector<std::string_view> steps(path.begin(), path.end());
  return json_text_at(text_, steps);
}

bool NdjsonRows::refuse(RejectReason reason, std::string message) {
  reject_ = {reason, std::move(message)};
  return false;
}

bool NdjsonRows::refuse(const Field& field, RejectReason reason, const std::string& expected, Element found) {
  const std::string_view big = big_number(found);
  return refuse(reason, quoted(field) + ": expected " + expected + ", found " +
                            (big.empty() ? describe(found)
                                         : "the number " + std::string(big.substr(0, shown_bytes_max))));
}

}  // namespace perch::rows
