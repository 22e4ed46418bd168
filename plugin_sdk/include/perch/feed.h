/**
 * @file
 * Perch's binary row format: what a program writes to feed a source with "format": "binary".
 *
 * A stream is a header, then frames; another header may stand between two frames, for rows of another table.
 *
 *     header  struct perch_feed_header, then the table's name, the key's and the value's canonical layout
 * text frame   struct perch_feed_frame, then its records, one after the other
 *
 * A record is the key's struct and behind it the value's, each aligned as C aligns them: the members of
 * `struct { KEY key; VALUE value; }`. All numbers are little-endian. Padding may hold anything.
 *
 * The layout texts are what `perch layout TABLE` prints; a stream whose texts are not the table's is refused
 * at its first frame, with every difference named. A frame whose checksum is wrong is left out, and counted.
 *
 * Needs nothing but the C library; C11 and C++.
 */
#ifndef PERCH_FEED_H
#define PERCH_FEED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The first bytes of a header, without a NUL behind them. */
#define PERCH_FEED_MAGIC "PERCHROW"
/** The format's version: a host reads streams of its own one only. */
#define PERCH_FEED_VERSION 1u
/** The first bytes of a frame: "PRCF" as a little-endian number. */
#define PERCH_FEED_FRAME_MAGIC 0x46435250u
/** Records of a frame have so many bytes at most, all together. */
#define PERCH_FEED_FRAME_BYTES_MAX (1u << 20)
/** The three texts of a header have so many bytes at most, all together. */
#define PERCH_FEED_TEXT_BYTES_MAX (64u << 10)

/** Begins a stream. 32 bytes. */
struct perch_feed_header {
  char magic[8];               /**< PERCH_FEED_MAGIC */
  uint32_t version;            /**< PERCH_FEED_VERSION */
  uint32_t table_bytes;        /**< length of the table's name; 0: the source's first table */
  uint32_t key_layout_bytes;   /**< length of the key's layout text */
  uint32_t value_layout_bytes; /**< length of the value's layout text */
  uint32_t record_bytes;       /**< from one record to the next */
  uint32_t crc32;              /**< of the three texts, see perch_feed_crc32 */
};

/** Begins a frame. 16 bytes. */
struct perch_feed_frame {
  uint32_t magic;        /**< PERCH_FEED_FRAME_MAGIC */
  uint32_t rows;         /**< how many records follow */
  uint32_t record_bytes; /**< as in the header */
  uint32_t crc32;        /**< of all records, see perch_feed_crc32 */
};

/**
 * CRC-32 as in zlib, gzip and Python's zlib.crc32, of `bytes` bytes at `data`. `crc` is 0, or the result for
 * what comes before them. Written to be small: zlib's crc32() and libdeflate's are the same and faster.
 */
static inline uint32_t perch_feed_crc32(uint32_t crc, const void* data, size_t bytes) {
  static const uint32_t table[16] = {
      0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
      0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
  const unsigned char* at = (const unsigned char*)data;
  crc = ~crc;
  for (; bytes > 0; --bytes, ++at) {
    crc = table[(crc ^ *at) & 15u] ^ (crc >> 4);
    crc = table[(crc ^ (uint32_t)(*at >> 4)) & 15u] ^ (crc >> 4);
  }
  return ~crc;
}

/**
 * Writes a header and its texts to `out`, which has room for `capacity` bytes. Returns how many bytes it has,
 * or 0 when that is more than the capacity. `table` may be "".
 */
static inline size_t perch_feed_begin(void* out, size_t capacity, const char* table, const char* key_layout,
                                      const char* value_layout, uint32_t record_bytes) {
  struct perch_feed_header header;
  unsigned char* const texts = (unsigned char*)out + sizeof header;
  const size_t table_bytes = strlen(table);
  const size_t key_bytes = strlen(key_layout);
  const size_t value_bytes = strlen(value_layout);
  const size_t text_bytes = table_bytes + key_bytes + value_bytes;
  if (text_bytes > PERCH_FEED_TEXT_BYTES_MAX || sizeof header + text_bytes > capacity) return 0;
  memcpy(texts, table, table_bytes);
  memcpy(texts + table_bytes, key_layout, key_bytes);
  memcpy(texts + table_bytes + key_bytes, value_layout, value_bytes);
  memcpy(header.magic, PERCH_FEED_MAGIC, sizeof header.magic);
  header.version = PERCH_FEED_VERSION;
  header.table_bytes = (uint32_t)table_bytes;
  header.key_layout_bytes = (uint32_t)key_bytes;
  header.value_layout_bytes = (uint32_t)value_bytes;
  header.record_bytes = record_bytes;
  header.crc32 = perch_feed_crc32(0, texts, text_bytes);
  memcpy(out, &header, sizeof header);
  return sizeof header + text_bytes;
}

/**
 * The head of a frame for `rows` records of `record_bytes` each at `records`: write it, then them. The two
 * multiplied are at most PERCH_FEED_FRAME_BYTES_MAX.
 */
static inline struct perch_feed_frame perch_feed_frame_of(const void* records, uint32_t rows,
                                                          uint32_t record_bytes) {
  struct perch_feed_frame frame;
  frame.magic = PERCH_FEED_FRAME_MAGIC;
  frame.rows = rows;
  frame.record_bytes = record_bytes;
  frame.crc32 = perch_feed_crc32(0, records, (size_t)rows * record_bytes);
  return frame;
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* PERCH_FEED_H */
