#include "tables/rollup.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/assert.hpp"
#include "base/nearest_name.hpp"
#include "tables/field_types.hpp"
#include "tables/ordered_bits.hpp"

namespace perch::tables {
namespace {

__extension__ typedef __int128 Integer;  // no sum of 2^64 rows of 64 bits leaves it

/// A sum of floats and what rounding has taken from it.
struct CompensatedSum {
  double sum;
  double lost;

  void add(double x) noexcept {
    const double total = sum + x;
    lost += std::abs(sum) >= std::abs(x) ? (sum - total) + x : (x - total) + sum;
    sum = total;
  }
  /// Where the sum is infinite or NaN, what was lost is NaN and means nothing.
  double value() const noexcept { return std::isfinite(sum) ? sum + lost : sum; }
};

/// The state of a field that is summed, in the tree.
struct MomentsState {
  Integer integers;        // of an integer field: its sum
  CompensatedSum floats;   // of a float field, or of an integer field whose squares are summed
  CompensatedSum squares;  // of the distances from the mean
};
constexpr std::uint32_t moments_bytes = sizeof(MomentsState);
constexpr std::uint32_t moments_bytes_without_squares = offsetof(MomentsState, squares);

constexpr std::array<const char*, 8> function_names{"count", "sum",   "min",  "max",
                                                    "mean",  "first", "last", "stddev"};

/// A number field's value, converted.
template <class To>
To load_as(FieldType type, const std::byte* from) noexcept {
  return with_number_type(
      type, [&]<class Number>(std::type_identity<Number>) { return static_cast<To>(load<Number>(from)); });
}

/// Whether `a` belongs before `b`; NaN belongs behind everything in both directions, so that any number
/// replaces it.
template <bool ascending>
bool is_before(FieldType type, const std::byte* a, const std::byte* b) noexcept {
  return with_number_type(type, [&]<class Number>(std::type_identity<Number>) {
    const auto x = load<Number>(a);
    const auto y = load<Number>(b);
    if constexpr (std::is_floating_point_v<Number>) {
      if (std::isnan(y)) return !std::isnan(x);
    }
    return ascending ? x < y : x > y;
  });
}

template <class Number>
void store_held(Integer value, std::byte* out) noexcept {
  constexpr Integer low = std::numeric_limits<Number>::min();
  constexpr Integer high = std::numeric_limits<Number>::max();
  store(static_cast<Number>(std::clamp(value, low, high)), out);
}

std::int64_t bucket_begin(std::int64_t time_ns, std::int64_t every_ns) noexcept {
  std::int64_t behind = time_ns % every_ns;
  if (behind < 0) behind += every_ns;  // before 1970 as well, a bucket begins before its rows
  std::int64_t begin = 0;
  // The first bucket of all would begin before the first time there is: it begins there.
  return __builtin_sub_overflow(time_ns, behind, &begin) ? std::numeric_limits<std::int64_t>::min() : begin;
}

Result<const Field*> find_field(const std::string& name, const Layout& key, const Layout& value,
                                const std::string& place) {
  if (const Field* field = key.find(name)) return field;
  if (const Field* field = value.find(name)) return field;
  std::vector<std::string> names;
  for (const Layout* layout : {&key, &value}) {
    for (const Field& candidate : layout->fields()) names.push_back(candidate.name);
  }
  const std::string near = nearest_name(name, names);
  return fail_at(place, "the source table has no field '" + name.substr(0, 80) + "'" +
                            (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

}  // namespace

Result<Rollup> Rollup::make(const RollupSpec& spec, const Layout& source_key, const Layout& source_value,
                            const std::string& place) {
  Rollup rollup;
  rollup.spec_ = spec;
  if (spec.group.empty()) return fail_at(place + ".group", "must name at least one field or bucket");
  if (spec.aggregates.empty()) return fail_at(place + ".aggregate", "must have at least one member");
  for (std::size_t i = 0; i < spec.group.size(); ++i) {
    const std::string here = place + ".group[" + std::to_string(i) + "]";
    if (auto added = rollup.add_group(spec.group[i], source_key, source_value, here); !added)
      return fail(std::move(added.error()));
  }
  for (const AggregateSpec& aggregate : spec.aggregates) {
    const std::string here = place + ".aggregate." + aggregate.name;
    if (auto added = rollup.add_aggregate(aggregate, source_key, source_value, here); !added)
      return fail(std::move(added.error()));
  }
  std::uint32_t offset = 16;  // behind the number of rows, at a multiple of 16
  for (Moments& moments : rollup.moments_) {
    moments.state_offset = offset;
    offset += moments.squares ? moments_bytes : moments_bytes_without_squares;
  }
  if (!rollup.moments_.empty()) rollup.state_bytes_ = offset;
  return rollup;
}

Rollup::Source Rollup::source_of(const Field& field, bool in_key) {
  reads_key_ |= in_key;
  return {field.type, in_key, field.offset, field.size()};
}

Result<void> Rollup::add_group(const GroupSpec& spec, const Layout& key, const Layout& value,
                               const std::string& place) {
  const auto found = find_field(spec.field, key, value, place);
  if (!found) return fail(found.error());
  const Field& field = **found;
  if (spec.every.count() > 0) {
    if (field.type != FieldType::timestamp_ns || field.extent != 0)
      return fail_at(place, "a bucket is of a timestamp_ns; '" + field.name + "' is a " + field.type_text());
    const auto is_bucket = [](const Group& group) { return group.every_ns > 0; };
    if (std::any_of(groups_.begin(), groups_.end(), is_bucket))
      return fail_at(place, "a second bucket; a rollup has one at most");
  } else if (is_float(field.type) || (field.extent != 0 && field.type != FieldType::chars)) {
    return fail_at(place, "'" + field.name + "' is a " + field.type_text() +
                              "; rows are grouped by integers, bool, timestamp_ns or char[N]");
  }
  groups_.push_back({source_of(field, key.find(spec.field) != nullptr), spec.every.count(), 0});
  key_fields_.push_back({field.name, field.type_text()});
  return {};
}

Result<void> Rollup::add_aggregate(const AggregateSpec& spec, const Layout& key, const Layout& value,
                                   const std::string& place) {
  const auto call = parse_call(spec.call, place);
  if (!call) return fail(call.error());
  const auto& [function, name] = *call;
  Output output;
  output.function = function;
  std::string type = "uint64";
  if (function != Function::count) {
    const auto field = find_field(name, key, value, place);
    if (!field) return fail(field.error());
    auto given = output_type(function, **field, place);
    if (!given) return fail(std::move(given.error()));
    type = std::move(*given);
    output.source = source_of(**field, key.find(name) != nullptr);
    const bool squares = function == Function::stddev;
    if (squares || function == Function::sum || function == Function::mean)
      output.moments = moments_of(output.source, squares);
  }
  outputs_.push_back(output);
  value_fields_.push_back({spec.name, type});
  return {};
}

Result<std::pair<Rollup::Function, std::string>> Rollup::parse_call(const std::string& call,
                                                                    const std::string& place) {
  const std::size_t open = call.find('(');
  if (open == std::string::npos || call.back() != ')')
    return fail_at(place, "\"" + call.substr(0, 80) + "\": write a function and its field, as sum(size)");
  const std::string name = call.substr(0, open);
  const std::string field = call.substr(open + 1, call.size() - open - 2);
  const auto found = std::find(function_names.begin(), function_names.end(), name);
  if (found == function_names.end()) {
    const std::vector<std::string> names(function_names.begin(), function_names.end());
    const std::string near = nearest_name(name, names);
    return fail_at(place, "no function '" + name.substr(0, 40) + "'" +
                              (near.empty() ? "" : "; did you mean '" + near + "'?") +
                              " (count sum min max mean first last stddev)");
  }
  const auto function = static_cast<Function>(found - function_names.begin());
  if ((function == Function::count) != field.empty())
    return fail_at(place, function == Function::count ? "count() takes no field: it counts rows"
                                                      : name + "() needs a field, as " + name + "(price)");
  return std::pair(function, field);
}

Result<std::string> Rollup::output_type(Function function, const Field& field, const std::string& place) {
  const bool is_number = field.extent == 0 && (is_integer(field.type) || is_float(field.type));
  switch (function) {
    case Function::first:
    case Function::last:
      return field.type_text();
    case Function::min:
    case Function::max:
      if (is_number || (field.extent == 0 && field.type == FieldType::timestamp_ns)) return field.type_text();
      return fail_at(place, "'" + field.name + "' is a " + field.type_text() +
                                "; this function is of a single number or timestamp_ns");
    default:
      break;
  }
  if (!is_number)
    return fail_at(
        place, "'" + field.name + "' is a " + field.type_text() + "; this function is of a single number");
  if (function != Function::sum || is_float(field.type)) return "float64";
  return is_signed(field.type) ? "int64" : "uint64";
}

/// Aggregates of the same field share what they sum.
std::uint32_t Rollup::moments_of(const Source& source, bool squares) {
  const auto same = [&](const Moments& moments) {
    return moments.source.in_key == source.in_key && moments.source.offset == source.offset;
  };
  const auto found = std::find_if(moments_.begin(), moments_.end(), same);
  const auto index = static_cast<std::uint32_t>(found - moments_.begin());
  if (found == moments_.end()) moments_.push_back({source, squares, 0});
  moments_[index].squares |= squares;
  return index;
}

void Rollup::lay_out(const Layout& key, const Layout& value) {
  PERCH_ASSERT(key.fields().size() == groups_.size() && value.fields().size() == outputs_.size(),
               "a rollup's layouts are made of its fields");
  for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].out_offset = key.fields()[i].offset;
  for (std::size_t i = 0; i < outputs_.size(); ++i) outputs_[i].out_offset = value.fields()[i].offset;
}

std::int64_t Rollup::group_of(const std::byte* source_key, const std::byte* source_value,
                              std::byte* out) const noexcept {
  std::int64_t bucket = std::numeric_limits<std::int64_t>::min();
  for (const Group& group : groups_) {
    const std::byte* from = (group.source.in_key ? source_key : source_value) + group.source.offset;
    if (group.every_ns > 0) {
      bucket = bucket_begin(load<std::int64_t>(from), group.every_ns);
      store(bucket, out + group.out_offset);
    } else {
      std::memcpy(out + group.out_offset, from, group.source.size);
    }
  }
  return bucket;
}

void Rollup::fold(const std::byte* source_key, const std::byte* source_value, bool is_new, std::byte* record,
                  std::byte* state) const noexcept {
  if (is_new) std::memset(state, 0, state_bytes_);
  const auto count = load<std::uint64_t>(state) + 1;
  store(count, state);
  const auto from = [&](const Source& source) {
    return (source.in_key ? source_key : source_value) + source.offset;
  };
  for (const Moments& moments : moments_)
    add_moments(moments, from(moments.source), count, state + moments.state_offset);
  for (const Output& output : outputs_)
    write_output(output, from(output.source), is_new, record + output.out_offset, state);
}

void Rollup::add_moments(const Moments& moments, const std::byte* from, std::uint64_t count,
                         std::byte* state) const noexcept {
  MomentsState now{};
  const std::size_t bytes = moments.squares ? moments_bytes : moments_bytes_without_squares;
  std::memcpy(&now, state, bytes);
  const bool of_floats = is_float(moments.source.type);
  if (!of_floats) now.integers += load_as<Integer>(moments.source.type, from);
  if (of_floats || moments.squares) {
    const auto x = load_as<double>(moments.source.type, from);
    const double mean_before = count == 1 ? x : now.floats.value() / static_cast<double>(count - 1);
    now.floats.add(x);
    if (moments.squares)
      now.squares.add((x - mean_before) * (x - now.floats.value() / static_cast<double>(count)));
  }
  std::memcpy(state, &now, bytes);
}

void Rollup::write_output(const Output& output, const std::byte* from, bool is_new, std::byte* out,
                          const std::byte* state) const noexcept {
  const auto count = load<std::uint64_t>(state);
  const Source& source = output.source;
  MomentsState moments{};
  const auto load_moments = [&] {
    const Moments& of = moments_[output.moments];
    std::memcpy(&moments, state + of.state_offset,
                of.squares ? moments_bytes : moments_bytes_without_squares);
  };
  switch (output.function) {
    case Function::count:
      return store(count, out);
    case Function::first:
      if (is_new) std::memcpy(out, from, source.size);
      return;
    case Function::last:
      std::memcpy(out, from, source.size);
      return;
    case Function::min:
      if (is_new || is_before<true>(source.type, from, out)) std::memcpy(out, from, source.size);
      return;
    case Function::max:
      if (is_new || is_before<false>(source.type, from, out)) std::memcpy(out, from, source.size);
      return;
    case Function::sum:
      load_moments();
      if (is_float(source.type)) return store(moments.floats.value(), out);
      return is_signed(source.type) ? store_held<std::int64_t>(moments.integers, out)
                                    : store_held<std::uint64_t>(moments.integers, out);
    case Function::mean:
      load_moments();
      if (is_float(source.type)) return store(moments.floats.value() / static_cast<double>(count), out);
      return store(static_cast<double>(static_cast<long double>(moments.integers) / count), out);
    case Function::stddev:
      load_moments();
      // Rounding can take a sum of squares that is all but zero below it.
      return store(std::sqrt(std::max(moments.squares.value(), 0.0) / static_cast<double>(count)), out);
  }
}

}  // namespace perch::tables
