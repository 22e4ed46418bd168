// Texts from plugins: copied, cut, made valid UTF-8 and one line before anybody else sees them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace perch {

/// Bytes that are not UTF-8 become U+FFFD, control characters become spaces, what is beyond `bytes_max` is
/// cut.
std::string clean_text(std::string_view text, std::size_t bytes_max);

/// Code points of a UTF-8 text: what JSON Schema calls its length.
std::size_t characters_in(std::string_view text);

/// An error as one line: the message and its details.
std::string full_text(const Error& error);

/// The same for lists and events: a crash without its stack, which the log has.
std::string short_text(const Error& error);

/// For whoever asked: a plugin's message does not say which reader it is of.
Error of_reader(const std::string& name, Error error);

}  // namespace perch
