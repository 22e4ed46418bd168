/* A shared library that is no reader plugin. */
#include "leaves_mark.h"

__attribute__((visibility("default"))) int no_plugin_at_all = 1;
