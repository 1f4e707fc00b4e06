/* SPDX-License-Identifier: MIT */
/*
 * The switch once more, slow and obvious: what becomes of frames, decided per frame and per receiver from the tables of the
 * specification, without caches, rules compiled beforehand, metadata or shared frames. Frames are bytes as on a wire. tests/
 * switch_model_test.c runs it beside the real one.
 */
#ifndef HVNET_TESTS_SWITCH_MODEL_H
#define HVNET_TESTS_SWITCH_MODEL_H

#include "tests/switch_model_limits.h"

enum {
	MODEL_PORTS = 10,
	MODEL_BATCH = 4,
	MODEL_BYTES = 12000,
	MODEL_ENTRIES = 512,		/* more than the test has addresses and VLANs */
	MODEL_GOT = MODEL_BATCH * 2,	/* of one port in one batch, before segmentation */
};

struct model_frame {
	uint32_t len;
	uint16_t gso_size;		/* 0: nothing to segment. TCP or UDP behind Ethernet, at most one tag, IP without options */
	uint8_t bytes[MODEL_BYTES];	/* with all tags */
};

/* Where a thing is that may not move too often. */
struct model_place {
	int port;			/* -1: nowhere */
	unsigned moves;
	uint64_t moves_since_ns, held_until_ns;
};

struct model_address { uint8_t version, bytes[16]; uint32_t seen_s; };

struct model_port {
	bool exists, plugged, up, spoofing, has_policy, blocked;
	enum vswitch_nic_kind kind;
	unsigned vm;			/* 0: nobody's */
	uint8_t mac[6];
	uint32_t max_bytes;
	struct vswitch_port_policy policy;
	struct model_place self;	/* the NIC's address */
	unsigned storm;
	uint64_t storm_since_ns;
	unsigned num_addresses;
	struct model_address addresses[64];
	struct model_acl acl;
	struct model_bandwidth bandwidth;
	/* What the last batch led to. */
	unsigned num_got;
	struct model_frame got[MODEL_GOT];
	uint64_t in_dropped[VSWITCH_DROPS], out_dropped[VSWITCH_DROPS];	/* from the beginning on */
};

struct model_entry {
	bool used;
	uint8_t mac[6];
	unsigned vlan;
	uint32_t seen_s;
	struct model_place at;
};

struct model {
	uint64_t now_ns;
	uint32_t ageing_s;
	bool hub;
	bool filter, forwarder;		/* the extensions that are enabled */
	struct model_port ports[MODEL_PORTS];
	struct model_entry table[MODEL_ENTRIES];
};

void model_init(struct model *m, uint64_t now_ns, uint32_t ageing_s);
/* A new port with a NIC. */
void model_plug(struct model *m, int port, enum vswitch_nic_kind kind, const uint8_t mac[6], unsigned vm, uint32_t max_bytes);
void model_unplug(struct model *m, int port);
void model_replug(struct model *m, int port);
void model_link(struct model *m, int port, bool up);
/* A policy that the real switch has taken; NULL: none. */
void model_policy(struct model *m, int port, const struct vswitch_port_policy *policy);
void model_time(struct model *m, uint64_t now_ns);
/* The VLAN under which a private one is learned; of others itself. */
unsigned model_primary(const struct model *m, unsigned vlan);

/* What the extensions do, by a frame's addresses: both the model and the test's real ones ask these. */
bool model_filter_drops_in(const uint8_t *addresses, unsigned port);
bool model_filter_drops_out(const uint8_t *addresses, unsigned port);
bool model_forwarder_drops_in(const uint8_t *addresses, unsigned port);
bool model_forwarder_drops_out(const uint8_t *addresses, unsigned port);
/* The i-th port that the forwarder sends it to; -1: no further one. */
int model_forwarder_directs(const uint8_t *addresses, unsigned i);

/* What becomes of a batch: fills got, and counts. */
void model_input(struct model *m, int port, const struct model_frame *frames, unsigned n);
/* The frames that f is on a wire, in out (room for max): its segments, or itself. Checksums are done. 0: too many. */
unsigned model_segments(const struct model_frame *f, struct model_frame *out, unsigned max);

#endif
