// The benchmark's load: one broadcaster and many watchers of it, or several of each, in one thread on one CPU. Or one end of a pipe.
//
//   load run --port N --kind fstream|http|websocket|http-flv|rtmp [--path PATH] [--tls 1] [--broadcast-port N]
//            [--broadcast-kind fstream|http|rtmp]
//            [--channels N] [--watchers N] [--silent N] [--joiners N] [--joiners-apart MS] [--bitrate BITS | --flv FILE] [--check N]
//            [--warm SECONDS] [--seconds SECONDS] [--pid PID]
//       Connects a broadcaster and the watchers, lets the stream flow for the warm-up and until every watcher has its first
//       byte, measures, waits until everything sent has arrived (or for 2 s), prints one line of JSON, and holds all
//       connections until its stdin ends. Of several channels each has a broadcaster, which begin one after another within the time of
//       a block, and the watchers are distributed evenly. One watcher in `check` has every byte checked. `silent` watchers take nothing;
//       `joiners` come one after another once the measurement has begun. A bit rate of 0: as fast as it is taken. What is
//       broadcast by RTMP is an FLV, and so is what watchers get by HTTP-FLV or RTMP.
//   load wait --port N --watchers N
//       Only the watchers; prints a line when all of them have asked, and holds them.
//   load source BYTES
//       Writes that much of the stream to stdout.
//   load sink
//       Checks the stream on stdin, and prints how much came how fast.
//
// It must not be the bottleneck, so it tells how much of its CPU it used, and how late it was with what it sent.

#define _GNU_SOURCE
#include "broadcaster.h"
#include "measure.h"
#include "stream.h"
#include "watcher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 128
/** How many connections are on their way at a time: a listener's queue is not endless, and Icecast's has five places. */
#define CONNECTING_AT_ONCE 128
#define CONNECTING_TO_ICECAST 4
/** What a login of one of many broadcasters has, microseconds. */
#define LOGIN_US 5000
/** Between the last watcher's request and the stream's first byte, and after what is published by RTMP; nanoseconds. */
#define PAUSE_NS 300000000u
/** How long watchers may take to connect, each and all; to the first byte, and to the last ones. Nanoseconds. */
#define CONNECT_EACH_NS 8000000u
#define CONNECT_NS 15000000000u
#define FIRST_NS 3000000000u
#define DRAIN_NS 2000000000u

struct options {
  int port;
  int broadcast_port;
  enum kind kind;
  enum kind broadcast_kind;
  const char *path;
  bool tls;
  size_t channels;
  size_t watchers;
  size_t silent;
  size_t joiners;
  double joiners_apart_ms;
  double bitrate;
  const char *flv;
  size_t check;
  double warm;
  double seconds;
  int pid;
};

/** What a broadcaster sends, and where. */
struct channel {
  struct stream stream;
  int fd;
  bool blocked;
};

static struct channel *channels;
static size_t channel_count;
/** When the first of their next bytes are due. */
static uint64_t next_ns;
static struct venue venue;
static struct watcher *watchers;
/** How many of them have begun to connect. */
static size_t opened;
static int epoll_fd;

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void listen_for(int fd, uint32_t events, void *data, int operation) {
  struct epoll_event event = {.events = events, .data.ptr = data};
  if (epoll_ctl(epoll_fd, operation, fd, &event) < 0) die("epoll_ctl");
}

static void open_next(void) {
  struct watcher *watcher = &watchers[opened++];
  if (!watcher_open(watcher, &venue)) exit(1);
  listen_for(watcher->fd, EPOLLIN | EPOLLOUT, watcher, EPOLL_CTL_ADD);
}

static void on_watcher(struct watcher *watcher) {
  bool was_asking = watcher->state < ASKED;
  watcher_ready(watcher, &venue);
  if (watcher->state == CLOSED) return;
  if (!was_asking || watcher->state == CONNECTING) return;
  bool deaf = watcher->silent && watcher->state >= ASKED;
  listen_for(watcher->fd, deaf ? 0 : EPOLLIN, watcher, EPOLL_CTL_MOD);
}

