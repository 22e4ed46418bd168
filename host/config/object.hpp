// ObjectReader: takes the members of a config's object, each with its type, bounds and place.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"

namespace perch {

/// The first thing that is wrong with a config; what comes after is often only its consequence.
class ConfigProblem {
 public:
  explicit ConfigProblem(std::filesystem::path file) : file_(std::move(file)) {}

  /// "<file>: <place>: <message>"
  void report(std::string_view place, std::string_view message);
  bool found() const noexcept { return !message_.empty(); }
  Error error() const { return Error{ErrorKind::usage, message_, {}}; }
  const std::filesystem::path& file() const noexcept { return file_; }

 private:
  std::filesystem::path file_;
  std::string message_;
};

/// `; did you mean "trades"? (tables: trades, quotes)`: the end of a message about a name that is none of
/// `valid`.
std::string suggest(std::string_view name, std::string_view what, const std::vector<std::string>& valid);

/// Once a problem was reported, here or elsewhere, values are defaults: readers go on without looking and the
/// caller asks ConfigProblem at the end. References to the document, the
/// names and the problem must outlive this.
class ObjectReader {
 public:
  /// `object` null: left out, every member is absent. A member that is none of `names` is reported, as is a
  /// value that is no object.
  ObjectReader(const ConfigJson* object, std::string place, const std::vector<std::string>& names,
               ConfigProblem& problem);

  const std::string& place() const noexcept { return place_; }
  std::string place(std::string_view name) const { return join_place(place_, name); }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The member of whatever type, null when absent.
  const ConfigJson* find(std::string_view name) const;
  /// Reports the member when it is missing.
  void require(std::string_view name);
  /// Reports the member when it is there, since `why` it makes no sense.
  void forbid(std::string_view name, std::string_view why);

  /// Absent members give the fallback; an empty text is reported.
  std::string text(std::string_view name, std::string_view fallback);
  /// A name for people and commands: [A-Za-z_][A-Za-z0-9_.-]{0,63}. Required.
  std::string name(std::string_view name);
  /// One of `choices`, of which the first is the fallback.
  std::string choice(std::string_view name, const std::vector<std::string>& choices);
  bool flag(std::string_view name, bool fallback);
  std::uint64_t integer(std::string_view name, std::uint64_t fallback, std::uint64_t min, std::uint64_t max);
  std::chrono::nanoseconds duration(std::string_view name, std::chrono::nanoseconds fallback,
                                    std::chrono::nanoseconds min, std::chrono::nanoseconds max);
  std::uint64_t size(std::string_view name, std::uint64_t fallback, std::uint64_t min, std::uint64_t max);
  /// "0660"
  unsigned file_mode(std::string_view name, unsigned fallback);
  std::vector<std::string> texts(std::string_view name);
  /// A path; relative ones are relative to the config file. Absent: the fallback, resolved likewise; "" stays
  /// "".
  std::filesystem::path path(std::string_view name, std::string_view fallback);
  std::vector<std::filesystem::path> paths(std::string_view name);
  /// The member as an object (its type is checked here) or null when absent.
  const ConfigJson* object(std::string_view name);
  /// The array's elements, none when absent.
  std::vector<const ConfigJson*> elements(std::string_view name);

 private:
  /// find, and the value's type checked: `expected` is what to write, for people.
  const ConfigJson* find_typed(std::string_view name, bool (*is_type)(const ConfigJson&),
                               std::string_view expected);

  const ConfigJson* object_ = nullptr;
  std::string place_;
  const std::vector<std::string>& names_;
  ConfigProblem& problem_;
};

}  // namespace perch
