// Methods: what the control socket offers, as tables: name, parameters and what runs. host.methods lists
// them.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "control/connection.hpp"
#include "control/json_rpc.hpp"
#include "control/mailbox.hpp"
#include "control/server.hpp"

namespace perch::control {

enum class ParameterType { text, integer, boolean, object, texts, duration };
const char* to_string(ParameterType type) noexcept;

struct Parameter {
  const char* name;
  ParameterType type;
  bool required;
  const char* description;
};

/// One request in a handler's hands. Its parameters have been checked against the method's table: they are
/// known, of the right type, and the required ones are there.
class Call {
 public:
  Call(const Host& the_host, const nlohmann::json& params, Connection& the_connection,
       PendingRequest& pending, const std::shared_ptr<Mailbox>& the_mailbox, std::uint64_t ticket)
      : host(the_host),
        connection(the_connection),
        mailbox(the_mailbox),
        answer(the_mailbox, the_connection.id(), ticket),
        params_(params),
        pending_(pending) {}

  bool has(const char* name) const { return params_.contains(name); }
  std::string text(const char* name, std::string otherwise = {}) const {
    return params_.value(name, otherwise);
  }
  bool flag(const char* name) const { return params_.value(name, false); }
  const nlohmann::json* find(const char* name) const {
    const auto found = params_.find(name);
    return found == params_.end() ? nullptr : &*found;
  }
  /// The request may take so much longer than others.
  void allow_more_time(std::chrono::nanoseconds extra) const {
    pending_.deadline += std::chrono::duration_cast<Clock::duration>(extra);
  }

  /// These go with the answer, which must be a result.
  void give(std::vector<UniqueFd> descriptors) const { pending_.descriptors = std::move(descriptors); }

  const Host& host;
  Connection& connection;
  const std::shared_ptr<Mailbox>& mailbox;
  const Responder answer;  ///< to be called once, now or later, from any thread

 private:
  const nlohmann::json& params_;
  PendingRequest& pending_;
};

struct Method {
  const char* name;
  const char* summary;
  bool changes;  ///< for owners only
  std::vector<Parameter> parameters;
  void (*run)(const Call& call);  ///< on the server's thread; must not block
};

// One table per subject; they live as long as the program.
std::span<const Method> host_methods();
std::span<const Method> reader_methods();
std::span<const Method> table_methods();
std::span<const Method> event_methods();
std::span<const Method> client_methods();

/// All of them, in the order above.
const std::vector<Method>& all_methods();

/// Error: unknown parameter (with the nearest), wrong type, a required one is missing.
Result<void> check_parameters(const Method& method, const nlohmann::json& params);

/// Error for a name that no method has, with the nearest one.
Error unknown_method(std::string_view name);

}  // namespace perch::control
