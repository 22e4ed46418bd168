// Addresses of code become the names of files and functions.
#include "containment/stack_text.hpp"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include "perch/plugin.h"
#include "unit/test_files.hpp"

namespace perch::containment::test {
using namespace perch::test;
namespace stack_text_test {

[[gnu::noinline]] int marked(int number) {
  asm volatile("" : "+r"(number));
  return number;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// `offset` bytes into a function.
template <class Function>
const void* within(Function* function, int offset) {
  return reinterpret_cast<const char*>(reinterpret_cast<const void*>(function)) + offset;
}

TEST_CASE("an address in the program is told with its function, demangled") {
  CHECK(marked(1) == 1);
  const std::string text = frame_text(within(&marked, 1), true);
  CHECK_MESSAGE(text.starts_with("the host's program+0x"), text);
  CHECK_MESSAGE(has(text, "stack_text_test::marked(int)+0x1)"), text);
  // What a call returns to is behind it.
  CHECK(has(frame_text(within(&marked, 1), false), "marked(int)+0x0)"));
}

TEST_CASE("an address in a library is told with the library's file name") {
  const auto file = faulty_plugin("summing");
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library != nullptr, dlerror());
  const auto* const api = static_cast<const perch_plugin_api*>(dlsym(library, PERCH_PLUGIN_SYMBOL));
  REQUIRE(api != nullptr);
  const std::string text = frame_text(within(api->create, 1), true);
  CHECK_MESSAGE(text.starts_with("summing.so+0x"), text);
  CHECK_MESSAGE(has(text, "(create+0x1)"), text);
  // Data is in the file, and in no function.
  CHECK_FALSE(has(frame_text(api, true), "("));
  dlclose(library);
}

TEST_CASE("an address in no file is told as a number") {
  CHECK(frame_text(reinterpret_cast<const void*>(0x10), true) == "?+0x10");
}

}  // namespace stack_text_test
}  // namespace perch::containment::test
