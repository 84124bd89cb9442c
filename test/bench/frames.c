// See frames.h.

#include "frames.h"
#include "rtmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** An FLV's header and the size of no tag; and the size behind each tag. */
#define FLV_HEADER_BYTES 13
#define TAG_SIZE_BYTES 4
#define TAG_HEADER_BYTES 11
#define NO_TIMESTAMP 0xffffffu

static uint32_t big_endian(const uint8_t *bytes, unsigned count) {
  uint32_t value = 0;
  for (unsigned i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

static const struct frame *next_frame(const struct frames *frames, const struct stream *stream) {
  if (frames->type != FLV_AUDIO && frames->type != FLV_VIDEO) return NULL;
  int number = frames->type == FLV_AUDIO ? AUDIO : VIDEO;
  const struct track *track = &stream->tracks[number];
  return frames->next[number] < track->count ? &track->frames[frames->next[number]] : NULL;
}

static void begin_body(struct frames *frames, uint8_t type, uint32_t bytes, const struct stream *stream) {
  frames->type = type;
  frames->bytes = frames->left = bytes;
  const struct frame *next = next_frame(frames, stream);
  frames->is_next = next != NULL && next->bytes == bytes;
}

/** Takes the bytes of the body that is under way. */
static void take_body(struct frames *frames, const struct stream *stream, const uint8_t *bytes, uint32_t count) {
  uint32_t at = frames->bytes - frames->left;
  frames->left -= count;
  if (frames->is_next) frames->is_next = memcmp(next_frame(frames, stream)->body + at, bytes, count) == 0;
  for (uint32_t i = 0; at + i < 2 && i < count; i++) frames->first[at + i] = bytes[i];
  if (count >= TAIL_BYTES) {
    memcpy(frames->tail, bytes + count - TAIL_BYTES, TAIL_BYTES);
    return;
  }
  memmove(frames->tail, frames->tail + count, TAIL_BYTES - count);
  memcpy(frames->tail + TAIL_BYTES - count, bytes, count);
}

/** Which of a track's frames the body is that has ended, from the one on that is due; `count` if it is none that was sent. */
static size_t find(const struct frames *frames, const struct track *track, size_t from, const struct stream *stream) {
  for (size_t i = from; i < track->count && track->frames[i].piece < stream->next_piece; i++) {
    const struct frame *frame = &track->frames[i];
    if (frame->bytes >= TAIL_BYTES && memcmp(frame->body + frame->bytes - TAIL_BYTES, frames->tail, TAIL_BYTES) == 0) return i;
  }
  return track->count;
}

/** The end of what comes before the next frames of both tracks. */
static uint64_t position_of(const struct frames *frames, const struct stream *stream) {
  size_t piece = stream->piece_count;
  for (int i = 0; i < TRACKS; i++) {
    const struct track *track = &stream->tracks[i];
    if (frames->next[i] < track->count && track->frames[frames->next[i]].piece < piece)
      piece = track->frames[frames->next[i]].piece;
  }
  return piece == 0 ? 0 : stream->pieces[piece - 1].end;
}

static void end_body(struct frames *frames, struct reader *reader, const struct stream *stream, uint64_t now,
                     struct histogram *delays) {
  int number = track_of(frames->type, frames->first, frames->bytes);
  if (number == TRACKS) return;
  const struct track *track = &stream->tracks[number];
  size_t due = frames->next[number];
  size_t found = frames->is_next ? due : find(frames, track, due, stream);
  if (found == track->count) {
    reader->damages++;
    return;
  }
  const struct frame *frame = &track->frames[found];
  if (frame->bytes != frames->bytes) reader->rewritten++;
  else if (found == due && !frames->is_next) reader->damages++;
  if (found > due && frames->has[number]) {
    reader->gaps++;
    for (size_t i = due; i < found; i++) reader->gap_bytes += track->frames[i].bytes;
  }
  frames->next[number] = found + 1;
  frames->has[number] = true;
  reader->synced = reader->begun = true;
  reader->position = position_of(frames, stream);
  if (delays != NULL) histogram_add(delays, now - stream->pieces[frame->piece].sent_ns);
}

static void begin_tag(struct frames *frames, const struct stream *stream) {
  begin_body(frames, frames->header[0] & 0x1f, big_endian(frames->header + 1, 3), stream);
  if (frames->bytes == 0) frames->skip = TAG_SIZE_BYTES;
}

/** How long the chunk's header is, as far as its first bytes tell: RTMP 1.0, section 5.3.1. */
static unsigned chunk_header_bytes(const struct frames *frames) {
  static const unsigned message_bytes[4] = {11, 7, 3, 0};
  const uint8_t *header = frames->header;
  unsigned number = header[0] & 0x3f;
  if (number < 2 || number >= CHUNK_STREAMS) {
    fprintf(stderr, "load: chunk stream %u of RTMP is none that is followed\n", number);
    exit(1);
  }
  unsigned message = message_bytes[header[0] >> 6];
  if (message == 0) return 1 + (frames->chunk_streams[number].is_late ? 4 : 0);
  if (frames->header_bytes < 4) return 1 + message;
  return 1 + message + (big_endian(header + 1, 3) == NO_TIMESTAMP ? 4 : 0);
}

static void begin_chunk(struct frames *frames, const struct stream *stream) {
  const uint8_t *header = frames->header;
  unsigned number = header[0] & 0x3f;
  struct chunk_stream *chunks = &frames->chunk_streams[number];
  unsigned format = header[0] >> 6;
  if (frames->left > 0 && format != 3) {
    fprintf(stderr, "load: RTMP messages between the chunks of another are not followed\n");
    exit(1);
  }
  if (format < 3) chunks->is_late = big_endian(header + 1, 3) == NO_TIMESTAMP;
  if (format < 2) {
    chunks->bytes = big_endian(header + 4, 3);
    chunks->type = header[7];
  }
  if (frames->left == 0) begin_body(frames, chunks->type, chunks->bytes, stream);
  uint32_t most = frames->chunk_bytes > 0 ? frames->chunk_bytes : RTMP_FIRST_CHUNK_BYTES;
  frames->chunk_left = frames->left < most ? frames->left : most;
}

void frames_feed(struct frames *frames, enum wrapping wrapping, struct reader *reader, const struct stream *stream,
                 const uint8_t *bytes, size_t count, uint64_t now, struct histogram *delays) {
  bool is_flv = wrapping == WRAPPED_FLV;
  if (!frames->begun) frames->skip = is_flv ? FLV_HEADER_BYTES : 0;
  frames->begun = true;
  while (count > 0) {
    uint32_t part = 1;
    uint32_t body = is_flv ? frames->left : frames->chunk_left;
    if (frames->skip > 0) {
      part = count < frames->skip ? (uint32_t)count : frames->skip;
      frames->skip -= part;
    } else if (body == 0) {
      frames->header[frames->header_bytes++] = *bytes;
      if (frames->header_bytes == (is_flv ? TAG_HEADER_BYTES : chunk_header_bytes(frames))) {
        frames->header_bytes = 0;
        if (is_flv) begin_tag(frames, stream);
        else begin_chunk(frames, stream);
      }
    } else {
      part = count < body ? (uint32_t)count : body;
      take_body(frames, stream, bytes, part);
      if (!is_flv) frames->chunk_left -= part;
      if (frames->left == 0) {
        if (is_flv) frames->skip = TAG_SIZE_BYTES;
        else if (frames->type == RTMP_SET_CHUNK_SIZE)
          frames->chunk_bytes = big_endian(frames->tail + TAIL_BYTES - 4, 4) & 0x7fffffff;
        end_body(frames, reader, stream, now, delays);
      }
    }
    bytes += part;
    count -= part;
  }
}
