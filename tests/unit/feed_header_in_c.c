/* Compiled, not run: perch/feed.h in plain C, as its users include it. */
#include <perch/feed.h>

size_t feed_header_in_c(char* out, size_t capacity, const void* records, uint32_t rows);

size_t feed_header_in_c(char* out, size_t capacity, const void* records, uint32_t rows) {
  struct perch_feed_frame frame = perch_feed_frame_of(records, rows, 16);
  size_t size = perch_feed_begin(out, capacity, "trades", "{id:uint64@0}8:8", "{x:int64@0}8:8", 16);
  if (size == 0 || size + sizeof frame > capacity) return 0;
  memcpy(out + size, &frame, sizeof frame);
  return size + sizeof frame;
}
