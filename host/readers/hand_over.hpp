// HandOver: puts the next generation of a reader in the place of the one that runs, or only rehearses it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "instances/step_timer.hpp"
#include "plugin/plugin_file.hpp"
#include "readers/generation_loader.hpp"
#include "readers/reader.hpp"
#include "readers/reader_events.hpp"
#include "readers/readers_spec.hpp"
#include "readers/retired_generations.hpp"
#include "readers/swap_report.hpp"
#include "tables/catalog.hpp"

namespace perch::readers {

/// What the next generation is to be made of.
struct NextGeneration {
  const char* verb;            ///< for messages
  const char* event;           ///< published when it has taken over
  std::filesystem::path file;  ///< whose content is loaded
  std::filesystem::path from;  ///< where that came from, as the reader's file is shown
  std::string config;
  bool without_state = false;
  bool without_trial = false;
};

/// For the manager thread. What it is made with outlives it.
class HandOver {
 public:
  HandOver(const ReadersSpec& spec, const tables::Catalog& catalog, GenerationLoader& loader,
           RetiredGenerations& retired)
      : spec_(spec), catalog_(catalog), loader_(loader), retired_(retired) {}

  /// Returns the old generation: suspended, or without an instance when none ran. After an error everything
  /// is as it was.
  Result<Generation> replace(Reader& reader, const NextGeneration& next, SwapReport& report,
                             instances::StepTimer& timer);
  /// Everything that changes nothing: the old one goes on with its next step as soon as it has saved.
  Result<void> rehearse(const Reader& reader, const NextGeneration& next, SwapReport& report,
                        instances::StepTimer& timer);

 private:
  Result<void> check(const Reader& reader, const plugin::PluginFile& file, const NextGeneration& next) const;
  Result<std::optional<Trial>> trial_of(const Reader& reader, const InstanceSpec& spec,
                                        const NextGeneration& next, const plugin::Manifest& manifest,
                                        instances::StepTimer& timer) const;
  std::string remark_on(const Reader& reader, const NextGeneration& next,
                        const plugin::PluginLibrary& library) const;
  Result<Generation> prepare(const Reader& reader, const NextGeneration& next, SwapReport& report,
                             instances::StepTimer& timer);
  Error give_up(Generation next, const std::string& reader, Error error);
  Result<void> take_over(const Reader& reader, const Generation& next, SwapReport& report,
                         instances::StepTimer& timer) const;
  Result<void> take_over_without_state(const Reader& reader, const Generation& next,
                                       instances::StepTimer& timer) const;
  Result<void> rehearse_restore(const Reader& reader, const Generation& next, SwapReport& report,
                                instances::StepTimer& timer) const;

  const ReadersSpec& spec_;
  const tables::Catalog& catalog_;
  GenerationLoader& loader_;
  RetiredGenerations& retired_;
};

}  // namespace perch::readers
