// All that a reader plugin in C++20 needs. A plugin is one class derived from perch::Reader and, in one
// source file at global scope, PERCH_PLUGIN(ThatClass). See the README for a whole one.
//
// Nothing here has state or needs more than the standard library, so that a plugin can be unloaded again.
#pragma once

#include <concepts>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include "perch/json.hpp"
#include "perch/layout.hpp"
#include "perch/manifest.hpp"
#include "perch/plugin.h"
#include "perch/reader.hpp"
#include "perch/settings.hpp"

namespace perch::detail {

/// Copies a message to where the host reads it, cut between two characters.
inline void leave_message(perch_error* error, std::string_view message) noexcept {
  std::size_t size = message.size() < sizeof error->message ? message.size() : sizeof error->message - 1;
  if (size < message.size()) {
    while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xC0u) == 0x80u) --size;
  }
  std::memcpy(error->message, message.data(), size);
  error->message[size] = '\0';
}

/// Runs a call of the host: no exception leaves the plugin.
template <class Call>
perch_result guarded(perch_error* error, Call call) noexcept {
  try {
    call();
    return PERCH_OK;
  } catch (const BadConfig& problem) {
    leave_message(error, problem.what());
    return PERCH_BAD_CONFIG;
  } catch (const std::exception& problem) {
    leave_message(error, problem.what());
  } catch (...) {
    leave_message(error, "an exception that is no std::exception");
  }
  return PERCH_FAILED;
}

/// What a reader's constructor takes beside its host.
template <class R>
struct SettingsType {
  using type = Config;
};
template <HasSettings R>
struct SettingsType<R> {
  using type = typename R::Settings;
};
template <class R>
using SettingsOf = typename SettingsType<R>::type;

// A pointer to a function that R inherits is one to a member of Reader.
template <class R>
inline constexpr bool overrides_save = !std::same_as<decltype(&R::save), decltype(&Reader::save)>;
template <class R>
inline constexpr bool overrides_restore = !std::same_as<decltype(&R::restore), decltype(&Reader::restore)>;
template <class R>
inline constexpr bool overrides_migrate = !std::same_as<decltype(&R::migrate), decltype(&Reader::migrate)>;

/// The functions of the binary interface for the reader class R.
template <class R>
struct Plugin {
  static_assert(std::derived_from<R, Reader>, "perch: a reader derives from perch::Reader");
  static_assert(!HasSettings<R> || std::constructible_from<R, Host&, const SettingsOf<R>&>,
                "perch: a reader with Settings has a constructor (perch::Host&, const Settings&)");
  static_assert(HasSettings<R> || std::constructible_from<R, Host&, const Config&>,
                "perch: a reader without Settings has a constructor (perch::Host&, const perch::Config&)");
  static_assert(overrides_save<R> == overrides_restore<R>,
                "perch: a reader that overrides one of save and restore overrides both");
  static_assert(R::info.oldest_state == R::info.state_version || overrides_migrate<R>,
                "perch: a reader whose oldest_state is older than its state_version overrides migrate");

  struct Instance {
    Instance(const perch_host* c_host, const SettingsOf<R>& settings)
        : host(c_host), reader(host, settings) {}
    Host host;
    R reader;
  };

  static R& reader(void* instance) noexcept { return static_cast<Instance*>(instance)->reader; }

  static perch_result create(const perch_host* host, perch_string config, void** instance,
                             perch_error* error) noexcept {
    return guarded(error, [&] {
      if (host->abi_version != PERCH_ABI_VERSION || host->struct_size < sizeof(perch_host)) {
        throw std::runtime_error("built for binary interface " + std::to_string(PERCH_ABI_VERSION) + " (" +
                                 std::to_string(sizeof(perch_host)) + " bytes), the host has " +
                                 std::to_string(host->abi_version) + " (" +
                                 std::to_string(host->struct_size) + ")");
      }
      const Config members(std::string_view(config.data, config.size));
      if constexpr (HasSettings<R>) {
        *instance = new Instance(host, read_settings<SettingsOf<R>>(members));
      } else {
        *instance = new Instance(host, members);
      }
    });
  }
  static perch_result restore(void* instance, std::uint32_t state_version, const void* state,
                              std::size_t size, perch_error* error) noexcept {
    return guarded(error, [&] {
      StateReader in(state, size);
      if (state_version == R::info.state_version) {
        reader(instance).restore(in);
      } else if (state_version >= R::info.oldest_state && state_version < R::info.state_version) {
        reader(instance).migrate(state_version, in);
      } else {
        throw std::runtime_error("cannot restore state version " + std::to_string(state_version));
      }
      if (in.bytes_left() != 0) {
        throw std::runtime_error("restore left " + std::to_string(in.bytes_left()) + " of " +
                                 std::to_string(size) + " bytes unread");
      }
    });
  }
  static perch_result start(void* instance, perch_error* error) noexcept {
    return guarded(error, [&] { reader(instance).start(); });
  }
  static perch_result on_commit(void* instance, const perch_step* step, perch_error* error) noexcept {
    return guarded(error, [&] {
      auto* self = static_cast<Instance*>(instance);
      self->reader.on_commit(Step({self->host.c_host(), R::Tables::facts}, *step));
    });
  }
  static perch_result save(void* instance, const perch_state_sink* sink, perch_error* error) noexcept {
    return guarded(error, [&] {
      StateWriter out(sink);
      const R& saved = reader(instance);
      saved.save(out);
      out.flush();
    });
  }
  static perch_result stop(void* instance, perch_error* error) noexcept {
    return guarded(error, [&] { reader(instance).stop(); });
  }
  static void destroy(void* instance) noexcept { delete static_cast<Instance*>(instance); }

  static consteval perch_plugin_api api(const char* manifest, std::size_t manifest_size) {
    return {.struct_size = sizeof(perch_plugin_api),
            .abi_version = PERCH_ABI_VERSION,
            .manifest = manifest,
            .manifest_size = manifest_size,
            .create = create,
            .restore = restore,
            .start = start,
            .on_commit = on_commit,
            .save = save,
            .stop = stop,
            .destroy = destroy};
  }
};

}  // namespace perch::detail

/// Makes the plugin: its manifest, and the one symbol that it exports.
#define PERCH_PLUGIN(ReaderClass)                                                                     \
  namespace {                                                                                         \
  __attribute__((section(PERCH_NOTE_SECTION), used, aligned(4))) constexpr auto perch_manifest_note = \
      ::perch::detail::make_note<ReaderClass>();                                                      \
  }                                                                                                   \
  extern "C" {                                                                                        \
  constinit const perch_plugin_api perch_plugin = ::perch::detail::Plugin<ReaderClass>::api(          \
      perch_manifest_note.descriptor, perch_manifest_note.descriptor_size);                           \
  }
