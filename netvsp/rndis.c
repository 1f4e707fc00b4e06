/* SPDX-License-Identifier: MIT */
/*
 * All offsets in a message count from its byte 8 and are the guest's numbers: they are compared with what is left, never
 * added up first. A refusal names its reason, so that each has its counter:
 *
 *   header   at least 44 bytes for a PACKET, message length between that and what was sent
 *   PACKET   no out-of-band data; frame inside the message, behind the header, 14 bytes or more, not longer than agreed
 *   elements inside the message, behind the header; each 12 bytes or more, not longer than the rest, its data inside it;
 *	      a bounded number, so a size of 0 can't make us walk for ever
 *   control  the fixed part of its type, the input of a QUERY or SET behind it and inside the message
 */
#include "netvsp/rndis.h"

#define ETHERNET_HEADER_BYTES 14

const char *rndis_refusal_name(enum rndis_refusal why)
{
	static const char *const names[] = {
		[RNDIS_OK] = "rndis-ok",
#define RNDIS_NAME(name, counter) [name] = (counter),
		RNDIS_REFUSALS(RNDIS_NAME)
#undef RNDIS_NAME
	};

	return (unsigned)why < RNDIS_NUM_REFUSALS ? names[why] : "rndis-unknown";
}

/*
 * The part of a message named by (offset, bytes): behind fixed_bytes, which the offset may not reach into,
 * and inside message_bytes. fixed_bytes ≤ message_bytes.
 */
static bool part_inside(uint32_t offset, uint32_t bytes, uint32_t fixed_bytes, uint32_t message_bytes)
{
	const uint32_t body = message_bytes - RNDIS_OFFSET_BASE;

	return offset >= fixed_bytes - RNDIS_OFFSET_BASE && offset <= body && bytes <= body - offset;
}

enum rndis_refusal rndis_parse_packet(const struct rndis_packet *header, uint32_t available, uint32_t frame_max_bytes,
				      struct rndis_frame *out)
{
	const uint32_t length = le32_get(header->length);
	const uint32_t data = le32_get(header->data_offset), data_bytes = le32_get(header->data_length);
	const uint32_t ppi_bytes = le32_get(header->ppi_length);
	uint32_t ppi = le32_get(header->ppi_offset);

	if (length < sizeof(*header) || length > available)
		return RNDIS_BAD_LENGTH;
	if (le32_get(header->oob_offset) | le32_get(header->oob_length) | le32_get(header->oob_count) |
	    le32_get(header->vc_handle))
		return RNDIS_OOB_DATA;
	if (!part_inside(data, data_bytes, sizeof(*header), length))
		return RNDIS_BAD_DATA_RANGE;
	if (data_bytes < ETHERNET_HEADER_BYTES)
		return RNDIS_FRAME_TOO_SHORT;
	if (data_bytes > frame_max_bytes)
		return RNDIS_FRAME_TOO_LONG;
	if (!ppi_bytes)
		ppi = RNDIS_PPI_MIN_OFFSET;	/* no elements, whatever the offset says */
	else if (!part_inside(ppi, ppi_bytes, sizeof(*header), length) || ppi_bytes > RNDIS_PPI_AREA_MAX_BYTES)
		return RNDIS_BAD_PPI_RANGE;
	*out = (struct rndis_frame){
		.message_bytes = length,
		.data_offset = RNDIS_OFFSET_BASE + data, .data_bytes = data_bytes,
		.ppi_offset = RNDIS_OFFSET_BASE + ppi, .ppi_bytes = ppi_bytes,
	};
	return RNDIS_OK;
}

/* The u32 of an element whose data begins at offset; false if it is not all there. */
static bool ppi_value(const struct rd *element, uint32_t offset, uint32_t *value)
{
	struct rd data;
	le32 v;

	if (!rd_slice(element, offset, sizeof(v), &data) || !rd_copy(&data, &v, sizeof(v)))
		return false;
	*value = le32_get(v);
	return true;
}

static enum rndis_refusal parse_ppi(const struct rd *element, uint32_t type, uint32_t offset, struct rndis_ppis *out)
{
	const uint32_t jobs = RNDIS_CSUM_TCP | RNDIS_CSUM_UDP | RNDIS_CSUM_IP_HEADER;
	uint32_t v;

