// See rtmp.h.

#include "rtmp.h"

#include <string.h>

/** A message being written: AMF0 values (Action Message Format, AMF 0, section 2) behind a chunk header of type 0. */
struct message {
  unsigned char *start;
  unsigned char *end;
};

static void put(struct message *message, const void *bytes, size_t count) {
  memcpy(message->end, bytes, count);
  message->end += count;
}

static void put_text(struct message *message, const char *text) {
  unsigned char size[2] = {0, (unsigned char)strlen(text)};
  put(message, size, 2);
  put(message, text, strlen(text));
}

static void put_string(struct message *message, const char *text) {
  put(message, "\x02", 1);
  put_text(message, text);
}

/** Small whole numbers that are powers of two, or 0: a double's exponent is all that they need. */
static void put_number(struct message *message, unsigned number) {
  unsigned char bytes[9] = {0};
  if (number > 0) {
    unsigned exponent = 1023;
    while (number >>= 1) exponent++;
    bytes[1] = (unsigned char)(exponent >> 4);
    bytes[2] = (unsigned char)(exponent << 4);
  }
  put(message, bytes, sizeof bytes);
}

static void put_null(struct message *message) { put(message, "\x05", 1); }

/** A chunk header of type 0 on chunk stream 3; the length is filled in when the message is done. */
static struct message begin(unsigned char *at, const char *name, unsigned transaction, unsigned char stream) {
  unsigned char header[12] = {3, 0, 0, 0, 0, 0, 0, RTMP_COMMAND, stream, 0, 0, 0};
  struct message message = {.start = at, .end = at};
  put(&message, header, sizeof header);
  put_string(&message, name);
  put_number(&message, transaction);
  return message;
}

/** All of these are shorter than a chunk's 128 bytes. */
static unsigned char *finish(struct message *message) {
  message->start[6] = (unsigned char)(message->end - message->start - 12);
  return message->end;
}

size_t rtmp_hello(unsigned char *bytes) {
  memset(bytes, 0, RTMP_HELLO_BYTES);
  bytes[0] = 3;
  return RTMP_HELLO_BYTES;
}

/** Answers the server's half of the handshake, connects, and creates a stream; gives where to go on. */
static unsigned char *ask(unsigned char *bytes) {
  // C2 is the server's S1 come back; nobody looks whether it is that exact.
  memset(bytes, 0, 1536);
  bytes += 1536;
  const unsigned char chunk_size[16] = {2, 0, 0, 0, 0, 0, 4, RTMP_SET_CHUNK_SIZE, 0, 0, 0, 0,
                                        0, 0, RTMP_CHUNK_BYTES >> 8, RTMP_CHUNK_BYTES & 0xff};
  memcpy(bytes, chunk_size, sizeof chunk_size);
  struct message connect = begin(bytes + sizeof chunk_size, "connect", 1, 0);
  put(&connect, "\x03", 1);
  put_text(&connect, "app");
  put_string(&connect, "live");
  put_text(&connect, "tcUrl");
  put_string(&connect, "rtmp://127.0.0.1/live");
  put(&connect, "\0\0\x09", 3);
  struct message create = begin(finish(&connect), "createStream", 2, 0);
  put_null(&create);
  return finish(&create);
}

size_t rtmp_play(unsigned char *bytes) {
  struct message play = begin(ask(bytes), "play", 4, 1);
  put_null(&play);
  put_string(&play, "bench");
  return (size_t)(finish(&play) - bytes);
}

size_t rtmp_publish(unsigned char *bytes) {
  struct message publish = begin(ask(bytes), "publish", 4, 1);
  put_null(&publish);
  put_string(&publish, "bench");
  put_string(&publish, "live");
  return (size_t)(finish(&publish) - bytes);
}

size_t rtmp_message(unsigned char *bytes, uint8_t type, uint32_t ms, const uint8_t *body, size_t count) {
  static const unsigned char set[] = "\x02\0\x0d@setDataFrame";
  size_t before = type == FLV_DATA ? sizeof set - 1 : 0;
  size_t length = before + count;
  // A chunk stream for each type, which is below 64; a message's other chunks have nothing but its number.
  unsigned char header[12] = {type, ms >> 16, ms >> 8, ms, length >> 16, length >> 8, length, type, 1, 0, 0, 0};
  struct message message = {.start = bytes, .end = bytes};
  put(&message, header, sizeof header);
  put(&message, set, before);
  size_t room = RTMP_CHUNK_BYTES - before;
  for (size_t at = 0; at < count; room = RTMP_CHUNK_BYTES) {
    size_t part = count - at < room ? count - at : room;
    put(&message, body + at, part);
    at += part;
    unsigned char next = 0xc0 | type;
    if (at < count) put(&message, &next, 1);
  }
  return (size_t)(message.end - message.start);
}
