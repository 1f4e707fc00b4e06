/* SPDX-License-Identifier: MIT */
/*
 * What extensions know about a NIC at run time, as one blob: a header, then the records, each of one
 * extension, named by its id. A blob that comes back is somebody else's data: all of it is checked
 * before any extension sees a part of it. (An extension checks what is inside its records.)
 *
 * The port's ACLs are as an extension here: their flows are records like others, with the NIC of index 0.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rd.h"
#include "vswitch/extension_internal.h"

enum {
	BLOB_MAGIC = 0x58455648,	/* "HVEX" */
	BLOB_VERSION = 1,
	FIRST_RECORD_BYTES = 4096,	/* our policy: the room that save() gets at first */
	MAX_RECORDS = 4096,		/* our policy: of one NIC */
};

struct blob_header {
	le32 magic;
	le16 version;
	le16 zero;
	le32 bytes;			/* of all records */
	le32 records;
	le32 crc;			/* CRC-32 of the header with zero here, and of the records */
};
static_assert(sizeof(struct blob_header) == 20, "as in the blob");

struct blob_record {
	uint8_t extension[16], feature[16];
	char name[VSWITCH_NAME_BYTES];	/* of the extension, for messages; ends with a zero */
	le32 bytes;			/* of data, which follows */
};
static_assert(sizeof(struct blob_record) == 100, "as in the blob");

/* Ours, of the built-in ACLs; the feature is zero. */
static const uint8_t acl_id[16] = { 0x9d, 0x3c, 0x1e, 0x55, 0x0a, 0x71, 0x4b, 0x0e, 0x8f, 0x26, 0xc4, 0x13, 0x6a, 0xe8, 0x5d, 0x92 };
static const char acl_name[] = "acl";

static bool is_acl(const struct blob_record *r)
{
	return !memcmp(r->extension, acl_id, sizeof(acl_id));
}

static uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static uint32_t checksum(struct blob_header h, const uint8_t *records, size_t n)
{
	h.crc = to_le32(0);
	return crc32(crc32(0, (const uint8_t *)&h, sizeof(h)), records, n);
}

/* Saving. */

struct saving {
	uint8_t *blob;			/* owned */
	size_t bytes, room;
	uint32_t records;
};

static int make_room(struct saving *s, size_t more)
{
	uint8_t *blob;
	size_t room;

	if (s->bytes + more > VSWITCH_SAVE_MAX_BYTES)
		return -EFBIG;
	if (s->bytes + more <= s->room)
		return 0;
	room = 2 * (s->bytes + more);
	blob = realloc(s->blob, room);
	if (!blob)
		return -ENOMEM;
	s->blob = blob;
	s->room = room;
	return 0;
}

static void finish_record(struct saving *s, const struct vswitch_extension *e, const struct vswitch_ext_writer_out *out)
{
	struct blob_record r = { .bytes = to_le32(out->bytes) };

	memcpy(r.extension, e->module->id.b, 16);
	memcpy(r.feature, out->feature.b, 16);
	snprintf(r.name, sizeof(r.name), "%s", e->name);
	memcpy(s->blob + s->bytes, &r, sizeof(r));
	s->bytes += sizeof(r) + out->bytes;
	s->records++;
}

/* One record: what save() says, once it has had the room that it asked for. */
static int save_record(struct saving *s, struct vswitch_extension *e, const struct vswitch_nic_info *nic)
{
	struct vswitch_ext_writer_out out;
	uint32_t room = FIRST_RECORD_BYTES;
	int ret;

	for (int attempt = 0; attempt < 2; attempt++) {
		ret = make_room(s, sizeof(struct blob_record) + room);
		if (ret)
			return ret;
		out = (struct vswitch_ext_writer_out){ s->blob + s->bytes + sizeof(struct blob_record), room, 0, { { 0 } } };
		e->stats.requests++;
		EXTENSION_CALL(e, ret = e->module->ops->save(e->instance, nic, &out));
		if (ret != -ENOBUFS)
			break;
		if (out.bytes <= room || out.bytes > VSWITCH_RECORD_MAX_BYTES)
			return -EFBIG;
		room = out.bytes;
	}
	if (ret == VSWITCH_EXT_DONE && out.bytes > room)
		return misuse(e, -EPROTO, "save() of more than there was room for");
	if (ret == VSWITCH_EXT_DONE)
		finish_record(s, e, &out);
	return ret;
}

