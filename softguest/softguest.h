/* SPDX-License-Identifier: MIT */
/*
 * A guest without a VM: QEMU's part (guest RAM in a memfd, a vfio-user client) and the guest
 * kernel's part (VMBus, the netvsc core) in one process, at native speed. Tests and benchmarks
 * drive the real daemon with it.
 *
 * A guest has one bridge function; each synthetic NIC that the host offers there becomes a struct
 * softguest_nic. Everything is polled: softguest_poll() takes in what the host said,
 * softguest_wait() sleeps on the interrupts in between. Calls that need the host's answer poll
 * themselves until it is there or the time is over.
 *
 * Data: softguest_tx() gives the place of the next frame in a send-buffer section, several to a
 * packet; softguest_flush() makes them visible. Received frames go to a callback, in place. No
 * system call per frame, none at all while host and guest both poll.
 *
 * Threads: a guest with its NICs belongs to one thread. (The vfio-user client beneath has one of
 * its own, for the socket.)
 *
 * Errors: -errno; -ETIMEDOUT if the host did not answer, -ENODEV if it took the NIC back, -EPIPE if
 * it is gone.
 */
#ifndef HVNET_SOFTGUEST_H
#define HVNET_SOFTGUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netvsc/netvsc.h"

struct softguest;
struct softguest_nic;

enum {
	SOFTGUEST_NICS = 8,		/* NICs of one guest, at most; our policy */
	SOFTGUEST_DIRECT_BYTES = 65536 + 4096,	/* frame memory of a packet without a section */
};

struct softguest_opts {
	uint32_t vps;			/* virtual processors; 0: 1 */
	uint64_t ram_bytes;		/* 0: 256 MiB (sparse) */
	uint32_t vmbus_version;		/* offer this one alone, e.g. 0x50003; 0: all */
	unsigned timeout_ms;		/* for each answer; 0: 5000 */
};

/* Attaches to the bridge's socket as QEMU does, and waits until the host has offered what it has. */
int softguest_create(const char *socket_path, const struct softguest_opts *opts, struct softguest **out)
	__attribute__((warn_unused_result));
/* Goes without a word, like a killed QEMU. NULL is fine. */
void softguest_destroy(struct softguest *g);
uint32_t softguest_vmbus_version(const struct softguest *g);

/* Takes in what is there, on all NICs; true if there was something. Bounded. */
bool softguest_poll(struct softguest *g);
/*
 * Unmasks the doorbells and sleeps until one rings, at most timeout_ms (-1: for ever); returns at
 * once if there is something already. softguest_poll() masks them again.
 */
void softguest_wait(struct softguest *g, int timeout_ms);
/* Polls and waits until done(cookie) holds. -ETIMEDOUT, -EPIPE. */
int softguest_run_until(struct softguest *g, bool (*done)(void *cookie), void *cookie, unsigned timeout_ms);

/* A crash: connects anew without unloading; NICs are closed and offered again. */
int softguest_reconnect(struct softguest *g);
/* A machine's reset as QEMU does it, then a fresh start. */
int softguest_reset(struct softguest *g);
/* Ends the VMBus connection in order. */
int softguest_unload(struct softguest *g);

/* ---- NICs ---- */

/* n-th NIC that is offered now, in order of offers; NULL past the last. */
struct softguest_nic *softguest_nic(struct softguest *g, unsigned n);
/* Waits until n NICs are offered. */
int softguest_wait_nics(struct softguest *g, unsigned n);

typedef void (*softguest_rx)(void *opaque, struct softguest_nic *nic, const struct netvsc_frame *frame);

struct softguest_nic_opts {
	struct netvsc_config config;	/* NVSP version, MTU, offloads */
	uint32_t ring_pages;		/* each way, control page included; 0: 65 */
	uint32_t receive_bytes;		/* 0: 4 MiB */
	uint32_t send_bytes;		/* 0: 1020 KiB, 170 sections */
	uint32_t direct_slots;		/* packets without section that may be outstanding; 0: 16 */
	softguest_rx rx;		/* NULL: frames are only counted */
	void *opaque;
};

/* Opens the channel and goes through the whole handshake; the packet filter stays closed. */
int softguest_nic_open(struct softguest_nic *nic, const struct softguest_nic_opts *opts)
	__attribute__((warn_unused_result));
