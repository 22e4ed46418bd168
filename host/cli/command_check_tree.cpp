// perch check-tree
#include "base/text_table.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/human_text.hpp"
#include "client/connected_host.hpp"
#include "tree/check.hpp"

namespace perch::cli {
namespace {

/// What one table of the version consists of; its blocks go into `reached`, which must not have them yet.
Outcome<Json> check_table(const tables::Table& table, const tree::Snapshot& view,
                          tree::ReachedBlocks& reached) {
  const tree::TableRoot root = view.root(table.index());
  tree::ReachedBlocks blocks;
  std::string problem =
      tree::check_tree(view.base(), view.geometry(table.index()), root, view.version(), blocks);
  std::uint64_t bytes = 0;
  for (const auto& [ref, units] : blocks) bytes += std::uint64_t{units} * tree::unit_bytes;
  const std::size_t count = blocks.size();
  reached.merge(blocks);
  if (problem.empty() && !blocks.empty()) problem = "a node that another table has too";
  if (!problem.empty())
    return end_with(exit_failed, "table " + table.name() + ", version " + std::to_string(view.version()) +
                                     ": " + problem +
                                     ". What readers see may be wrong: start the host anew, and report this");
  return Json{{"name", table.name()},
              {"rows", root.rows},
              {"height", root.height},
              {"blocks", count},
              {"bytes", bytes}};
}

std::string checked_text(const Json& tables, tree::Version version) {
  TextTable text({{"TABLE"},
                  {"ROWS", Align::right},
                  {"HEIGHT", Align::right},
                  {"BLOCKS", Align::right},
                  {"SIZE", Align::right}});
  for (const Json& table : tables)
    text.add_row({exact_text(table.at("name")), count_text(table.at("rows")), exact_text(table.at("height")),
                  count_text(table.at("blocks")), format_size(table.at("bytes").get<std::uint64_t>())});
  return text.text() + "\nversion " + std::to_string(version) + " is whole\n";
}

Outcome<int> check_tree(const Context& context) {
  auto host = client::ConnectedHost::connect(context.socket, "perch check-tree", context.deadline());
  if (!host) return end_with(host.error());
  const auto pinned = (*host)->pin();
  if (!pinned) return end_with(pinned.error());
  const tree::Snapshot& view = (*pinned)->view;
  tree::ReachedBlocks reached;
  Json checked = Json::array();
  for (const tables::TablePtr& table : (*host)->catalog().tables()) {
    auto one = check_table(*table, view, reached);
    if (!one) return end_with(one.error());
    checked.push_back(std::move(*one));
  }
  if (context.json) {
    print(Json{{"version", view.version()}, {"tables", std::move(checked)}});
  } else {
    print(checked_text(checked, view.version()));
  }
  return exit_done;
}

}  // namespace

void add_check_tree_command(CLI::App& app, Context& context) {
  add_command(
      app, "check-tree",
      "Walks every node of the newest version, in this process, and verifies order, counts and births; the "
      "stream goes on meanwhile, and the host keeps that version until it is done",
      "perch check-tree")
      ->callback([&context] { context.run = [&context] { return check_tree(context); }; });
}

}  // namespace perch::cli