static int save_all(struct saving *s, struct vswitch *sw, const struct vswitch_nic_info *nic)
{
	struct vswitch_extension *e;
	int ret = 0;

	FOR_EACH_ENABLED(e, sw->stack) {
		if (!e->module->ops->save)
			continue;
		do {
			ret = save_record(s, e, nic);
		} while (ret == VSWITCH_EXT_DONE && s->records < MAX_RECORDS);
		if (ret)
			return ret == VSWITCH_EXT_DONE ? -EFBIG : ret;
	}
	return 0;
}

/* How many flows a record may have. */
static uint32_t flows_per_record(void)
{
	return (uint32_t)((VSWITCH_RECORD_MAX_BYTES - acl_flows_blob_bytes(0)) / (acl_flows_blob_bytes(1) - acl_flows_blob_bytes(0)));
}

/* So many that the blob is not too long: those that would be forgotten first stay behind. */
static uint32_t first_flow(const struct saving *s, uint32_t flows)
{
	uint32_t most = flows_per_record();
	size_t bytes = sizeof(struct blob_record) + acl_flows_blob_bytes(most);
	size_t fit = (VSWITCH_SAVE_MAX_BYTES - s->bytes) / bytes * most;

	return flows > fit ? flows - (uint32_t)fit : 0;
}

static int save_flows(struct saving *s, struct vswitch_port *port)
{
	uint32_t flows = acl_flows_count(port), n;
	struct blob_record r = { .name = "" };
	int ret;

	memcpy(r.extension, acl_id, sizeof(acl_id));
	memcpy(r.name, acl_name, sizeof(acl_name));
	for (uint32_t i = first_flow(s, flows); i < flows; i += n) {
		n = flows - i < flows_per_record() ? flows - i : flows_per_record();
		r.bytes = to_le32((uint32_t)acl_flows_blob_bytes(n));
		ret = make_room(s, sizeof(r) + acl_flows_blob_bytes(n));
		if (ret)
			return ret;
		memcpy(s->blob + s->bytes, &r, sizeof(r));
		acl_flows_write(port, i, n, s->blob + s->bytes + sizeof(r));
		s->bytes += sizeof(r) + acl_flows_blob_bytes(n);
		s->records++;
	}
	return 0;
}

int vswitch_nic_save(struct vswitch_port *port, uint8_t index, void **blob, size_t *bytes)
{
	struct saving s = { .bytes = sizeof(struct blob_header) };
	struct nic *nic = nic_find(port, index);
	struct vswitch_extension *e;
	struct blob_header h;
	int ret;

	if (!nic)
		return -ENOENT;
	ret = make_room(&s, 0);
	if (!ret)
		ret = save_all(&s, port->sw, &nic->info);
	if (!ret && !index)
		ret = save_flows(&s, port);
	FOR_EACH_ENABLED(e, port->sw->stack)
		if (e->module->ops->save_complete)
			EXTENSION_CALL(e, e->module->ops->save_complete(e->instance, &nic->info));
	if (ret) {
		free(s.blob);
		return ret;
	}
	h = (struct blob_header){
		.magic = to_le32(BLOB_MAGIC),
		.version = to_le16(BLOB_VERSION),
		.bytes = to_le32((uint32_t)(s.bytes - sizeof(h))),
		.records = to_le32(s.records),
	};
	h.crc = to_le32(checksum(h, s.blob + sizeof(h), s.bytes - sizeof(h)));
	memcpy(s.blob, &h, sizeof(h));
	*blob = s.blob;
	*bytes = s.bytes;
	return 0;
}

