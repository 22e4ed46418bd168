#include "base/text.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace perch {
namespace {

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string clean_text(std::string_view text, std::size_t bytes_max) {
  std::string copy(text.substr(0, bytes_max));
  for (char& c : copy) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  using Json = nlohmann::json;
  return Json::parse(Json(std::move(copy)).dump(-1, ' ', false, Json::error_handler_t::replace))
      .get<std::string>();
}

std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  // A character has at most three more bytes; what has more of them is not UTF-8.
  for (int more = 0; more < 3 && end > 0 && continues_character(text[end]); ++more) --end;
  return text.substr(0, end);
}

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::size_t characters_in(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), continues_character));
}

std::string full_text(const Error& error) {
  std::string text = error.message;
  for (const std::string& detail : error.details) text += "; " + detail;
  return text;
}

std::string short_text(const Error& error) {
  return error.kind == ErrorKind::crashed ? error.message : full_text(error);
}

Error of_reader(const std::string& name, Error error) {
  if (error.message.find("reader " + name) == std::string::npos)
    error.message = "reader " + name + ": " + error.message;
  return error;
}

}  // namespace perch