static void send_channel(struct channel *channel, uint64_t now) {
  stream_fill(&channel->stream, now);
  if (channel->blocked) return;
  const uint8_t *bytes;
  size_t count = stream_pending(&channel->stream, &bytes);
  if (count == 0) return;
  ssize_t sent = send(channel->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN) die("the server has closed the broadcaster's connection");
  if (sent > 0) stream_took(&channel->stream, (size_t)sent);
  if (sent < (ssize_t)count) {
    channel->blocked = true;
    listen_for(channel->fd, EPOLLIN | EPOLLOUT, channel, EPOLL_CTL_MOD);
  }
}

/** Sends what is due. */
static void send_streams(uint64_t now) {
  if (now < next_ns) return;
  next_ns = UINT64_MAX;
  for (size_t i = 0; i < channel_count; i++) {
    struct channel *channel = &channels[i];
    if (stream_next_ns(&channel->stream) <= now || channel->stream.taken < channel->stream.offered) send_channel(channel, now);
    uint64_t next = channel->blocked ? UINT64_MAX : stream_next_ns(&channel->stream);
    if (next < next_ns) next_ns = next;
  }
}

static void on_broadcaster(struct channel *channel, uint32_t events) {
  char answer[4096];
  if (events & EPOLLOUT) {
    channel->blocked = false;
    next_ns = 0;
    listen_for(channel->fd, EPOLLIN, channel, EPOLL_CTL_MOD);
  }
  if ((events & (EPOLLIN | EPOLLHUP)) && recv(channel->fd, answer, sizeof answer, MSG_DONTWAIT) == 0) {
    fprintf(stderr, "load: the server has closed the broadcaster's connection\n");
    exit(1);
  }
}

/** Waits for events until `until` at the latest or the next bytes are due, and handles them. */
static void turn(uint64_t until, bool sending) {
  struct epoll_event events[EVENTS];
  uint64_t now = now_ns();
  if (sending) send_streams(now);
  uint64_t wake = sending && next_ns < until ? next_ns : until;
  uint64_t wait = wake > now ? wake - now : 0;
  struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
  int count = epoll_pwait2(epoll_fd, events, EVENTS, &timeout, NULL);
  for (int i = 0; i < count; i++) {
    struct channel *channel = events[i].data.ptr;
    if (channel >= channels && channel < channels + channel_count) {
      on_broadcaster(channel, events[i].events);
      continue;
    }
    on_watcher(events[i].data.ptr);
    // Dozens of watchers take a while: what is due in between is not to be late for that.
    if (sending && i % 8 == 7) send_streams(now_ns());
  }
}

static void connect_broadcaster(const struct options *options, size_t number) {
  struct channel *channel = &channels[number];
  struct sockaddr_in address = venue.address;
  address.sin_port = htons((uint16_t)options->broadcast_port);
  channel->fd = broadcaster_open(&address, options->broadcast_kind, options->path, number, &channel->stream);
  listen_for(channel->fd, EPOLLIN, channel, EPOLL_CTL_ADD);
}

static size_t still_asking(size_t count) {
  size_t asking = 0;
  for (size_t i = 0; i < count; i++) asking += watchers[i].state < ASKED;
  return asking;
}

static void connect_watchers(size_t count, size_t at_once) {
  uint64_t deadline = now_ns() + CONNECT_NS + count * CONNECT_EACH_NS;
  size_t asked = 0;
  while (asked < count) {
    while (opened < count && opened - asked < at_once) open_next();
    turn(now_ns() + 1000000000u, false);
    while (asked < opened && watchers[asked].state >= ASKED) asked++;
    if (now_ns() > deadline) {
      fprintf(stderr, "load: %zu of %zu watchers can't connect\n", still_asking(count), count);
      exit(1);
    }
  }
}

static bool awaited(const struct watcher *watcher) {
  return !watcher->silent && watcher->state != CLOSED && watcher->first_ns == 0;
}

static bool all_arrived(void) {
  for (size_t i = 0; i < channel_count; i++)
    if (channels[i].stream.taken < channels[i].stream.offered) return false;
  for (size_t i = 0; i < opened; i++) {
    const struct watcher *watcher = &watchers[i];
    if (!watcher->silent && watcher->state == FLOWING && watcher->reader.position < watcher->stream->offered) return false;
  }
  return true;
}

