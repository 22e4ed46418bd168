// The curve: what a row costs as the table grows, from a thousand rows to a hundred million.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "engine.hpp"

namespace perch::bench {

struct CurveOptions {
  std::uint64_t rows_max = 100'000'000;
  std::uint64_t repeat = 5;
};

/// Measures each engine at 1000 rows, 10 000 and so on: values of 8 bytes, keys at random, loaded 1024 a
/// commit. Prints a table per engine line by line, progress to stderr; returns the results as
/// Report::json_lines does.
std::string run_curve(const std::vector<const EngineKind*>& kinds, const CurveOptions& options,
                      std::ostream& out);

}  // namespace perch::bench
