#include "engine.hpp"

namespace perch::bench {

std::unique_ptr<Engine> make_perch_engine(ValueSize size);
#ifdef PERCH_BENCH_LMDB
std::unique_ptr<Engine> make_lmdb_engine(ValueSize size);
#endif
#ifdef PERCH_BENCH_ABSL
std::unique_ptr<Engine> make_absl_engine(ValueSize size);
#endif
#ifdef PERCH_BENCH_CONCREAD
std::unique_ptr<Engine> make_concread_engine(ValueSize size);
#endif

const std::vector<EngineKind>& engine_kinds() {
  static const std::vector<EngineKind> kinds = {
      {"perch", make_perch_engine, {Ability::snapshots, Ability::diff, Ability::plugins, Ability::wide_keys}},
#ifdef PERCH_BENCH_LMDB
      {"lmdb", make_lmdb_engine, {Ability::snapshots}},
#endif
#ifdef PERCH_BENCH_ABSL
      {"absl", make_absl_engine, {}},
#endif
#ifdef PERCH_BENCH_CONCREAD
      {"concread", make_concread_engine, {Ability::snapshots}},
#endif
  };
  return kinds;
}

const std::vector<std::string>& missing_engines() {
  static const std::vector<std::string> missing = {
#ifndef PERCH_BENCH_LMDB
      "lmdb (not found when this was built: liblmdb-dev)",
#endif
#ifndef PERCH_BENCH_ABSL
      "absl (not found when this was built: libabsl-dev)",
#endif
#ifndef PERCH_BENCH_CONCREAD
      "concread (not found when this was built: /usr/bin/cargo and rustc, librust-concread-dev)",
#endif
  };
  return missing;
}

}  // namespace perch::bench
