/* SPDX-License-Identifier: MIT */
/*
 * Flows as a blob: a header, a record for each flow, the one that was idle for longest first, and a checksum (FNV-1a, which no change
 * of a single byte survives) over both. What is in it is data of somebody else's when it comes back: all of it is checked before any
 * of it is used, and the port's entries say for each flow whether it may live.
 */
#include <errno.h>

#include "base/rd.h"
#include "vswitch/acl_internal.h"

enum {
	BLOB_MAGIC = 0x4c465648,	/* "HVFL" */
	BLOB_VERSION = 1,
};

#define NS_PER_MS 1000000ull

struct blob_header {
	le32 magic;
	le16 version;
	le16 record_bytes;
	le32 records;
	le32 zero;
};
static_assert(sizeof(struct blob_header) == 16, "as in the blob");

struct blob_record {
	uint8_t local[16], remote[16];	/* IPv4: the first four bytes, then zeroes */
	le16 local_port, remote_port;	/* as in struct acl_flow_key */
	le16 vlan;			/* of its first frame */
	uint8_t version, protocol;
	uint8_t opened;			/* enum vswitch_acl_direction */
	uint8_t state;
	uint8_t zero[2];
	le32 left_ms;			/* until it is idle for too long */
};
static_assert(sizeof(struct blob_record) == 48, "as in the blob");

static uint64_t checksum(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3;
	return h;
}

static struct blob_record record_of(const struct acl_flow *s, uint64_t now_ns)
{
	uint64_t left_ns = s->expires_ns > now_ns ? s->expires_ns - now_ns : 0;
	struct blob_record r = {
		.local_port = to_le16(s->key.local_port),
		.remote_port = to_le16(s->key.remote_port),
		.vlan = to_le16(s->vlan),
		.version = s->key.version,
		.protocol = s->key.protocol,
		.opened = s->opened,
		.state = s->state,
		.left_ms = to_le32((uint32_t)(left_ns / NS_PER_MS)),
	};

	memcpy(r.local, s->key.local, 16);
	memcpy(r.remote, s->key.remote, 16);
	return r;
}

/* Of a list those between first and end, counted over both; *n goes on by the list's length. */
static uint8_t *write_list(uint8_t *p, const struct acl_flow_list *list, uint32_t first, uint32_t end, uint32_t *n, uint64_t now_ns)
{
	const struct acl_flow *s;
	struct blob_record r;

	TAILQ_FOREACH(s, list, link) {
		if (*n >= end)
			break;
		if ((*n)++ < first)
			continue;
		r = record_of(s, now_ns);
		memcpy(p, &r, sizeof(r));
		p += sizeof(r);
	}
	return p;
}

uint32_t acl_flows_count(const struct vswitch_port *port)
{
	return port->acl ? port->acl->flows.count : 0;
}

size_t acl_flows_blob_bytes(uint32_t flows)
{
	return sizeof(struct blob_header) + flows * sizeof(struct blob_record) + sizeof(le64);
}

void acl_flows_write(struct vswitch_port *port, uint32_t first, uint32_t flows, void *blob)
{
	struct blob_header h = {
		.magic = to_le32(BLOB_MAGIC),
		.version = to_le16(BLOB_VERSION),
		.record_bytes = to_le16(sizeof(struct blob_record)),
		.records = to_le32(flows),
	};
	uint64_t now_ns = vswitch_now_ns(port->sw);
	uint8_t *p = (uint8_t *)blob + sizeof(h);
	uint32_t n = 0;
	le64 sum;

	memcpy(blob, &h, sizeof(h));
	if (flows) {
		p = write_list(p, &port->acl->flows.unanswered, first, first + flows, &n, now_ns);
		p = write_list(p, &port->acl->flows.answered, first, first + flows, &n, now_ns);
	}
	sum = to_le64(checksum(blob, acl_flows_blob_bytes(flows) - sizeof(sum)));
	memcpy(p, &sum, sizeof(sum));
}

int vswitch_acl_save_flows(struct vswitch_port *port, void *buf, size_t *size)
{
	uint32_t n = acl_flows_count(port);
	size_t room = *size;

	*size = acl_flows_blob_bytes(n);
	if (room < *size)
		return -ENOSPC;
	acl_flows_write(port, 0, n, buf);
	return 0;
}

/* Nothing but what a record of ours may hold. */
static bool plausible(const struct blob_record *r)
{
	static const uint8_t zero[12];

	if (r->version != 4 && r->version != 6)
		return false;
	if (r->version == 4 && (memcmp(r->local + 4, zero, 12) || memcmp(r->remote + 4, zero, 12)))
		return false;
	if (r->opened != VSWITCH_ACL_IN && r->opened != VSWITCH_ACL_OUT)
		return false;
	return r->state <= (ACL_FLOW_CLOSING | ACL_FLOW_ANSWERED) && le16_get(r->vlan) <= VSWITCH_VLAN_MAX;
}

static int open_blob(struct rd *rd, uint32_t *records)
{
	struct blob_header h;
	struct rd sum = *rd;
	le64 expected;

	if (rd->left < sizeof(h) + sizeof(expected) || !rd_skip(&sum, rd->left - sizeof(expected)) ||
	    !rd_copy(&sum, &expected, sizeof(expected)))
		return -EBADMSG;
	rd->left -= sizeof(expected);
	if (le64_get(expected) != checksum(rd->p, rd->left) || !rd_copy(rd, &h, sizeof(h)) ||
	    le32_get(h.magic) != BLOB_MAGIC)
		return -EBADMSG;
	if (le16_get(h.version) != BLOB_VERSION)
		return -EOPNOTSUPP;
	*records = le32_get(h.records);
	if (le16_get(h.record_bytes) != sizeof(struct blob_record) || le32_get(h.zero) ||
	    *records > VSWITCH_ACL_FLOWS_MAX || rd->left != *records * sizeof(struct blob_record))
		return -EBADMSG;
	return 0;
}

static void put_back(struct port_acl *acl, const struct blob_record *r, uint64_t now_ns)
{
	struct acl_flow_key k = {
		.local_port = le16_get(r->local_port),
		.remote_port = le16_get(r->remote_port),
		.version = r->version,
		.protocol = r->protocol,
	};

	memcpy(k.local, r->local, 16);
	memcpy(k.remote, r->remote, 16);
	acl_flow_put_back(acl, &k, le16_get(r->vlan), r->opened, r->state, le32_get(r->left_ms) * NS_PER_MS, now_ns);
}

/* The records of a blob that is sound; *rd: those. */
static int check(const void *blob, size_t size, struct rd *rd)
{
	struct blob_record r;
	uint32_t records;
	struct rd each;
	int ret;

	*rd = (struct rd){ blob, size };
	ret = open_blob(rd, &records);
	if (ret)
		return ret;
	each = *rd;
	while (rd_copy(&each, &r, sizeof(r)))
		if (!plausible(&r))
			return -EBADMSG;
	return 0;
}

int acl_flows_check(const void *blob, size_t size)
{
	struct rd rd;

	return check(blob, size, &rd);
}

int vswitch_acl_restore_flows(struct vswitch_port *port, const void *blob, size_t size)
{
	uint64_t now_ns = vswitch_now_ns(port->sw);
	struct blob_record r;
	struct rd rd;
	int ret = check(blob, size, &rd);

	if (ret)
		return ret;
	/* A port without entries lets everything pass: it has no use for flows. */
	while (port->acl && rd_copy(&rd, &r, sizeof(r)))
		put_back(port->acl, &r, now_ns);
	return 0;
}
