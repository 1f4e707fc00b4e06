/* SPDX-License-Identifier: MIT */
/*
 * OIDs: one table says which there are, what SUPPORTED_LIST holds, who answers a query and who takes a set. What is not in
 * it is not supported; nothing is passed on, and nothing that a guest writes is used as an address.
 */
#include "netvsp/internal.h"

enum {
	ETHERNET_HEADER_BYTES = 14,
	BUFFER_SPACE_BYTES = 262144,		/* as Hyper-V says; nobody allocates by it */
	VENDOR_ID = 0x155d,			/* Microsoft's: Windows' driver knows its own device by it */
	DRIVER_VERSION = 0x0100,
	CONFIG_NAME_MAX_BYTES = 255,
	MAC_OPTIONS = NDIS_MAC_COPY_LOOKAHEAD | NDIS_MAC_TRANSFERS_NOT_PEND | NDIS_MAC_NO_LOOPBACK |
		      NDIS_MAC_8021P_PRIORITY | NDIS_MAC_8021Q_VLAN,
};
#define NO_LIMIT 0xffffffffu

/* Where an OID is listed: from which NDIS version on. */
enum listed {
	HIDDEN,
	NDIS_5,
	NDIS_6,
	NDIS_6_30,
};

struct oid {
	uint32_t oid;
	enum listed listed;
	uint32_t (*query)(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out);
	uint32_t (*set)(struct netvsp *nic, const struct oid *o, struct rd info);
	uint32_t value;		/* of a constant; a byte offset into struct netvsp of a counter */
};

static void add_u16(struct netvsp_oid_answer *out, uint16_t v)
{
	const le16 le = to_le16(v);

	memcpy(out->data + out->bytes, &le, sizeof(le));
	out->bytes += (uint32_t)sizeof(le);
}

static void add_u32(struct netvsp_oid_answer *out, uint32_t v)
{
	const le32 le = to_le32(v);

	memcpy(out->data + out->bytes, &le, sizeof(le));
	out->bytes += (uint32_t)sizeof(le);
}

static void add_u64(struct netvsp_oid_answer *out, uint64_t v)
{
	const le64 le = to_le64(v);

	memcpy(out->data + out->bytes, &le, sizeof(le));
	out->bytes += (uint32_t)sizeof(le);
}

static uint32_t bad_input(struct netvsp *nic, uint32_t status)
{
	netvsp_count(nic, NETVSP_C_OID_BAD_INPUT);
	return status;
}

/* ---- queries ---- */

static uint32_t query_constant(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)nic;
	add_u32(out, o->value);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_constant_u16(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)nic;
	add_u16(out, (uint16_t)o->value);
	return RNDIS_STATUS_SUCCESS;
}