/* Restoring. */

/* Takes the next record off; false: there is none, or not a whole one. */
static bool next_record(struct rd *r, struct blob_record *record, const void **data)
{
	struct rd at = *r;
	uint32_t bytes;

	if (!rd_copy(&at, record, sizeof(*record)))
		return false;
	bytes = le32_get(record->bytes);
	*data = at.p;
	if (bytes > VSWITCH_RECORD_MAX_BYTES || record->name[VSWITCH_NAME_BYTES - 1] || !rd_skip(&at, bytes))
		return false;
	*r = at;
	return true;
}

/* Whether the blob is sound from end to end; *records: its records. */
static int check(const void *blob, size_t bytes, struct rd *records)
{
	struct blob_record record;
	struct blob_header h;
	const void *data;
	uint32_t n = 0;
	struct rd r = { blob, bytes };
	int ret;

	if (bytes > VSWITCH_SAVE_MAX_BYTES || !rd_copy(&r, &h, sizeof(h)) || le32_get(h.magic) != BLOB_MAGIC)
		return -EBADMSG;
	if (le16_get(h.version) != BLOB_VERSION)
		return -EPROTO;
	if (le32_get(h.bytes) != r.left || le32_get(h.crc) != checksum(h, r.p, r.left))
		return -EBADMSG;
	*records = r;
	for (; next_record(&r, &record, &data); n++) {
		ret = is_acl(&record) ? acl_flows_check(data, le32_get(record.bytes)) : 0;
		if (ret)
			return ret == -EOPNOTSUPP ? -EPROTO : ret;
	}
	return r.left || n != le32_get(h.records) ? -EBADMSG : 0;
}

static struct vswitch_extension *owner(struct vswitch *sw, const struct blob_record *record)
{
	struct vswitch_extension *e;

	FOR_EACH_ENABLED(e, sw->stack)
		if (e->module->ops->restore && !memcmp(e->module->id.b, record->extension, 16))
			return e;
	return NULL;
}

static int give_to_extension(struct vswitch *sw, const struct nic *nic, const struct blob_record *record,
			     const void *data, unsigned *unowned)
{
	struct vswitch_extension *e = owner(sw, record);
	struct vswitch_guid feature;
	int ret;

	if (!e) {
		++*unowned;
		hv_log(HV_LOG_WARNING, "switch \"%s\"/%s: nobody wants what extension %s saved", sw->name, nic->port->name,
		       record->name);
		return 0;
	}
	memcpy(feature.b, record->feature, 16);
	e->stats.requests++;
	EXTENSION_CALL(e, ret = e->module->ops->restore(e->instance, &nic->info, &feature, data, le32_get(record->bytes)));
	if (ret >= 0)
		return 0;
	refused(e, "it cannot use what it saved");
	return ret;
}

static int give(struct vswitch *sw, const struct nic *nic, const struct blob_record *record, const void *data, unsigned *unowned)
{
	if (is_acl(record))
		return vswitch_acl_restore_flows(nic->port, data, le32_get(record->bytes));
	return give_to_extension(sw, nic, record, data, unowned);
}

int vswitch_nic_restore(struct vswitch_port *port, uint8_t index, const void *blob, size_t bytes, unsigned *unowned)
{
	struct nic *nic = nic_find(port, index);
	struct vswitch_extension *e;
	struct blob_record record;
	unsigned without = 0;
	const void *data;
	struct rd r;
	int ret;

	if (!nic)
		return -ENOENT;
	ret = check(blob, bytes, &r);
	if (ret)
		return ret;
	while (!ret && next_record(&r, &record, &data))
		ret = give(port->sw, nic, &record, data, &without);
	FOR_EACH_ENABLED(e, port->sw->stack)
		if (e->module->ops->restore_complete)
			EXTENSION_CALL(e, e->module->ops->restore_complete(e->instance, &nic->info));
	if (!ret && unowned)
		*unowned = without;
	return ret;
}
