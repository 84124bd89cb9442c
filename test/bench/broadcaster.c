// See broadcaster.h.

#define _GNU_SOURCE
#include "broadcaster.h"
#include "rtmp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** How long a server may take to answer, seconds. */
#define ANSWER_SECONDS 10

static void die(const char *what) {
  fprintf(stderr, "load: the broadcaster: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void refused(const char *answer, size_t count) {
  fprintf(stderr, "load: the server refuses the broadcaster: %.*s\n", (int)count, answer);
  exit(1);
}

static void give(int fd, const void *bytes, size_t count) {
  if (send(fd, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) die("send");
}

static void await_http(int fd) {
  char answer[512];
  ssize_t count = recv(fd, answer, sizeof answer, 0);
  if (count < 0) die("no answer");
  if (count < 12 || memcmp(answer + 9, "200", 3) != 0) refused(answer, (size_t)count);
}

static void publish(int fd, const struct stream *stream) {
  unsigned char bytes[RTMP_ANSWER_BYTES];
  give(fd, bytes, rtmp_hello(bytes));
  if (recv(fd, bytes, RTMP_ANSWER_BYTES, MSG_WAITALL) != RTMP_ANSWER_BYTES) die("no handshake of RTMP");
  give(fd, bytes, rtmp_publish(bytes));
  const char *started = "NetStream.Publish.Start";
  size_t got = 0;
  while (memmem(bytes, got, started, strlen(started)) == NULL) {
    ssize_t count = got < sizeof bytes ? recv(fd, bytes + got, sizeof bytes - got, 0) : 0;
    if (count < 0) die("no answer");
    if (count == 0) refused("by RTMP", 7);
    got += (size_t)count;
  }
  give(fd, stream->head, stream->head_bytes);
}

int broadcaster_open(const struct sockaddr_in *address, enum kind kind, const char *path, size_t channel,
                     const struct stream *stream) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int yes = 1;
  struct timeval wait = {.tv_sec = ANSWER_SECONDS};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) die("connect");
  if (kind == KIND_RTMP) {
    publish(fd, stream);
    return fd;
  }
  char request[512];
  give(fd, request, request_of(kind, true, path, channel, request));
  if (kind == KIND_HTTP) await_http(fd);
  return fd;
}
