/* SPDX-License-Identifier: MIT */
/*
 * For the NAT's tests: hvnet-nat as a child, and a guest made of bytes at the other end of its
 * socket. Frames are built and looked at by offset; checksums are computed here, plainly.
 */
#ifndef HVNET_NAT_TEST_GUEST_H
#define HVNET_NAT_TEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	GUEST_FRAME_BYTES = 65536,
	TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16,
};

struct guest {
	int fd;				/* to the NAT; -1: closed */
	pid_t pid;			/* of the NAT */
	uint8_t mac[6];
	uint8_t frame[GUEST_FRAME_BYTES];	/* the last one received */
	size_t bytes;
	size_t in_bytes;
	uint8_t in[4 * GUEST_FRAME_BYTES];
};

/* Starts the program, with arguments after --fd N, ended by NULL. */
void guest_start(struct guest *g, char *const *more);
/* Closes the socket and waits. The exit status, or -1 if it was a signal or took too long. */
int guest_end(struct guest *g);
int guest_wait(struct guest *g);

void guest_send_raw(struct guest *g, const void *p, size_t n);
void guest_send(struct guest *g, const uint8_t *frame, size_t n);
/* Waits for a frame that match() likes, dropping others. False after 5 s, or at the end. */
bool guest_expect(struct guest *g, bool (*match)(const struct guest *g, const void *cookie),
		  const void *cookie);

uint16_t be16_at(const uint8_t *p);
uint32_t be32_at(const uint8_t *p);
void be16_put(uint8_t *p, unsigned v);
void be32_put(uint8_t *p, uint32_t v);

/* Builders: bytes of the frame. Addresses in IPv4 are host order numbers, in IPv6 16 bytes. */
size_t build_ether(uint8_t *f, const uint8_t to[6], const uint8_t from[6], unsigned type);
size_t build_arp_request(uint8_t *f, const struct guest *g, uint32_t own, uint32_t asked);
size_t build_ipv4(uint8_t *f, const struct guest *g, const uint8_t to[6], uint32_t from, uint32_t dst,
		  unsigned protocol, size_t payload);
size_t build_ipv6(uint8_t *f, const struct guest *g, const uint8_t to[6], const uint8_t from[16],
		  const uint8_t dst[16], unsigned next, size_t payload);
/* Completes the checksum at offset field of the payload, pseudo-header included if with is set. */
void finish_checksum(uint8_t *f, size_t bytes, size_t field, bool with_pseudo);

#endif
