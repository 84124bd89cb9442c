// See watcher.h.

#define _GNU_SOURCE
#include "rtmp.h"
#include "watcher.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** As much as one watcher takes before the others have their turn. */
#define TAKE_BYTES (256 * 1024)

static uint8_t taken[TAKE_BYTES];

#ifdef WITH_TLS
#include <openssl/ssl.h>

static SSL_CTX *context;

bool watcher_has_tls(void) { return true; }

static void *tls_on(int fd) {
  if (context == NULL) context = SSL_CTX_new(TLS_client_method());
  SSL *tls = SSL_new(context);
  SSL_set_fd(tls, fd);
  SSL_set_connect_state(tls);
  return tls;
}

/** 1: it is done; 0: not yet; -1: it failed. */
static int tls_handshake(void *tls) {
  int result = SSL_do_handshake(tls);
  if (result == 1) return 1;
  int error = SSL_get_error(tls, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t tls_result(void *tls, int result) {
  if (result > 0) return result;
  int error = SSL_get_error(tls, result);
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
  return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t tls_take(void *tls, uint8_t *bytes, size_t count) {
  return tls_result(tls, SSL_read(tls, bytes, (int)count));
}

static ssize_t tls_give(void *tls, const void *bytes, size_t count) {
  return tls_result(tls, SSL_write(tls, bytes, (int)count));
}

static void tls_free(void *tls) { SSL_free(tls); }
#else
bool watcher_has_tls(void) { return false; }
static void *tls_on(int fd) { (void)fd; return NULL; }
static int tls_handshake(void *tls) { (void)tls; return -1; }
static ssize_t tls_take(void *tls, uint8_t *bytes, size_t count) { (void)tls; (void)bytes; (void)count; return -1; }
static ssize_t tls_give(void *tls, const void *bytes, size_t count) { (void)tls; (void)bytes; (void)count; return -1; }
static void tls_free(void *tls) { (void)tls; }
#endif

size_t request_of(enum kind kind, bool broadcast, const char *path, size_t channel, char *bytes) {
  char number[24] = "";
  if (channel > 0) snprintf(number, sizeof number, "%zu", channel);
  if (kind == KIND_WEBSOCKET) {
    // RFC 6455. The first message asks for nothing but the wait, and is masked with zeros.
    const char *message = "{\"wait\":3600}";
    const char *format = "GET %s HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                         "\x81%c%c%c%c%c%s";
    return (size_t)snprintf(bytes, 512, format, path, 0x80 | (int)strlen(message), 0, 0, 0, 0, message);
  }
  if (kind == KIND_HTTP_FLV) return (size_t)snprintf(bytes, 512, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);
  if (kind == KIND_HTTP) {
    // The user and password that the driver writes into Icecast's settings.
    const char *format = broadcast ? "PUT %s%s HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic c291cmNlOmJlbmNo\r\n"
                                     "Content-Type: application/octet-stream\r\n\r\n"
                                   : "GET %s%s HTTP/1.0\r\nHost: bench\r\n\r\n";
    return (size_t)snprintf(bytes, 512, format, path, number);
  }
  char text[128];
  const char *format = broadcast ? "broadcast,user=bench,user_password=bench" : "watch,user=bench,wait=3600";
  int length = snprintf(text, sizeof text, "%s%s%s", format, channel > 0 ? ",channel=" : "", number);
  uint32_t big_endian = htonl((uint32_t)length);
  memcpy(bytes, "\n\n", 2);
  memcpy(bytes + 2, &big_endian, 4);
  bytes[6] = 0;
  memcpy(bytes + 7, text, (size_t)length);
  return 7 + (size_t)length;
}

bool watcher_open(struct watcher *watcher, const struct venue *venue) {
  watcher->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  watcher->connect_ns = now_ns();
  watcher->state = CONNECTING;
  if (watcher->fd < 0) {
    perror("load: socket");
    return false;
  }
  const struct sockaddr *address = (const struct sockaddr *)&venue->address;
  if (connect(watcher->fd, address, sizeof venue->address) < 0 && errno != EINPROGRESS) {
    perror("load: connect");
    return false;
  }
  return true;
}

static void close_it(struct watcher *watcher) {
  if (watcher->tls != NULL) tls_free(watcher->tls);
  watcher->tls = NULL;
  close(watcher->fd);
  watcher->state = CLOSED;
}

/** Sends a few first bytes, which any socket takes whole. */
static void give(struct watcher *watcher, const void *bytes, size_t count, enum state then) {
  ssize_t sent = watcher->tls != NULL ? tls_give(watcher->tls, bytes, count)
                                      : send(watcher->fd, bytes, count, MSG_NOSIGNAL);
  if (sent != (ssize_t)count) close_it(watcher);
  else watcher->state = then;
}

static void ask(struct watcher *watcher, const struct venue *venue) {
  unsigned char hello[RTMP_HELLO_BYTES];
  char request[512];
  switch (venue->kind) {
    case KIND_RTMP:
      give(watcher, hello, rtmp_hello(hello), GREETING);
      return;
    case KIND_HTTP:
    case KIND_HTTP_FLV:
    case KIND_WEBSOCKET:
      give(watcher, request, request_of(venue->kind, false, venue->path, watcher->channel, request), ASKED);
      return;
    case KIND_FSTREAM:
      give(watcher, request, request_of(KIND_FSTREAM, false, NULL, watcher->channel, request), FLOWING);
      return;
  }
}

/** Takes the server's half of RTMP's handshake, and asks for the stream. */
static void greet(struct watcher *watcher) {
  unsigned char play[RTMP_ASK_BYTES];
  ssize_t count = recv(watcher->fd, taken, RTMP_ANSWER_BYTES - watcher->header_bytes, 0);
  if (count == 0 || (count < 0 && errno != EAGAIN)) close_it(watcher);
  if (count <= 0) return;
  watcher->header_bytes += (unsigned)count;
  if (watcher->header_bytes < RTMP_ANSWER_BYTES) return;
  give(watcher, play, rtmp_play(play), FLOWING);
}

/** Skips the response's headers; gives how many of the bytes they were. */
static size_t skip_headers(struct watcher *watcher, const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    // "HTTP/1.0 200 OK", "HTTP/1.1 101 Switching Protocols"
    if (watcher->header_bytes++ == 9 && bytes[i] != '1' && bytes[i] != '2') watcher->refused = true;
    bool expected = bytes[i] == (watcher->line % 2 == 0 ? '\r' : '\n');
    watcher->line = expected ? watcher->line + 1 : bytes[i] == '\r';
    if (watcher->line == 4) {
      watcher->state = FLOWING;
      return i + 1;
    }
  }
  return count;
}

/** Moves the payloads of binary messages to the beginning of `bytes`; gives how long they are together. */
static size_t unframe(struct watcher *watcher, uint8_t *bytes, size_t count) {
  size_t kept = 0;
  for (size_t at = 0; at < count;) {
    uint8_t *frame = watcher->frame;
    if (watcher->frame_left == 0) {
      frame[watcher->frame_bytes++] = bytes[at++];
      unsigned length = watcher->frame_bytes < 2 ? 0 : frame[1] & 0x7f;
      unsigned header_bytes = length < 126 ? 2 : length == 126 ? 4 : 10;
      if (watcher->frame_bytes < header_bytes) continue;
      watcher->frame_left = header_bytes == 2 ? length : 0;
      for (unsigned i = 2; i < header_bytes; i++) watcher->frame_left = watcher->frame_left << 8 | frame[i];
      watcher->frame_bytes = 0;
      continue;
    }
    size_t part = count - at < watcher->frame_left ? count - at : watcher->frame_left;
    if ((frame[0] & 0x0f) == 2) {
      memmove(bytes + kept, bytes + at, part);
      kept += part;
    }
    watcher->frame_left -= part;
    at += part;
  }
  return kept;
}

/** Moves what is in the chunks to the beginning of `bytes`; gives how long it is. RFC 9112, section 7.1. */
static size_t unchunk(struct watcher *watcher, uint8_t *bytes, size_t count) {
  size_t kept = 0;
  for (size_t at = 0; at < count;) {
    if (watcher->chunk_left > 0) {
      size_t part = count - at < watcher->chunk_left ? count - at : watcher->chunk_left;
      memmove(bytes + kept, bytes + at, part);
      kept += part;
      at += part;
      watcher->chunk_left -= part;
      continue;
    }
    // The line before it that ends the last chunk is empty.
    uint8_t byte = bytes[at++];
    if (isxdigit(byte)) {
      watcher->in_chunk_line = true;
      watcher->chunk_length = watcher->chunk_length * 16 + (size_t)(byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10);
    } else if (byte == '\n' && watcher->in_chunk_line) {
      watcher->chunk_left = watcher->chunk_length;
      watcher->chunk_length = 0;
      watcher->in_chunk_line = false;
    }
  }
  return kept;
}

static void got(struct watcher *watcher, struct venue *venue, size_t count, bool seen) {
  uint64_t now = now_ns();
  size_t skipped = watcher->state == ASKED ? skip_headers(watcher, taken, count) : 0;
  count -= skipped;
  if (venue->kind == KIND_WEBSOCKET) count = unframe(watcher, taken + skipped, count);
  bool framed = venue->kind == KIND_HTTP_FLV || venue->kind == KIND_RTMP;
  if (venue->kind == KIND_HTTP_FLV && seen) count = unchunk(watcher, taken + skipped, count);
  if (count == 0) return;
  if (watcher->first_ns == 0 && (!framed || watcher->reader.synced)) watcher->first_ns = now;
  watcher->bytes += count;
  venue->bytes += count;
  if (!seen || (watcher->reader.synced && !watcher->checked)) {
    watcher->reader.position += count;
    return;
  }
  struct histogram *delays = venue->measuring && watcher->checked && !watcher->joiner ? &venue->delays : NULL;
  if (framed) {
    enum wrapping wrapping = venue->kind == KIND_RTMP ? WRAPPED_RTMP : WRAPPED_FLV;
    frames_feed(&watcher->frames, wrapping, &watcher->reader, watcher->stream, taken + skipped, count, now, delays);
    return;
  }
  reader_feed(&watcher->reader, watcher->stream, taken + skipped, count, now, delays);
}

static void take(struct watcher *watcher, struct venue *venue) {
  // A plain watcher whose bytes are only counted need not even have them copied: tcp(7), MSG_TRUNC.
  bool is_raw = watcher->tls == NULL && venue->kind != KIND_WEBSOCKET;
  bool count_only = is_raw && !watcher->checked && watcher->reader.synced;
  ssize_t count = watcher->tls != NULL ? tls_take(watcher->tls, taken, TAKE_BYTES)
                                       : recv(watcher->fd, taken, TAKE_BYTES, count_only ? MSG_TRUNC : 0);
  while (count > 0) {
    got(watcher, venue, (size_t)count, !count_only);
    // A record at a time, and what is left of them no socket tells.
    if (watcher->tls == NULL) return;
    count = tls_take(watcher->tls, taken, TAKE_BYTES);
  }
  if (count == 0 || (errno != EAGAIN && errno != EINTR)) close_it(watcher);
}

void watcher_ready(struct watcher *watcher, struct venue *venue) {
  if (watcher->state == CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(watcher->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      fprintf(stderr, "load: connect: %s\n", strerror(error));
      close_it(watcher);
      return;
    }
    if (!venue->tls) {
      ask(watcher, venue);
      return;
    }
    watcher->tls = tls_on(watcher->fd);
    watcher->state = SECURING;
  }
  if (watcher->state == SECURING) {
    int result = tls_handshake(watcher->tls);
    if (result < 0) close_it(watcher);
    else if (result > 0) ask(watcher, venue);
    return;
  }
  if (watcher->state == GREETING) greet(watcher);
  else take(watcher, venue);
}
