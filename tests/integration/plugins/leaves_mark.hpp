// Mark: a static constructor that everyone can see, whichever way the library was loaded.
#pragma once

#include <cstdio>
#include <cstdlib>

/// Appends `name` as a line to the file that the environment variable PERCH_TEST_MARKS names.
struct Mark {
  explicit Mark(const char* name) {
    const char* path = std::getenv("PERCH_TEST_MARKS");
    if (path == nullptr) return;
    if (std::FILE* file = std::fopen(path, "ae")) {
      std::fprintf(file, "%s\n", name);
      std::fclose(file);
    }
  }
};
