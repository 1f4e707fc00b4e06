/* SPDX-License-Identifier: MIT */
/*
 * The twin test: the same script of register accesses, descriptors and frames, step by step, for our 8254x and for
 * another one, QEMU's (over qtest) or a second of ours; after each step everything that a driver can see must be the same.
 *
 *   script (a list of steps, each with its own seed)
 *      └─ run ── step ──┬─ twin "ours":  e1000's core over plain memory, behind a switch
 *                       └─ twin "qemu":  a QEMU that executes nothing but what qtest says
 *
 * Where QEMU is known to differ, the script stays out of the way or the comparison masks the place: each by a rule with a name
 * (enum twin_rule), which docs/e1000-twin.md explains. A twin that is ours has no rules.
 *
 * Time is virtual on both sides. A step is a function of its seed and of what was set up before it, so a script that fails
 * can be cut down step by step.
 */
#ifndef HVNET_TESTS_TWIN_H
#define HVNET_TESTS_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "e1000/e1000.h"

enum {
	TWIN_RAM_BYTES = 64 << 20,
	TWIN_WIRE_BYTES = 4 << 20,
	TWIN_WIRE_FRAMES = 4096,

	/* where a script has its things */
	TWIN_TX_RING = 0x1000000,
	TWIN_TX_DATA = 0x1100000,
	TWIN_TX_DATA_BYTES = 0x200000,
	TWIN_RX_RING = 0x1400000,
	TWIN_RX_DATA = 0x1500000,
	TWIN_RX_STRIDE = 16384 + 256,	/* of buffers: the largest, and room to see what is written behind it */
	TWIN_MAX_RING = 256,
	TWIN_MAX_FRAME = 16384,
};

/* The MAC address of both. */
extern const uint8_t twin_mac[6];

/* Frames that a NIC has sent since they were last looked at. */
struct twin_wire {
	unsigned num;
	size_t used;
	struct { size_t at; uint32_t len; } frame[TWIN_WIRE_FRAMES];
	uint8_t bytes[TWIN_WIRE_BYTES];
};

struct twin;
struct twin_ops {
	uint32_t (*read)(struct twin *t, uint32_t offset);
	void (*write)(struct twin *t, uint32_t offset, uint32_t value);
	/* A frame from the wire. */
	void (*send)(struct twin *t, const uint8_t *frame, uint32_t len);
	/* Virtual time passes. */
	void (*step)(struct twin *t, uint64_t ns);
	/* Until nothing is under way any more; what was sent is in t->wire. */
	void (*settle)(struct twin *t);
	bool (*irq)(struct twin *t);
	/* The cable. */
	void (*link)(struct twin *t, bool up);
	/* The machine's reset. */
	void (*reset)(struct twin *t);
	void (*destroy)(struct twin *t);
};

struct twin {
	const struct twin_ops *ops;
	const char *name;
	uint8_t *ram;			/* TWIN_RAM_BYTES, guest physical 0 and on */
	bool dead;			/* it does not answer any more */
	bool has_rules;			/* it is known to differ */
	bool saves;			/* ours: save and restore between steps */
	struct twin_wire wire;
};

/* NULL: with a sentence in why. */
struct twin *twin_qemu_create(enum e1000_model model, const char *why[1]);
/* saves: it is written out and read back after every step. */
struct twin *twin_model_create(enum e1000_model model, bool saves);
void twin_destroy(struct twin *t);
/* A frame for t->wire. */
void twin_wire_add(struct twin_wire *w, const uint8_t *bytes, uint32_t len);
void twin_wire_clear(struct twin_wire *w);

/* ---- numbers by a seed ---- */

struct twin_random { uint64_t state; };
uint64_t twin_random(struct twin_random *r);
/* In [low, high]. */
uint32_t twin_between(struct twin_random *r, uint32_t low, uint32_t high);
/* True n times out of 100. */
bool twin_chance(struct twin_random *r, unsigned percent);
void twin_fill(struct twin_random *r, uint8_t *bytes, size_t n);

/* ---- rules ---- */

enum twin_rule {
	TWIN_RULE_MASKS,
	TWIN_RULE_RXDMT0,
	TWIN_RULE_TXQE,
	TWIN_RULE_FCS,
	TWIN_RULE_PIF,
	TWIN_RULE_RX_CHECKSUM,
	TWIN_RULE_RX_MIDDLE,
	TWIN_RULE_MTA,
	TWIN_RULE_BROADCAST,
	TWIN_RULE_TSO6,
	TWIN_RULE_IP_SUM_ZERO,
	TWIN_RULE_EEPROM,
	TWIN_RULE_PHY,
	TWIN_RULE_COUNT_TAGS,
	TWIN_RULE_COUNT_SEEN,
	TWIN_RULE_COUNT_MORE,
	TWIN_RULE_RESET,
	TWIN_RULE_82544,
	TWIN_RULES
};
/* What is masked, as a clause. */
const char *twin_rule_text(enum twin_rule rule);

/* ---- a run ---- */

struct twin_step {
	uint8_t kind;			/* index of a row in twin_run.c */
	uint64_t seed;
};

struct twin_traffic {
	uint32_t sizes[6];		/* 64, 65 …, 128 …, 256 …, 512 …, 1024 … bytes with FCS */
	uint32_t frames, broadcasts, multicasts;
	uint64_t octets;
};

