/* SPDX-License-Identifier: MIT */
/*
 * hvnet-nat: the user-mode NAT behind a switch's port. It is a process of its own, since the TCP/IP stack in it
 * (libslirp) reads what guests wrote: a fault in there costs the switch its uplink for a second, nothing else.
 * On one side it speaks QEMU's stream framing with the switch, on the other it uses the host's sockets as any program does.
 *
 * One thread, one poll() loop: framing.c keeps the stream, network.c owns libslirp.
 */
#ifndef HVNET_NAT_H
#define HVNET_NAT_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NAT_FRAME_MAX_BYTES = 65535 + 18,
	NAT_QUEUE_BYTES = 1 << 20,		/* our policy: frames that wait for the switch to read them */
	NAT_QUEUE_HIGH_BYTES = NAT_QUEUE_BYTES / 4,	/* above it the host's sockets are not read */
	NAT_LINE_BYTES = 200,			/* of an error message */
};

struct nat_options {
	int fd;				/* the stream's, inherited */
	struct in_addr net, mask;	/* the guests' IPv4 network */
	struct in6_addr prefix;		/* the guests' IPv6 network, /64 */
	unsigned mtu;			/* 576 … 65521 */
	bool host_loopback;		/* the gateway's address stands for the host's loopback */
	bool help;
};

/* false: *why says what is wrong with the command line. */
bool nat_options_parse(struct nat_options *o, int argc, char **argv, char why[NAT_LINE_BYTES]);
extern const char nat_usage[];

/* ---- framing.c: both directions of the stream: 4 bytes of length, big-endian, then the frame ---- */

struct nat_stream {
	int fd;				/* borrowed, non-blocking */
	uint8_t *in, *out;		/* owned */
	size_t in_used;
	size_t out_begin, out_end;	/* what of out is still to be sent */
	uint64_t dropped;		/* frames for the switch that found the queue full */
};

/* -ENOMEM. */
int nat_stream_init(struct nat_stream *s, int fd);
void nat_stream_free(struct nat_stream *s);
/*
 * Reads once and hands each whole frame to take(). 0; -EPIPE: the switch is gone; -EPROTO: a length that cannot be;
 * other -errno.
 */
int nat_stream_read(struct nat_stream *s, void (*take)(void *cookie, const uint8_t *frame, size_t bytes), void *cookie);
/* Queues a frame for the switch; false, and counted, if there is no room. */
bool nat_stream_put(struct nat_stream *s, const void *frame, size_t bytes);
/* Sends what it can. 0 or -errno. */
int nat_stream_flush(struct nat_stream *s);
static inline size_t nat_stream_queued(const struct nat_stream *s) { return s->out_end - s->out_begin; }

/* ---- network.c: libslirp ---- */

struct nat_network;

/* NULL if libslirp does not take the configuration. Frames for the switch go to stream (borrowed). */
struct nat_network *nat_network_create(const struct nat_options *o, struct nat_stream *stream);
void nat_network_destroy(struct nat_network *n);
void nat_network_input(struct nat_network *n, const uint8_t *frame, size_t bytes);
/*
 * Waits for the stream and, unless it is backed up, for the host's sockets and timers; does what is ready.
 * *stream_events: what poll() said of the stream. 0 or -errno.
 */
int nat_network_wait(struct nat_network *n, short *stream_events);

#endif
