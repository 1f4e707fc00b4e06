/* SPDX-License-Identifier: MIT */
/*
 * RNDIS control: requests wait in a bounded queue and are executed strictly in order, each when its answer has a
 * sub-allocation (16 are kept for that) and room in the ring. The request's own VMBus packet was completed when it
 * was copied, and that completion is in the ring before the answer.
 *
 *   UNINITIALIZED --INITIALIZE--> OPERATIONAL --HALT--> UNINITIALIZED
 *
 * Queries, sets, resets and keep-alives are answered in both states; indications are only sent in the second.
 */
#include <errno.h>
#include <stdlib.h>

#include "netvsp/internal.h"

enum { ANSWER_ROOM = 160 };	/* of the ring: 16 + 8 + 8 + 40 + 8, and then some */

void netvsp_control_init(struct netvsp *nic)
{
	STAILQ_INIT(&nic->control.queue);
}

static void drop_first(struct netvsp_control *ctl)
{
	struct netvsp_request *r = STAILQ_FIRST(&ctl->queue);

	STAILQ_REMOVE_HEAD(&ctl->queue, link);
	ctl->queued_bytes -= (uint32_t)sizeof(*r) + r->bytes;
	free(r);
}

void netvsp_control_reset(struct netvsp *nic)
{
	struct netvsp_control *ctl = &nic->control;

	while (!STAILQ_EMPTY(&ctl->queue))
		drop_first(ctl);
	ctl->operational = false;
	ctl->indicate_offload = false;
}

bool netvsp_control_request(struct netvsp *nic, struct rd message)
{
	struct netvsp_control *ctl = &nic->control;
	struct netvsp_request *r;
	struct rndis_control parsed;
	enum rndis_refusal why = rndis_parse_control(message, &parsed);

	if (why == RNDIS_BAD_TYPE)
		netvsp_count(nic, NETVSP_C_CONTROL_NOT_SUPPORTED);
	else if (why)
		nic->refused[why]++;
	if (why) {
		hv_log_limited(&nic->log_limit, HV_LOG_WARNING, "%s: a control message is refused: %s", nic->name,
			       rndis_refusal_name(why));
		return false;
	}
	if (message.left > NETVSP_CONTROL_BYTES - sizeof(*r) ||
	    ctl->queued_bytes > NETVSP_CONTROL_BYTES - sizeof(*r) - message.left) {
		netvsp_count(nic, NETVSP_C_CONTROL_FULL);
		return false;
	}
	r = malloc(sizeof(*r) + message.left);
	if (!r) {
		netvsp_count(nic, NETVSP_C_CONTROL_FULL);
		return false;
	}
	r->bytes = (uint32_t)message.left;
	memcpy(r->message, message.p, message.left);
	STAILQ_INSERT_TAIL(&ctl->queue, r, link);
	ctl->queued_bytes += (uint32_t)sizeof(*r) + r->bytes;
	netvsp_count(nic, NETVSP_C_CONTROL_REQUESTS);
	return true;
}

/* ---- answers ---- */

/* Whether an answer could go out now. */
static bool can_answer(struct netvsp *nic)
{
	struct netvsp_channel *c = &nic->primary;

	return nic->receive.gpadl && nic->slots.free[NETVSP_POOL_CONTROL] && !c->tx.num_done && !c->reply.pending &&
	       netvsp_channel_has_room(c, ANSWER_ROOM);
}

/* After can_answer(). */
static void answer(struct netvsp *nic, const void *message, uint32_t bytes)
{
	const uint32_t slot = netvsp_slots_take(&nic->slots, NETVSP_POOL_CONTROL);
	const uint32_t off = slot * nic->slots.slot_bytes;
	const struct vmbus_pkt_transfer_range range = { to_le32(bytes), to_le32(off) };

	netvsp_buffer_write(&nic->receive, off, message, bytes);
	if (netvsp_channel_send_rndis(&nic->primary, NVSP_CHANNEL_CONTROL, slot, &range, 1)) {
		netvsp_slots_sent(&nic->slots, slot, slot, 1);
		netvsp_channel_publish(&nic->primary);
	} else {
		netvsp_slots_give_back(&nic->slots, slot, slot, 1);
		netvsp_fail(nic, NETVSP_C_RING_CORRUPT, "the ring to the guest is corrupt");
	}
}