/* Longest frame, less value bytes. */
static uint32_t query_frame_bytes(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	add_u32(out, nic->session.frame_bytes - o->value);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_link_speed(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	const uint64_t units = nic->link_bps / RNDIS_LINK_SPEED_UNIT_BPS;

	(void)o;
	add_u32(out, units < UINT32_MAX ? (uint32_t)units : UINT32_MAX);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_max_link_speed(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)o;
	add_u64(out, nic->link_bps);	/* transmit, receive */
	add_u64(out, nic->link_bps);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_link_state(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	const bool up = netvsp_link_up(nic);
	const struct ndis_link_state s = {
		.header = { NDIS_OBJECT_DEFAULT, 1, to_le16(sizeof(s)) },
		.connect_state = to_le32(up ? NDIS_LINK_CONNECTED : NDIS_LINK_DISCONNECTED),
		.transmit_bps = to_le64(nic->link_bps), .receive_bps = to_le64(nic->link_bps),
	};

	(void)o;
	memcpy(out->data, &s, sizeof(s));
	out->bytes = sizeof(s);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_connect_status(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)o;
	add_u32(out, netvsp_link_up(nic) ? NDIS_MEDIA_CONNECTED : NDIS_MEDIA_DISCONNECTED);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_filter(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)o;
	add_u32(out, nic->session.filter.bits);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_address(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)o;
	memcpy(out->data, nic->mac, sizeof(nic->mac));
	out->bytes = sizeof(nic->mac);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_multicast(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	const struct netvsp_filter *f = &nic->session.filter;

	(void)o;
	out->bytes = f->n * (uint32_t)sizeof(f->multicast[0]);
	memcpy(out->data, f->multicast, out->bytes);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t query_vendor(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	static const char vendor[] = "Microsoft Corporation";

	(void)nic;
	(void)o;
	out->bytes = sizeof(vendor) - 1;
	memcpy(out->data, vendor, out->bytes);
	return RNDIS_STATUS_SUCCESS;
}

/* Names are ASCII (the configuration's rule); what is not is shown as '?'. The last character stays NUL. */
static uint32_t query_friendly_name(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)o;
	memset(out->data, 0, RNDIS_FRIENDLY_NAME_BYTES);
	for (unsigned i = 0; nic->name[i] && 2 * i < RNDIS_FRIENDLY_NAME_BYTES - 2; i++)
		out->data[2 * i] = (uint8_t)nic->name[i] < 0x80 ? (uint8_t)nic->name[i] : '?';
	out->bytes = RNDIS_FRIENDLY_NAME_BYTES;
	return RNDIS_STATUS_SUCCESS;
}

/* NDIS 6 reads statistics as 64 bits, NDIS 5 as 32. */
static uint32_t add_statistic(const struct netvsp *nic, struct netvsp_oid_answer *out, uint64_t v)
{
	if (nic->session.ndis_major >= 6)
		add_u64(out, v);
	else
		add_u32(out, (uint32_t)v);
	return RNDIS_STATUS_SUCCESS;
}

static uint64_t counter_at(const struct netvsp *nic, uint32_t offset)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)nic + offset, sizeof(v));
	return v;
}

static uint32_t query_counter(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	return add_statistic(nic, out, counter_at(nic, o->value));
}

/* value: where a direction's struct netvsp_traffic lies. */
static uint32_t query_directed_frames(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	struct netvsp_traffic t;

	memcpy(&t, (const uint8_t *)nic + o->value, sizeof(t));
	return add_statistic(nic, out, t.frames - t.multicast_frames - t.broadcast_frames);
}

static uint32_t query_directed_bytes(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	struct netvsp_traffic t;

	memcpy(&t, (const uint8_t *)nic + o->value, sizeof(t));
	return add_statistic(nic, out, t.bytes - t.multicast_bytes - t.broadcast_bytes);
}

static uint32_t query_no_buffer(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	(void)o;
	return add_statistic(nic, out, nic->counter[NETVSP_C_RX_NO_BUFFER] + nic->counter[NETVSP_C_RX_RING_FULL]);
}

static uint32_t query_offload(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	return netvsp_offload_query(nic, o->oid, out);
}

static uint32_t query_supported_list(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out);

/* ---- sets ---- */

