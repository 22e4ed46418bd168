// StateWriter, StateReader: the state that a reader hands over to its next generation, as plain bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "perch/plugin.h"

namespace perch {

namespace detail {
/// What may lie in a state byte by byte: another copy of the library, perhaps another process, reads it.
template <class T>
inline constexpr bool is_state_value =
    std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && !std::is_member_pointer_v<T> &&
    std::is_default_constructible_v<T> && !std::is_convertible_v<T, std::string_view>;

template <class T>
consteval void check_state_value() {
  static_assert(!std::is_convertible_v<T, std::string_view>,
                "perch: a text goes into a state by put_string and comes out by get_string");
  static_assert(
      is_state_value<T> || std::is_convertible_v<T, std::string_view>,
      "perch: a state takes plain values, without pointers; of a container put the size, then each element");
}
}  // namespace detail

/// Collects a state. Alive during save.
class StateWriter {
 public:
  explicit StateWriter(const perch_state_sink* sink) noexcept : sink_(sink) {}
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  /// A plain value: a number, perch::chars<N>, a struct of such. Texts: put_string; containers: the size,
  /// then each element.
  template <class T>
  void put(const T& value) {
    detail::check_state_value<T>();
    put_bytes(&value, sizeof value);
  }
  void put_string(std::string_view text) {
    put(std::uint64_t{text.size()});
    put_bytes(text.data(), text.size());
  }
  /// Throws std::length_error when the state grows beyond 1 GiB.
  void put_bytes(const void* bytes, std::size_t size) {
    buffer_.append(static_cast<const char*>(bytes), size);
    if (buffer_.size() >= flush_bytes) flush();
  }
  /// Hands what was put to the host; the SDK calls it after save.
  void flush() {
    if (!buffer_.empty() && sink_->write(sink_->context, buffer_.data(), buffer_.size()) != PERCH_OK) {
      throw std::length_error("the host refused the state: it is over 1 GiB");
    }
    buffer_.clear();
  }

 private:
  static constexpr std::size_t flush_bytes = 64 * 1024;  // few calls, little memory
  const perch_state_sink* sink_;
  std::string buffer_;
};

/// Takes a state apart in the order it was put. Every read is checked: std::out_of_range when the state is
/// too short, which fails the restore and leaves the old generation running. So does a state that was not
/// read to its end.
class StateReader {
 public:
  StateReader(const void* bytes, std::size_t size) noexcept
      : at_(static_cast<const char*>(bytes)), left_(size) {}

  template <class T>
  T get() {
    detail::check_state_value<T>();
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  /// Points into the state: copy it to keep it beyond restore.
  std::string_view get_string() {
    const auto size = get<std::uint64_t>();
    return {take(size), static_cast<std::size_t>(size)};
  }
  std::size_t bytes_left() const noexcept { return left_; }

 private:
  const char* take(std::uint64_t size) {
    if (size > left_) {
      throw std::out_of_range("the state ends early: " + std::to_string(size) + " bytes wanted, " +
                              std::to_string(left_) + " left");
    }
    const char* taken = at_;
    at_ += size;
    left_ -= static_cast<std::size_t>(size);
    return taken;
  }

  const char* at_;
  std::size_t left_;
};

}  // namespace perch