static void report(const struct options *options, double seconds, uint64_t bytes, uint64_t sent, double cpu, double own) {
  static struct histogram firsts;
  size_t checked = 0, complete = 0, closed = 0, unserved = 0, joined = 0, refused = 0;
  uint64_t gaps = 0, gap_bytes = 0, damages = 0, lead_bytes = 0, rewritten = 0;
  for (size_t i = 0; i < opened; i++) {
    const struct watcher *watcher = &watchers[i];
    const struct reader *reader = &watcher->reader;
    if (watcher->silent) continue;
    closed += watcher->state == CLOSED;
    unserved += watcher->first_ns == 0;
    refused += watcher->refused;
    if (watcher->joiner) {
      if (watcher->first_ns == 0) continue;
      joined++;
      histogram_add(&firsts, watcher->first_ns - watcher->connect_ns);
      continue;
    }
    checked += watcher->checked;
    gaps += reader->gaps;
    gap_bytes += reader->gap_bytes;
    damages += reader->damages;
    lead_bytes += reader->lead_bytes;
    rewritten += reader->rewritten;
    // Of what is wrapped differently than it was sent, nobody knows who only counts.
    bool is_known = watcher->checked || (options->kind != KIND_HTTP_FLV && options->kind != KIND_RTMP);
    complete += !is_known;
    if (!is_known) continue;
    complete += reader->gaps == 0 && reader->damages == 0 && reader->position == watcher->stream->offered;
  }
  printf("{\"seconds\":%.4f,\"bytes\":%lu,\"sentBytes\":%lu,\"cpuSeconds\":%.4f,\"ownCpuSeconds\":%.3f,", seconds, bytes,
         sent, cpu, own);
  printf("\"delays\":%lu,\"delayMedianMs\":%.4f,\"delay99Ms\":%.4f,\"delayMaxMs\":%.3f,", venue.delays.count,
         histogram_ms(&venue.delays, 0.5), histogram_ms(&venue.delays, 0.99), (double)venue.delays.max_ns / 1e6);
  printf("\"watchers\":%zu,\"checked\":%zu,\"complete\":%zu,\"closed\":%zu,\"unserved\":%zu,\"refused\":%zu,",
         options->watchers, checked, complete, closed, unserved, refused);
  printf("\"gaps\":%lu,\"gapBytes\":%lu,\"damages\":%lu,\"leadBytes\":%lu,\"rewritten\":%lu,", gaps, gap_bytes, damages,
         lead_bytes, rewritten);
  uint64_t late_ns = 0;
  for (size_t i = 0; i < channel_count; i++)
    if (channels[i].stream.late_ns > late_ns) late_ns = channels[i].stream.late_ns;
  printf("\"joined\":%zu,\"firstByteMedianMs\":%.3f,\"firstByteMaxMs\":%.3f,\"lateMs\":%.3f}\n", joined,
         histogram_ms(&firsts, 0.5), (double)firsts.max_ns / 1e6, (double)late_ns / 1e6);
  fflush(stdout);
}

static void hold(void) {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

/** Has the streams begin, one after another within the time of a block. */
static void start_streams(const struct options *options, uint64_t now) {
  uint64_t block_ns = options->bitrate > 0 ? (uint64_t)(BLOCK_BYTES * 8e9 / options->bitrate) : 0;
  for (size_t i = 0; i < channel_count; i++)
    channels[i].stream.start_ns = now + i * block_ns / channel_count / PACE_NS * PACE_NS;
  next_ns = 0;
}

/** What of the streams was taken, by as many watchers as each has: bytes. */
static uint64_t due_bytes(const struct options *options) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < options->watchers; i++) bytes += watchers[i].stream->taken;
  return bytes;
}

