// As much of RTMP 1.0 as a watcher needs that only counts what it gets: the simple handshake (section 5.2), and the commands
// that ask for a stream (section 7.2), sent without waiting for their answers.

#ifndef RTMP_H
#define RTMP_H

#include <stddef.h>

/** C0 and C1, and what the server answers: S0, S1 and S2. Bytes. */
#define RTMP_HELLO_BYTES (1 + 1536)
#define RTMP_ANSWER_BYTES (1 + 1536 + 1536)
#define RTMP_PLAY_BYTES 2048

/** The bytes to connect with. */
size_t rtmp_hello(unsigned char *bytes);
/** The bytes to answer the server's with, and to ask for the stream "live/bench"; at most RTMP_PLAY_BYTES. */
size_t rtmp_play(unsigned char *bytes);

#endif
