// Texts for people: cut, counted, quoted; those from plugins made one line of valid UTF-8 before anybody else
// sees them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace perch {

/// Bytes that are not UTF-8 become U+FFFD, control characters become spaces, what is beyond `bytes_max` is
/// cut.
std::string clean_text(std::string_view text, std::size_t bytes_max);

/// The first bytes of a text, not cut inside of a UTF-8 character.
std::string_view cut_text(std::string_view text, std::size_t bytes_max);

/// "text" for a message.
std::string in_quotes(std::string_view text);

/// Code points of a UTF-8 text: what JSON Schema calls its length, and about its width on a screen.
std::size_t characters_in(std::string_view text);

/// An error as one line: the message and its details.
std::string full_text(const Error& error);

/// The same for lists and events: a crash without its stack, which the log has.
std::string short_text(const Error& error);

/// For whoever asked: a plugin's message does not say which reader it is of.
Error of_reader(const std::string& name, Error error);

}  // namespace perch
