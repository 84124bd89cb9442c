// The reference for what the kernel allows: a fan-out of the same design as fstream's, in C, and nothing else. One ring of
// recent bytes, a cursor for each watcher, nothing copied or queued for any; what comes is sent at once. It speaks just
// enough of the protocol: LF LF, length, 00, and a text that begins with `broadcast` or `watch`; nothing is asked of it.
//
//   fanout            listens on a port of 127.0.0.1 that the system chooses, and prints it
//
// A watcher that the ring has lapped goes on at the newest byte.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_BYTES (16u * 1024 * 1024)
/** As fstream reads: at most this much at a time. */
#define READ_BYTES (512u * 1024)
#define REQUEST_BYTES 4096
#define EVENTS 1024

struct peer {
  int fd;
  enum { ASKING, WATCHING, BROADCASTING } role;
  bool blocked;
  uint64_t cursor;
  /** Where it is among the watchers. */
  size_t index;
  size_t asked;
  char *request;
};

static uint8_t *ring;
static uint64_t head;
static struct peer **watchers;
static size_t watcher_count;
static size_t watcher_room;
static int epoll_fd;

static void die(const char *what) {
  fprintf(stderr, "fanout: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void leave(struct peer *peer) {
  if (peer->role == WATCHING) {
    watchers[peer->index] = watchers[--watcher_count];
    watchers[peer->index]->index = peer->index;
  }
  close(peer->fd);
  free(peer->request);
  free(peer);
}

/** Sends a watcher what there is for it; false if it is gone. */
static bool pump(struct peer *watcher) {
  if (head - watcher->cursor > RING_BYTES - READ_BYTES) watcher->cursor = head;
  while (watcher->cursor < head) {
    uint64_t at = watcher->cursor % RING_BYTES;
    size_t count = head - watcher->cursor < RING_BYTES - at ? head - watcher->cursor : RING_BYTES - at;
    ssize_t sent = send(watcher->fd, ring + at, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent > 0) watcher->cursor += (uint64_t)sent;
    if (sent < (ssize_t)count) {
      watcher->blocked = true;
      return true;
    }
  }
  return true;
}

static void fan_out(void) {
  for (size_t i = watcher_count; i-- > 0;) {
    // A peer that is gone has an event of its own.
    if (!watchers[i]->blocked && !pump(watchers[i])) watchers[i]->blocked = true;
  }
}

static void append(const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) ring[head++ % RING_BYTES] = (uint8_t)bytes[i];
}

static void broadcast(struct peer *peer) {
  uint64_t at = head % RING_BYTES;
  size_t room = RING_BYTES - at < READ_BYTES ? RING_BYTES - at : READ_BYTES;
  ssize_t got = recv(peer->fd, ring + at, room, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    leave(peer);
    return;
  }
  if (got < 0) return;
  head += (uint64_t)got;
  fan_out();
}

static void begin_watching(struct peer *peer) {
  if (watcher_count == watcher_room) {
    watcher_room = watcher_room == 0 ? 1024 : 2 * watcher_room;
    watchers = realloc(watchers, watcher_room * sizeof *watchers);
    if (watchers == NULL) die("watchers");
  }
  peer->role = WATCHING;
  peer->cursor = head;
  peer->index = watcher_count;
  watchers[watcher_count++] = peer;
  // Edge-triggered: room is reported once, when there is some again.
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, peer->fd, &event) < 0) die("epoll_ctl");
}

static void ask(struct peer *peer) {
  if (peer->request == NULL) peer->request = malloc(REQUEST_BYTES);
  if (peer->request == NULL) die("request");
  ssize_t got = recv(peer->fd, peer->request + peer->asked, REQUEST_BYTES - peer->asked, MSG_DONTWAIT);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) leave(peer);
    return;
  }
  peer->asked += (size_t)got;
  char *preamble = memmem(peer->request, peer->asked, "\n\n", 2);
  if (preamble == NULL) return;
  size_t text = (size_t)(preamble - peer->request) + 7;
  if (text > peer->asked) return;
  uint32_t length;
  memcpy(&length, preamble + 2, 4);
  length = ntohl(length);
  if (text + length > peer->asked) return;
  bool broadcasts = length >= 9 && memcmp(peer->request + text, "broadcast", 9) == 0;
  if (broadcasts) {
    peer->role = BROADCASTING;
    append(peer->request + text + length, peer->asked - text - length);
    fan_out();
  } else {
    begin_watching(peer);
  }
  free(peer->request);
  peer->request = NULL;
}

static void watch(struct peer *peer, uint32_t events) {
  char dropped[512];
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    ssize_t got;
    while ((got = recv(peer->fd, dropped, sizeof dropped, MSG_DONTWAIT)) > 0) {
    }
    if (got == 0 || errno != EAGAIN) {
      leave(peer);
      return;
    }
  }
  if (events & EPOLLOUT) {
    peer->blocked = false;
    if (!pump(peer)) peer->blocked = true;
  }
}

static void accept_all(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) die("peer");
    peer->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
  }
}

static void handle(struct peer *peer, uint32_t events) {
  if (peer->role == ASKING) {
    ask(peer);
    return;
  }
  if (peer->role == BROADCASTING) broadcast(peer);
  else watch(peer, events);
}

int main(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  ring = malloc(RING_BYTES);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (ring == NULL || listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0) die("bind");
  if (listen(listener, 4096) < 0) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) accept_all(listener);
      else handle(events[i].data.ptr, events[i].events);
    }
  }
}
