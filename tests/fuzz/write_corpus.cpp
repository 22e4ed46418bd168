// Writes what libFuzzer begins with: some streams of each format, good and bad rows mixed. Usage: FOLDER.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "row_fuzz.hpp"

int main(int argc, char** argv) {
  using perch::rows::Format;
  if (argc != 2) return 2;
  for (const auto& [format, name] :
       {std::pair{Format::ndjson, "ndjson"}, {Format::csv, "csv"}, {Format::binary, "binary"}}) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / name;
    std::filesystem::create_directories(folder);
    std::mt19937_64 random(1);
    for (int file = 0; file < 50; ++file) {
      std::ofstream out(folder / std::to_string(file), std::ios::binary);
      out << char(random() % 256) << perch::fuzz::stream_begin(format);
      for (std::uint64_t id = 0; id < 20; ++id) out << perch::fuzz::make_row(format, id, random).bytes;
    }
  }
  return 0;
}
