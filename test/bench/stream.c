// See stream.h.

#define _GNU_SOURCE
#include "rtmp.h"
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Small enough to stay in the second-level cache, so that checking costs little. */
#define POOL_BYTES (64 * 1024)
#define BODY_BYTES (BLOCK_BYTES - HEAD_BYTES)
/** As many bytes of an FLV as no two places have in common. */
#define NEEDLE_BYTES 32
#define TAG_HEADER_BYTES 11
/** How far behind the head an RTMP stream's timestamps begin. MediaMTX lets nobody watch before it has seen two seconds. */
#define HEAD_MS 2000

static const uint8_t magic[8] = {0xf5, 0x7e, 0xa3, 0x0b, 0xc4, 0x91, 0x6d, 0x28};
static uint8_t pool[POOL_BYTES];

static void fill_pool(void) {
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < POOL_BYTES; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    pool[i] = (uint8_t)(state >> 32);
  }
}

static const uint8_t *body_of(uint64_t number) { return pool + number * 4093 % (POOL_BYTES - BODY_BYTES); }

static void die(const char *what, const char *of) {
  fprintf(stderr, "load: %s: %s\n", of, what);
  exit(1);
}

void stream_of_blocks(struct stream *stream, double rate) {
  fill_pool();
  stream->rate = rate;
  stream->staging = malloc(STAGING_BYTES);
  if (stream->staging == NULL) die("no memory", "staging");
}

struct tag {
  uint8_t type;
  uint32_t ms;
  const uint8_t *body;
  size_t bytes;
};

static struct tag tag_at(const uint8_t *at) {
  return (struct tag){
    .type = at[0],
    .ms = (uint32_t)at[7] << 24 | (uint32_t)at[4] << 16 | (uint32_t)at[5] << 8 | at[6],
    .body = at + TAG_HEADER_BYTES,
    .bytes = (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3],
  };
}

int track_of(uint8_t type, const uint8_t *body, size_t bytes) {
  if ((type != FLV_AUDIO && type != FLV_VIDEO) || bytes < 2) return TRACKS;
  // AudioTagHeader's AAC and VideoTagHeader's AVC; 0: a sequence header.
  bool has_headers = type == FLV_AUDIO ? body[0] >> 4 == 10 : (body[0] & 0x0f) == 7;
  if (has_headers && body[1] == 0) return TRACKS;
  return type == FLV_AUDIO ? AUDIO : VIDEO;
}

static void add_frame(struct stream *stream, const struct tag *tag) {
  int number = track_of(tag->type, tag->body, tag->bytes);
  if (number == TRACKS) return;
  struct track *track = &stream->tracks[number];
  track->frames[track->count++] = (struct frame){.body = tag->body, .bytes = tag->bytes, .piece = stream->piece_count - 1};
}

/** Adobe Flash Video File Format Specification 10.1, E.3 and E.4: a header of 9 bytes, then a size of 4 before each tag. */
void stream_of_flv(struct stream *stream, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) die("can't be opened", path);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  if (size < 13) die("is no FLV file", path);
  stream->file = malloc((size_t)size);
  size_t most = (size_t)size / 15 + 1;
  stream->pieces = calloc(most, sizeof(struct piece));
  for (int i = 0; i < TRACKS; i++) {
    stream->tracks[i].frames = calloc(most, sizeof(struct frame));
    if (stream->tracks[i].frames == NULL) die("no memory", path);
  }
  if (stream->file == NULL || stream->pieces == NULL) die("no memory", path);
  if (fread(stream->file, 1, (size_t)size, file) != (size_t)size) die("can't be read", path);
  fclose(file);
  if (memcmp(stream->file, "FLV", 3) != 0) die("is no FLV file", path);
  uint64_t at = 13;
  while (at + 15 <= (uint64_t)size) {
    struct tag tag = tag_at(stream->file + at);
    at += TAG_HEADER_BYTES + tag.bytes + 4;
    if (at > (uint64_t)size) break;
    struct piece *last = stream->piece_count > 0 ? &stream->pieces[stream->piece_count - 1] : NULL;
    // The description and the sequence headers go with the first frame.
    if (last != NULL && stream->piece_count == 1 && tag.ms == 0) last->end = at;
    else stream->pieces[stream->piece_count++] = (struct piece){.end = at, .due_ns = tag.ms * 1000000ull};
    stream->file_bytes = at;
    add_frame(stream, &tag);
  }
}

