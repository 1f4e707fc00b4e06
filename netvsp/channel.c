/* SPDX-License-Identifier: MIT */
/*
 * One channel's traffic. A poll takes packets out of the guest's ring, in order:
 *
 *   ring --> completion of a packet of ours: at once, always
 *        --> anything else: worked on, or parked while the channel is blocked or others are parked before it
 *
 * Blocked means that completions or a reply found no room in the ring to the guest, or that the switch asked for a
 * pause. The guest's completions, which give receive buffers back, must not wait behind its frames: two
 * guests that send to each other would otherwise hold each other up. So frames are parked, as the packets they came in, which is
 * cheap because their bytes stay where they are. When the park is full the ring is left alone, and the guest waits.
 *
 * While we poll, the guest's doorbell is off; when there is nothing to do, on_sleep() says what would wake us.
 *
 * Doorbells are not lost between correct peers. A guest whose processor is emulated as if it were alone with its memory (QEMU's TCG
 * with room for one processor) has no barriers and no atomic exchange, and then they are, for good: so whenever there may be one on its
 * way, on_look() looks again a little later.
 */
#include <errno.h>
#include <stdlib.h>

#include "netvsp/internal.h"

enum {
	POLL_INPUTS = 16,	/* batches given to the switch per poll, at most (our policy) */
	CONTROL_ROOM = 160,	/* an answer's packet: 16 + 8 + 8 + 40 + 8, and then some */
};

/* In the park, in front of the packet's bytes. */
struct parked {
	uint64_t transaction_id;
	uint32_t extra_bytes, payload_bytes;
	uint16_t type;
	bool wants_completion;
};

#define LOOK_NS 2000000ull		/* our policy: a doorbell under way takes well below a millisecond … */
#define LOOK_MAX_NS 1000000000ull	/* … and a guest that is stopped is asked ever less often */

static uint32_t parked_bytes(uint32_t extra_bytes, uint32_t payload_bytes)
{
	return (uint32_t)sizeof(struct parked) + ((extra_bytes + payload_bytes + 7) & ~7u);
}

static bool park_empty(const struct netvsp_park *p)
{
	return p->head == p->tail;
}

/* Makes room for the longest packet; false if there is none. */
static bool park_room(struct netvsp_park *p)
{
	const uint32_t most = sizeof(struct parked) + NETVSP_PACKET_BYTES;

	if (park_empty(p))
		p->head = p->tail = 0;
	if (NETVSP_PARK_BYTES - p->tail >= most)
		return true;
	if (NETVSP_PARK_BYTES - (p->tail - p->head) < most)
		return false;
	memmove(p->bytes, p->bytes + p->head, p->tail - p->head);
	p->tail -= p->head;
	p->head = 0;
	return true;
}

/* After park_room(). */
static void park(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	struct netvsp_park *p = &c->park;
	struct parked *to = (struct parked *)(p->bytes + p->tail);

	*to = (struct parked){
		.transaction_id = pkt->transaction_id, .type = pkt->type, .wants_completion = pkt->wants_completion,
		.extra_bytes = pkt->extra_bytes, .payload_bytes = pkt->payload_bytes,
	};
	/* extra and payload are back to back in the private copy, as vmbus_ring_next() made it */
	memcpy(to + 1, pkt->extra, (size_t)pkt->extra_bytes + pkt->payload_bytes);
	p->tail += parked_bytes(pkt->extra_bytes, pkt->payload_bytes);
	netvsp_count(c->nic, NETVSP_C_TX_PARKED);
}

static void park_first(const struct netvsp_park *p, struct vmbus_packet *pkt)
{
	const struct parked *from = (const struct parked *)(p->bytes + p->head);
	const uint8_t *bytes = (const uint8_t *)(from + 1);

	*pkt = (struct vmbus_packet){
		.type = from->type, .wants_completion = from->wants_completion,
		.transaction_id = from->transaction_id,
		.extra = bytes, .extra_bytes = from->extra_bytes,
		.payload = bytes + from->extra_bytes, .payload_bytes = from->payload_bytes,
	};
}

/* ---- to the guest ---- */

uint32_t netvsp_message_bytes(const struct netvsp *nic)
{
	return nic->session.version >= NVSP_VERSION_6_1 ? NVSP_MESSAGE_BYTES_6_1 : NVSP_MESSAGE_BYTES;
}

bool netvsp_channel_has_room(struct netvsp_channel *c, uint32_t need)
{
	const struct vmbus_ring_out *out = c->out;
	const uint32_t used = out->write >= out->read_seen ? out->write - out->read_seen :
							     out->size - out->read_seen + out->write;

	if (out->corrupt)
		return false;
	return out->size - 8 - used >= need || vmbus_ring_free(c->out) >= need;
}

