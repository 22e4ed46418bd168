#include "curve.hpp"

#include <iomanip>
#include <iostream>

#include "report.hpp"
#include "workload.hpp"

namespace perch::bench {

namespace {

/// What is measured at each size, in the table's order; `run` null: told by the load.
struct Column {
  std::string workload;
  std::string unit;
  RunWorkload run;
};

const std::vector<Column>& columns() {
  static const std::vector<Column> all = {
      {"load", "ns/row", nullptr},
      {"get_random", "ns/row", get_random},
      {"get_many", "ns/row", get_many},
      {"scan", "ns/row", scan},
      {"upsert_random_64", "ns/row", upsert_random_64},
      {"memory", "bytes/row", nullptr},  // of blocks that hold rows
      {"memory_taken", "MB", nullptr},   // from the system
  };
  return all;
}

Report measure_size(const EngineKind& kind, std::uint64_t rows, std::uint64_t repeat) {
  std::cerr << kind.name << ": loading " << rows << " rows\n";
  LoadedEngine loaded(kind, rows, ValueSize::bytes_8);
  const Memory memory = loaded.engine().memory();
  Report report({kind.name});
  report.add("load", "ns/row", kind.name, loaded.load_ns_per_row());
  report.add("memory", "bytes/row", kind.name,
             static_cast<double>(memory.block_bytes) / static_cast<double>(rows));
  report.add("memory_taken", "MB", kind.name, static_cast<double>(memory.system_bytes) / 1e6);
  for (std::uint64_t pass = 0; pass < repeat; ++pass) {
    for (const Column& column : columns()) {
      if (column.run == nullptr) continue;
      for (const Measurement& measurement : column.run(loaded, pass))
        report.add(column.workload, measurement.unit, kind.name, measurement.value);
    }
  }
  return report;
}

}  // namespace

std::string run_curve(const std::vector<const EngineKind*>& kinds, const CurveOptions& options,
                      std::ostream& out) {
  std::string json;
  for (const EngineKind* kind : kinds) {
    out << kind->name << "\n" << std::setw(11) << "rows";
    for (const Column& column : columns()) out << std::setw(18) << column.workload;
    out << "\n" << std::setw(11) << "";
    for (const Column& column : columns()) out << std::setw(18) << column.unit;
    out << "\n";
    for (std::uint64_t rows = 1000; rows <= options.rows_max; rows *= 10) {
      const Report report = measure_size(*kind, rows, options.repeat);
      out << std::setw(11) << rows;
      for (const Column& column : columns())
        out << std::setw(18) << readable(report.median(column.workload, column.unit, kind->name));
      out << std::endl;  // a large size takes minutes
      json += report.json_lines(rows);
    }
  }
  return json;
}

}  // namespace perch::bench
