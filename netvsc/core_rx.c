/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Receiving: a transfer-page packet names ranges of the receive buffer, each range holds one RNDIS
 * message. The packet itself is the caller's private copy; the receive buffer is the host's to
 * write at any time, so header and per-packet info are copied before they are looked at, and the
 * frame's bytes are passed on unread.
 */
#include "netvsc/core.h"

struct rx_range {			/* as in the packet */
	le32 bytes, offset;
};
static_assert(sizeof(struct rx_range) == 8, "as on the wire");

struct transfer_pages {		/* what follows the descriptor */
	le16 set_id;
	uint8_t sender_owns, reserved;	/* may hold anything */
	le32 count;
};
static_assert(sizeof(struct transfer_pages) == 8, "as on the wire");

bool netvsc_rx_begin(const struct netvsc *n, struct netvsc_stats *stats, const void *extra, uint32_t extra_bytes,
		     const void *payload, uint32_t payload_bytes, struct netvsc_rx *rx)
{
	struct rd e = { extra, extra_bytes }, p = { payload, payload_bytes };
	struct transfer_pages t;
	struct nvsp_header h;

	if (!n->sub_bytes || !rd_copy(&p, &h, sizeof(h)) || le32_get(h.type) != NVSP_SEND_RNDIS_PACKET ||
	    !rd_copy(&e, &t, sizeof(t)) || le16_get(t.set_id) != NVSP_RECEIVE_BUFFER_ID ||
	    le32_get(t.count) > NETVSC_RANGES_MAX || le32_get(t.count) > e.left / sizeof(struct rx_range)) {
		stats->n[NETVSC_RX_BAD_PACKET]++;
		return false;
	}
	rx->ranges = e.p;
	rx->left = le32_get(t.count);
	return true;
}

static void checksum_info(uint32_t v, struct netvsc_frame *f)
{
	if (v & (RNDIS_CSUM_TCP_FAILED | RNDIS_CSUM_UDP_FAILED))
		f->flags |= NETVSC_RX_CSUM_BAD;
	else if (v & (RNDIS_CSUM_TCP_OK | RNDIS_CSUM_UDP_OK))
		f->flags |= NETVSC_RX_CSUM_OK;
}

/* The number that an element of a type that we know holds; element is shared memory. */
static bool element_value(struct rd element, uint32_t type, struct netvsc_frame *f)
{
	le32 value;

	if (!rd_copy(&element, &value, sizeof(value)))
		return false;
	rd_fetched();
	if (type == RNDIS_PPI_CHECKSUM) {
		checksum_info(le32_get(value), f);
	} else if (type == RNDIS_PPI_VLAN) {
		f->vlan_tci = rndis_vlan_to_tci(le32_get(value));
		f->flags |= NETVSC_RX_VLAN;
	} else {
		f->hash = le32_get(value);
		f->flags |= NETVSC_RX_HASH;
	}
	return true;
}

/*
 * Walks the elements where they lie; each one's header is fetched once, then its value once. A size
 * of less than a header, so also 0, ends the walk.
 */
static bool packet_info(struct rd r, struct netvsc_frame *f)
{
	while (r.left) {
		struct rd element, peek = r;
		struct rndis_ppi h;

		if (!rd_copy(&peek, &h, sizeof(h)))
			return false;
		rd_fetched();
		if (le32_get(h.size) < sizeof(h) || !rd_slice(&r, 0, le32_get(h.size), &element) ||
		    le32_get(h.data_offset) < sizeof(h) || !rd_skip(&element, le32_get(h.data_offset)))
			return false;
		rd_skip(&r, le32_get(h.size));
		switch (le32_get(h.type)) {
		case RNDIS_PPI_CHECKSUM:
		case RNDIS_PPI_VLAN:
		case RNDIS_PPI_HASH_VALUE:
			if (!element_value(element, le32_get(h.type), f))
				return false;
			break;
		default:
			break;	/* others do not concern us */
		}
	}
	return true;
}

static bool ppi_of(const struct rndis_packet *m, const struct rd *body, struct netvsc_frame *f)
{
	struct rd info;

	if (!le32_get(m->ppi_length))
		return true;
	return le32_get(m->ppi_offset) >= RNDIS_PPI_MIN_OFFSET &&
	       rd_slice(body, le32_get(m->ppi_offset), le32_get(m->ppi_length), &info) && packet_info(info, f);
}

/* One RNDIS PACKET; m is the private copy of its header, all the range that holds it. */
static enum netvsc_rx_kind frame_of(const struct netvsc *n, struct netvsc_stats *stats, const struct rndis_packet *m,
				    struct rd all, struct netvsc_frame *f)
{
	uint32_t length = le32_get(m->length);
	struct rd body, data;

	if (length < sizeof(*m) || length > all.left)
		goto bad;
	body = (struct rd){ all.p + RNDIS_OFFSET_BASE, length - RNDIS_OFFSET_BASE };
	if (le32_get(m->data_offset) < RNDIS_PPI_MIN_OFFSET ||
	    !rd_slice(&body, le32_get(m->data_offset), le32_get(m->data_length), &data))
		goto bad;
	if (data.left < 14 || data.left > n->frame_max_bytes) {
		stats->n[NETVSC_RX_BAD_SIZE]++;
		return NETVSC_RX_IS_BAD;
	}
	f->data = data.p;
	f->bytes = (uint32_t)data.left;
	f->flags = 0;
	if (!ppi_of(m, &body, f)) {
		stats->n[NETVSC_RX_BAD_INFO]++;
		return NETVSC_RX_IS_BAD;
	}
	stats->n[NETVSC_RX_FRAMES]++;
	stats->n[NETVSC_RX_BYTES] += f->bytes;
	return NETVSC_RX_IS_FRAME;
bad:
	stats->n[NETVSC_RX_BAD_MESSAGE]++;
	return NETVSC_RX_IS_BAD;
}

enum netvsc_rx_kind netvsc_rx_next(const struct netvsc *n, struct netvsc_stats *stats, struct netvsc_rx *rx,
				   struct netvsc_frame *frame)
{
	struct rd buffer = { n->receive, n->receive_bytes }, all, r;
	struct rndis_packet m;
	struct rx_range range;

	if (!rx->left)
		return NETVSC_RX_END;
	memcpy(&range, rx->ranges, sizeof(range));
	rx->ranges += sizeof(range);
	rx->left--;
	if (le32_get(range.bytes) > n->sub_bytes ||
	    !rd_slice(&buffer, le32_get(range.offset), le32_get(range.bytes), &all) ||
	    all.left < sizeof(struct rndis_header)) {
		stats->n[NETVSC_RX_BAD_RANGE]++;
		return NETVSC_RX_IS_BAD;
	}
	r = all;
	if (rd_copy(&r, &m, sizeof(m))) {
		rd_fetched();
		if (le32_get(m.type) == RNDIS_PACKET)
			return frame_of(n, stats, &m, all, frame);
	}
	/*
	 * Shorter than a PACKET's header, or another type: netvsc_control() takes its own copy and
	 * refuses what it is not.
	 */
	stats->n[NETVSC_RX_CONTROL]++;
	*frame = (struct netvsc_frame){ .data = all.p, .bytes = (uint32_t)all.left };
	return NETVSC_RX_IS_CONTROL;
}

void netvsc_rx_complete(struct nvsp_rndis_packet_complete *message)
{
	message->type = to_le32(NVSP_SEND_RNDIS_PACKET_COMPLETE);
	message->status = to_le32(NVSP_STATUS_SUCCESS);
}
