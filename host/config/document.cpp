#include "config/document.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace perch {
namespace {

struct FileCloser {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

Result<std::string> read_text(const std::filesystem::path& path) {
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rbe"));
  if (!file) {
    const int error = errno;
    auto failure = fail_errno(path.string());
    failure.value().kind = error == ENOENT ? ErrorKind::not_found : ErrorKind::failed;
    return failure;
  }
  std::string text(config_bytes_max + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get())) return fail_errno(path.string());
  if (text.size() > config_bytes_max) {
    return fail(ErrorKind::usage, path.string() + ": larger than 4 MiB, which no config is");
  }
  return text;
}

/// Walks the events of the parser without building anything and stops at the first thing that is wrong.
class DocumentChecker : public nlohmann::json_sax<ConfigJson> {
 public:
  DocumentChecker(std::string file, const std::string& text) : file_(std::move(file)), text_(text) {}

  const std::string& problem() const noexcept { return problem_; }

  bool null() override { return next_value(); }
  bool boolean(bool) override { return next_value(); }
  bool number_integer(number_integer_t) override { return next_value(); }
  bool number_unsigned(number_unsigned_t) override { return next_value(); }
  bool number_float(number_float_t, const string_t&) override { return next_value(); }
  bool string(string_t&) override { return next_value(); }
  bool binary(binary_t&) override { return next_value(); }
  bool start_object(std::size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(true); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.name = name;
    if (level.names.insert(name).second) return true;
    problem_ = file_ + ": " + place() + ": given twice";
    return false;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    // The parser counts the offending character; a file that ends too early points behind its last one.
    const std::size_t before = std::min(position == 0 ? 0 : position - 1, text_.size());
    const auto begin = text_.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(before);
    const auto line = std::count(begin, end, '\n') + 1;
    const auto line_start = std::find(std::make_reverse_iterator(end), text_.rend(), '\n').base();
    std::string why = error.what();
    if (const std::size_t prefix = why.find(": "); prefix != std::string::npos) why.erase(0, prefix + 2);
    problem_ = file_ + ":" + std::to_string(line) + ":" + std::to_string(end - line_start + 1) +
               ": not JSON: " + why;
    return false;
  }

 private:
  struct Level {
    bool array = false;
    std::size_t index = 0;  ///< of the array's element at hand
    std::string name;       ///< of the object's member at hand
    std::set<std::string> names;
  };

  std::string place() const {
    std::string text;
    for (const Level& level : levels_) {
      text = level.array ? join_place(text, level.index) : join_place(text, level.name);
    }
    return text;
  }

  bool next_value() {
    if (!levels_.empty() && levels_.back().array) ++levels_.back().index;
    return true;
  }

  bool open(bool array) {
    if (levels_.size() == config_depth_max) {
      problem_ =
          file_ + ": " + place() + ": nested more than " + std::to_string(config_depth_max) + " levels deep";
      return false;
    }
    levels_.push_back({array, 0, {}, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return next_value();
  }

  const std::string file_;
  const std::string& text_;
  std::vector<Level> levels_;
  std::string problem_;
};

}  // namespace

std::string join_place(std::string_view place, std::string_view name) {
  return place.empty() ? std::string(name) : std::string(place) + "." + std::string(name);
}

std::string join_place(std::string_view place, std::size_t index) {
  return std::string(place) + "[" + std::to_string(index) + "]";
}

Result<ConfigJson> read_config_document(const std::filesystem::path& file) {
  const auto text = read_text(file);
  if (!text) return fail(text.error());
  DocumentChecker checker(file.string(), *text);
  if (!ConfigJson::sax_parse(*text, &checker)) return fail(ErrorKind::usage, checker.problem());
  auto document = ConfigJson::parse(*text, nullptr, false);  // cannot fail: the checker has seen it all
  if (!document.is_object()) {
    return fail(ErrorKind::usage,
                file.string() + ": a config is a JSON object, this is " + document.type_name());
  }
  return document;
}

}  // namespace perch
