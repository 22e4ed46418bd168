// What a check of a plugin found.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace perch::check {

/// Members keep their order.
using Json = nlohmann::ordered_json;

/// From the lightest to the heaviest: a check has the heaviest of its findings.
enum class Verdict : std::uint8_t { pass, skip, warn, fail };

const char* to_string(Verdict verdict) noexcept;  ///< "pass" …

struct Finding {
  Verdict verdict = Verdict::fail;
  std::string text;    ///< what is wrong, one line
  std::string advice;  ///< how to mend it; may be empty
};

struct CheckResult {
  std::string name;
  Verdict verdict = Verdict::pass;
  std::string summary;  ///< one line
  std::vector<Finding> findings;
  std::vector<std::string> notes;       ///< further lines, for whoever wants to know more
  std::uint64_t findings_left_out = 0;  ///< beyond what a report takes
  Json measured = Json::object();       ///< numbers by name, units last
  std::chrono::milliseconds took{0};
};

}  // namespace perch::check
