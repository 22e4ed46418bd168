#include "cli/project_template.hpp"

#include <fstream>
#include <sstream>
#include <system_error>

namespace perch::cli {
namespace {

namespace fs = std::filesystem;

/// The line with its words filled in; nothing when one of them has no text.
Result<std::string> fill_line(std::string_view line, const TemplateWords& words) {
  std::string filled;
  bool left_out = false;
  while (true) {
    const std::size_t begin = line.find('@');
    const std::size_t end = line.find('@', begin == line.npos ? begin : begin + 1);
    if (end == line.npos) break;
    const std::string word(line.substr(begin + 1, end - begin - 1));
    const auto found = words.find(word);
    if (found == words.end()) return fail("the template has an unknown word @" + word + "@");
    left_out = left_out || found->second.empty();
    filled += std::string(line.substr(0, begin)) + found->second;
    line.remove_prefix(end + 1);
  }
  return left_out ? std::string() : filled + std::string(line) + "\n";
}

Result<std::string> read_text(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail_errno("read " + file.string());
  return text.str();
}

Result<void> write_text(const fs::path& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) return fail_errno("write " + file.string());
  return {};
}

}  // namespace

Result<std::string> fill_template(const std::string& text, const TemplateWords& words) {
  std::istringstream lines(text);
  std::string filled;
  for (std::string line; std::getline(lines, line);) {
    auto next = fill_line(line, words);
    if (!next) return next;
    filled += *next;
  }
  return filled;
}

Result<std::vector<ProjectFile>> fill_templates(const fs::path& folder, const TemplateWords& words,
                                                const std::map<std::string, std::string>& names) {
  std::error_code error;
  std::vector<ProjectFile> files;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != ".in") continue;
    const auto text = read_text(at->path());
    if (!text) return fail(text.error());
    auto filled = fill_template(*text, words);
    if (!filled) return fail(at->path().string() + ": " + filled.error().message);
    const std::string name = at->path().stem().string();
    const auto renamed = names.find(name);
    files.push_back({renamed == names.end() ? name : renamed->second, std::move(*filled)});
  }
  if (error) {
    return fail("cannot read the project template " + folder.string() + " (" + error.message() +
                "): perch belongs into bin/ beside share/, as `cmake --install` puts them");
  }
  return files;
}

Result<void> check_project_folder(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) {
    const fs::path parent = folder.parent_path();
    if (fs::is_directory(parent, error)) return {};
    return fail(parent.string() + " is no folder: make it first (mkdir -p), or name another one with --dir");
  }
  if (!fs::is_directory(status)) return fail(folder.string() + " is a file: name a folder with --dir");
  const bool empty = fs::is_empty(folder, error);
  if (error) return fail(folder.string() + ": " + error.message());
  if (!empty) {
    return fail(folder.string() +
                " has something in it already: move that away, or name another folder with --dir");
  }
  return {};
}

Result<void> write_project(const fs::path& folder, const std::vector<ProjectFile>& files) {
  std::error_code error;
  const bool is_new = fs::create_directory(folder, error);
  if (error) return fail("make " + folder.string() + ": " + error.message());
  for (const ProjectFile& file : files) {
    if (auto written = write_text(folder / file.name, file.text); !written) {
      for (const ProjectFile& each : files) fs::remove(folder / each.name, error);
      if (is_new) fs::remove(folder, error);
      return written;
    }
  }
  return {};
}

}  // namespace perch::cli
