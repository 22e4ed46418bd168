#include "check/report_text.hpp"

#include "base/units.hpp"

namespace perch::check {
namespace {

constexpr std::size_t name_columns = 15;

std::string padded(std::string text, std::size_t columns) {
  if (text.size() < columns) text.resize(columns, ' ');
  return text;
}

const char* label(Verdict verdict) { return verdict == Verdict::fail ? "FAIL" : to_string(verdict); }

std::string counted(std::uint64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

Json result_json(const CheckResult& result) {
  Json findings = Json::array();
  for (const Finding& finding : result.findings) {
    findings.push_back(
        {{"verdict", to_string(finding.verdict)}, {"text", finding.text}, {"advice", finding.advice}});
  }
  return {{"name", result.name},
          {"verdict", to_string(result.verdict)},
          {"summary", result.summary},
          {"findings", findings},
          {"findings_left_out", result.findings_left_out},
          {"notes", result.notes},
          {"measured", result.measured},
          {"took_ms", result.took.count()}};
}

}  // namespace

std::string result_text(const CheckResult& result) {
  const std::string indent(8 + name_columns, ' ');
  std::string text =
      "  " + padded(label(result.verdict), 6) + padded(result.name, name_columns) + result.summary + "\n";
  std::string advised;
  for (const Finding& finding : result.findings) {
    if (finding.text != result.summary) text += indent + label(finding.verdict) + ": " + finding.text + "\n";
    if (finding.advice.empty() || finding.advice == advised) continue;
    text += indent + "  → " + finding.advice + "\n";
    advised = finding.advice;
  }
  if (result.findings_left_out > 0) {
    text += indent + "and " + counted(result.findings_left_out, "more finding", "more findings") + "\n";
  }
  for (const std::string& note : result.notes) text += indent + note + "\n";
  return text;
}

std::string summary_text(const CheckSummary& summary) {
  std::chrono::milliseconds took{0};
  for (const CheckResult& result : summary.results) took += result.took;
  std::string text = counted(summary.results.size(), "check", "checks") + ": " +
                     std::to_string(summary.count(Verdict::pass)) + " passed";
  if (const auto count = summary.count(Verdict::warn)) text += ", " + counted(count, "warning", "warnings");
  if (const auto count = summary.count(Verdict::fail)) text += ", " + std::to_string(count) + " failed";
  if (const auto count = summary.count(Verdict::skip)) text += ", " + std::to_string(count) + " skipped";
  return text + " (" + format_duration(took) + ")\n";
}

Json summary_json(const CheckSummary& summary, const CheckOptions& options, Verdict verdict) {
  Json checks = Json::array();
  for (const CheckResult& result : summary.results) checks.push_back(result_json(result));
  return {{"file", options.file.string()},
          {"verdict", to_string(verdict)},
          {"is_plugin", summary.is_plugin},
          {"seed", options.seed},
          {"rows", options.rows},
          {"passed", summary.count(Verdict::pass)},
          {"warnings", summary.count(Verdict::warn)},
          {"failed", summary.count(Verdict::fail)},
          {"skipped", summary.count(Verdict::skip)},
          {"checks", checks}};
}

}  // namespace perch::check
