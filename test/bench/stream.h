// What the broadcaster sends, and how a watcher's bytes are checked against it. There are two kinds of streams:
//
//   blocks   1316 bytes each: [8 magic][8 sequence number][8 time sent, ns][1292 from a pool of random bytes, at a place
//            that the number gives]. Any block can be checked by itself, so a stream may be of any length, and a reader
//            finds its place in it again wherever it was put. Those that are due within a millisecond go together.
//   an FLV   file, each tag sent when its timestamp says. A reader finds its place by searching the file for what it got.
//            It may be sent as RTMP: each tag as a message. What servers make of that is followed by frames.h.
//
// A reader follows one watcher's bytes. What it gets that is not the next byte is a gap if it is found further on in the
// stream, and damage otherwise.

#ifndef STREAM_H
#define STREAM_H

#include "measure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_BYTES 1316
#define HEAD_BYTES 24
#define CARRY_BYTES (2 * BLOCK_BYTES)
#define STAGING_BYTES (256 * 1024)
#define PACE_NS 1000000u

/** Bytes of a file that are sent at once: those before `end` that no earlier piece has. */
struct piece {
  uint64_t end;
  uint64_t due_ns;
  uint64_t sent_ns;
};

/** A tag that is neither a description nor a sequence header. */
struct frame {
  const uint8_t *body;
  size_t bytes;
  /** The piece that it is in. */
  size_t piece;
};

/** The audio's or the video's frames. */
struct track {
  struct frame *frames;
  size_t count;
};

enum { AUDIO, VIDEO, TRACKS };

struct stream {
  /** Bits a second of a stream of blocks; 0: as fast as they are taken. */
  double rate;
  /** When it began; what is due is counted from there. 0: it has not. */
  uint64_t start_ns;
  /** Bytes offered to the socket so far, and of those the ones that it took. */
  uint64_t offered;
  uint64_t taken;
  /** How late the latest piece was offered, nanoseconds. */
  uint64_t late_ns;
  /** Of blocks: those that are offered and not all taken. */
  uint8_t *staging;
  size_t staged;
  size_t staged_taken;
  /** Of an FLV: what is sent. */
  uint8_t *file;
  uint64_t file_bytes;
  struct piece *pieces;
  size_t piece_count;
  size_t next_piece;
  struct track tracks[TRACKS];
  /** As RTMP: what is to be sent before any watcher comes. */
  uint8_t *head;
  size_t head_bytes;
};

struct reader {
  /** Where the next byte is in the stream, once `synced`. */
  uint64_t position;
  bool synced;
  /** Whether it ever was. */
  bool begun;
  /** Times that bytes were left out, and how many; and times that bytes were of no place in the stream. */
  uint64_t gaps;
  uint64_t gap_bytes;
  uint64_t damages;
  /** Frames that came with another length than they were sent with. */
  uint64_t rewritten;
  /** Bytes before the stream's first. */
  uint64_t lead_bytes;
  /** Of an FLV: the next piece whose end it is to see. */
  size_t next_piece;
  uint8_t head[HEAD_BYTES];
  /** Bytes whose place is not known yet; allocated only while that is so. */
  uint8_t *carry;
  size_t carried;
};

/** A stream of blocks of so many bits a second; 0: without a pace. */
void stream_of_blocks(struct stream *stream, double rate);
/** The stream of an FLV file; exits with a message if it is none. */
void stream_of_flv(struct stream *stream, const char *path);

/** Has the stream of an FLV file be sent as RTMP. */
void stream_as_rtmp(struct stream *stream);

/** Which track a tag or message of that type, with that body, is a frame of; TRACKS: of none. */
int track_of(uint8_t type, const uint8_t *body, size_t bytes);

/** Offers what is due. */
void stream_fill(struct stream *stream, uint64_t now);
/** When the next bytes are due, nanoseconds; UINT64_MAX: never. */
uint64_t stream_next_ns(const struct stream *stream);
/** Bytes offered and not taken; `*bytes` is where they are. */
size_t stream_pending(const struct stream *stream, const uint8_t **bytes);
void stream_took(struct stream *stream, size_t count);

/** Checks a watcher's next bytes, got at `now`. The delay of each block or tag that they end is added to `delays` if given. */
void reader_feed(struct reader *reader, const struct stream *stream, const uint8_t *bytes, size_t count, uint64_t now,
                 struct histogram *delays);

#endif
