// See rtmp.h.

#include "rtmp.h"

#include <string.h>

#define COMMAND 20

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
  unsigned char header[12] = {3, 0, 0, 0, 0, 0, 0, COMMAND, stream, 0, 0, 0};
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

size_t rtmp_play(unsigned char *bytes) {
  // C2 is the server's S1 come back; who only watches need not be that exact.
  memset(bytes, 0, 1536);
  struct message connect = begin(bytes + 1536, "connect", 1, 0);
  put(&connect, "\x03", 1);
  put_text(&connect, "app");
  put_string(&connect, "live");
  put(&connect, "\0\0\x09", 3);
  struct message create = begin(finish(&connect), "createStream", 2, 0);
  put_null(&create);
  struct message play = begin(finish(&create), "play", 4, 1);
  put_null(&play);
  put_string(&play, "bench");
  return (size_t)(finish(&play) - bytes);
}