/* Rings and settings, as the script's driver remembers them. */
struct twin_run {
	struct twin *ours, *other;
	struct twin_random random;	/* of the step */
	enum e1000_model model;
	bool rules;			/* other has_rules */
	bool failed, trace;
	char why[512];
	uint64_t used[TWIN_RULES];	/* times that a rule was needed */
	uint64_t frames_sent, frames_received;

	struct { uint32_t base, size, tail, data; } tx;		/* size 0: none; data: where the next buffer goes */
	struct { uint32_t base, size, head, tail, buffer_bytes; } rx;
	uint32_t rctl, ctrl, vet, ims;
	uint32_t mta[128];
	uint8_t station[16][6];		/* of RA */
	bool station_valid[16];
	/* since the counters were last read: what they should say, and what makes them differ */
	struct twin_traffic out, in;
	uint32_t large_sends, sent_to_it;
	bool tags_in, tags_out, odd_broadcasts, looped;
};

struct twin_result {
	size_t failed_at;		/* 0: never; else 1 + the index of the step after which they differed */
	char why[512];
	uint64_t used[TWIN_RULES];
	uint64_t frames_sent, frames_received;
};
/* Runs n steps on fresh twins. trace_last: prints what the last one does. */
void twin_run_script(enum e1000_model model, struct twin *ours, struct twin *other, const struct twin_step *steps, size_t n,
		     bool trace_last, struct twin_result *out);
void twin_make_script(uint64_t seed, struct twin_step *steps, size_t n);
const char *twin_step_name(const struct twin_step *s);

/* ---- for steps ---- */

void twin_differ(struct twin_run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void twin_write(struct twin_run *r, uint32_t offset, uint32_t value);
/* Reads both; the bits of mask must be the same. What ours said. */
uint32_t twin_read(struct twin_run *r, uint32_t offset, uint32_t mask);
/* The same with the bits that rule hides. */
uint32_t twin_read_but(struct twin_run *r, uint32_t offset, uint32_t hidden, enum twin_rule rule);
/* Bytes for both memories. */
void twin_store(struct twin_run *r, uint32_t address, const void *bytes, size_t n);
void twin_same_memory(struct twin_run *r, uint32_t address, size_t n, const char *what);
void twin_send(struct twin_run *r, const uint8_t *frame, uint32_t len);
void twin_pass(struct twin_run *r, uint64_t ns);
void twin_settle(struct twin_run *r);
/*
 * Lets all timers run out and compares ICR (which clears it), and each one's interrupt line with its causes. hidden: causes
 * that this step may raise on one side only.
 */
void twin_same_interrupts(struct twin_run *r, uint32_t hidden);
/* What a step's frames have that the rules must know. */
struct twin_sent {
	uint32_t tso6_offset;		/* of an IPv6 header in a TSO frame; 0: none */
	uint32_t ip_sum_offset;		/* of a checksum made with IXSM; 0: none */
};
void twin_count(struct twin_traffic *t, const uint8_t *destination, uint32_t bytes_with_fcs);
/* What both sent, frame by frame. */
void twin_same_wire(struct twin_run *r, const struct twin_sent *sent);
/* Both are as after a reset, and the link is up: what the run remembers begins anew. */
void twin_known_state(struct twin_run *r);

/* twin_transmit.c */
/* A descriptor at the tail of the ring; the chip does not know of it yet. */
void twin_tx_desc(struct twin_run *r, uint64_t buffer, uint32_t lower, uint32_t upper);
unsigned twin_tx_room(const struct twin_run *r);
/* Puts bytes into both memories, at an address of its own, which it returns. */
uint32_t twin_tx_data(struct twin_run *r, const void *bytes, uint32_t n);
/*
 * n bytes over several descriptors, the last with last, each with all; upper is the same in all of them. parts: how many at most.
 */
void twin_tx_split(struct twin_run *r, const uint8_t *bytes, uint32_t n, unsigned parts, uint32_t all, uint32_t last, uint32_t upper);
/* TDT, and then everything that must be the same. */
void twin_tx_go(struct twin_run *r, const struct twin_sent *sent);
/* With a ring that has room for so many descriptors. */
void twin_tx_ready(struct twin_run *r, unsigned room);
/* Sometimes a tag for a frame: bits for lower and upper. */
void twin_tx_tag(struct twin_run *r, uint32_t *lower, uint32_t *upper);
/* len random bytes behind an Ethernet header: from a guest's address to anybody outside. */
void twin_make_frame(struct twin_run *r, uint32_t len, uint8_t *out);

/* Steps: twin_registers.c, twin_transmit.c, twin_large.c, twin_receive.c. */
void twin_step_reset_values(struct twin_run *r);
void twin_step_registers(struct twin_run *r);
void twin_step_interrupts(struct twin_run *r);
void twin_step_counters(struct twin_run *r);
void twin_step_eeprom(struct twin_run *r);
void twin_step_phy(struct twin_run *r);
void twin_step_link(struct twin_run *r);
void twin_step_tx_setup(struct twin_run *r);
void twin_step_tx_legacy(struct twin_run *r);
void twin_step_tx_checksum(struct twin_run *r);
void twin_step_tx_tso(struct twin_run *r);
void twin_step_rx_setup(struct twin_run *r);
void twin_step_rx_filters(struct twin_run *r);
void twin_step_rx_frames(struct twin_run *r);
void twin_step_rx_wait(struct twin_run *r);
void twin_step_loopback(struct twin_run *r);
void twin_step_reset(struct twin_run *r);
void twin_step_vlan(struct twin_run *r);

#endif
