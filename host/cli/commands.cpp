#include "cli/commands.hpp"

#include <charconv>
#include <cstdio>
#include <filesystem>

#include "base/units.hpp"

namespace perch::cli {

Deadline Context::deadline(std::chrono::nanoseconds otherwise) const {
  const auto limit = timeout ? *parse_duration(*timeout) : otherwise;
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<Deadline::duration>(limit);
}

Outcome<Json> Context::call(const std::string& method, const Json& params) const {
  const Deadline end = deadline();
  auto client = Client::connect(socket, end);
  if (!client) return end_with(client.error());
  return client->call(method, params, end);
}

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      const std::string& example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->fallthrough();
  command->footer("Example:\n  " + example +
                  "\n\n--socket, --json and --timeout may be given too; perch --help explains them.");
  return command;
}

CLI::Validator duration_validator(std::chrono::nanoseconds max) {
  return CLI::Validator(
      [max](const std::string& text) {
        const auto duration = parse_duration(text);
        if (!duration) return duration.error().message;
        return *duration <= max ? std::string() : "give at most " + format_duration(max) + ", not " + text;
      },
      "DURATION");
}

CLI::Validator count_validator() {
  return CLI::Validator(
      [](const std::string& text) {
        constexpr std::uint64_t max = 1'000'000'000'000;
        std::uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto [rest, error] = std::from_chars(text.data(), end, value);
        // A leading 0 would mean octal to CLI11.
        if (error == std::errc() && rest == end && !text.starts_with("0") && value <= max)
          return std::string();
        return "give a whole number from 1 to " + std::to_string(max) + ", not \"" + text + "\"";
      },
      "");
}

std::string absolute_path(const std::string& file) {
  std::error_code error;
  const auto path = std::filesystem::absolute(file, error);
  return error ? file : path.lexically_normal().string();
}

void print(const Json& json) { print(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"); }

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);  // who reads a pipe sees each result at once
}

}  // namespace perch::cli
