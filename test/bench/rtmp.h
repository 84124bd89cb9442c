// As much of RTMP 1.0 as those write who watch and who publish: the simple handshake (section 5.2), the commands that ask for a
// stream or announce one (section 7.2), sent without waiting for their answers, and messages in chunks (section 5.3).

#ifndef RTMP_H
#define RTMP_H

#include <stddef.h>
#include <stdint.h>

/** C0 and C1, and what the server answers: S0, S1 and S2. Bytes. */
#define RTMP_HELLO_BYTES (1 + 1536)
#define RTMP_ANSWER_BYTES (1 + 1536 + 1536)
#define RTMP_ASK_BYTES 2048
/** Bytes of a message that go together, of a broadcaster: as OBS has it; and of anybody who has said nothing. */
#define RTMP_CHUNK_BYTES 4096
#define RTMP_FIRST_CHUNK_BYTES 128

/** Types of messages; the first three are those of FLV's tags. */
enum { FLV_AUDIO = 8, FLV_VIDEO = 9, FLV_DATA = 18, RTMP_SET_CHUNK_SIZE = 1, RTMP_COMMAND = 20 };

/** The bytes to connect with. */
size_t rtmp_hello(unsigned char *bytes);
/** The bytes to answer the server's with, and to ask for the stream "live/bench"; at most RTMP_ASK_BYTES. */
size_t rtmp_play(unsigned char *bytes);
/** The same to publish it. */
size_t rtmp_publish(unsigned char *bytes);
/** A publisher's message with an FLV tag's type and body; at most twice as long as that and 64 bytes. */
size_t rtmp_message(unsigned char *bytes, uint8_t type, uint32_t ms, const uint8_t *body, size_t count);

#endif
