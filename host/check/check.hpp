// Check: one thing that is looked at in a plugin, in a process of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "check/check_report.hpp"

namespace perch::check {

/// What a user can say about how a plugin is checked.
struct CheckOptions {
  std::filesystem::path file;
  std::uint64_t seed = 1;             ///< of the rows and of everything else that is random
  std::uint64_t rows = 1000;          ///< of each table
  std::optional<std::string> config;  ///< for the life-cycle; else {}, or one made from the schema
  std::chrono::nanoseconds deadline = std::chrono::seconds(10);  ///< of each check
};

/// What a check works with, in its child process.
struct CheckContext {
  const CheckOptions& options;
  const std::filesystem::path folder;  ///< for private copies of the plugin; the parent removes it
  CheckReport& report;
  const std::chrono::steady_clock::time_point
      ends;  ///< by then a check leaves the rest of its repetitions out

  bool is_time_over() const { return std::chrono::steady_clock::now() >= ends; }
};

struct Check {
  const char* name;
  const char* shows;  ///< what a pass means, a few words
  bool runs_plugin;   ///< code of the plugin runs: of no use when the file cannot be loaded
  void (*run)(CheckContext& context);
};

/// All checks in the order in which they are made; the first one decides whether the file is a plugin at all.
std::span<const Check> all_checks() noexcept;
const Check* find_check(std::string_view name) noexcept;

// Each in a file of its own, check_….cpp.
void check_manifest(CheckContext& context);
void check_symbols(CheckContext& context);
void check_unmappable(CheckContext& context);
void check_libraries(CheckContext& context);
void check_load(CheckContext& context);
void check_life_cycle(CheckContext& context);
void check_instances(CheckContext& context);
void check_grown_records(CheckContext& context);
void check_state(CheckContext& context);
void check_damaged_state(CheckContext& context);
void check_config(CheckContext& context);
void check_output(CheckContext& context);
void check_callbacks(CheckContext& context);
void check_leftovers(CheckContext& context);

}  // namespace perch::check