/*
 * Closes in order: filter, drain, halt, revoke, channel, GPADLs. Received frames still go to rx
 * meanwhile.
 */
int softguest_nic_close(struct softguest_nic *nic);
/* Sets the packet filter and waits for the host's word. */
int softguest_nic_set_filter(struct softguest_nic *nic, uint32_t filter);
/*
 * A query (set NULL) or set of an OID; *status is NDIS'. The answer is in
 * softguest_nic_core()->req_data.
 */
int softguest_nic_request(struct softguest_nic *nic, uint32_t oid, const void *set, uint32_t bytes, uint32_t *status);

/* Negotiated values, link state, statistics of the control path. Read-only. */
const struct netvsc *softguest_nic_core(const struct softguest_nic *nic);
const uint8_t *softguest_nic_mac(const struct softguest_nic *nic);
bool softguest_nic_is_open(const struct softguest_nic *nic);
/*
 * The host took it back; it is released once the user has seen it here and calls
 * softguest_nic_release().
 */
bool softguest_nic_is_rescinded(const struct softguest_nic *nic);
void softguest_nic_release(struct softguest_nic *nic);

/* ---- frames ---- */

/*
 * Where to write the next frame's bytes, at once and before any other call for the NIC; NULL if
 * there is no room now (no section, or the ring is full): poll and try again. meta may be NULL.
 * bytes at most a section's room (some 6000).
 */
uint8_t *softguest_tx(struct softguest_nic *nic, const struct netvsc_meta *meta, uint32_t bytes);
/*
 * Sends what is under construction and makes all of it visible to the host; false: not all, the
 * ring is full.
 */
bool softguest_flush(struct softguest_nic *nic);
/* Frames in one packet at most, below what the host takes (0: that). */
void softguest_set_batch(struct softguest_nic *nic, unsigned frames);

/* The forms in which a frame can lie in the guest's memory (netvsp.md 8.6). */
enum softguest_form {
	SOFTGUEST_DIRECT,		/* header in the first range, frame in one more */
	SOFTGUEST_DIRECT_SCATTERED,	/* frame in several ranges that begin anywhere in their pages */
	SOFTGUEST_DIRECT_CROSSING,	/* header in one range that crosses a page */
	SOFTGUEST_PARTIAL,		/* header in the section, behind earlier frames, frame in ranges */
};
/*
 * Sends a frame in one of these forms; it is copied. -EAGAIN: no room now. -EMSGSIZE. Visible after
 * softguest_flush().
 */
int softguest_tx_form(struct softguest_nic *nic, enum softguest_form form, const struct netvsc_meta *meta, const void *frame,
		      uint32_t bytes);
/* Any packet, for tests of the host: in-band (extra NULL) or GPA direct; tid as it is. -EAGAIN. */
int softguest_tx_raw(struct softguest_nic *nic, uint16_t type, bool wants_completion, uint64_t tid, const void *extra,
		     uint32_t extra_bytes, const void *payload, uint32_t payload_bytes);

/*
 * Keeps receive completions back (true), so that the host runs out of receive buffers; false sends
 * them all.
 */
void softguest_hold_completions(struct softguest_nic *nic, bool hold);
/* Transmit packets that the host has not completed. */
uint32_t softguest_tx_outstanding(const struct softguest_nic *nic);

struct softguest_stats {
	struct netvsc_stats core;	/* of data and control path together */
	uint64_t doorbells;		/* that we rang */
	uint64_t interrupts;		/* that we slept for */
	uint64_t tx_no_room;		/* times softguest_tx() had none */
	uint64_t rx_packets;		/* VMBus packets that brought frames */
	uint64_t owed_max;		/* receive completions that waited for room, at most */
};
void softguest_nic_stats(const struct softguest_nic *nic, struct softguest_stats *out);

/* ---- a host on the network ---- */

/* Answers ARP and ICMP echo (IPv4), neighbour solicitation and ICMPv6 echo for its addresses. */
struct softguest_responder {
	uint8_t mac[6];
	uint8_t ip[4];
	uint8_t ip6[16];		/* all zero: none */
	uint64_t answered;
};
/*
 * If frame (its private copy) wants an answer, builds that in reply (at least as long as frame, and
 * ≥ 86) and returns its bytes; else 0.
 */
uint32_t softguest_respond(struct softguest_responder *r, const uint8_t *frame, uint32_t bytes, uint8_t *reply,
			   uint32_t room);

#endif
