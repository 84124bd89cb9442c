// A broadcaster's connection: in fstream's protocol, by HTTP's PUT, or by RTMP. It connects and asks; what it sends is the owner's.

#ifndef BROADCASTER_H
#define BROADCASTER_H

#include "stream.h"
#include "watcher.h"

/**
 * Connects the broadcaster of a channel with what it is to send, asks, and waits until it may send where the server says so. Of RTMP what
 * goes before the frames is sent. Gives a socket that blocks; exits with a message if it can't be had.
 */
int broadcaster_open(const struct sockaddr_in *address, enum kind kind, const char *path, size_t channel,
                     const struct stream *stream);

#endif
