/* SPDX-License-Identifier: MIT */
/*
 * Task offloads and receive scaling, as NDIS structures say them. Nothing is offered yet, so guests send finished frames
 * and check what they receive; what they set is read, checked, masked by that and indicated.
 */
#include "netvsp/internal.h"

enum { ETHERNET_HEADER_BYTES = 14 };

static uint32_t bad_input(struct netvsp *nic, uint32_t status)
{
	netvsp_count(nic, NETVSP_C_OID_BAD_INPUT);
	return status;
}

/*
 * Copies a structure that the guest sent; what its header says it does not have is left 0. false: not of that
 * type and revision, or shorter than it says.
 */
static bool read_object(struct rd info, uint8_t type, uint8_t min_revision, size_t min_bytes, void *dst, size_t bytes)
{
	struct ndis_object h;
	size_t size;

	if (info.left < sizeof(h))
		return false;
	memcpy(&h, info.p, sizeof(h));
	size = le16_get(h.size);
	if (h.type != type || h.revision < min_revision || size < min_bytes || size > info.left)
		return false;
	memset(dst, 0, bytes);
	memcpy(dst, info.p, size < bytes ? size : bytes);
	return true;
}

static void write_answer(struct netvsp_oid_answer *out, const void *src, uint32_t bytes)
{
	memcpy(out->data, src, bytes);
	out->bytes = bytes;
}

void netvsp_offload_current(const struct netvsp *nic, struct ndis_offload *out)
{
	(void)nic;
	*out = (struct ndis_offload){
		.header = { NDIS_OBJECT_OFFLOAD, NDIS_OFFLOAD_REVISION_3, to_le16(NDIS_OFFLOAD_BYTES_3) },
	};
}

uint32_t netvsp_offload_query(struct netvsp *nic, uint32_t oid, struct netvsp_oid_answer *out)
{
	const struct ndis_offload_encapsulation encapsulation = {
		.header = { NDIS_OBJECT_OFFLOAD_ENCAPSULATION, 1, to_le16(sizeof(encapsulation)) },
		.ipv4_enabled = to_le32(1), .ipv4_type = to_le32(NDIS_ENCAPSULATION_802_3),
		.ipv4_header_bytes = to_le32(ETHERNET_HEADER_BYTES),
		.ipv6_enabled = to_le32(1), .ipv6_type = to_le32(NDIS_ENCAPSULATION_802_3),
		.ipv6_header_bytes = to_le32(ETHERNET_HEADER_BYTES),
	};
	/* One queue; the hash is named because FreeBSD and DPDK take "none" for a broken host, and 128 entries likewise. */
	const struct ndis_rss_capabilities rss = {
		.header = { NDIS_OBJECT_RSS_CAPABILITIES, 2, to_le16(sizeof(rss)) },
		.flags = to_le32(NDIS_RSS_CAP_TOEPLITZ | NDIS_RSS_CAP_TCP_IPV4 | NDIS_RSS_CAP_TCP_IPV6),
		.interrupt_messages = to_le32(1), .receive_queues = to_le32(NETVSP_QUEUES),
		.indirection_entries = to_le16(NDIS_RSS_TABLE_ENTRIES),
	};
	struct ndis_offload offload;

	switch (oid) {
	case OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES:
	case OID_TCP_OFFLOAD_CURRENT_CONFIG:
		netvsp_offload_current(nic, &offload);
		write_answer(out, &offload, sizeof(offload));
		return RNDIS_STATUS_SUCCESS;
	case OID_OFFLOAD_ENCAPSULATION:
		write_answer(out, &encapsulation, sizeof(encapsulation));
		return RNDIS_STATUS_SUCCESS;
	case OID_GEN_RECEIVE_SCALE_CAPABILITIES:
		write_answer(out, &rss, sizeof(rss));
		return RNDIS_STATUS_SUCCESS;
	default:
		return RNDIS_STATUS_NOT_SUPPORTED;
	}
}

