/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Transmitting: RNDIS PACKET headers, several frames in one send-buffer section, and the slots that
 * remember which packets the host still owes a completion. Section memory is only ever written: the
 * host could change what would be read back.
 */
#include "netvsc/core.h"

/* ---- headers ---- */

/* Written where they lie, field by field: built elsewhere and copied they cost twice as much. */
static uint8_t *put_element(uint8_t *p, uint32_t type, uint32_t value)
{
	struct rndis_ppi_u32 *e = (struct rndis_ppi_u32 *)p;

	e->header.size = to_le32(sizeof(*e));
	e->header.type = to_le32(type);
	e->header.data_offset = to_le32(sizeof(e->header));
	e->value = to_le32(value);
	return p + sizeof(*e);
}

static uint32_t checksum_value(const struct netvsc_meta *meta)
{
	uint32_t v = (uint32_t)meta->transport_offset << RNDIS_CSUM_OFFSET_SHIFT;

	v |= meta->flags & NETVSC_META_IP6 ? RNDIS_CSUM_IPV6 : RNDIS_CSUM_IPV4;
	if (meta->flags & NETVSC_META_TCP)
		v |= RNDIS_CSUM_TCP;
	if (meta->flags & NETVSC_META_UDP)
		v |= RNDIS_CSUM_UDP;
	if (meta->flags & NETVSC_META_IP_CSUM)
		v |= RNDIS_CSUM_IP_HEADER;
	return v;
}

static uint32_t lso_value(const struct netvsc_meta *meta)
{
	return (meta->mss & RNDIS_LSO_MSS_MASK) |
	       (meta->transport_offset & RNDIS_LSO_OFFSET_MASK) << RNDIS_LSO_OFFSET_SHIFT | RNDIS_LSO_V2 |
	       (meta->flags & NETVSC_META_IP6 ? RNDIS_LSO_IPV6 : 0);
}

/*
 * Writes the elements; returns their bytes. A large send implies the checksums, so it excludes
 * their element.
 */
static uint32_t put_elements(uint8_t *p, const struct netvsc_meta *meta)
{
	uint8_t *start = p;

	if (meta->flags & NETVSC_META_VLAN)
		p = put_element(p, RNDIS_PPI_VLAN, rndis_vlan_from_tci(meta->vlan_tci));
	if (meta->flags & NETVSC_META_LSO)
		p = put_element(p, RNDIS_PPI_LSO, lso_value(meta));
	else if (meta->flags & (NETVSC_META_TCP | NETVSC_META_UDP | NETVSC_META_IP_CSUM))
		p = put_element(p, RNDIS_PPI_CHECKSUM, checksum_value(meta));
	return (uint32_t)(p - start);
}

uint32_t netvsc_tx_header(void *dst, const struct netvsc_meta *meta, uint32_t frame_bytes)
{
	const le32 zero = to_le32(0);
	struct rndis_packet *m = dst;
	uint32_t info = meta && meta->flags ? put_elements((uint8_t *)(m + 1), meta) : 0;

	m->type = to_le32(RNDIS_PACKET);
	m->length = to_le32((uint32_t)sizeof(*m) + info + frame_bytes);
	m->data_offset = to_le32(RNDIS_PPI_MIN_OFFSET + info);
	m->data_length = to_le32(frame_bytes);
	m->oob_offset = zero;
	m->oob_length = zero;
	m->oob_count = zero;
	m->ppi_offset = to_le32(info ? RNDIS_PPI_MIN_OFFSET : 0);
	m->ppi_length = to_le32(info);
	m->vc_handle = zero;
	m->reserved = zero;
	return (uint32_t)sizeof(*m) + info;
}

void netvsc_tx_message(uint8_t message[NETVSC_MESSAGE_BYTES], uint32_t section, uint32_t bytes)
{
	struct nvsp_rndis_packet m = {
		.type = to_le32(NVSP_SEND_RNDIS_PACKET),
		.channel_type = to_le32(NVSP_CHANNEL_DATA),
		.section = to_le32(section),
		.section_bytes = to_le32(bytes),
	};

	memset(message, 0, NETVSC_MESSAGE_BYTES);
	memcpy(message, &m, sizeof(m));
}

/* ---- batches ---- */

void netvsc_batch_begin(struct netvsc_batch *b, const struct netvsc *n, void *section)
{
	*b = (struct netvsc_batch){
		.section = section,
		.capacity = n->section_bytes,
		.align = n->align,
		.max_frames = n->max_messages,
	};
}

/* Where the next message may begin; the padding in front of it belongs to the message before. */
static uint32_t batch_next(const struct netvsc_batch *b)
{
	return (b->used + b->align - 1) & ~(b->align - 1);
}

static uint32_t header_bytes(const struct netvsc_meta *meta)
{
	uint32_t bytes = sizeof(struct rndis_packet);

	if (!meta || !meta->flags)
		return bytes;
	if (meta->flags & NETVSC_META_VLAN)
		bytes += sizeof(struct rndis_ppi_u32);
	if (meta->flags & (NETVSC_META_LSO | NETVSC_META_TCP | NETVSC_META_UDP | NETVSC_META_IP_CSUM))
		bytes += sizeof(struct rndis_ppi_u32);
	return bytes;
}

