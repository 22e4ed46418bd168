/* A library that is there when a plugin is linked, and not when it is loaded. */
__attribute__((visibility("default"))) int perch_not_there(void);
int perch_not_there(void) { return 1; }
