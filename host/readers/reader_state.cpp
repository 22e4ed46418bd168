#include "readers/reader_state.hpp"

#include <cstddef>

namespace perch::readers {
namespace {

enum class Has : std::uint8_t { no, yes, maybe };

constexpr std::uint32_t bit_of(ReaderState state) { return std::uint32_t{1} << static_cast<unsigned>(state); }

struct StateRule {
  ReaderState state;
  const char* name;
  std::uint32_t next;  // a bit per state
  bool is_shown;
  Has library, instance, probation, suspended, restart_time, checkpoint;
};

// A swap is carried out whole before anything else happens. One that fails leaves the reader as it was, so a
// reader that is being swapped may have the parts of any state that a swap begins in.
constexpr std::array state_rules = [] {
  using enum ReaderState;
  using enum Has;
  const auto any = [](auto... states) { return (bit_of(states) | ...); };
  // clang-format off
  return std::array<StateRule, reader_states.size()>{{
      // may become                                                            shown  library instance probation suspended restart checkpoint
      {starting, "starting",
       any(running, failed, restarting, quarantined, disabled),                false, maybe,  no,      no,       no,       no,     no},
      {running, "running",
       any(swapping, failed, restarting, quarantined, disabled),               true,  yes,    yes,     no,       no,       no,     no},
      {swapping, "swapping",
       any(running, probation, failed, restarting, quarantined),               true,  maybe,  maybe,   no,       no,       maybe,  maybe},
      {probation, "probation",
       any(running, disabled),                                                 true,  yes,    yes,     yes,      yes,      no,     no},
      {failed, "failed",
       any(running, swapping, disabled),                                       true,  no,     no,      no,       no,       no,     maybe},
      {restarting, "restarting",
       any(running, swapping, failed, restarting, quarantined, disabled),      true,  yes,    no,      no,       no,       yes,    maybe},
      {quarantined, "quarantined",
       any(running, swapping, disabled),                                       true,  no,     no,      no,       no,       no,     maybe},
      {disabled, "disabled",
       any(running),                                                           true,  no,     no,      no,       no,       no,     no},
  }};
  // clang-format on
}();

constexpr bool are_rules_in_order() {
  std::size_t place = 0;
  for (const StateRule& rule : state_rules) {
    if (static_cast<std::size_t>(rule.state) != place || reader_states[place] != rule.state) return false;
    ++place;
  }
  return place == reader_states.size();
}
static_assert(are_rules_in_order(), "each state has its rule, at its place");

constexpr const StateRule& rule_of(ReaderState state) { return state_rules[static_cast<std::size_t>(state)]; }

}  // namespace

const char* to_string(ReaderState state) noexcept { return rule_of(state).name; }

bool may_follow(ReaderState before, ReaderState next) noexcept {
  return (rule_of(before).next & bit_of(next)) != 0;
}

bool may_have_restart_time(ReaderState state) noexcept { return rule_of(state).restart_time != Has::no; }

std::string problem_of(ReaderState state, const ReaderParts& parts) {
  const StateRule& rule = rule_of(state);
  if (!rule.is_shown) return std::string("shown while ") + rule.name;
  if (parts.instance && !parts.library) return std::string(rule.name) + " with an instance but no library";
  const struct {
    const char* name;
    Has wanted;
    bool is_there;
  } looks[] = {
      {"a library", rule.library, parts.library},
      {"an instance", rule.instance, parts.instance},
      {"a probation", rule.probation, parts.probation},
      {"a suspended instance", rule.suspended, parts.suspended},
      {"a time for its restart", rule.restart_time, parts.restart_time},
      {"a checkpoint", rule.checkpoint, parts.checkpoint},
  };
  for (const auto& look : looks) {
    if (look.wanted == Has::maybe || look.is_there == (look.wanted == Has::yes)) continue;
    return std::string(rule.name) + (look.is_there ? " with " : " without ") + look.name;
  }
  return {};
}

}  // namespace perch::readers
