// Field and Section: the table of the config's names. An entry says how its value is read into a spec and
// what a reload does when the value is another one; names, reading and comparing follow from it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/differences.hpp"
#include "config/object.hpp"

namespace perch {

/// What the parts of one config need of each other while they are read.
struct Reading {
  ConfigProblem& problem;
  const std::filesystem::path& program_folder;  ///< where commands are looked up before PATH
  const Config& config;                         ///< as far as it is read
  std::optional<tables::Catalog> catalog = {};  ///< of the config's tables, once they are read
};

/// One name of a section whose values make up a `Spec`. field_kinds.hpp makes them.
template <class Spec>
struct Field {
  using Read = std::function<void(ObjectReader&, Reading&, Spec&)>;
  /// `place`: of the object that has the field.
  using Compare = std::function<void(const std::string& place, const Spec& running, const Spec& wanted,
                                     std::vector<Difference>& differences)>;
  using Holds = bool (*)(ObjectReader&, const Reading&, const Spec&);
  struct Condition {
    Holds holds;
    std::string_view why_not;
  };

  Field(std::string its_name, Read its_read, Compare its_compare)
      : name(std::move(its_name)), read(std::move(its_read)), compare(std::move(its_compare)) {}

  /// Wherever it may be given, it must be.
  Field required() && {
    is_required = true;
    return std::move(*this);
  }
  /// May be given only where this holds; elsewhere it is reported with `why_not`. The fields above it are
  /// read.
  Field only(Holds holds, std::string_view why_not) && {
    conditions.push_back({holds, why_not});
    return std::move(*this);
  }
  /// These names stand for the one element of this list, where the list itself is left out.
  Field or_else(std::vector<std::string> names) && {
    stands_for_it = std::move(names);
    return std::move(*this);
  }

  std::string name;
  Read read;
  Compare compare;
  bool is_required = false;
  std::vector<Condition> conditions = {};
  std::vector<std::string> stands_for_it = {};
};

/// All names of one kind of object. Immutable; any thread.
template <class Spec>
class Section {
 public:
  /// What the fields must be beside each other; called when nothing is wrong with each of them.
  using Check = void (*)(ObjectReader&, Reading&, Spec&);

  /// `kind`: the object's definition in config/perch.schema.json.
  Section(std::string kind, std::vector<Field<Spec>> fields, Check check = nullptr)
      : kind_(std::move(kind)), fields_(std::move(fields)), check_(check) {
    for (const Field<Spec>& field : fields_) {
      names_.insert(names_.end(), field.stands_for_it.begin(), field.stands_for_it.end());
      names_.push_back(field.name);
    }
  }

  const std::string& kind() const noexcept { return kind_; }
  /// In the order in which they are listed to people.
  const std::vector<std::string>& names() const noexcept { return names_; }

  /// `object` null: it is left out.
  void read(const ConfigJson* object, const std::string& place, Reading& reading, Spec& spec) const {
    ObjectReader reader(object, place, names_, reading.problem);
    read_members(reader, reading, spec);
  }

  void read_members(ObjectReader& object, Reading& reading, Spec& spec) const {
    for (const Field<Spec>& field : fields_) {
      const auto fails = [&](const auto& condition) { return !condition.holds(object, reading, spec); };
      const auto failed = std::find_if(field.conditions.begin(), field.conditions.end(), fails);
      if (failed == field.conditions.end()) {
        if (field.is_required) object.require(field.name);
        field.read(object, reading, spec);
      } else {
        object.forbid(field.name, failed->why_not);
      }
      if (reading.problem.found()) return;
    }
    if (check_ != nullptr) check_(object, reading, spec);
  }

  void compare(const std::string& place, const Spec& running, const Spec& wanted,
               std::vector<Difference>& differences) const {
    for (const Field<Spec>& field : fields_) field.compare(place, running, wanted, differences);
  }

  bool same(const Spec& one, const Spec& other) const {
    std::vector<Difference> differences;
    compare("", one, other, differences);
    return differences.empty();
  }

  bool same(const std::vector<Spec>& ones, const std::vector<Spec>& others) const {
    return std::equal(ones.begin(), ones.end(), others.begin(), others.end(),
                      [this](const Spec& one, const Spec& other) { return same(one, other); });
  }

 private:
  std::string kind_;
  std::vector<Field<Spec>> fields_;
  Check check_;
  std::vector<std::string> names_;
};

}  // namespace perch
