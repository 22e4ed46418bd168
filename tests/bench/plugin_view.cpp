#include "plugin_view.hpp"

namespace perch::bench {

namespace {

tables::Catalog make_catalog(std::size_t value_words) {
  const std::string words = "uint64[" + std::to_string(value_words) + "]";
  return tables::Catalog::make({{"rows", {{"key", "uint64"}}, {{"words", words}}, {}}}).value();
}

}  // namespace

PluginView::PluginView(std::size_t value_words)
    : catalog_(make_catalog(value_words)), tables_({catalog_.tables()[0]}, "perch_bench") {
  reading::fill_snapshot_functions(host_);
  snapshot_.tables = &tables_;
}

}  // namespace perch::bench
