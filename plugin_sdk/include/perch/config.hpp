// Config: a reader's config, a JSON object, member by member. Most readers have perch/settings.hpp read it
// for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "perch/detail/json_scan.hpp"
#include "perch/detail/json_values.hpp"

namespace perch {

/// Every accessor gives `otherwise` when the member is missing or null, and throws BadConfig, naming the
/// member, when it has another type. Members that are objects or arrays: json(), and a library of your
/// choice.
class Config {
 public:
  /// Copies the text. Throws BadConfig when it is no JSON object.
  explicit Config(std::string_view text) : text_(text) {
    if (!detail::is_json_object(text_)) throw BadConfig("the config is no JSON object");
    detail::for_each_member(text_, [this](std::string name, std::string_view json) {
      members_.push_back({std::move(name), std::string(json)});
    });
  }

  const std::string& text() const noexcept { return text_; }
  bool has(std::string_view name) const noexcept { return find(name) != nullptr; }

  /// Throws BadConfig when the config has a member that is not named here.
  void allow_only(std::initializer_list<std::string_view> names) const {
    allow_only(names.begin(), names.end());
  }
  template <class Iterator>
  void allow_only(Iterator begin, Iterator end) const {
    for (const Member& member : members_) {
      std::string known;
      bool found = false;
      for (Iterator name = begin; name != end; ++name) {
        found = found || *name == member.name;
        known += (known.empty() ? "" : ", ") + std::string(*name);
      }
      if (!found) throw BadConfig("unknown member \"" + member.name + "\" (known: " + known + ")");
    }
  }

  std::string string(std::string_view name, std::string_view otherwise) const {
    return get(name, std::string(otherwise));
  }
  bool boolean(std::string_view name, bool otherwise) const { return get(name, otherwise); }
  double number(std::string_view name, double otherwise) const { return get(name, otherwise); }
  /// A whole number within [least, most].
  std::int64_t integer(std::string_view name, std::int64_t otherwise, std::int64_t least,
                       std::int64_t most) const {
    const auto number = get(name, otherwise);
    if (const Member* member = find(name); member != nullptr && (number < least || number > most)) {
      detail::wrong_value({member->name, member->json},
                          "from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return number;
  }
  /// "250ms", "10s", "1.5m": a string of a number and ns, us, ms, s, m, h or d; plain "0" too.
  std::chrono::nanoseconds duration(std::string_view name, std::chrono::nanoseconds otherwise) const {
    return get(name, otherwise);
  }
  /// The member's own JSON text; "" when it is missing or null. Lives as long as this.
  std::string_view json(std::string_view name) const noexcept {
    const Member* member = find(name);
    return member == nullptr ? std::string_view() : std::string_view(member->json);
  }

 private:
  struct Member {
    std::string name;
    std::string json;
  };

  const Member* find(std::string_view name) const noexcept {
    for (const Member& member : members_) {
      if (member.name == name) return member.json == "null" ? nullptr : &member;
    }
    return nullptr;
  }
  template <class T>
  T get(std::string_view name, T otherwise) const {
    const Member* member = find(name);
    return member == nullptr ? std::move(otherwise) : detail::value_of<T>({member->name, member->json});
  }

  std::string text_;
  std::vector<Member> members_;
};

}  // namespace perch