static uint32_t set_filter(struct netvsp *nic, const struct oid *o, struct rd info)
{
	le32 bits;

	(void)o;
	if (!rd_copy(&info, &bits, sizeof(bits)))
		return bad_input(nic, RNDIS_STATUS_INVALID_LENGTH);
	nic->session.filter.bits = le32_get(bits);
	netvsp_driver_up(nic);
	netvsp_rx_update_congestion(nic);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t set_multicast(struct netvsp *nic, const struct oid *o, struct rd info)
{
	struct netvsp_filter *f = &nic->session.filter;

	(void)o;
	if (info.left % sizeof(f->multicast[0]))
		return bad_input(nic, RNDIS_STATUS_INVALID_LENGTH);
	if (info.left > sizeof(f->multicast))
		return bad_input(nic, RNDIS_STATUS_RESOURCES);
	f->n = (unsigned)(info.left / sizeof(f->multicast[0]));
	f->has_list = true;
	if (info.left)
		memcpy(f->multicast, info.p, info.left);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t set_ignored(struct netvsp *nic, const struct oid *o, struct rd info)
{
	(void)nic;
	(void)o;
	(void)info;
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t set_offload(struct netvsp *nic, const struct oid *o, struct rd info)
{
	return netvsp_offload_set(nic, o->oid, info);
}

/* Whether UTF-16LE text is an ASCII name. */
static bool text_is(struct rd text, const char *name)
{
	if (text.left != 2 * strlen(name))
		return false;
	for (size_t i = 0; name[i]; i++)
		if (text.p[2 * i] != (uint8_t)name[i] || text.p[2 * i + 1])
			return false;
	return true;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 12 hexadecimal digits in UTF-16LE. */
static bool read_mac(struct rd text, uint8_t mac[6])
{
	if (text.left != 24)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		const uint8_t *p = text.p + 4 * i;
		int high = hex_digit(p[0]), low = hex_digit(p[2]);

		if (high < 0 || low < 0 || p[1] || p[3])
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* A NIC's address is the configuration's: a guest may only "change" it to what it is. */
static uint32_t set_address(struct netvsp *nic, uint32_t type, struct rd value)
{
	static const uint8_t zero[6];
	uint8_t mac[6];

	if (type != RNDIS_CONFIG_STRING || !read_mac(value, mac) || mac[0] & 1 || !memcmp(mac, zero, sizeof(mac)))
		return bad_input(nic, RNDIS_STATUS_INVALID_DATA);
	return memcmp(mac, nic->mac, sizeof(mac)) ? RNDIS_STATUS_NOT_SUPPORTED : RNDIS_STATUS_SUCCESS;
}

/* Parameters of the adapter's property page. The known ones concern offloads that are not offered: accepted, no effect. */
static uint32_t set_config_parameter(struct netvsp *nic, const struct oid *o, struct rd info)
{
	struct rd at = info, name, value;
	struct rndis_config_parameter p;

	(void)o;
	if (!rd_copy(&at, &p, sizeof(p)))
		return bad_input(nic, RNDIS_STATUS_INVALID_LENGTH);
	if (!rd_slice(&info, le32_get(p.name_offset), le32_get(p.name_length), &name) ||
	    !rd_slice(&info, le32_get(p.value_offset), le32_get(p.value_length), &value) ||
	    name.left > CONFIG_NAME_MAX_BYTES || value.left > CONFIG_NAME_MAX_BYTES)
		return bad_input(nic, RNDIS_STATUS_INVALID_DATA);
	if (text_is(name, "NetworkAddress"))
		return set_address(nic, le32_get(p.type), value);
	return RNDIS_STATUS_SUCCESS;
}

/* ---- the table, in SUPPORTED_LIST's order ---- */

#define COUNTER(field) .query = query_counter, .value = offsetof(struct netvsp, field)

static const struct oid oids[] = {
	{ OID_GEN_SUPPORTED_LIST, NDIS_5, query_supported_list, NULL, 0 },
	{ OID_GEN_HARDWARE_STATUS, NDIS_5, query_constant, NULL, 0 },
	{ OID_GEN_MEDIA_SUPPORTED, NDIS_5, query_constant, NULL, RNDIS_MEDIUM_802_3 },
	{ OID_GEN_MEDIA_IN_USE, NDIS_5, query_constant, NULL, RNDIS_MEDIUM_802_3 },
	{ OID_GEN_MAXIMUM_LOOKAHEAD, NDIS_5, query_frame_bytes, NULL, ETHERNET_HEADER_BYTES },
	{ OID_GEN_CURRENT_LOOKAHEAD, NDIS_5, query_frame_bytes, NULL, ETHERNET_HEADER_BYTES },
	{ OID_GEN_MAXIMUM_FRAME_SIZE, NDIS_5, query_frame_bytes, NULL, ETHERNET_HEADER_BYTES },
	{ OID_GEN_MAXIMUM_TOTAL_SIZE, NDIS_5, query_frame_bytes, NULL, 0 },
	{ OID_GEN_TRANSMIT_BLOCK_SIZE, NDIS_5, query_frame_bytes, NULL, 0 },
	{ OID_GEN_RECEIVE_BLOCK_SIZE, NDIS_5, query_frame_bytes, NULL, 0 },
	{ OID_GEN_LINK_SPEED, NDIS_5, query_link_speed, NULL, 0 },
	{ OID_GEN_TRANSMIT_BUFFER_SPACE, NDIS_5, query_constant, NULL, BUFFER_SPACE_BYTES },
	{ OID_GEN_RECEIVE_BUFFER_SPACE, NDIS_5, query_constant, NULL, BUFFER_SPACE_BYTES },
	{ OID_GEN_VENDOR_ID, NDIS_5, query_constant, NULL, VENDOR_ID },
	{ OID_GEN_VENDOR_DESCRIPTION, NDIS_5, query_vendor, NULL, 0 },
	{ OID_GEN_VENDOR_DRIVER_VERSION, NDIS_5, query_constant_u16, NULL, DRIVER_VERSION },
	{ OID_GEN_DRIVER_VERSION, NDIS_5, query_constant_u16, NULL, DRIVER_VERSION },
	{ OID_GEN_CURRENT_PACKET_FILTER, NDIS_5, query_filter, set_filter, 0 },
	{ OID_GEN_PROTOCOL_OPTIONS, NDIS_5, NULL, NULL, 0 },	/* listed by Hyper-V, and refused */
	{ OID_GEN_MAC_OPTIONS, NDIS_5, query_constant, NULL, MAC_OPTIONS },
	{ OID_GEN_MEDIA_CONNECT_STATUS, NDIS_5, query_connect_status, NULL, 0 },
	{ OID_GEN_MAXIMUM_SEND_PACKETS, NDIS_5, query_constant, NULL, NO_LIMIT },
	{ OID_GEN_NETWORK_LAYER_ADDRESSES, NDIS_5, NULL, set_ignored, 0 },
	{ OID_GEN_FRIENDLY_NAME, NDIS_5, query_friendly_name, NULL, 0 },
	{ OID_802_3_PERMANENT_ADDRESS, NDIS_5, query_address, NULL, 0 },
	{ OID_802_3_CURRENT_ADDRESS, NDIS_5, query_address, NULL, 0 },
	{ OID_802_3_MULTICAST_LIST, NDIS_5, query_multicast, set_multicast, 0 },
	{ OID_802_3_MAXIMUM_LIST_SIZE, NDIS_5, query_constant, NULL, NETVSP_MULTICAST_MAX },
	{ OID_802_3_RCV_ERROR_ALIGNMENT, NDIS_5, query_constant, NULL, 0 },
	{ OID_802_3_XMIT_ONE_COLLISION, NDIS_5, query_constant, NULL, 0 },
	{ OID_802_3_XMIT_MORE_COLLISIONS, NDIS_5, query_constant, NULL, 0 },
	{ OID_GEN_RNDIS_CONFIG_PARAMETER, NDIS_5, NULL, set_config_parameter, 0 },
	{ OID_GEN_LINK_PARAMETERS, NDIS_6, NULL, NULL, 0 },	/* likewise */
	{ OID_GEN_LINK_STATE, NDIS_6, query_link_state, NULL, 0 },
	{ OID_GEN_MAX_LINK_SPEED, NDIS_6, query_max_link_speed, NULL, 0 },
	{ OID_GEN_BYTES_RCV, NDIS_6, COUNTER(to_guest.bytes) },
	{ OID_GEN_BYTES_XMIT, NDIS_6, COUNTER(to_host.bytes) },
	{ OID_TCP_OFFLOAD_PARAMETERS, NDIS_6, NULL, set_offload, 0 },
	{ OID_OFFLOAD_ENCAPSULATION, NDIS_6, query_offload, set_offload, 0 },
	{ OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, NDIS_6, query_offload, NULL, 0 },
	{ OID_TCP_OFFLOAD_CURRENT_CONFIG, NDIS_6, query_offload, NULL, 0 },
	{ OID_GEN_RECEIVE_SCALE_CAPABILITIES, NDIS_6_30, query_offload, NULL, 0 },
	{ OID_GEN_RECEIVE_SCALE_PARAMETERS, NDIS_6_30, NULL, set_offload, 0 },

	/* Hyper-V has none of these; whoever asks gets the truth. */
	{ OID_GEN_XMIT_OK, HIDDEN, COUNTER(to_host.frames) },
	{ OID_GEN_RCV_OK, HIDDEN, COUNTER(to_guest.frames) },
	{ OID_GEN_XMIT_ERROR, HIDDEN, COUNTER(counter[NETVSP_C_TX_REFUSED]) },
	{ OID_GEN_RCV_ERROR, HIDDEN, COUNTER(counter[NETVSP_C_RX_TOO_BIG]) },
	{ OID_GEN_RCV_NO_BUFFER, HIDDEN, query_no_buffer, NULL, 0 },
	{ OID_GEN_DIRECTED_BYTES_XMIT, HIDDEN, query_directed_bytes, NULL, offsetof(struct netvsp, to_host) },
	{ OID_GEN_DIRECTED_FRAMES_XMIT, HIDDEN, query_directed_frames, NULL, offsetof(struct netvsp, to_host) },
	{ OID_GEN_MULTICAST_BYTES_XMIT, HIDDEN, COUNTER(to_host.multicast_bytes) },
	{ OID_GEN_MULTICAST_FRAMES_XMIT, HIDDEN, COUNTER(to_host.multicast_frames) },
	{ OID_GEN_BROADCAST_BYTES_XMIT, HIDDEN, COUNTER(to_host.broadcast_bytes) },
	{ OID_GEN_BROADCAST_FRAMES_XMIT, HIDDEN, COUNTER(to_host.broadcast_frames) },
	{ OID_GEN_DIRECTED_BYTES_RCV, HIDDEN, query_directed_bytes, NULL, offsetof(struct netvsp, to_guest) },
	{ OID_GEN_DIRECTED_FRAMES_RCV, HIDDEN, query_directed_frames, NULL, offsetof(struct netvsp, to_guest) },
	{ OID_GEN_MULTICAST_BYTES_RCV, HIDDEN, COUNTER(to_guest.multicast_bytes) },
	{ OID_GEN_MULTICAST_FRAMES_RCV, HIDDEN, COUNTER(to_guest.multicast_frames) },
	{ OID_GEN_BROADCAST_BYTES_RCV, HIDDEN, COUNTER(to_guest.broadcast_bytes) },
	{ OID_GEN_BROADCAST_FRAMES_RCV, HIDDEN, COUNTER(to_guest.broadcast_frames) },
};

enum { NUM_OIDS = sizeof(oids) / sizeof(oids[0]) };
static_assert(NUM_OIDS * sizeof(le32) <= sizeof(((struct netvsp_oid_answer *)0)->data), "the list fits an answer");

static uint32_t query_supported_list(struct netvsp *nic, const struct oid *o, struct netvsp_oid_answer *out)
{
	const uint32_t major = nic->session.ndis_major, minor = nic->session.ndis_minor;
	enum listed upto = NDIS_5;

	(void)o;
	if (major != 5 && major != 6)
		return RNDIS_STATUS_BAD_VERSION;
	if (major == 6)
		upto = minor >= 30 ? NDIS_6_30 : NDIS_6;
	for (unsigned i = 0; i < NUM_OIDS; i++)
		if (oids[i].listed != HIDDEN && oids[i].listed <= upto)
			add_u32(out, oids[i].oid);
	return RNDIS_STATUS_SUCCESS;
}

static const struct oid *find(uint32_t oid)
{
	for (unsigned i = 0; i < NUM_OIDS; i++)
		if (oids[i].oid == oid)
			return &oids[i];
	return NULL;
}

uint32_t netvsp_oid_query(struct netvsp *nic, uint32_t oid, struct netvsp_oid_answer *out)
{
	const struct oid *o = find(oid);

	out->bytes = 0;
	if (o && o->query)
		return o->query(nic, o, out);
	netvsp_count(nic, NETVSP_C_OID_UNKNOWN);
	return RNDIS_STATUS_NOT_SUPPORTED;
}

uint32_t netvsp_oid_set(struct netvsp *nic, uint32_t oid, struct rd info)
{
	const struct oid *o = find(oid);

	if (o && o->set)
		return o->set(nic, o, info);
	netvsp_count(nic, NETVSP_C_OID_UNKNOWN);
	return RNDIS_STATUS_NOT_SUPPORTED;
}