uint32_t netvsp_channel_reserve(const struct netvsp_channel *c)
{
	const uint32_t want = NETVSP_TX_DONE * vmbus_packet_space(0, NVSP_MESSAGE_BYTES_6_1) + 4 * CONTROL_ROOM;

	return want < c->out->size / 4 ? want : c->out->size / 4;
}

static void look_later(struct netvsp_channel *c)
{
	if (c->look.loop)
		return;
	c->look_after_ns = LOOK_NS;
	c->look_read = NETVSP_NO_INDEX;
	/* Without memory for a timer there is no second look, which a correct guest does not need. */
	(void)hv_timer_arm(c->nic->loop, &c->look, hv_now_ns() + LOOK_NS);
}

static void on_look(struct hv_timer *t)
{
	struct netvsp_channel *c = hv_container_of(t, struct netvsp_channel, look);
	bool neglected;

	if (!netvsp_channel_live(c))
		return;
	if (!c->poller.loop && !c->masked && vmbus_ring_has_packet(c->in)) {
		netvsp_count(c->nic, NETVSP_C_DOORBELLS_MISSED);
		hv_poller_kick(c->nic->loop, &c->poller);
	}
	neglected = vmbus_ring_neglected(c->out);
	vmbus_ring_free(c->out);	/* reads the guest's index in any case */
	if (c->out->corrupt || c->out->read_seen == c->out->published)
		return;
	if (c->out->read_seen != c->look_read) {
		c->look_after_ns = LOOK_NS;
	} else if (neglected) {
		netvsp_count(c->nic, NETVSP_C_DOORBELLS_REPEATED);
		vmbus_channel_signal(c->ch);
		c->look_after_ns = c->look_after_ns < LOOK_MAX_NS / 2 ? c->look_after_ns * 2 : LOOK_MAX_NS;
	}
	c->look_read = c->out->read_seen;
	(void)hv_timer_arm(c->nic->loop, &c->look, hv_now_ns() + c->look_after_ns);
}

void netvsp_channel_publish(struct netvsp_channel *c)
{
	if (vmbus_ring_publish(c->out))
		vmbus_channel_signal(c->ch);
	look_later(c);
}

bool netvsp_channel_send_rndis(struct netvsp_channel *c, uint32_t channel_type, uint32_t transaction_id,
			       const struct vmbus_pkt_transfer_range *range, unsigned n)
{
	const uint32_t bytes = netvsp_message_bytes(c->nic);
	const struct nvsp_rndis_packet m = {
		.type = to_le32(NVSP_SEND_RNDIS_PACKET), .channel_type = to_le32(channel_type),
		.section = to_le32(NVSP_NO_SECTION),
	};
	const struct vmbus_pkt_transfer_pages head = {
		.set_id = to_le16(c->nic->receive.id), .range_count = to_le32(n),
	};
	void *extra, *payload;

	if (vmbus_ring_reserve(c->out, sizeof(head) + n * sizeof(*range), bytes, &extra, &payload))
		return false;
	memcpy(extra, &head, sizeof(head));
	memcpy((uint8_t *)extra + sizeof(head), range, n * sizeof(*range));
	memcpy(payload, &m, sizeof(m));
	memset((uint8_t *)payload + sizeof(m), 0, bytes - sizeof(m));
	vmbus_ring_commit(c->out, VMBUS_PKT_DATA_TRANSFER_PAGES, true, transaction_id);
	return true;
}

/* true: the reply is out, or the ring is dead and nobody waits for it any more. */
static bool send_reply(struct netvsp_channel *c)
{
	struct netvsp_reply *r = &c->reply;
	int ret = vmbus_ring_write(c->out, VMBUS_PKT_COMPLETION, false, r->transaction_id, r->payload, r->bytes);

	if (ret == -EAGAIN)
		return false;
	r->pending = false;
	if (ret)
		netvsp_fail(c->nic, NETVSP_C_RING_CORRUPT, "the ring to the guest is corrupt");
	else
		netvsp_channel_publish(c);
	return true;
}

void netvsp_channel_reply(struct netvsp_channel *c, uint64_t transaction_id, const void *payload, uint32_t bytes)
{
	struct netvsp_reply *r = &c->reply;

	memset(r->payload, 0, sizeof(r->payload));
	if (bytes)
		memcpy(r->payload, payload, bytes);
	r->transaction_id = transaction_id;
	r->bytes = bytes ? netvsp_message_bytes(c->nic) : 0;
	r->pending = true;
	send_reply(c);
}