/* What may be on is nothing, so whatever is wanted is masked to that; large send version 1 has never been there. */
static uint32_t set_parameters(struct netvsp *nic, struct rd info)
{
	struct ndis_offload_parameters p;

	if (!read_object(info, NDIS_OBJECT_DEFAULT, 1, NDIS_OFFLOAD_PARAMETERS_MIN_BYTES, &p, sizeof(p)))
		return bad_input(nic, RNDIS_STATUS_INVALID_DATA);
	if (p.lso_v1 == NDIS_OFFLOAD_ON)
		return RNDIS_STATUS_NOT_SUPPORTED;
	nic->control.indicate_offload = true;
	return RNDIS_STATUS_SUCCESS;
}

static bool encapsulation_ok(le32 enabled, le32 type, le32 header_bytes)
{
	if (le32_get(enabled) != NDIS_OFFLOAD_SET_ON)
		return true;
	return le32_get(type) == NDIS_ENCAPSULATION_802_3 && le32_get(header_bytes) == ETHERNET_HEADER_BYTES;
}

static uint32_t set_encapsulation(struct netvsp *nic, struct rd info)
{
	struct ndis_offload_encapsulation e;

	if (!read_object(info, NDIS_OBJECT_OFFLOAD_ENCAPSULATION, 1, sizeof(e), &e, sizeof(e)))
		return bad_input(nic, RNDIS_STATUS_INVALID_DATA);
	if (!encapsulation_ok(e.ipv4_enabled, e.ipv4_type, e.ipv4_header_bytes) ||
	    !encapsulation_ok(e.ipv6_enabled, e.ipv6_type, e.ipv6_header_bytes))
		return bad_input(nic, RNDIS_STATUS_NOT_SUPPORTED);
	return RNDIS_STATUS_SUCCESS;
}

/* The indirection table: cut at ours, repeated if shorter; each entry a queue that there is. */
static bool read_table(struct rd table, struct netvsp_rss *rss)
{
	const size_t entries = table.left / sizeof(le32);

	if (!entries || table.left % sizeof(le32))
		return false;
	for (size_t i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++) {
		le32 queue;

		memcpy(&queue, table.p + i % entries * sizeof(queue), sizeof(queue));
		if (le32_get(queue) >= NETVSP_QUEUES)
			return false;
		rss->queue[i] = (uint8_t)le32_get(queue);
	}
	rss->entries = (uint16_t)(entries < NDIS_RSS_TABLE_ENTRIES ? entries : NDIS_RSS_TABLE_ENTRIES);
	return true;
}

/* Their header is not looked at: Windows' switch doesn't, and guests differ. Table and key come in either order. */
static uint32_t set_rss(struct netvsp *nic, struct rd info)
{
	struct netvsp_rss rss = { .enabled = true };
	struct ndis_rss_parameters p;
	struct rd at = info, table, key;

	if (!rd_copy(&at, &p, sizeof(p)))
		return bad_input(nic, RNDIS_STATUS_INVALID_LENGTH);
	rss.hash_info = le32_get(p.hash_info);
	if (le16_get(p.flags) & NDIS_RSS_DISABLE || !(rss.hash_info & NDIS_HASH_FUNCTION_MASK)) {
		nic->session.rss = (struct netvsp_rss){ 0 };
		return RNDIS_STATUS_SUCCESS;
	}
	if (!rd_slice(&info, le32_get(p.table_offset), le16_get(p.table_bytes), &table) ||
	    !rd_slice(&info, le32_get(p.key_offset), le16_get(p.key_bytes), &key))
		return bad_input(nic, RNDIS_STATUS_FAILURE);
	if (key.left != NDIS_RSS_KEY_BYTES || !read_table(table, &rss))
		return bad_input(nic, RNDIS_STATUS_INVALID_DATA);
	memcpy(rss.key, key.p, sizeof(rss.key));
	nic->session.rss = rss;
	return RNDIS_STATUS_SUCCESS;
}

uint32_t netvsp_offload_set(struct netvsp *nic, uint32_t oid, struct rd info)
{
	switch (oid) {
	case OID_TCP_OFFLOAD_PARAMETERS:
		return set_parameters(nic, info);
	case OID_OFFLOAD_ENCAPSULATION:
		return set_encapsulation(nic, info);
	case OID_GEN_RECEIVE_SCALE_PARAMETERS:
		return set_rss(nic, info);
	default:
		return RNDIS_STATUS_NOT_SUPPORTED;
	}
}
