// One watcher's connection: it connects, asks (in fstream's protocol, by HTTP or on a WebSocket, plain or over TLS, for HTTP-FLV,
// or by RTMP), and takes what comes; of the last two that are frames (frames.h).
// Everything is non-blocking; the owner calls `watcher_ready` when its socket has something to say.

#ifndef WATCHER_H
#define WATCHER_H

#include "frames.h"
#include "stream.h"

#include <netinet/in.h>
#include <stdbool.h>

/** What it speaks; over TLS or not. */
enum kind { KIND_FSTREAM, KIND_HTTP, KIND_WEBSOCKET, KIND_HTTP_FLV, KIND_RTMP };

enum state {
  /** Not asked yet. */
  CONNECTING,
  SECURING,
  /** Of RTMP: the server's half of the handshake is not all there. */
  GREETING,
  /** Asked; of HTTP the response's headers are not all there. */
  ASKED,
  FLOWING,
  CLOSED,
};

struct watcher {
  int fd;
  enum state state;
  /** What it watches: the number of a channel, and what comes there. */
  size_t channel;
  const struct stream *stream;
  /** Every byte is checked; otherwise only where it starts, and then they are counted. */
  bool checked;
  /** Takes nothing once it has asked. */
  bool silent;
  /** Comes when the stream flows already: it is timed, and starts anywhere. */
  bool joiner;
  /** When it began to connect, and when the stream's first byte came; 0: it did not yet. */
  uint64_t connect_ns;
  uint64_t first_ns;
  uint64_t bytes;
  struct reader reader;
  /** Of the response's headers: how much of the empty line was seen; how many bytes came; whether it is a refusal. */
  unsigned line;
  unsigned header_bytes;
  bool refused;
  /** Of a WebSocket: the header of the frame that is under way, how much of it is there, and the payload that is to come. */
  uint8_t frame[10];
  unsigned frame_bytes;
  uint64_t frame_left;
  /** Of HTTP-FLV: what of the chunk's length was read, whether its line goes on, and how much of the chunk is to come. */
  size_t chunk_length;
  bool in_chunk_line;
  size_t chunk_left;
  struct frames frames;
  void *tls;
};

/** What all watchers have in common. */
struct venue {
  struct sockaddr_in address;
  enum kind kind;
  /** Of HTTP. */
  const char *path;
  bool tls;
  /** Delays are added to it while `measuring`. */
  struct histogram delays;
  bool measuring;
  /** Bytes of the stream that all watchers got. */
  uint64_t bytes;
};

/** Begins to connect; false with a message if not even that can be done (no descriptor, no port). */
bool watcher_open(struct watcher *watcher, const struct venue *venue);

/** Goes on with whatever its state is, as far as the socket lets it. */
void watcher_ready(struct watcher *watcher, struct venue *venue);

/**
 * What a watcher or, for `broadcast`, a broadcaster of a channel asks for, by HTTP for that path; gives the length. At most 512 bytes.
 * Channels but the first have their number in their name, and at the end of their path.
 */
size_t request_of(enum kind kind, bool broadcast, const char *path, size_t channel, char *bytes);

/** Whether watchers over TLS were compiled in. */
bool watcher_has_tls(void);

#endif