void stream_as_rtmp(struct stream *stream) {
  const uint8_t *flv = stream->file;
  uint8_t *messages = malloc(stream->file_bytes * 2);
  stream->head = malloc(stream->file_bytes * 2);
  if (messages == NULL || stream->head == NULL) die("no memory", "RTMP");
  size_t count = 0;
  size_t piece = 0;
  for (uint64_t at = 13; at < stream->file_bytes;) {
    struct tag tag = tag_at(flv + at);
    at += TAG_HEADER_BYTES + tag.bytes + 4;
    bool is_frame = track_of(tag.type, tag.body, tag.bytes) != TRACKS;
    if (is_frame) count += rtmp_message(messages + count, tag.type, tag.ms + HEAD_MS, tag.body, tag.bytes);
    else stream->head_bytes += rtmp_message(stream->head + stream->head_bytes, tag.type, tag.ms, tag.body, tag.bytes);
    if (at == stream->pieces[piece].end) stream->pieces[piece++].end = count;
  }
  // An encoder may repeat its sequence headers. They are the first two seconds.
  for (uint64_t at = 13; at < stream->file_bytes;) {
    struct tag tag = tag_at(flv + at);
    at += TAG_HEADER_BYTES + tag.bytes + 4;
    bool is_header = tag.type != FLV_DATA && track_of(tag.type, tag.body, tag.bytes) == TRACKS;
    if (is_header) stream->head_bytes += rtmp_message(stream->head + stream->head_bytes, tag.type, HEAD_MS, tag.body, tag.bytes);
  }
  stream->file = messages;
  stream->file_bytes = count;
}

static void put_block(struct stream *stream, uint64_t now) {
  uint64_t number = stream->offered / BLOCK_BYTES;
  uint8_t *block = stream->staging + stream->staged;
  memcpy(block, magic, 8);
  memcpy(block + 8, &number, 8);
  memcpy(block + 16, &now, 8);
  memcpy(block + HEAD_BYTES, body_of(number), BODY_BYTES);
  stream->staged += BLOCK_BYTES;
  stream->offered += BLOCK_BYTES;
}

static void note_late(struct stream *stream, uint64_t due, uint64_t now) {
  if (now > due && now - due > stream->late_ns) stream->late_ns = now - due;
}

/** On the next full tick of the pace after its bits are due. */
static uint64_t block_due_ns(const struct stream *stream) {
  double number = (double)(stream->offered / BLOCK_BYTES);
  uint64_t after = (uint64_t)(number * BLOCK_BYTES * 8e9 / stream->rate);
  return stream->start_ns + (after + PACE_NS - 1) / PACE_NS * PACE_NS;
}

void stream_fill(struct stream *stream, uint64_t now) {
  if (stream->start_ns == 0) return;
  if (stream->file != NULL) {
    while (stream->next_piece < stream->piece_count) {
      struct piece *piece = &stream->pieces[stream->next_piece];
      uint64_t due = stream->start_ns + piece->due_ns;
      if (due > now) break;
      note_late(stream, due, now);
      piece->sent_ns = now;
      stream->offered = piece->end;
      stream->next_piece++;
    }
    return;
  }
  if (stream->staged_taken == stream->staged) stream->staged = stream->staged_taken = 0;
  while (stream->staged + BLOCK_BYTES <= STAGING_BYTES) {
    if (stream->rate > 0) {
      uint64_t due = block_due_ns(stream);
      if (due > now) break;
      note_late(stream, due, now);
    }
    put_block(stream, now);
  }
}

uint64_t stream_next_ns(const struct stream *stream) {
  if (stream->start_ns == 0) return UINT64_MAX;
  if (stream->file == NULL) return stream->rate > 0 ? block_due_ns(stream) : 0;
  if (stream->next_piece == stream->piece_count) return UINT64_MAX;
  return stream->start_ns + stream->pieces[stream->next_piece].due_ns;
}

size_t stream_pending(const struct stream *stream, const uint8_t **bytes) {
  *bytes = stream->file != NULL ? stream->file + stream->taken : stream->staging + stream->staged_taken;
  return stream->offered - stream->taken;
}

void stream_took(struct stream *stream, size_t count) {
  stream->taken += count;
  if (stream->file == NULL) stream->staged_taken += count;
}

/** How many of `count` bytes are equal. */
static size_t equal_bytes(const uint8_t *a, const uint8_t *b, size_t count) {
  if (memcmp(a, b, count) == 0) return count;
  size_t i = 0;
  while (a[i] == b[i]) i++;
  return i;
}

/** Bytes at the front of `bytes` that are what comes at the reader's place; it moves past them. */
static size_t check_flv(struct reader *reader, const struct stream *stream, const uint8_t *bytes, size_t count, uint64_t now,
                        struct histogram *delays) {
  uint64_t left = stream->offered - reader->position;
  size_t equal = equal_bytes(bytes, stream->file + reader->position, count < left ? count : (size_t)left);
  reader->position += equal;
  while (reader->next_piece < stream->piece_count && stream->pieces[reader->next_piece].end <= reader->position) {
    if (delays != NULL) histogram_add(delays, now - stream->pieces[reader->next_piece].sent_ns);
    reader->next_piece++;
  }
  return equal;
}