/*
 * Room for a message of which inside bytes lie in the section? Then pads the one before and says
 * where it begins.
 */
static bool batch_room(struct netvsc_batch *b, uint32_t inside, uint32_t *at)
{
	uint32_t next = batch_next(b);
	le32 length;

	if (b->closed || b->frames >= b->max_frames || next > b->capacity || inside > b->capacity - next)
		return false;
	if (b->frames && next != b->used) {
		length = to_le32(next - b->last);
		memset(b->section + b->used, 0, next - b->used);
		memcpy(b->section + b->last + offsetof(struct rndis_packet, length), &length, sizeof(length));
	}
	*at = next;
	return true;
}

static uint8_t *batch_put(struct netvsc_batch *b, const struct netvsc_meta *meta, uint32_t at, uint32_t frame_bytes)
{
	uint32_t header = netvsc_tx_header(b->section + at, meta, frame_bytes);

	b->last = at;
	b->used = at + header;
	b->frames++;
	b->frame_bytes += frame_bytes;
	return b->section + b->used;
}

uint8_t *netvsc_batch_add(struct netvsc_batch *b, const struct netvsc_meta *meta, uint32_t frame_bytes)
{
	uint8_t *frame;
	uint32_t at;

	if (frame_bytes > b->capacity || !batch_room(b, header_bytes(meta) + frame_bytes, &at))
		return NULL;
	frame = batch_put(b, meta, at, frame_bytes);
	b->used += frame_bytes;
	return frame;
}

bool netvsc_batch_add_header(struct netvsc_batch *b, const struct netvsc_meta *meta, uint32_t frame_bytes)
{
	uint32_t at;

	if (!batch_room(b, header_bytes(meta), &at))
		return false;
	batch_put(b, meta, at, frame_bytes);
	b->closed = true;
	return true;
}

/* ---- slots ---- */

static void list_put(struct netvsc_tx *tx, uint16_t *head, uint16_t slot)
{
	tx->slots[slot].next = *head;
	*head = slot;
}

static uint16_t list_get(struct netvsc_tx *tx, uint16_t *head)
{
	uint16_t slot = *head;

	if (slot == NETVSC_NO_SLOT)
		return slot;
	*head = tx->slots[slot].next;
	tx->slots[slot].owner = NULL;
	tx->busy++;
	return slot;
}

void netvsc_tx_init(struct netvsc_tx *tx, struct netvsc_slot *slots, uint32_t nsections, uint32_t nslots,
		    struct netvsc_stats *stats)
{
	*tx = (struct netvsc_tx){
		.slots = slots,
		.nslots = (uint16_t)nslots,
		.nsections = (uint16_t)nsections,
		.free_section = NETVSC_NO_SLOT,
		.free_plain = NETVSC_NO_SLOT,
		.stats = stats,
	};
	memset(slots, 0, nslots * sizeof(*slots));
	/* Downwards, so that the first ones are taken first. */
	for (uint32_t i = nslots; i-- > 0;)
		list_put(tx, i < nsections ? &tx->free_section : &tx->free_plain, (uint16_t)i);
}

uint16_t netvsc_tx_get_section(struct netvsc_tx *tx)
{
	return list_get(tx, &tx->free_section);
}

uint16_t netvsc_tx_get_plain(struct netvsc_tx *tx)
{
	return list_get(tx, &tx->free_plain);
}

void netvsc_tx_put(struct netvsc_tx *tx, uint16_t slot)
{
	tx->slots[slot].frames = 0;
	tx->busy--;
	list_put(tx, slot < tx->nsections ? &tx->free_section : &tx->free_plain, slot);
}

void netvsc_tx_sent(struct netvsc_tx *tx, uint16_t slot, uint32_t frames, uint32_t bytes)
{
	tx->slots[slot].frames = (uint8_t)frames;
	tx->slots[slot].bytes = bytes;
	tx->stats->n[NETVSC_TX_FRAMES] += frames;
	tx->stats->n[NETVSC_TX_BYTES] += bytes;
	tx->stats->n[NETVSC_TX_MESSAGES]++;
}

bool netvsc_tx_completed(struct netvsc_tx *tx, uint64_t transaction_id, const void *payload, uint32_t payload_bytes,
			 struct netvsc_slot *done, bool *ok)
{
	struct rd r = { payload, payload_bytes };
	struct nvsp_rndis_packet_complete m;
	uint64_t slot = transaction_id - NETVSC_ID_TX;

	if (transaction_id < NETVSC_ID_TX || slot >= tx->nslots || !tx->slots[slot].frames ||
	    !rd_copy(&r, &m, sizeof(m)) || le32_get(m.type) != NVSP_SEND_RNDIS_PACKET_COMPLETE) {
		tx->stats->n[NETVSC_TX_BAD_COMPLETION]++;
		return false;
	}
	*done = tx->slots[slot];
	*ok = le32_get(m.status) == NVSP_STATUS_SUCCESS;
	if (!*ok)
		tx->stats->n[NETVSC_TX_FAILED]++;
	netvsc_tx_put(tx, (uint16_t)slot);
	return true;
}
