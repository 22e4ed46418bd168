#include "check/checker.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "check/child_check.hpp"

namespace perch::check {
namespace {

namespace fs = std::filesystem;

/// For the private copies of all children; goes with this.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> make() {
    std::error_code error;
    std::string pattern = (fs::temp_directory_path(error) / "perch-check-XXXXXX").string();
    if (error || ::mkdtemp(pattern.data()) == nullptr) return fail_errno("make a folder for copies");
    return TemporaryFolder(std::move(pattern));
  }
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const noexcept { return path_; }

 private:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

CheckResult skipped(const Check& check, const std::string& why) {
  CheckResult result;
  result.name = check.name;
  result.verdict = Verdict::skip;
  result.summary = why;
  return result;
}

/// What failed goes before what the check says of itself.
void set_headline(const Check& check, CheckResult& result) {
  const auto worst = std::find_if(result.findings.begin(), result.findings.end(),
                                  [&](const Finding& finding) { return finding.verdict == result.verdict; });
  const bool says_more = result.verdict == Verdict::fail || result.verdict == Verdict::skip;
  if (worst != result.findings.end() && (says_more || result.summary.empty())) result.summary = worst->text;
  if (result.summary.empty()) result.summary = check.shows;
}

bool failed(const CheckSummary& summary, std::string_view name) {
  return std::any_of(summary.results.begin(), summary.results.end(), [&](const CheckResult& result) {
    return result.name == name && result.verdict == Verdict::fail;
  });
}

bool is_never_loaded(const CheckSummary& summary) {
  return std::any_of(summary.results.begin(), summary.results.end(), [](const CheckResult& result) {
    return result.name == "load" && result.measured.value("loads", 1) == 0;
  });
}

/// Why a check would tell nothing after those made so far; "" when it does.
std::string why_skipped(const Check& check, const CheckSummary& summary) {
  if (failed(summary, "manifest")) return "no plugin that this host can use";
  if (check.runs_plugin && (failed(summary, "libraries") || is_never_loaded(summary)))
    return "it cannot be loaded";
  return {};
}

}  // namespace

std::uint64_t CheckSummary::count(Verdict verdict) const noexcept {
  return static_cast<std::uint64_t>(
      std::count_if(results.begin(), results.end(),
                    [verdict](const CheckResult& result) { return result.verdict == verdict; }));
}

Result<CheckSummary> check_plugin(const CheckOptions& options, const std::vector<std::string>& only,
                                  const std::vector<std::string>& program, const CheckProgress& progress) {
  if (::access(options.file.c_str(), R_OK) != 0) return fail_errno(options.file.string());
  const auto folder = TemporaryFolder::make();
  if (!folder) return fail(folder.error());
  CheckSummary summary;
  for (const Check& check : all_checks()) {
    const bool wanted = only.empty() || std::find(only.begin(), only.end(), check.name) != only.end();
    if (!wanted && &check != all_checks().data()) continue;
    const std::string why = why_skipped(check, summary);
    if (progress.begins && why.empty()) progress.begins(check);
    auto result = why.empty()
                      ? run_check_in_child(check, options, folder->path(), program, progress.is_stopped)
                      : Result<CheckResult>(skipped(check, why));
    if (!result) return fail(result.error());
    set_headline(check, *result);
    summary.results.push_back(std::move(*result));
    if (progress.ended) progress.ended(summary.results.back());
  }
  summary.is_plugin = !failed(summary, "manifest");
  return summary;
}

}  // namespace perch::check