static void run(const struct options *options) {
  for (size_t i = 0; i < channel_count; i++) {
    connect_broadcaster(options, i);
    // A server may allow only so many logins of one address at once.
    if (i > 0) usleep(LOGIN_US);
  }
  // Watchers are turned away until the server has seen what is published.
  if (options->broadcast_kind == KIND_RTMP) usleep(PAUSE_NS / 1000);
  // The one that takes broadcasts by HTTP.
  size_t at_once = options->broadcast_kind == KIND_HTTP ? CONNECTING_TO_ICECAST : CONNECTING_AT_ONCE;
  connect_watchers(options->watchers + options->silent, at_once);
  uint64_t pause = now_ns() + PAUSE_NS;
  while (now_ns() < pause) turn(pause, false);

  uint64_t flow = now_ns();
  start_streams(options, flow);
  uint64_t warm = flow + (uint64_t)(options->warm * 1e9);
  while (now_ns() < warm) turn(warm, true);
  for (size_t i = 0; i < opened; i++) {
    while (awaited(&watchers[i]) && now_ns() < flow + FIRST_NS) turn(now_ns() + 10000000u, true);
  }

  for (size_t i = 0; i < channel_count; i++) channels[i].stream.late_ns = 0;
  venue.measuring = true;
  uint64_t begin = now_ns();
  uint64_t end = begin + (uint64_t)(options->seconds * 1e9);
  uint64_t bytes = venue.bytes;
  uint64_t sent = due_bytes(options);
  double cpu = cpu_seconds(options->pid);
  double own = own_cpu_seconds();
  uint64_t apart = (uint64_t)(options->joiners_apart_ms * 1e6);
  while (now_ns() < end) {
    size_t joiners = opened - options->watchers - options->silent;
    uint64_t join = joiners < options->joiners ? begin + (joiners + 1) * apart : UINT64_MAX;
    if (now_ns() >= join) open_next();
    turn(join < end ? join : end, true);
  }
  double seconds = (double)(now_ns() - begin) / 1e9;
  bytes = venue.bytes - bytes;
  sent = due_bytes(options) - sent;
  cpu = cpu_seconds(options->pid) - cpu;
  own = own_cpu_seconds() - own;
  venue.measuring = false;

  // Nothing new, but all that was offered.
  for (size_t i = 0; i < channel_count; i++) channels[i].stream.start_ns = 0;
  uint64_t drained = now_ns() + DRAIN_NS;
  while (!all_arrived() && now_ns() < drained) turn(now_ns() + 10000000u, true);
  report(options, seconds, bytes, sent, cpu, own);
  hold();
}

static void source(uint64_t total) {
  struct stream stream = {0};
  stream_of_blocks(&stream, 0);
  stream.start_ns = 1;
  while (stream.taken < total) {
    const uint8_t *bytes;
    stream_fill(&stream, now_ns());
    size_t count = stream_pending(&stream, &bytes);
    if (count > total - stream.taken) count = total - stream.taken;
    ssize_t written = write(STDOUT_FILENO, bytes, count);
    if (written < 0) die("stdout");
    stream_took(&stream, (size_t)written);
  }
}

static void sink(void) {
  static uint8_t bytes[256 * 1024];
  struct reader reader = {0};
  uint64_t total = 0;
  uint64_t first = 0;
  uint64_t last = 0;
  ssize_t count;
  struct stream stream = {0};
  stream_of_blocks(&stream, 0);
  while ((count = read(STDIN_FILENO, bytes, sizeof bytes)) > 0) {
    last = now_ns();
    if (first == 0) first = last;
    total += (uint64_t)count;
    reader_feed(&reader, &stream, bytes, (size_t)count, last, NULL);
  }
  printf("{\"bytes\":%lu,\"seconds\":%.4f,\"gaps\":%lu,\"gapBytes\":%lu,\"damages\":%lu,\"leadBytes\":%lu}\n", total,
         (double)(last - first) / 1e9, reader.gaps, reader.gap_bytes, reader.damages, reader.lead_bytes);
}

static enum kind kind_of(const char *name) {
  if (strcmp(name, "http") == 0) return KIND_HTTP;
  if (strcmp(name, "http-flv") == 0) return KIND_HTTP_FLV;
  if (strcmp(name, "websocket") == 0) return KIND_WEBSOCKET;
  return strcmp(name, "rtmp") == 0 ? KIND_RTMP : KIND_FSTREAM;
}

