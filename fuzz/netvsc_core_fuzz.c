/* SPDX-License-Identifier: MIT */
/*
 * The guest's driver core against a host that says anything: the input is a list of records, each
 * an operation, a length (16 bits, little-endian) and that many bytes. After each one the core is
 * driven as far as it goes.
 */
#include <stdlib.h>

#include "netvsc/netvsc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECEIVE_BYTES = 8192, SLOTS = 8 };

enum op {
	OP_COMPLETED,		/* completion of an NVSP request */
	OP_CONTROL_SENT,	/* completion of a control message */
	OP_CONTROL,		/* RNDIS control message in the receive buffer */
	OP_INBAND,
	OP_RECEIVE,		/* u8: bytes of the extra header; extra header; payload */
	OP_MEMORY,		/* u16 offset: into the receive buffer */
	OP_TX_COMPLETED,	/* u64 id; payload */
	OP_SEND,		/* u16 bytes: of a frame in a section */
	OP_FILTER,
	OP_REQUEST,
	OP_STOP,
	OP_START,
	OPS
};

struct guest {
	struct netvsc n;
	struct netvsc_stats stats;
	struct netvsc_out out;
	struct netvsc_tx tx;
	struct netvsc_slot slots[SLOTS];
	uint8_t *receive;	/* from the heap, exactly as long as it is said to be */
	volatile uint8_t sink;
};

static void drive(struct guest *g)
{
	/* A state may answer "drain" again and again; 64 is more than the longest way. */
	for (int i = 0; i < 64; i++) {
		switch (netvsc_next(&g->n, &g->out)) {
		case NETVSC_DO_NOTHING:
			return;
		case NETVSC_DO_SEND:
		case NETVSC_DO_CONTROL:
			if (g->out.message_bytes > sizeof(g->out.message) || g->out.rndis_bytes > sizeof(g->out.rndis))
				abort();
			break;
		case NETVSC_DO_MAP_RECEIVE:
			netvsc_receive_mapped(&g->n, 1, g->receive, RECEIVE_BYTES);
			break;
		case NETVSC_DO_MAP_SEND:
			netvsc_send_mapped(&g->n, 2, 8192);
			break;
		case NETVSC_DO_DRAIN:
			netvsc_drained(&g->n);
			break;
		}
	}
	abort();
}

static void receive(struct guest *g, struct rd r)
{
	struct netvsc_frame f;
	struct netvsc_rx rx;
	uint8_t extra;
	struct rd head;

	if (!rd_copy(&r, &extra, 1) || !rd_slice(&r, 0, extra, &head))
		return;
	rd_skip(&r, extra);
	if (!netvsc_rx_begin(&g->n, &g->stats, head.p, (uint32_t)head.left, r.p, (uint32_t)r.left, &rx))
		return;
	for (;;) {
		switch (netvsc_rx_next(&g->n, &g->stats, &rx, &f)) {
		case NETVSC_RX_END:
			return;
		case NETVSC_RX_IS_FRAME:
			if (f.bytes < 14 || f.bytes > g->n.frame_max_bytes)
				abort();
			for (uint32_t i = 0; i < f.bytes; i++)
				g->sink ^= f.data[i];
			break;
		case NETVSC_RX_IS_CONTROL:
			netvsc_control(&g->n, f.data, f.bytes);
			break;
		case NETVSC_RX_IS_BAD:
			break;
		}
	}
}

static void tx_completed(struct guest *g, struct rd r)
{
	struct netvsc_slot done;
	le64 id;
	bool ok;

	if (rd_copy(&r, &id, sizeof(id)) &&
	    netvsc_tx_completed(&g->tx, le64_get(id), r.p, (uint32_t)r.left, &done, &ok) && !done.frames)
		abort();
}

static void send_frame(struct guest *g, struct rd r)
{
	struct netvsc_batch b;
	uint8_t *section, *frame;
	uint16_t slot;
	le16 bytes;

	if (g->n.state != NETVSC_RUNNING || !g->n.section_bytes || g->n.section_bytes > 8192 ||
	    !rd_copy(&r, &bytes, sizeof(bytes)))
		return;
	slot = netvsc_tx_get_section(&g->tx);
	if (slot == NETVSC_NO_SLOT)
		return;
	section = malloc(g->n.section_bytes);
	netvsc_batch_begin(&b, &g->n, section);
	while ((frame = netvsc_batch_add(&b, NULL, le16_get(bytes))))
		memset(frame, 0, le16_get(bytes));
	if (b.frames)
		netvsc_tx_sent(&g->tx, slot, b.frames, b.frame_bytes);
	else
		netvsc_tx_put(&g->tx, slot);
	free(section);
}

static void run(struct guest *g, enum op op, struct rd r)
{
	static const struct netvsc_config config = { .offload = ~0u };
	uint32_t bytes = (uint32_t)r.left;
	le16 offset;

	switch (op) {
	case OP_COMPLETED:
		netvsc_completed(&g->n, r.p, bytes);
		break;
	case OP_CONTROL_SENT:
		netvsc_control_sent(&g->n, r.p, bytes);
		break;
	case OP_CONTROL:
		netvsc_control(&g->n, r.p, bytes);
		break;
	case OP_INBAND:
		netvsc_inband(&g->n, r.p, bytes);
		break;
	case OP_RECEIVE:
		receive(g, r);
		break;
	case OP_MEMORY:
		if (rd_copy(&r, &offset, sizeof(offset)) && le16_get(offset) < RECEIVE_BYTES &&
		    r.left <= RECEIVE_BYTES - (size_t)le16_get(offset))
			memcpy(g->receive + le16_get(offset), r.p, r.left);
		break;
	case OP_TX_COMPLETED:
		tx_completed(g, r);
		break;
	case OP_SEND:
		send_frame(g, r);
		break;
	case OP_FILTER:
		netvsc_set_filter(&g->n, bytes);
		break;
	case OP_REQUEST:
		netvsc_request_done(&g->n);
		netvsc_request_set(&g->n, OID_GEN_RNDIS_CONFIG_PARAMETER, r.p, bytes);
		break;
	case OP_STOP:
		netvsc_stop(&g->n);
		break;
	case OP_START:
		netvsc_start(&g->n, &config);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest g;
	struct rd r = { data, size }, record;
	struct { uint8_t op; le16 bytes; } head;

	memset(&g, 0, sizeof(g));
	g.receive = calloc(1, RECEIVE_BYTES);
	netvsc_tx_init(&g.tx, g.slots, SLOTS / 2, SLOTS, &g.stats);
	run(&g, OP_START, (struct rd){ data, 0 });
	drive(&g);
	while (rd_copy(&r, &head, sizeof(head)) && rd_slice(&r, 0, le16_get(head.bytes), &record)) {
		/* A copy of its own, so that a read past its end is seen. */
		uint8_t *copy = malloc(record.left ? record.left : 1);

		if (record.left)
			memcpy(copy, record.p, record.left);
		rd_skip(&r, record.left);
		record.p = copy;
		run(&g, (enum op)(head.op % OPS), record);
		drive(&g);
		free(copy);
	}
	free(g.receive);
	return 0;
}
