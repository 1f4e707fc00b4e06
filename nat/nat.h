/* SPDX-License-Identifier: MIT */
/*
 * The user-mode NAT of a switch, as a process of its own: libslirp behind a stream socket with the
 * framing of QEMU's `-netdev stream`. What a hostile guest makes libslirp do wrong stays here.
 * It leaves the host's network alone and needs no privileges.
 *
 * Addresses: in the IPv4 network .2 is the gateway and the host, .3 the name server, .15 and up are
 * given by DHCP (libslirp has 16 leases). In the IPv6 prefix ::2 is the host, ::3 the name server,
 * the gateway advertises itself as fe80::2 and guests choose their own addresses.
 *
 * One thread; nothing here is called from another.
 */
#ifndef HVNET_NAT_NAT_H
#define HVNET_NAT_NAT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NAT_MTU = 1500,
	NAT_FRAME_MAX_BYTES = 65535 + 18,	/* the switch's longest */
};

struct nat_options {
	int fd;				/* the connected stream socket */
	bool ipv4, ipv6;
	bool host;			/* the host's loopback can be reached through the gateway's address */
	bool sandbox;			/* system call filter */
	struct in_addr net4;
	uint8_t prefix4;		/* 8 … 27 */
	struct in6_addr net6;		/* a /64 */
};

enum nat_parsed { NAT_RUN, NAT_HELP, NAT_BAD };
/* BAD: said why on standard error. */
enum nat_parsed nat_options_parse(struct nat_options *o, int argc, char **argv);
void nat_usage(void);

/* ---- the socket to the switch ---- */

struct nat_stream;

int nat_stream_create(int fd, struct nat_stream **out) __attribute__((warn_unused_result));
/* Closes the socket. NULL is fine. */
void nat_stream_destroy(struct nat_stream *s);
int nat_stream_fd(const struct nat_stream *s);
/* Queues a frame; when the queue is full the frame is lost and counted. */
void nat_stream_send(struct nat_stream *s, const void *frame, size_t n);
/* There is something to send. */
bool nat_stream_pending(const struct nat_stream *s);
/* … so much that nothing should be added for now. */
bool nat_stream_full(const struct nat_stream *s);
/* Sends what the socket takes. 0, or -errno if the connection is lost. */
int nat_stream_flush(struct nat_stream *s) __attribute__((warn_unused_result));
/*
 * Reads once and hands over each whole frame, in its own memory for the call. 0; -ECONNRESET: the
 * switch closed; -EPROTO: an impossible length; another -errno: the connection is lost.
 */
int nat_stream_receive(struct nat_stream *s, void (*frame)(void *cookie, const uint8_t *p, size_t n),
		       void *cookie) __attribute__((warn_unused_result));

/* ---- the network behind it ---- */

struct nat_net;

/* stream is borrowed: it outlives the network. -EINVAL: libslirp refuses the addresses. */
int nat_net_create(const struct nat_options *o, struct nat_stream *stream, struct nat_net **out)
	__attribute__((warn_unused_result));
void nat_net_destroy(struct nat_net *net);
/* Until the connection ends: -ECONNRESET if the switch closed it, another -errno otherwise. */
int nat_net_run(struct nat_net *net) __attribute__((warn_unused_result));

/* ---- what the process gives up ---- */

/* Keeps standard streams and fd, which becomes *out; closes all other descriptors. */
int nat_close_others(int fd, int *out) __attribute__((warn_unused_result));
/* Gives up user, groups, capabilities and the way back; ends with its parent. */
int nat_drop_privileges(void) __attribute__((warn_unused_result));
/* Only system calls that the NAT needs from here on. -ENOTSUP: not built in. */
int nat_filter_system_calls(void) __attribute__((warn_unused_result));

#endif
