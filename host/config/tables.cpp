#include <algorithm>

#include "config/field_kinds.hpp"
#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;
using enum ReloadRule;

void check_retain(ObjectReader& retain, Reading& reading, tables::RetainSpec& spec) {
  if (retain.has("per") && spec.per.empty())
    reading.problem.report(retain.place("per"), "must name at least one field");
}

/// An element of "group": a field's name, or {"bucket": FIELD, "every": DURATION}.
void read_group(ObjectReader& rollup, Reading& reading, tables::RollupSpec& spec) {
  for (const ConfigJson* element : rollup.elements("group")) {
    const std::string place = join_place(rollup.place("group"), spec.group.size());
    tables::GroupSpec& group = spec.group.emplace_back();
    if (element->is_string()) {
      group.field = element->get<std::string>();
    } else {
      bucket_section().read(element, place, reading, group);
    }
  }
}

Field<tables::RollupSpec> group_field() {
  using Spec = tables::RollupSpec;
  const auto same = [](const Spec& one, const Spec& other) {
    return bucket_section().same(one.group, other.group);
  };
  return {"group", read_group, compare_value<Spec>("group", fixed, same, show_nothing<Spec>())};
}

void read_aggregates(ObjectReader& rollup, Reading& reading, tables::RollupSpec& spec) {
  const ConfigJson* aggregates = rollup.object("aggregate");
  if (aggregates == nullptr) return;
  for (const auto& [name, call] : aggregates->items()) {
    if (call.is_string()) {
      spec.aggregates.push_back({name, call.get<std::string>()});
    } else {
      reading.problem.report(join_place(rollup.place("aggregate"), name),
                             "must be a text such as \"sum(size)\"");
    }
  }
}

/// "key" or "value", shown as the layout that they give. A rollup has neither: both follow from it.
Field<tables::TableSpec> record_field(const std::string& name,
                                      std::vector<tables::FieldSpec> tables::TableSpec::*member,
                                      std::string_view why_none_in_a_rollup) {
  using Spec = tables::TableSpec;
  const auto show = [member](const Spec& spec) {
    const auto layout = tables::Layout::make(spec.*member, member == &Spec::value);
    return layout ? layout->text() : std::string();
  };
  const auto is_no_rollup = [](ObjectReader& table, const Reading&, const Spec&) {
    return table.object("rollup") == nullptr;
  };
  auto field = list_field<Spec>(name, member, field_section(), fixed, show)
                   .only(is_no_rollup, why_none_in_a_rollup)
                   .required();
  field.compare = [compare = field.compare](const std::string& place, const Spec& running, const Spec& wanted,
                                            std::vector<Difference>& differences) {
    if (!running.rollup && !wanted.rollup) compare(place, running, wanted, differences);
  };
  return field;
}

Field<tables::TableSpec> rollup_field() {
  using Spec = tables::TableSpec;
  auto field = optional_field("rollup", &Spec::rollup, rollup_section(), fixed);
  field.compare = [compare = field.compare](const std::string& place, const Spec& running, const Spec& wanted,
                                            std::vector<Difference>& differences) {
    if (running.rollup.has_value() == wanted.rollup.has_value())
      return compare(place, running, wanted, differences);
    differences.push_back(
        {Difference::Kind::changed, fixed, join_place(place, "rollup"),
         place + (running.rollup ? " is a rollup, and cannot become a table with sources"
                                 : " is a table with sources, and cannot become a rollup")});
  };
  return field;
}

/// Errors of the tables beside each other and of each one in itself; their messages name the place.
void check_tables(const std::vector<tables::TableSpec>& specs, Reading& reading) {
  std::vector<std::string> names;
  for (const auto& spec : specs) names.push_back(spec.name);
  for (const auto& spec : specs) {
    if (!spec.rollup || std::find(names.begin(), names.end(), spec.rollup->of) != names.end()) continue;
    reading.problem.report(
        join_place(join_place("tables", spec.name), "rollup.of"),
        "no table \"" + spec.rollup->of + "\"" + suggest(spec.rollup->of, "tables", names));
  }
  if (reading.problem.found()) return;
  auto made = tables::Catalog::make(specs);
  if (!made) return reading.problem.report("", made.error().message);
  reading.catalog = std::move(*made);
}

void read_tables(ObjectReader& root, Reading& reading, Config& config) {
  const ConfigJson* object = root.object("tables");
  if (object == nullptr) return;
  if (object->empty()) reading.problem.report("tables", "must name at least one table");
  if (object->size() > tree::tables_max) {
    reading.problem.report("tables", "more than " + std::to_string(tree::tables_max) + " tables");
  }
  for (const auto& [name, value] : object->items()) {
    tables::TableSpec& spec = config.tables.emplace_back();
    spec.name = name;
    table_section().read(&value, join_place("tables", name), reading, spec);
    if (reading.problem.found()) return;
  }
  check_tables(config.tables, reading);
}

}  // namespace

const Section<tables::FieldSpec>& field_section() {
  using Spec = tables::FieldSpec;
  static const Section<Spec> section("field", {
                                                  text_field("name", &Spec::name, fixed).required(),
                                                  text_field("type", &Spec::type, fixed).required(),
                                              });
  return section;
}

const Section<tables::RetainSpec>& retain_section() {
  using Spec = tables::RetainSpec;
  static const Section<Spec> section("retain",
                                     {
                                         integer_field("rows", &Spec::rows, 1, 1'000'000'000'000, fixed),
                                         duration_field("age", &Spec::age, 1ms, 24h * 36500, fixed),
                                         text_field("by", &Spec::by, fixed),
                                         texts_field("per", &Spec::per, fixed),
                                     },
                                     check_retain);
  return section;
}

const Section<tables::GroupSpec>& bucket_section() {
  using Spec = tables::GroupSpec;
  static const Section<Spec> section(
      "bucket", {
                    text_field("bucket", &Spec::field, fixed).required(),
                    duration_field("every", &Spec::every, 1us, 24h * 36500, fixed).required(),
                });
  return section;
}

const Section<tables::RollupSpec>& rollup_section() {
  using Spec = tables::RollupSpec;
  static const Section<Spec> section(
      "rollup", {
                    text_field("of", &Spec::of, fixed).required(),
                    group_field().required(),
                    member_field("aggregate", &Spec::aggregates, fixed, read_aggregates).required(),
                });
  return section;
}

const Section<tables::TableSpec>& table_section() {
  using Spec = tables::TableSpec;
  static const Section<Spec> section(
      "table", {
                   record_field("key", &Spec::key, "a rollup's fields follow from \"group\""),
                   record_field("value", &Spec::value, "a rollup's fields follow from \"aggregate\""),
                   optional_field("retain", &Spec::retain, retain_section(), fixed),
                   rollup_field(),
               });
  return section;
}

Field<Config> tables_field() {
  return Field<Config>("tables", read_tables,
                       compare_named<Config>("tables", &Config::tables, table_section(), adds_table))
      .required();
}

}  // namespace perch
