// Workloads of streams: whole ways from a feed to where its rows can be read, beside other systems' ways.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report.hpp"

namespace perch::bench {

struct StreamWorkload {
  std::string name;
  std::vector<std::string> engines;  ///< those that take part, perch first
  /// Runs every engine once, each in its turn. Prints to stderr why one sits it out.
  void (*run)(Report& report, std::uint64_t rows);
};

const std::vector<StreamWorkload>& stream_workloads();

void ingest_ndjson(Report& report, std::uint64_t rows);
void ingest_csv(Report& report, std::uint64_t rows);
void ingest_binary(Report& report, std::uint64_t rows);
void thread_vs_process(Report& report, std::uint64_t rows);
void event_to_reader(Report& report, std::uint64_t rows);

}  // namespace perch::bench
