/* SPDX-License-Identifier: MIT */
#include "vfio-user/version.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vfio-user/vfio_user_wire.h"

enum {
	VERSION_MAX_JSON = 4096,	/* our policy; QEMU's is 210 bytes */
	/* The protocol's defaults for what an offer leaves out. */
	DEFAULT_MSG_FDS = 1,
	DEFAULT_XFER = 1 << 20,
	MAX_MSG_FDS = 1024,		/* as in libvfio-user: beyond is a lie */
};

/* An integer member in [min, max]; absent is fine and leaves *out. */
static bool take_int(const json_t *o, const char *key, int64_t min, int64_t max, int64_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return false;
	*out = json_integer_value(v);
	return true;
}

static bool take_bool(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return !v || json_is_boolean(v);
}

static bool take_migration(const json_t *capabilities)
{
	const json_t *m = json_object_get(capabilities, "migration");
	int64_t page = 4096, bitmap = 0;

	if (!m)
		return true;
	return json_is_object(m) && take_int(m, "pgsize", 4096, INT64_MAX, &page) &&
	       !(page & (page - 1)) && take_int(m, "max_bitmap_size", 0, INT64_MAX, &bitmap);
}

static bool take_capabilities(const json_t *c, struct vfu_offer *offer)
{
	int64_t fds = offer->max_msg_fds, xfer = (int64_t)offer->max_data_xfer_size;
	int64_t pages = 4096, maps = 0;

	if (!json_is_object(c) || !take_int(c, "max_msg_fds", 1, MAX_MSG_FDS, &fds) ||
	    !take_int(c, "max_data_xfer_size", 1, UINT32_MAX, &xfer) ||
	    !take_int(c, "pgsizes", 4096, INT64_MAX, &pages) || (pages & 4095) ||
	    !take_int(c, "max_dma_maps", 1, UINT32_MAX, &maps) ||
	    !take_bool(c, "write_multiple") || !take_migration(c))
		return false;
	offer->max_msg_fds = (unsigned)fds;
	offer->max_data_xfer_size = (uint64_t)xfer;
	return true;
}

static int refuse(enum vfu_counter *why, enum vfu_counter reason)
{
	*why = reason;
	return -EINVAL;
}

int vfu_version_parse(const uint8_t *payload, size_t n, struct vfu_offer *out,
		      enum vfu_counter *why)
{
	struct vfu_wire_version v;
	struct vfu_offer offer = { .max_msg_fds = DEFAULT_MSG_FDS,
				   .max_data_xfer_size = DEFAULT_XFER };
	const char *text = (const char *)payload + sizeof(v);
	json_t *json, *capabilities;
	bool ok = true;

	if (n < sizeof(v))
		return refuse(why, VFU_C_PAYLOAD_SIZE);
	memcpy(&v, payload, sizeof(v));
	n -= sizeof(v);
	offer.major = le16_get(v.major);
	offer.minor = le16_get(v.minor);
	if (offer.major != 0)
		return refuse(why, VFU_C_VERSION_MAJOR);
	if (n) {
		if (n > VERSION_MAX_JSON || strnlen(text, n) != n - 1)
			return refuse(why, VFU_C_VERSION_JSON);
		json = json_loadb(text, n - 1, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(json)) {
			json_decref(json);
			return refuse(why, VFU_C_VERSION_JSON);
		}
		capabilities = json_object_get(json, "capabilities");
		if (capabilities)
			ok = take_capabilities(capabilities, &offer);
		json_decref(json);
		if (!ok)
			return refuse(why, VFU_C_VERSION_CAPABILITY);
	}
	*out = offer;
	return 0;
}

/*
 * Nothing optional is offered: QEMU 10.1 sends everything through a slow path once
 * write_multiple is agreed, and its reply buffer would not hold a full echo anyway.
 */
size_t vfu_version_reply(uint8_t out[VFU_VERSION_REPLY_MAX])
{
	const struct vfu_wire_version v = { 0 };
	int n;

	memcpy(out, &v, sizeof(v));
	n = snprintf((char *)out + sizeof(v), VFU_VERSION_REPLY_MAX - sizeof(v),
		     "{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u}}",
		     (unsigned)VFU_MAX_FDS, (unsigned)VFU_MAX_XFER);
	return sizeof(v) + (size_t)n + 1;
}
