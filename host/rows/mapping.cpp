#include "rows/mapping.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/nearest_name.hpp"
#include "tables/record_json.hpp"

namespace perch::rows {
namespace {

using nlohmann::json;

const MemberSpec* find(const FeedSpec& spec, const std::string& field) {
  const auto found =
      std::find_if(spec.map.begin(), spec.map.end(), [&](const auto& entry) { return entry.first == field; });
  return found == spec.map.end() ? nullptr : &found->second;
}

Result<void> check_names(const FeedSpec& spec, const tables::Table& table) {
  std::vector<std::string> names;
  for (const tables::Layout* layout : {&table.key(), &table.value()}) {
    for (const tables::Field& field : layout->fields()) names.push_back(field.name);
  }
  for (const auto& [name, ignored] : spec.map) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string near = nearest_name(name, names);
    return fail(ErrorKind::usage, "map." + name + ": table \"" + table.name() + "\" has no such field" +
                                      (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
  }
  return {};
}

/// The fallback's bytes.
Result<std::vector<std::byte>> fallback_bytes(const tables::Field& field, const std::string& text) {
  json value = json::parse(text);
  if (field.type == tables::FieldType::timestamp_ns && value.is_string()) {
    const ParsedTime time = parse_iso8601(value.get<std::string>());
    if (time.error != TimeError::none)
      return fail(ErrorKind::usage, text + " is no time; write one as \"2026-11-24T20:16:48Z\"");
    value = time.unix_ns;
  }
  const auto layout = tables::Layout::make({{field.name, field.type_text()}}, true);
  std::vector<std::byte> bytes(layout->size());
  if (auto read = tables::record_from_json(*layout, {{field.name, value}}, bytes.data()); !read)
    return fail(std::move(read.error()));
  return bytes;
}

/// None: the time is written in no way of its own.
Result<std::shared_ptr<const TimeFormat>> time_format(const tables::Field& field, const MemberSpec& member) {
  if (member.time_format.empty()) {
    if (!member.zone.empty()) return fail(ErrorKind::usage, "\"zone\" is for a time with a \"format\"");
    return nullptr;
  }
  if (field.type != tables::FieldType::timestamp_ns || field.extent > 0)
    return fail(ErrorKind::usage, "\"format\" is for a timestamp_ns, not for a " + field.type_text());
  if (member.unit != TimeUnit::ns)
    return fail(ErrorKind::usage, "\"format\" says all of a time: leave out \"unit\"");
  auto made = TimeFormat::make(member.time_format, member.zone);
  if (!made) return fail(std::move(made.error()));
  return std::make_shared<const TimeFormat>(std::move(*made));
}

std::string plain_text(const std::string& value) {
  const json parsed = json::parse(value);
  return parsed.is_string() ? parsed.get<std::string>() : value;
}

}  // namespace

std::string to_string(const Mapping::Path& path) {
  std::string text;
  for (const std::string& step : path) text += (text.empty() ? "" : ".") + step;
  return text;
}

Result<Mapping> Mapping::make(const std::vector<FeedSpec>& feeds, const tables::Catalog& catalog) {
  Mapping mapping;
  for (const FeedSpec& spec : feeds) {
    tables::TablePtr table = catalog.find(spec.table);
    if (!table) return fail(catalog.unknown_table(spec.table));
    if (const tables::Rollup* rollup = table->rollup()) {
      return fail(ErrorKind::usage, "\"" + spec.table + "\" is a rollup: its rows follow from those of \"" +
                                        rollup->spec().of + "\"");
    }
    auto feed = mapping.make_feed(spec, std::move(table));
    if (!feed) return fail(std::move(feed.error()));
    mapping.feeds_.push_back(std::move(*feed));
  }
  return mapping;
}

Result<Mapping::Feed> Mapping::make_feed(const FeedSpec& spec, tables::TablePtr table) {
  if (auto checked = check_names(spec, *table); !checked) return fail(std::move(checked.error()));
  Feed feed;
  feed.table = std::move(table);
  for (const ConditionSpec& condition : spec.when)
    feed.when.push_back({input_of(condition.path), condition.value, plain_text(condition.value)});
  for (const bool in_key : {true, false}) {
    const tables::Layout& layout = in_key ? feed.table->key() : feed.table->value();
    for (const tables::Field& field : layout.fields()) {
      const MemberSpec* given = find(spec, field.name);
      auto added = add_field(feed, field, in_key, given ? *given : MemberSpec{});
      if (!added) return fail(ErrorKind::usage, "map." + field.name + ": " + added.error().message);
    }
  }
  return feed;
}

Result<void> Mapping::add_field(Feed& feed, const tables::Field& field, bool in_key,
                                const MemberSpec& member) {
  const bool is_time = field.type == tables::FieldType::timestamp_ns;
  const bool is_wide = field.type == tables::FieldType::int64 || field.type == tables::FieldType::uint64;
  if (member.origin != Origin::member) {
    if (field.extent != 0 || (member.origin == Origin::sequence ? !is_wide : !is_time && !is_wide)) {
      return fail(ErrorKind::usage,
                  member.origin == Origin::sequence
                      ? "a sequence number goes into an int64 or uint64, not a " + field.type_text()
                      : "the arrival goes into a timestamp_ns, not a " + field.type_text());
    }
    feed.stamps.push_back({&field, in_key, member.origin});
    return {};
  }
  if (member.unit != TimeUnit::ns && !is_time)
    return fail(ErrorKind::usage, "\"unit\" is for timestamp_ns, not for a " + field.type_text());
  if (member.quoted && (field.type == tables::FieldType::chars || field.type == tables::FieldType::boolean))
    return fail(ErrorKind::usage, "\"quoted\" is for numbers, not for a " + field.type_text());
  Target target{&field,      in_key,        input_of(member.path.empty() ? Path{field.name} : member.path),
                member.unit, member.quoted, {},
                nullptr};
  auto format = time_format(field, member);
  if (!format) return fail(std::move(format.error()));
  target.format = std::move(*format);
  if (member.fallback) {
    auto bytes = fallback_bytes(field, *member.fallback);
    if (!bytes) return fail(ErrorKind::usage, "default: " + bytes.error().message);
    target.fallback = std::move(*bytes);
  }
  feed.targets.push_back(std::move(target));
  return {};
}

std::uint32_t Mapping::input_of(const Path& path) {
  const auto found = std::find(inputs_.begin(), inputs_.end(), path);
  const auto index = static_cast<std::uint32_t>(found - inputs_.begin());
  if (found == inputs_.end()) inputs_.push_back(path);
  return index;
}

}  // namespace perch::rows