	switch (type) {
	case RNDIS_PPI_CHECKSUM:
		if (!ppi_value(element, offset, &v))
			return RNDIS_BAD_PPI_ELEMENT;
		return v & jobs ? RNDIS_CHECKSUM_NOT_OFFERED : RNDIS_OK;
	case RNDIS_PPI_LSO:
		return RNDIS_LSO_NOT_OFFERED;
	case RNDIS_PPI_VLAN:
		if (!ppi_value(element, offset, &v))
			return RNDIS_BAD_PPI_ELEMENT;
		out->has_vlan = true;
		out->vlan_tci = rndis_vlan_to_tci(v);
		return RNDIS_OK;
	default:
		return RNDIS_OK;	/* hints and what we don't know change nothing */
	}
}

enum rndis_refusal rndis_parse_ppis(struct rd area, struct rndis_ppis *out)
{
	struct rndis_ppis ppis = { 0 };
	enum rndis_refusal why;
	struct rndis_ppi h;

	for (unsigned n = 0; area.left; n++) {
		struct rd element = area, at = area;
		uint32_t size, offset;

		if (n == RNDIS_PPI_MAX_ELEMENTS)
			return RNDIS_TOO_MANY_PPIS;
		if (!rd_copy(&at, &h, sizeof(h)))
			return RNDIS_BAD_PPI_ELEMENT;
		size = le32_get(h.size);
		offset = le32_get(h.data_offset);
		if (size > area.left || offset < sizeof(h) || offset > size)	/* so 12 ≤ size, and we get on */
			return RNDIS_BAD_PPI_ELEMENT;
		element.left = size;
		why = parse_ppi(&element, le32_get(h.type), offset, &ppis);
		if (why)
			return why;
		rd_skip(&area, size);
	}
	*out = ppis;
	return RNDIS_OK;
}

/* Bytes of a control message's fixed part, 0 for what is no control message of a guest. */
static uint32_t fixed_bytes(uint32_t type)
{
	switch (type) {
	case RNDIS_INITIALIZE:
		return sizeof(struct rndis_initialize);
	case RNDIS_HALT:
		return sizeof(struct rndis_halt);
	case RNDIS_QUERY:
	case RNDIS_SET:
		return sizeof(struct rndis_request);
	case RNDIS_RESET:
		return sizeof(struct rndis_reset);
	case RNDIS_KEEPALIVE:
		return sizeof(struct rndis_keepalive);
	default:
		return 0;
	}
}

/* The input of a QUERY or SET. Without any the offset is not looked at: iPXE and old guests send 0. */
static enum rndis_refusal parse_request(const uint8_t *message, uint32_t length, struct rndis_control *out)
{
	struct rndis_request q;
	uint32_t offset, bytes;

	memcpy(&q, message, sizeof(q));
	offset = le32_get(q.info_offset);
	bytes = le32_get(q.info_length);
	out->oid = le32_get(q.oid);
	if (!bytes)
		return RNDIS_OK;
	if (!part_inside(offset, bytes, sizeof(q), length))
		return RNDIS_BAD_INFO_RANGE;
	out->info = (struct rd){ message + RNDIS_OFFSET_BASE + offset, bytes };
	return RNDIS_OK;
}

enum rndis_refusal rndis_parse_control(struct rd message, struct rndis_control *out)
{
	struct rndis_control c = { 0 };
	enum rndis_refusal why = RNDIS_OK;
	struct rd at = message;
	struct rndis_header h;
	uint32_t length, fixed;
	le32 id;

	if (!rd_copy(&at, &h, sizeof(h)))
		return RNDIS_SHORT_HEADER;
	c.type = le32_get(h.type);
	length = le32_get(h.length);
	fixed = fixed_bytes(c.type);
	if (length < sizeof(h) || length > message.left)
		return RNDIS_BAD_LENGTH;
	if (!fixed)
		return RNDIS_BAD_TYPE;
	if (length < fixed)
		return RNDIS_BAD_REQUEST_LENGTH;
	if (c.type != RNDIS_RESET && rd_copy(&at, &id, sizeof(id)))
		c.request_id = le32_get(id);
	if (c.type == RNDIS_QUERY || c.type == RNDIS_SET)
		why = parse_request(message.p, length, &c);
	if (!why)
		*out = c;
	return why;
}
