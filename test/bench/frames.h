// The frames that a watcher gets from a server that takes an FLV apart and puts it together again, for HTTP-FLV or RTMP: which of
// those that were sent they are, so that what is lost is noticed and how long each took.
//
// A frame's body is compared with the next one of its track. Some servers write bodies anew, with parameter sets more or less:
// a frame is recognised by its last bytes, and only a body of the same length is compared whole. Descriptions and sequence headers,
// which servers send whenever they like, are passed over.

#ifndef FRAMES_H
#define FRAMES_H

#include "stream.h"

#define TAIL_BYTES 16
#define CHUNK_STREAMS 16

enum wrapping { WRAPPED_FLV, WRAPPED_RTMP };

/** What the last message of a chunk stream was: later ones may leave it out of their headers. */
struct chunk_stream {
  uint32_t bytes;
  uint8_t type;
  bool is_late;
};

/** How far a watcher is; all zeros at first. */
struct frames {
  /** The header that is under way: of a tag, or of a chunk. */
  uint8_t header[18];
  unsigned header_bytes;
  /** Bytes to pass over before it. */
  unsigned skip;
  bool begun;
  /** Of RTMP. */
  uint32_t chunk_bytes;
  uint32_t chunk_left;
  struct chunk_stream chunk_streams[CHUNK_STREAMS];
  /** The body that is under way: its type and length, what is to come, whether it is the next frame's so far, and its ends. */
  uint8_t type;
  uint32_t bytes;
  uint32_t left;
  bool is_next;
  uint8_t first[2];
  uint8_t tail[TAIL_BYTES];
  /** Of each track the next frame, and whether there was one. */
  size_t next[TRACKS];
  bool has[TRACKS];
};

/** Follows a watcher's next bytes as `reader_feed` does. Exits with a message at what it can't read. */
void frames_feed(struct frames *frames, enum wrapping wrapping, struct reader *reader, const struct stream *stream,
                 const uint8_t *bytes, size_t count, uint64_t now, struct histogram *delays);

#endif