static size_t check_blocks(struct reader *reader, const uint8_t *bytes, size_t count, uint64_t now,
                           struct histogram *delays) {
  size_t done = 0;
  while (done < count) {
    uint64_t number = reader->position / BLOCK_BYTES;
    size_t at = (size_t)(reader->position % BLOCK_BYTES);
    size_t wanted;
    size_t equal;
    if (at < HEAD_BYTES) {
      uint8_t head[HEAD_BYTES];
      wanted = count - done < HEAD_BYTES - at ? count - done : HEAD_BYTES - at;
      memcpy(reader->head + at, bytes + done, wanted);
      memcpy(head, magic, 8);
      memcpy(head + 8, &number, 8);
      // The time is not checked: it is what the delay is told by.
      memcpy(head + 16, reader->head + 16, 8);
      equal = equal_bytes(reader->head + at, head + at, wanted);
    } else {
      wanted = count - done < BLOCK_BYTES - at ? count - done : BLOCK_BYTES - at;
      equal = equal_bytes(bytes + done, body_of(number) + at - HEAD_BYTES, wanted);
    }
    reader->position += equal;
    done += equal;
    if (equal < wanted) return done;
    if (at + equal == BLOCK_BYTES && delays != NULL) {
      uint64_t sent;
      memcpy(&sent, reader->head + 16, 8);
      if (sent != 0 && sent <= now) histogram_add(delays, now - sent);
    }
  }
  return done;
}

static size_t check(struct reader *reader, const struct stream *stream, const uint8_t *bytes, size_t count, uint64_t now,
                    struct histogram *delays) {
  if (stream->file != NULL) return check_flv(reader, stream, bytes, count, now, delays);
  return check_blocks(reader, bytes, count, now, delays);
}

/** Gives the reader the place `position`, having been at another, or at none. */
static void place(struct reader *reader, const struct stream *stream, uint64_t position) {
  if (reader->begun) {
    if (position > reader->position) {
      reader->gaps++;
      reader->gap_bytes += position - reader->position;
    } else {
      reader->damages++;
    }
  }
  reader->position = position;
  reader->synced = true;
  reader->begun = true;
  memset(reader->head, 0, HEAD_BYTES);
  if (stream->file == NULL) return;
  size_t low = 0;
  size_t high = stream->piece_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (stream->pieces[middle].end > position) high = middle;
    else low = middle + 1;
  }
  reader->next_piece = low;
}

/** Looks for the place of the carried bytes. Gives how many of them are of no place; SIZE_MAX: it is not found yet. */
static size_t find_flv(struct reader *reader, const struct stream *stream) {
  if (reader->carried < NEEDLE_BYTES) return SIZE_MAX;
  uint64_t from = reader->begun ? reader->position : 0;
  const uint8_t *found = memmem(stream->file + from, stream->offered - from, reader->carry, NEEDLE_BYTES);
  if (found == NULL && from > 0) found = memmem(stream->file, stream->offered, reader->carry, NEEDLE_BYTES);
  if (found == NULL) return SIZE_MAX;
  place(reader, stream, (uint64_t)(found - stream->file));
  return 0;
}

static size_t find_block(struct reader *reader, const struct stream *stream) {
  const uint8_t *found = memmem(reader->carry, reader->carried, magic, sizeof magic);
  size_t at = (size_t)(found - reader->carry);
  if (found == NULL || at + HEAD_BYTES > reader->carried) return SIZE_MAX;
  uint64_t number;
  memcpy(&number, found + 8, 8);
  uint64_t position = number * BLOCK_BYTES;
  // What is before it should be the end of the block before.
  struct reader before = {.position = position - at};
  bool fits = at <= BLOCK_BYTES && at <= position && check_blocks(&before, reader->carry, at, 0, NULL) == at;
  place(reader, stream, fits ? position - at : position);
  return fits ? 0 : at;
}

void reader_feed(struct reader *reader, const struct stream *stream, const uint8_t *bytes, size_t count, uint64_t now,
                 struct histogram *delays) {
  while (count > 0) {
    if (reader->synced) {
      size_t good = check(reader, stream, bytes, count, now, delays);
      bytes += good;
      count -= good;
      if (count > 0) reader->synced = false;
      continue;
    }
    if (reader->carry == NULL) reader->carry = malloc(CARRY_BYTES);
    if (reader->carry == NULL) die("no memory", "carry");
    size_t taken = count < CARRY_BYTES - reader->carried ? count : CARRY_BYTES - reader->carried;
    memcpy(reader->carry + reader->carried, bytes, taken);
    reader->carried += taken;
    bytes += taken;
    count -= taken;
    bool first = !reader->begun;
    size_t stray = stream->file != NULL ? find_flv(reader, stream) : find_block(reader, stream);
    if (stray == SIZE_MAX) {
      if (reader->carried < CARRY_BYTES) return;
      // Only half of it goes, so that a block's beginning at its end is not torn.
      if (first) reader->lead_bytes += CARRY_BYTES / 2;
      else reader->damages++;
      reader->carried -= CARRY_BYTES / 2;
      memmove(reader->carry, reader->carry + CARRY_BYTES / 2, reader->carried);
      continue;
    }
    if (first) reader->lead_bytes += stray;
    else if (stray > 0) reader->damages++;
    // The carried bytes are checked like any others; what does not fit among them is looked for anew.
    uint8_t *carry = reader->carry;
    size_t carried = reader->carried;
    reader->carry = NULL;
    reader->carried = 0;
    reader_feed(reader, stream, carry + stray, carried - stray, now, delays);
    free(carry);
  }
}