/* ---- from the guest ---- */

/* The guest gives receive buffers back. iPXE says nothing with it; others say SEND_RNDIS_PACKET_COMPLETE. */
static void on_completion(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	le32 type;

	if (pkt->payload_bytes) {
		if (pkt->payload_bytes < sizeof(type)) {
			netvsp_fail(c->nic, NETVSP_C_COMPLETION_BAD_TYPE, "a completion is too short");
			return;
		}
		memcpy(&type, pkt->payload, sizeof(type));
		if (le32_get(type) != NVSP_SEND_RNDIS_PACKET_COMPLETE) {
			netvsp_fail(c->nic, NETVSP_C_COMPLETION_BAD_TYPE, "a completion of the wrong type");
			return;
		}
	}
	if (!netvsp_slots_complete(&c->nic->slots, pkt->transaction_id))
		netvsp_fail(c->nic, NETVSP_C_COMPLETION_BAD_ID, "a completion of a packet that is not out");
}

static bool is_rndis(const struct vmbus_packet *pkt)
{
	le32 type;

	if (pkt->payload_bytes < sizeof(type))
		return false;
	memcpy(&type, pkt->payload, sizeof(type));
	return le32_get(type) == NVSP_SEND_RNDIS_PACKET;
}

/* false: the packet has to wait. */
static bool work_on(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	struct netvsp *nic = c->nic;
	const bool data = pkt->type == VMBUS_PKT_DATA_INBAND || pkt->type == VMBUS_PKT_DATA_GPA_DIRECT;

	if (data && is_rndis(pkt) && nic->session.state == NETVSP_READY)
		return netvsp_tx_packet(c, pkt);
	/* what came before is done with before a buffer or the version goes */
	netvsp_tx_flush(c);
	if (netvsp_channel_blocked(c))
		return false;
	if (pkt->type == VMBUS_PKT_CANCEL)
		netvsp_count(nic, NETVSP_C_CANCELS);	/* iPXE at close; there is nothing to cancel */
	else if (!data)
		netvsp_fail(nic, NETVSP_C_BAD_PACKET_TYPE, "a packet of an unknown type");
	else if (!is_rndis(pkt))
		netvsp_nvsp_message(c, pkt);
	else if (netvsp_nvsp_packet_allowed(c, pkt))
		return netvsp_tx_packet(c, pkt);
	return true;
}

static bool failed(const struct netvsp_channel *c)
{
	return c->nic->session.state == NETVSP_FAILED;
}

static bool budget_left(const struct netvsp_channel *c, unsigned first_input)
{
	return c->tx.inputs - first_input < POLL_INPUTS;
}

/* Packets worked on. */
static unsigned drain_park(struct netvsp_channel *c, unsigned first_input)
{
	struct vmbus_packet pkt;
	unsigned n = 0;

	while (!park_empty(&c->park) && !netvsp_channel_blocked(c) && budget_left(c, first_input)) {
		park_first(&c->park, &pkt);
		if (!work_on(c, &pkt) || failed(c))
			break;
		c->park.head += parked_bytes(pkt.extra_bytes, pkt.payload_bytes);
		n++;
	}
	return n;
}

/* Packets taken. */
static unsigned read_ring(struct netvsp_channel *c, unsigned first_input)
{
	struct vmbus_packet pkt;
	unsigned n;

	for (n = 0; n < NETVSP_POLL_PACKETS && budget_left(c, first_input) && !failed(c); n++) {
		const bool wait = netvsp_channel_blocked(c) || !park_empty(&c->park);
		int ret;

		if (wait && !park_room(&c->park))
			break;
		ret = vmbus_ring_next(c->in, c->packet, sizeof(c->packet), &pkt);
		if (ret < 0)
			netvsp_fail(c->nic, NETVSP_C_RING_CORRUPT, "the guest's ring is corrupt");
		if (ret <= 0)
			break;
		if (pkt.type == VMBUS_PKT_COMPLETION) {
			on_completion(c, &pkt);
		} else if (wait || !work_on(c, &pkt)) {
			park_room(&c->park);	/* there is: it was empty, or just looked at */
			park(c, &pkt);
		}
	}
	return n;
}

/* Sends what is owed; true if something went out. */
static bool pay_debts(struct netvsp_channel *c)
{
	bool worked = false;

	if (c->waiting) {
		vmbus_ring_stop_waiting(c->out);
		c->waiting = false;
	}
	if (c->tx.stuck)
		worked |= netvsp_tx_send_done(c);
	if (c->reply.pending && !c->tx.stuck)
		worked |= send_reply(c);
	return worked;
}

