// The kinds of fields: one function each that makes a Field from a name, the member that it fills, its
// bounds, and what a reload does with it. A field that the config leaves out keeps the value that the spec
// begins with.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/units.hpp"
#include "config/field.hpp"

namespace perch {

template <class T>
struct HeldBy {
  using Type = T;
};
template <class T>
struct HeldBy<std::optional<T>> {
  using Type = T;
};

/// A value in the message that refuses to change it; "": no words for it.
template <class Spec>
using Show = std::function<std::string(const Spec&)>;

template <class Spec>
Show<Spec> show_nothing() {
  return [](const Spec&) { return std::string(); };
}

/// `text`: of a value.
template <class Spec, class Member, class Text>
Show<Spec> show_member(Member Spec::*member, Text text) {
  return [member, text](const Spec& spec) -> std::string {
    if constexpr (std::is_same_v<Member, typename HeldBy<Member>::Type>) {
      return text(spec.*member);
    } else {
      return spec.*member ? text(*(spec.*member)) : std::string();
    }
  };
}

std::string show_text(const std::string& text);  ///< in quotes
std::string show_path(const std::filesystem::path& path);

/// "arena.size: runs with 4.0 GiB, cannot become 8.0 GiB while the host runs"
std::string cannot_change(const std::string& place, const std::string& running, const std::string& wanted);

/// One difference when the values are not the same. `same`: of two specs, by this field.
template <class Spec, class Same>
typename Field<Spec>::Compare compare_value(const std::string& name, ReloadRule rule, Same same,
                                            Show<Spec> show) {
  return [name, rule, same, show](const std::string& place, const Spec& running, const Spec& wanted,
                                  std::vector<Difference>& differences) {
    if (same(running, wanted)) return;
    const std::string at = join_place(place, name);
    differences.push_back(
        {Difference::Kind::changed, rule, at, cannot_change(at, show(running), show(wanted))});
  };
}

/// Read in a way of its own, and compared as the member's type compares.
template <class Spec, class Member>
Field<Spec> member_field(const std::string& name, Member Spec::*member, ReloadRule rule,
                         typename Field<Spec>::Read read, Show<Spec> show = show_nothing<Spec>()) {
  const auto same = [member](const Spec& one, const Spec& other) { return one.*member == other.*member; };
  return {name, std::move(read), compare_value<Spec>(name, rule, same, std::move(show))};
}

template <class Spec, class Member>
Field<Spec> flag_field(const std::string& name, Member Spec::*member, ReloadRule rule) {
  return member_field(name, member, rule, [name, member](ObjectReader& object, Reading&, Spec& spec) {
    if (object.has(name)) spec.*member = object.flag(name, false);
  });
}

template <class Spec, class Member>
Field<Spec> integer_field(const std::string& name, Member Spec::*member, std::uint64_t min, std::uint64_t max,
                          ReloadRule rule) {
  using Number = typename HeldBy<Member>::Type;
  return member_field(
      name, member, rule,
      [name, member, min, max](ObjectReader& object, Reading&, Spec& spec) {
        if (object.has(name)) spec.*member = static_cast<Number>(object.integer(name, min, min, max));
      },
      show_member(member, [](Number number) { return std::to_string(number); }));
}

/// A part of the member's unit counts as a whole one.
template <class Spec, class Member>
Field<Spec> duration_field(const std::string& name, Member Spec::*member, std::chrono::nanoseconds min,
                           std::chrono::nanoseconds max, ReloadRule rule) {
  using Duration = typename HeldBy<Member>::Type;
  return member_field(
      name, member, rule,
      [name, member, min, max](ObjectReader& object, Reading&, Spec& spec) {
        if (object.has(name))
          spec.*member = std::chrono::ceil<Duration>(object.duration(name, min, min, max));
      },
      show_member(member, [](Duration duration) { return format_duration(duration); }));
}

template <class Spec>
Field<Spec> size_field(const std::string& name, std::uint64_t Spec::*member, std::uint64_t min,
                       std::uint64_t max, ReloadRule rule) {
  return member_field(
      name, member, rule,
      [name, member, min, max](ObjectReader& object, Reading&, Spec& spec) {
        if (object.has(name)) spec.*member = object.size(name, min, min, max);
      },
      show_member(member, format_size));
}

/// The words, and what each of them means.
template <class Spec, class Member>
Field<Spec> choice_field(const std::string& name, Member Spec::*member,
                         const std::vector<std::pair<std::string, typename HeldBy<Member>::Type>>& choices,
                         ReloadRule rule) {
  return member_field(name, member, rule,
                      [name, member, choices](ObjectReader& object, Reading&, Spec& spec) {
                        if (!object.has(name)) return;
                        std::vector<std::string> words;
                        for (const auto& [word, meaning] : choices) words.push_back(word);
                        const std::string given = object.choice(name, words);
                        for (const auto& [word, meaning] : choices) {
                          if (word == given) spec.*member = meaning;
                        }
                      });
}

template <class Spec, class Member>
Field<Spec> text_field(const std::string& name, Member Spec::*member, ReloadRule rule) {
  return member_field(
      name, member, rule,
      [name, member](ObjectReader& object, Reading&, Spec& spec) {
        if (object.has(name)) spec.*member = object.text(name, "");
      },
      show_member(member, show_text));
}

/// See ObjectReader::name.
template <class Spec>
Field<Spec> name_field(const std::string& name, std::string Spec::*member, ReloadRule rule) {
  return member_field(
      name, member, rule,
      [name, member](ObjectReader& object, Reading&, Spec& spec) {
        if (object.has(name)) spec.*member = object.name(name);
      },
      show_member(member, show_text));
}

template <class Spec>
Field<Spec> texts_field(const std::string& name, std::vector<std::string> Spec::*member, ReloadRule rule) {
  return member_field(name, member, rule, [name, member](ObjectReader& object, Reading&, Spec& spec) {
    spec.*member = object.texts(name);
  });
}

/// `fallback`: relative to the config file, as all paths; "": none.
template <class Spec>
Field<Spec> path_field(const std::string& name, std::filesystem::path Spec::*member, ReloadRule rule,
                       const std::string& fallback = "") {
  return member_field(
      name, member, rule,
      [name, member, fallback](ObjectReader& object, Reading&, Spec& spec) {
        spec.*member = object.path(name, fallback);
      },
      show_member(member, show_path));
}

template <class Spec>
Field<Spec> paths_field(const std::string& name, std::vector<std::filesystem::path> Spec::*member,
                        ReloadRule rule) {
  return member_field(name, member, rule, [name, member](ObjectReader& object, Reading&, Spec& spec) {
    spec.*member = object.paths(name);
  });
}

template <class Spec>
Field<Spec> file_mode_field(const std::string& name, unsigned Spec::*member, ReloadRule rule) {
  return member_field(name, member, rule, [name, member](ObjectReader& object, Reading&, Spec& spec) {
    spec.*member = object.file_mode(name, spec.*member);
  });
}

/// An object whose fields have rules of their own. `part`: of a spec, the one that the object fills; a
/// member, or a function for constant and other specs.
template <class Spec, class Part, class Inner>
Field<Spec> object_field(const std::string& name, Part part, const Section<Inner>& section) {
  return {name,
          [name, part, &section](ObjectReader& object, Reading& reading, Spec& spec) {
            section.read(object.object(name), object.place(name), reading, std::invoke(part, spec));
          },
          [name, part, &section](const std::string& place, const Spec& running, const Spec& wanted,
                                 std::vector<Difference>& differences) {
            section.compare(join_place(place, name), std::invoke(part, running), std::invoke(part, wanted),
                            differences);
          }};
}

/// The same of an object that means something by being there: the rule is for its coming and going.
template <class Spec, class Inner>
Field<Spec> optional_field(const std::string& name, std::optional<Inner> Spec::*member,
                           const Section<Inner>& section, ReloadRule rule) {
  return {name,
          [name, member, &section](ObjectReader& object, Reading& reading, Spec& spec) {
            if (const ConfigJson* given = object.object(name))
              section.read(given, object.place(name), reading, (spec.*member).emplace());
          },
          [name, member, &section, rule](const std::string& place, const Spec& running, const Spec& wanted,
                                         std::vector<Difference>& differences) {
            const std::string at = join_place(place, name);
            if (running.*member && wanted.*member) {
              section.compare(at, *(running.*member), *(wanted.*member), differences);
            } else if (running.*member || wanted.*member) {
              differences.push_back({Difference::Kind::changed, rule, at, cannot_change(at, "", "")});
            }
          }};
}

/// An array of objects, one spec each.
template <class Item>
void read_elements(ObjectReader& object, std::string_view name, const Section<Item>& section,
                   Reading& reading, std::vector<Item>& items) {
  for (const ConfigJson* element : object.elements(name)) {
    const std::string place = join_place(object.place(name), items.size());
    section.read(element, place, reading, items.emplace_back());
    if (reading.problem.found()) return;
  }
}

/// An array of objects that is one value: of no other order or number either.
template <class Spec, class Item>
Field<Spec> list_field(const std::string& name, std::vector<Item> Spec::*member, const Section<Item>& section,
                       ReloadRule rule, Show<Spec> show = show_nothing<Spec>()) {
  const auto same = [member, &section](const Spec& one, const Spec& other) {
    return section.same(one.*member, other.*member);
  };
  return {name,
          [name, member, &section](ObjectReader& object, Reading& reading, Spec& spec) {
            read_elements(object, name, section, reading, spec.*member);
          },
          compare_value<Spec>(name, rule, same, std::move(show))};
}

/// Of a list whose elements are told apart by their names, in whatever order: which come, go, and change. The
/// rule is for coming and going. `part`: see object_field.
template <class Spec, class Part, class Item>
typename Field<Spec>::Compare compare_named(const std::string& name, Part part, const Section<Item>& section,
                                            ReloadRule rule) {
  return [name, part, &section, rule](const std::string& place, const Spec& running, const Spec& wanted,
                                      std::vector<Difference>& differences) {
    const std::string list = join_place(place, name);
    const auto find = [](const std::vector<Item>& items, const std::string& wanted_name) {
      return std::find_if(items.begin(), items.end(),
                          [&](const Item& item) { return item.name == wanted_name; });
    };
    const std::vector<Item>& before = std::invoke(part, running);
    const std::vector<Item>& after = std::invoke(part, wanted);
    for (const Item& item : before) {
      const std::string at = join_place(list, item.name);
      const auto now = find(after, item.name);
      const auto first = static_cast<std::ptrdiff_t>(differences.size());
      if (now != after.end()) {
        section.compare(at, item, *now, differences);
      } else {
        differences.push_back({Difference::Kind::removed, rule, at, cannot_change(at, "", "")});
      }
      std::for_each(differences.begin() + first, differences.end(),
                    [&](Difference& difference) { difference.element = item.name; });
    }
    for (const Item& item : after) {
      if (find(before, item.name) != before.end()) continue;
      const std::string at = join_place(list, item.name);
      differences.push_back({Difference::Kind::added, rule, at, cannot_change(at, "", ""), item.name});
    }
  };
}

/// `max`: how many there may be, of what.
template <class Spec, class Part, class Item>
Field<Spec> named_list_field(const std::string& name, Part part, const Section<Item>& section,
                             std::pair<std::size_t, std::string> max, ReloadRule rule) {
  return {name,
          [name, part, &section, max](ObjectReader& object, Reading& reading, Spec& spec) {
            if (object.elements(name).size() > max.first) {
              reading.problem.report(object.place(name),
                                     "more than " + std::to_string(max.first) + " " + max.second);
            }
            read_elements(object, name, section, reading, std::invoke(part, spec));
          },
          compare_named<Spec>(name, part, section, rule)};
}

}  // namespace perch