static void set_option(struct options *options, const char *name, const char *value) {
  if (strcmp(name, "--port") == 0) options->port = atoi(value);
  else if (strcmp(name, "--broadcast-port") == 0) options->broadcast_port = atoi(value);
  else if (strcmp(name, "--kind") == 0) options->kind = kind_of(value);
  else if (strcmp(name, "--broadcast-kind") == 0) options->broadcast_kind = kind_of(value);
  else if (strcmp(name, "--path") == 0) options->path = value;
  else if (strcmp(name, "--tls") == 0) options->tls = atoi(value) != 0;
  else if (strcmp(name, "--channels") == 0) options->channels = strtoul(value, NULL, 10);
  else if (strcmp(name, "--watchers") == 0) options->watchers = strtoul(value, NULL, 10);
  else if (strcmp(name, "--silent") == 0) options->silent = strtoul(value, NULL, 10);
  else if (strcmp(name, "--joiners") == 0) options->joiners = strtoul(value, NULL, 10);
  else if (strcmp(name, "--joiners-apart") == 0) options->joiners_apart_ms = atof(value);
  else if (strcmp(name, "--bitrate") == 0) options->bitrate = atof(value);
  else if (strcmp(name, "--flv") == 0) options->flv = value;
  else if (strcmp(name, "--check") == 0) options->check = strtoul(value, NULL, 10);
  else if (strcmp(name, "--warm") == 0) options->warm = atof(value);
  else if (strcmp(name, "--seconds") == 0) options->seconds = atof(value);
  else if (strcmp(name, "--pid") == 0) options->pid = atoi(value);
  else {
    fprintf(stderr, "load: unknown option %s\n", name);
    exit(2);
  }
}

static void set_up(const struct options *options) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  // Timers to the microsecond: blocks of fast streams are closer than the usual 50.
  prctl(PR_SET_TIMERSLACK, 1);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  venue.kind = options->kind;
  venue.path = options->path;
  venue.tls = options->tls;
  venue.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
  venue.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  channel_count = options->channels;
  channels = calloc(channel_count, sizeof *channels);
  if (channels == NULL) die("channels");
  for (size_t i = 0; i < channel_count; i++) {
    channels[i].fd = -1;
    if (options->flv != NULL) stream_of_flv(&channels[i].stream, options->flv);
    else stream_of_blocks(&channels[i].stream, options->bitrate);
    if (options->flv != NULL && options->broadcast_kind == KIND_RTMP) stream_as_rtmp(&channels[i].stream);
  }
  size_t count = options->watchers + options->silent + options->joiners;
  watchers = calloc(count, sizeof *watchers);
  if (watchers == NULL) die("watchers");
  for (size_t i = 0; i < count; i++) {
    watchers[i].channel = i % channel_count;
    watchers[i].stream = &channels[watchers[i].channel].stream;
    watchers[i].checked = i % options->check == 0;
    watchers[i].silent = i >= options->watchers && i < options->watchers + options->silent;
    watchers[i].joiner = i >= options->watchers + options->silent;
  }
}

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "source") == 0) {
    source(strtoull(arguments[2], NULL, 10));
    return 0;
  }
  if (count == 2 && strcmp(arguments[1], "sink") == 0) {
    sink();
    return 0;
  }
  if (count < 2 || count % 2 != 0) {
    fprintf(stderr, "usage: load run|wait --OPTION VALUE... | load source BYTES | load sink\n");
    return 2;
  }
  struct options options = {.path = "/", .channels = 1, .check = 1, .warm = 1, .seconds = 3, .joiners_apart_ms = 100};
  for (int i = 2; i + 1 < count; i += 2) set_option(&options, arguments[i], arguments[i + 1]);
  if (options.broadcast_port == 0) options.broadcast_port = options.port;
  if (options.tls && !watcher_has_tls()) {
    fprintf(stderr, "load: compiled without TLS\n");
    return 2;
  }
  set_up(&options);
  if (strcmp(arguments[1], "wait") == 0) {
    connect_watchers(options.watchers, CONNECTING_AT_ONCE);
    printf("{\"watchers\":%zu}\n", options.watchers);
    fflush(stdout);
    hold();
  } else {
    run(&options);
  }
  return 0;
}
