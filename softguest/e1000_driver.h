/* SPDX-License-Identifier: MIT */
/*
 * A driver of the 8254x without a guest: QEMU's part (guest RAM, a vfio-user client) and the driver's part (rings, interrupts) in
 * one process, at native speed. It sets the chip up in Linux' order; for tests and benchmarks of the real function.
 *
 * Sending: soft_e1000_tx() gives the place of the next frame, soft_e1000_flush() the doorbell, one for all. What carries an
 * offload goes through soft_e1000_tx_offload(). Received frames go to a callback, in place. No system call per frame but
 * the doorbells', none per poll.
 *
 * Threads: one at a time. (The vfio-user client beneath has one of its own.) Errors: -errno.
 */
#ifndef HVNET_SOFTGUEST_E1000_DRIVER_H
#define HVNET_SOFTGUEST_E1000_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

struct soft_e1000;

struct soft_e1000_frame {
	const uint8_t *data;		/* without FCS; the driver's again when the callback returns */
	uint32_t bytes;
	uint8_t status, errors;		/* of its descriptor */
	uint16_t vlan_tci;		/* if status has VP */
};
typedef void (*soft_e1000_rx)(void *opaque, const struct soft_e1000_frame *frame);

struct soft_e1000_opts {
	uint32_t ring;			/* descriptors each way, a multiple of 8; 0: 256, as Linux */
	uint32_t max_frame_bytes;	/* one buffer each: up to 2048, 4096, 8192 or 16384 with FCS; 0: 1522 */
	uint16_t itr;			/* interrupt interval in 256 ns */
	bool vlan;			/* tags in descriptors (CTRL.VME) */
	bool rx_checksum;		/* RXCSUM */
	bool promiscuous;
	soft_e1000_rx rx;		/* NULL: frames are dropped */
	void *opaque;
	unsigned timeout_ms;		/* for each answer, and for the link; 0: 5000 */
};

/* Attaches to the function's socket as QEMU does, resets the chip, waits for the link, opens both rings. */
int soft_e1000_create(const char *socket_path, const struct soft_e1000_opts *opts, struct soft_e1000 **out)
	__attribute__((warn_unused_result));
/* Goes without a word, like a killed QEMU. NULL is fine. */
void soft_e1000_destroy(struct soft_e1000 *n);
const uint8_t *soft_e1000_mac(const struct soft_e1000 *n);

/* Where a frame of so many bytes (60 … max_frame_bytes - 4) goes that is sent next; NULL: the ring is full. */
uint8_t *soft_e1000_tx(struct soft_e1000 *n, uint32_t bytes);
/* Rings the doorbell if there is something new. */
void soft_e1000_flush(struct soft_e1000 *n);

struct soft_e1000_offload {
	uint16_t csum_start;		/* TXSM: from there to the end, stored csum_offset further on; 0: none */
	uint16_t csum_offset;
	uint16_t mss;			/* TSO of TCP; 0: none. The checksum field holds the pseudo-header's sum without length */
	uint16_t header_bytes;		/* TSO */
	bool ipv6;			/* TSO */
	bool tagged;
	uint16_t vlan_tci;
};
/* Copies the frame (up to 64 KiB with TSO). -EAGAIN: no room now; -EINVAL. */
int soft_e1000_tx_offload(struct soft_e1000 *n, const uint8_t *frame, uint32_t bytes, const struct soft_e1000_offload *o);

/* Takes back what was sent, hands out what came; at most one ring's worth. How many frames came. */
unsigned soft_e1000_poll(struct soft_e1000 *n);
/* Enables the interrupt, sleeps until it comes, acknowledges it as Linux does. ICR; 0: none within timeout_ms. */
uint32_t soft_e1000_wait(struct soft_e1000 *n, int timeout_ms);

/* A register, for what this driver has no call for. */
uint32_t soft_e1000_read(struct soft_e1000 *n, uint32_t offset);
void soft_e1000_write(struct soft_e1000 *n, uint32_t offset, uint32_t value);

struct soft_e1000_stats {
	uint64_t sent, received, received_bytes;
	uint64_t doorbells, reads, writes;	/* register accesses since creation; doorbells are among the writes */
};
void soft_e1000_stats(const struct soft_e1000 *n, struct soft_e1000_stats *out);

#endif
