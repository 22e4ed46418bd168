#include "plugin_view.hpp"

namespace perch::bench {

namespace {

tables::Catalog make_catalog(std::size_t value_words) {
  const std::string words = "uint64[" + std::to_string(value_words) + "]";
  return tables::Catalog::make({{"rows", {{"key", "uint64"}}, {{"words", words}}, {}}}).value();
}

readers::Manifest make_manifest() {
  readers::Manifest manifest;
  manifest.tables = {{"rows", "", ""}};
  return manifest;
}

}  // namespace

PluginView::PluginView(std::size_t value_words)
    : catalog_(make_catalog(value_words)), tables_(make_manifest(), catalog_, "perch_bench") {
  readers::fill_snapshot_functions(host_);
  snapshot_.tables = &tables_;
}

}  // namespace perch::bench