static bool on_poll(struct hv_poller *p)
{
	struct netvsp_channel *c = hv_container_of(p, struct netvsp_channel, poller);
	const unsigned first_input = c->tx.inputs;
	unsigned n = 0;
	bool worked;

	if (!netvsp_channel_live(c))
		return false;
	if (!c->masked) {
		vmbus_ring_mask(c->in);
		c->masked = true;
	}
	worked = pay_debts(c);
	if (!netvsp_channel_blocked(c))
		netvsp_tx_flush(c);	/* jobs that a pause left */
	n += drain_park(c, first_input);
	n += read_ring(c, first_input);
	if (!failed(c) && !netvsp_channel_blocked(c))
		netvsp_tx_flush(c);
	if (vmbus_ring_release(c->in))
		vmbus_channel_signal(c->ch);
	if (failed(c))
		return false;
	netvsp_control_run(c->nic);
	if (c->nic->congested)
		netvsp_rx_update_congestion(c->nic);
	return worked || n;
}

/* Bytes of the ring to the guest that we wait for; 0: none. */
static uint32_t wanted_room(const struct netvsp_channel *c)
{
	const uint32_t message = vmbus_packet_space(0, NVSP_MESSAGE_BYTES_6_1);

	if (c->tx.stuck)	/* all, but not so much that a slow guest would hold us up for long */
		return c->tx.num_done * message < c->out->size / 4 ? c->tx.num_done * message : c->out->size / 4;
	if (c->reply.pending)
		return message;
	if (netvsp_control_waits(c->nic))
		return CONTROL_ROOM;
	if (c->nic->congested)
		return netvsp_rx_good_room(c);
	return 0;
}

static bool on_sleep(struct hv_poller *p)
{
	struct netvsp_channel *c = hv_container_of(p, struct netvsp_channel, poller);
	uint32_t want;

	if (!netvsp_channel_live(c))
		return true;
	want = wanted_room(c);
	if (want && !netvsp_channel_has_room(c, want)) {
		if (c->out->corrupt) {
			netvsp_fail(c->nic, NETVSP_C_RING_CORRUPT, "the ring to the guest is corrupt");
			return true;
		}
		if (vmbus_ring_wait_for_space(c->out, want))
			return false;
		c->waiting = true;
		netvsp_count(c->nic, NETVSP_C_SPACE_WAITS);
	}
	if ((netvsp_channel_blocked(c) || !park_empty(&c->park)) && !park_room(&c->park))
		return true;	/* the ring stays as it is: resume() or room in ours gets us going */
	if (!vmbus_ring_unmask(c->in))
		return false;
	c->masked = false;
	look_later(c);
	return true;
}

/* ---- life ---- */

int netvsp_channel_create(struct netvsp_channel *c, struct netvsp *nic)
{
	c->nic = nic;
	c->poller.poll = on_poll;
	c->poller.sleep = on_sleep;
	c->look.fire = on_look;
	netvsp_tx_init(&c->tx);
	c->park.bytes = malloc(NETVSP_PARK_BYTES);
	return c->park.bytes ? 0 : -ENOMEM;
}

void netvsp_channel_destroy(struct netvsp_channel *c)
{
	free(c->park.bytes);
	c->park.bytes = NULL;
}

void netvsp_channel_open(struct netvsp_channel *c, struct vmbus_channel *ch)
{
	c->ch = ch;
	c->in = vmbus_channel_in(ch);
	c->out = vmbus_channel_out(ch);
	c->paused = c->held = c->masked = c->waiting = false;
	hv_poller_kick(c->nic->loop, &c->poller);
}

void netvsp_channel_close(struct netvsp_channel *c)
{
	struct vmbus_packet pkt;
	unsigned lost;

	hv_poller_stop(&c->poller);
	hv_timer_cancel(&c->look);
	lost = netvsp_tx_reset(&c->tx);
	while (!park_empty(&c->park)) {
		park_first(&c->park, &pkt);
		c->park.head += parked_bytes(pkt.extra_bytes, pkt.payload_bytes);
		lost += is_rndis(&pkt);
	}
	c->nic->counter[NETVSP_C_TX_LOST_AT_CLOSE] += lost;
	c->park.head = c->park.tail = 0;
	c->rx.n = 0;
	c->reply.pending = false;
	c->held = false;
	c->ch = NULL;
	c->in = NULL;
	c->out = NULL;
}

void netvsp_channel_pause(struct netvsp_channel *c, bool paused)
{
	c->paused = paused;
	if (paused)
		hv_poller_stop(&c->poller);
	else
		hv_poller_kick(c->nic->loop, &c->poller);
}