static void on_initialize(struct netvsp *nic, const struct rndis_control *q, const struct netvsp_request *r)
{
	struct rndis_initialize_complete a = {
		.type = to_le32(RNDIS_INITIALIZE_COMPLETE), .length = to_le32(sizeof(a)),
		.request_id = to_le32(q->request_id), .status = to_le32(RNDIS_STATUS_SUCCESS),
		.major_version = to_le32(RNDIS_MAJOR_VERSION), .minor_version = to_le32(RNDIS_MINOR_VERSION),
		.device_flags = to_le32(RNDIS_DEVICE_CONNECTIONLESS), .medium = to_le32(RNDIS_MEDIUM_802_3),
		.max_packets = to_le32(RNDIS_MAX_PACKETS), .max_transfer = to_le32(RNDIS_MAX_TRANSFER),
		.alignment_log2 = to_le32(RNDIS_ALIGNMENT_LOG2),
	};
	struct rndis_initialize m;

	memcpy(&m, r->message, sizeof(m));
	if (le32_get(m.major_version) != RNDIS_MAJOR_VERSION) {
		netvsp_count(nic, NETVSP_C_INITIALIZE_VERSION);
		a.status = to_le32(RNDIS_STATUS_BAD_VERSION);
	} else if (nic->control.operational) {
		netvsp_count(nic, NETVSP_C_INITIALIZE_TWICE);
		a.status = to_le32(RNDIS_STATUS_FAILURE);
	} else {
		nic->control.operational = true;
		netvsp_link_told(nic);
		hv_log(HV_LOG_INFO, "%s: up, NVSP %#x, NDIS %u.%u, frames of %u bytes", nic->name,
		       nic->session.version, nic->session.ndis_major, nic->session.ndis_minor,
		       nic->session.frame_bytes);
	}
	answer(nic, &a, sizeof(a));
}

static void on_halt(struct netvsp *nic)
{
	nic->control.operational = false;
	nic->session.filter = (struct netvsp_filter){ 0 };
	netvsp_rx_update_congestion(nic);
}

static void on_query(struct netvsp *nic, const struct rndis_control *q)
{
	struct {
		struct rndis_query_complete h;
		uint8_t info[NETVSP_ANSWER_BYTES - sizeof(struct rndis_query_complete)];
	} a;
	struct netvsp_oid_answer out = { .bytes = 0 };
	uint32_t status = netvsp_oid_query(nic, q->oid, &out);

	if (status)
		out.bytes = 0;
	a.h = (struct rndis_query_complete){
		.type = to_le32(RNDIS_QUERY_COMPLETE), .length = to_le32((uint32_t)sizeof(a.h) + out.bytes),
		.request_id = to_le32(q->request_id), .status = to_le32(status),
		.info_length = to_le32(out.bytes), .info_offset = to_le32(RNDIS_QUERY_INFO_OFFSET),
	};
	memcpy(a.info, out.data, out.bytes);
	answer(nic, &a, (uint32_t)sizeof(a.h) + out.bytes);
}

/* SET_COMPLETE and KEEPALIVE_COMPLETE look alike. */
static void answer_status(struct netvsp *nic, uint32_t type, uint32_t request_id, uint32_t status)
{
	const struct rndis_set_complete a = {
		.type = to_le32(type), .length = to_le32(sizeof(a)), .request_id = to_le32(request_id),
		.status = to_le32(status),
	};

	answer(nic, &a, sizeof(a));
}

