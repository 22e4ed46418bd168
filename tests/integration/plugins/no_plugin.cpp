// no_plugin: an ordinary shared library.
#include "leaves_mark.hpp"

namespace {
const Mark mark("no_plugin");
}

extern "C" __attribute__((visibility("default"))) int answer() { return 42; }
