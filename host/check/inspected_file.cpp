#include "check/inspected_file.hpp"

namespace perch::check {

std::optional<plugin::Inspection> inspected_file(CheckContext& context) {
  auto inspection = plugin::inspect_file(context.options.file);
  if (inspection && inspection->refusal.empty()) return std::move(*inspection);
  context.report.fail(
      inspection ? inspection->refusal : inspection.error().message,
      "the host refuses it before anything of it runs; build it with perch_add_plugin, or copy it again");
  context.report.done("the host would not load it");
  return std::nullopt;
}

}  // namespace perch::check
