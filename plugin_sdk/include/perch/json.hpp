// JsonWriter: builds the JSON text of a publication.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "perch/detail/utf8.hpp"

namespace perch {

///     perch::JsonWriter json;
///     json.begin_object().member("window_s", 10.0).key("top").begin_array();
///     for (…) json.begin_object().member("pid", pid).member("name", name).end_object();
///     json.end_array().end_object();
///     host.publish("top", json.text());
///
/// Strings are escaped, bytes that are not UTF-8 become U+FFFD; 64-bit integers are exact; NaN and infinities
/// are the strings "NaN", "Infinity", "-Infinity". Whoever calls sees to it that what begins ends, and
/// members have keys.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name) {
    separate();
    append_quoted(name);
    text_ += ':';
    needs_comma_ = false;
    return *this;
  }
  template <class T>
  JsonWriter& member(std::string_view name, const T& what) {
    return key(name).value(what);
  }

  template <class T>
  requires std::is_arithmetic_v<T> JsonWriter& value(T number) {
    separate();
    if constexpr (std::same_as<T, bool>) {
      text_ += number ? "true" : "false";
    } else if (number != number) {
      text_ += "\"NaN\"";
    } else if (std::floating_point<T> && number - number != 0) {
      text_ += number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    } else {
      char digits[64];
      text_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
    }
    return *this;
  }
  JsonWriter& value(std::string_view text) {
    separate();
    append_quoted(text);
    return *this;
  }
  JsonWriter& null() {
    separate();
    text_ += "null";
    return *this;
  }

  std::string_view text() const noexcept { return text_; }
  void clear() noexcept {
    text_.clear();
    needs_comma_ = false;
  }

 private:
  JsonWriter& open(char bracket) {
    separate();
    text_ += bracket;
    needs_comma_ = false;
    return *this;
  }
  JsonWriter& close(char bracket) {
    text_ += bracket;
    needs_comma_ = true;
    return *this;
  }
  void separate() {
    if (needs_comma_) text_ += ',';
    needs_comma_ = true;
  }
  void append_quoted(std::string_view text) {
    text_ += '"';
    while (!text.empty()) {
      const std::size_t size = detail::utf8_sequence_size(text);
      if (size == 0) {
        text_ += "\xEF\xBF\xBD";
        text.remove_prefix(1);
        continue;
      }
      if (size == 1) {
        append_ascii(text[0]);
      } else {
        text_ += text.substr(0, size);
      }
      text.remove_prefix(size);
    }
    text_ += '"';
  }
  void append_ascii(char c) {
    if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view digits = "0123456789abcdef";
      text_ += "\\u00";
      text_ += digits[static_cast<std::size_t>(c >> 4)];
      text_ += digits[static_cast<std::size_t>(c & 15)];
    } else {
      text_ += c;
    }
  }

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace perch
