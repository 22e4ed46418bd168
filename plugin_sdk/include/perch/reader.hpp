// Reader: the class that a plugin derives from, and what it tells about itself.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "perch/config.hpp"
#include "perch/host.hpp"
#include "perch/snapshot.hpp"
#include "perch/state.hpp"

namespace perch {

/// A plugin's own line in its manifest: `static constexpr perch::Info info{.id = "vwap", .version =
/// "1.0.0"};`
struct Info {
  std::string_view id;                  ///< [a-z][a-z0-9_-]{0,63}
  std::string_view version;             ///< semver: 1.2.0, 1.3.0-rc.1
  std::uint32_t state_version = 1;      ///< of the states that save writes; raise it when they change
  std::uint32_t oldest_state = 1;       ///< the oldest state version that migrate takes
  std::string_view config_schema = "";  ///< JSON Schema of the config, for a reader without Settings
};

/// A reader derives from this and has, beside the functions it overrides, three things:
///     static constexpr perch::Info info{…};
///     using Tables = perch::Tables<trades::Table, …>;
///     Name(perch::Host& host, const Settings& settings);     `host` lives as long as the reader
/// with `using Settings = …;` a struct as perch/settings.hpp shows it. A reader that takes its config apart
/// itself has no Settings, a constructor (perch::Host&, const perch::Config&), and may give
/// info.config_schema.
///
/// Life: constructor → restore or migrate (only when there is a state) → start → on_commit… → save… → stop →
/// destructor. Thread: all of it on one thread, the reader's own, one call at a time. Threads that a reader
/// starts must have ended when its destructor returns. Errors: an exception fails the call; the host logs its
/// text, and restarts the reader later. A BadConfig thrown by the constructor is final. An exception of
/// restore or migrate leaves the generation that was to be replaced running.
class Reader {
 public:
  virtual ~Reader() = default;

  virtual void start() {}
  /// Once per step; the steps tile all versions: no commit is missed, none is seen twice.
  virtual void on_commit(const Step& step) = 0;
  /// Writes the state as of the last on_commit. on_commit may follow.
  virtual void save(StateWriter&) const {}
  /// Reads what save of this very state version wrote, all of it.
  virtual void restore(StateReader&) {}
  /// Reads a state of an older version, from info.oldest_state on, all of it.
  virtual void migrate(std::uint32_t /*from_version*/, StateReader&) {}
  virtual void stop() {}

 protected:
  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

}  // namespace perch