/* A reset changes nothing: there is no hardware state, and filter and addresses stay. */
static void on_reset(struct netvsp *nic)
{
	const struct rndis_reset_complete a = {
		.type = to_le32(RNDIS_RESET_COMPLETE), .length = to_le32(sizeof(a)),
		.status = to_le32(RNDIS_STATUS_SUCCESS), .addressing_reset = to_le32(0),
	};

	answer(nic, &a, sizeof(a));
}

static void execute(struct netvsp *nic, const struct netvsp_request *r)
{
	struct rndis_control q;

	if (rndis_parse_control((struct rd){ r->message, r->bytes }, &q))
		return;		/* cannot be: it was let in by the same parser */
	switch (q.type) {
	case RNDIS_INITIALIZE:
		on_initialize(nic, &q, r);
		break;
	case RNDIS_HALT:
		on_halt(nic);
		break;
	case RNDIS_QUERY:
		on_query(nic, &q);
		break;
	case RNDIS_SET:
		answer_status(nic, RNDIS_SET_COMPLETE, q.request_id, netvsp_oid_set(nic, q.oid, q.info));
		break;
	case RNDIS_RESET:
		on_reset(nic);
		break;
	case RNDIS_KEEPALIVE:
		answer_status(nic, RNDIS_KEEPALIVE_COMPLETE, q.request_id, RNDIS_STATUS_SUCCESS);
		break;
	}
	if (q.type != RNDIS_HALT)
		netvsp_count(nic, NETVSP_C_CONTROL_ANSWERS);
}

/* ---- indications ---- */

bool netvsp_control_indicate(struct netvsp *nic, uint32_t status, const void *buffer, uint32_t bytes)
{
	struct {
		struct rndis_indicate_status h;
		uint8_t buffer[sizeof(struct ndis_offload)];
	} a;

	if (!can_answer(nic))
		return false;
	a.h = (struct rndis_indicate_status){
		.type = to_le32(RNDIS_INDICATE_STATUS), .length = to_le32((uint32_t)sizeof(a.h) + bytes),
		.status = to_le32(status), .buffer_length = to_le32(bytes),
		.buffer_offset = to_le32(bytes ? RNDIS_INDICATE_BUFFER_OFFSET : 0),
	};
	if (bytes)
		memcpy(a.buffer, buffer, bytes);
	answer(nic, &a, (uint32_t)sizeof(a.h) + bytes);
	netvsp_count(nic, NETVSP_C_INDICATIONS);
	return true;
}

/* Windows waits for this after it has set its offloads. */
static bool indicate_offload(struct netvsp *nic)
{
	struct ndis_offload o;

	netvsp_offload_current(nic, &o);
	if (!netvsp_control_indicate(nic, RNDIS_STATUS_OFFLOAD_CURRENT_CONFIG, &o, sizeof(o)))
		return false;
	nic->control.indicate_offload = false;
	return true;
}

/* ---- the queue ---- */

static bool running(const struct netvsp *nic)
{
	return nic->session.state == NETVSP_READY && netvsp_channel_live(&nic->primary);
}

void netvsp_control_run(struct netvsp *nic)
{
	struct netvsp_control *ctl = &nic->control;

	for (unsigned n = 0; n < NETVSP_CONTROL_PER_RUN && running(nic); n++) {
		if (ctl->indicate_offload && !indicate_offload(nic))
			return;
		if (STAILQ_EMPTY(&ctl->queue) || !running(nic) || !can_answer(nic))
			break;
		execute(nic, STAILQ_FIRST(&ctl->queue));
		drop_first(ctl);
	}
	if (!STAILQ_EMPTY(&ctl->queue) && running(nic) && can_answer(nic))
		netvsp_kick(nic);	/* more than one run's share */
	netvsp_link_run(nic);
}

bool netvsp_control_waits(const struct netvsp *nic)
{
	const struct netvsp_control *ctl = &nic->control;

	return running(nic) && nic->slots.free[NETVSP_POOL_CONTROL] &&
	       (ctl->indicate_offload || !STAILQ_EMPTY(&ctl->queue) || netvsp_link_waits(nic));
}
