/* A constructor that leaves a file behind: shows that a library was loaded. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void leave_mark(void) {
  const char* const path = getenv("PERCH_TEST_MARK");
  if (path == NULL) return;
  const int fd = open(path, O_WRONLY | O_CREAT, 0600);
  if (fd >= 0) close(fd);
}
