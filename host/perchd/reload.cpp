#include "perchd/reload.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace perch {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// Collects what cannot change.
class Points {
 public:
  template <class T>
  void same(const T& running, const T& wanted, const std::string& place) {
    if (!(running == wanted)) add(place + " cannot change while the host runs");
  }
  template <class T, class Text>
  void same(const T& running, const T& wanted, const std::string& place, Text text) {
    if (running == wanted) return;
    add(place + ": runs with " + text(running) + ", cannot become " + text(wanted) + " while the host runs");
  }
  void add(std::string point) { points_.push_back(std::move(point)); }
  const std::vector<std::string>& all() const noexcept { return points_; }

 private:
  std::vector<std::string> points_;
};

void compare_table(const tables::Table& running, const tables::Table& wanted, Points& points) {
  const std::string place = "tables." + running.name();
  if ((running.rollup() == nullptr) != (wanted.rollup() == nullptr)) {
    points.add(place + (running.rollup() ? " is a rollup, and cannot become a table with sources"
                                         : " is a table with sources, and cannot become a rollup"));
    return;
  }
  const auto layouts = [&](const tables::Layout& a, const tables::Layout& b, const char* part) {
    points.same(a.text(), b.text(), place + "." + part, [](const std::string& text) { return text; });
  };
  layouts(running.key(), wanted.key(), "key");
  layouts(running.value(), wanted.value(), "value");
  if (running.rollup() && !(running.rollup()->spec() == wanted.rollup()->spec()))
    points.add(place + ".rollup cannot change while the host runs");
  points.same(running.retain(), wanted.retain(), place + ".retain");
}

/// The tables that are new, in the file's order.
std::vector<tables::TableSpec> compare_tables(const Config& wanted, const tables::Catalog& running,
                                              Points& points) {
  const auto all = tables::Catalog::make(wanted.tables);
  std::vector<tables::TableSpec> added;
  if (!all) {
    points.add(all.error().message);
    return added;
  }
  for (const auto& table : running.tables()) {
    const auto theirs = all->find(table->name());
    if (theirs) {
      compare_table(*table, *theirs, points);
    } else {
      points.add("tables." + table->name() + " is left out: a table cannot be removed while the host runs");
    }
  }
  for (const auto& spec : wanted.tables) {
    if (!running.find(spec.name)) added.push_back(spec);
  }
  return added;
}

void compare_rest(const Config& running, const Config& wanted, Points& points) {
  points.same(running.name, wanted.name, "host.name", quoted);
  const auto path = [](const std::filesystem::path& file) { return file.string(); };
  points.same(running.run_dir, wanted.run_dir, "host.run_dir", path);
  points.same(running.store.arena_bytes, wanted.store.arena_bytes, "arena.size", format_size);
  points.same(running.control.socket, wanted.control.socket, "control.socket", path);
  points.same(running.control.mode, wanted.control.mode, "control.mode");
  points.same(running.control.groups, wanted.control.groups, "control.groups");
  points.same(running.control.others_may_look, wanted.control.others_may_look, "control.others");
  points.same(running.readers.folder, wanted.readers.folder, "readers.folder", path);
  points.same(running.readers.probation, wanted.readers.probation, "readers.probation", format_duration);
  points.same(running.readers.checkpoint, wanted.readers.checkpoint, "readers.checkpoint", format_duration);
  points.same(running.readers.callback_deadline, wanted.readers.callback_deadline,
              "readers.callback_deadline", format_duration);
  points.same(running.readers.retain_max_bytes, wanted.readers.retain_max_bytes, "readers.retain_max",
              format_size);
  points.same(running.readers.retain_warning_bytes, wanted.readers.retain_warning_bytes,
              "readers.retain_warning", format_size);
  points.same(running.readers.restart, wanted.readers.restart, "readers.restart");
  points.same(running.readers.isolation, wanted.readers.isolation, "readers.isolation");
  points.same(running.readers.workers.sandbox, wanted.readers.workers.sandbox, "readers.sandbox");
  points.same(running.readers.trial, wanted.readers.trial, "readers.trial");
}

void compare_sources(const Config& running, const Config& wanted, ReloadPlan& plan) {
  const auto find = [](const std::vector<ingest::SourceSpec>& specs, const std::string& name) {
    const auto found =
        std::find_if(specs.begin(), specs.end(), [&](const auto& spec) { return spec.name == name; });
    return found == specs.end() ? nullptr : &*found;
  };
  for (const auto& source : running.ingest.sources) {
    const auto* const theirs = find(wanted.ingest.sources, source.name);
    if (theirs && *theirs == source) continue;
    plan.ingest.remove_sources.push_back(source.name);
    if (theirs) plan.changed_sources.push_back(source.name);
  }
  for (const auto& source : wanted.ingest.sources) {
    const auto* const ours = find(running.ingest.sources, source.name);
    if (!ours || !(*ours == source)) plan.ingest.add_sources.push_back(source);
  }
}

}  // namespace

Result<ReloadPlan> plan_reload(const Config& running, const Config& wanted, const tables::Catalog& catalog) {
  Points points;
  compare_rest(running, wanted, points);
  const auto added = compare_tables(wanted, catalog, points);
  ReloadPlan plan;
  if (points.all().empty()) {
    auto made = catalog.make_more(added);
    if (made) {
      plan.ingest.add_tables = std::move(*made);
    } else {
      points.add(made.error().message);
    }
  }
  if (!points.all().empty()) {
    return fail(ErrorKind::refused,
                "the config cannot be taken over while the host runs, nothing was changed", points.all());
  }
  compare_sources(running, wanted, plan);
  plan.ingest.commit_max_rows = wanted.ingest.commit_max_rows;
  plan.ingest.commit_max_delay = wanted.ingest.commit_max_delay;
  plan.changes_commit = running.ingest.commit_max_rows != wanted.ingest.commit_max_rows ||
                        running.ingest.commit_max_delay != wanted.ingest.commit_max_delay;
  plan.changes_readers = !(running.readers.instances == wanted.readers.instances);
  plan.changes_log_level = running.log_level != wanted.log_level;
  return plan;
}

}  // namespace perch
