/* SPDX-License-Identifier: MIT */
/*
 * A blob of saved flows that somebody made up: it gets the right checksum here, so that what is behind it is reached. What
 * is taken must come out of a save again and be taken once more, to the same effect; and the same as part of what was saved of
 * a NIC.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/internal.h"
#include "vswitch/test_blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ensure(bool x)
{
	if (!x)
		abort();
}

static void add(struct vswitch_port *port, enum vswitch_acl_direction d, uint16_t protocol)
{
	struct vswitch_acl_extended x = { .direction = d, .action = VSWITCH_ACL_ALLOW, .protocol = protocol, .weight = 1,
					  .stateful = true };
	uint32_t id = 0;

	ensure(!vswitch_acl_add_extended(port, &x, &id, NULL));
}

static void save_and_restore(struct vswitch_port *port)
{
	struct vswitch_acl_stats before, after;
	size_t n = 0, m;
	uint8_t *p;

	vswitch_acl_stats(port, &before);
	ensure(before.flows <= before.flow_limit);
	ensure(vswitch_acl_save_flows(port, NULL, &n) == -ENOSPC);
	p = malloc(n);
	if (!p)
		abort();
	m = n;
	ensure(!vswitch_acl_save_flows(port, p, &m) && m == n);
	ensure(!vswitch_acl_restore_flows(port, p, n));
	vswitch_acl_stats(port, &after);
	ensure(after.flows == before.flows);
	free(p);
}

static void put_le32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* What a save of the NIC says, with the blob in the place of its flows. */
static void in_a_nic(struct vswitch_port *port, const uint8_t *blob, size_t size, int expected)
{
	enum { HEADER = TEST_NIC_BLOB_HEADER, RECORD = TEST_NIC_BLOB_RECORD };
	struct vswitch_acl_stats before, after;
	uint8_t *saved, *p;
	void *own;
	size_t n;

	vswitch_acl_stats(port, &before);
	if (!before.flows)
		return;
	ensure(!vswitch_nic_save(port, 0, &own, &n) && n > HEADER + RECORD);
	saved = own;
	p = malloc(HEADER + RECORD + size);
	if (!p)
		abort();
	memcpy(p, saved, HEADER + RECORD);
	memcpy(p + HEADER + RECORD, blob, size);
	free(saved);
	put_le32(p + 8, (uint32_t)(RECORD + size));
	put_le32(p + HEADER + RECORD - 4, (uint32_t)size);
	test_sign_nic(p, HEADER + RECORD + size);
	ensure(vswitch_nic_restore(port, 0, p, HEADER + RECORD + size, NULL) == (expected == -EOPNOTSUPP ? -EPROTO : expected));
	vswitch_acl_stats(port, &after);
	ensure(expected || after.flows >= before.flows || after.flows == after.flow_limit);
	ensure(!expected || after.flows == before.flows);
	free(p);
}

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	(void)opaque;
	(void)frames;
	(void)n;
}

static void resume(void *opaque)
{
	(void)opaque;
}

/* One flow that is there before. */
static void open_flow(struct vswitch_port *port)
{
	struct vswitch_frame f = { .len = 60, .head_bytes = 60, .head = { [12] = 0x08, [14] = 0x45, [17] = 28, [23] = 17 } }, *frame = &f;

	memcpy(f.head, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
	vswitch_port_input(port, &frame, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vswitch_nic_ops ops = { .deliver = deliver, .resume = resume };
	struct vswitch_nic nic = { .kind = VSWITCH_NIC_SYNTHETIC, .mac = { 2, 0, 0, 0, 0, 1 }, .max_frame_bytes = 1514, .ops = &ops };
	struct vswitch_config config = { .name = "fuzz" };
	struct vswitch_port *port;
	struct vswitch *sw;
	uint8_t *blob;
	int ret;

	if (size > 4096)
		return 0;
	blob = malloc(size + 8);
	if (!blob)
		abort();
	memcpy(blob, data, size);
	test_sign_flows(blob, size + 8);
	if (vswitch_create(NULL, &config, &sw))
		abort();
	if (vswitch_port_create(sw, "a", &port))
		abort();
	vswitch_tick(sw, 1000000000000);
	ensure(!vswitch_acl_set_flow_limit(port, 16));
	add(port, VSWITCH_ACL_OUT, 6);
	add(port, VSWITCH_ACL_IN, 17);
	add(port, VSWITCH_ACL_OUT, 17);
	ret = vswitch_acl_restore_flows(port, blob, size + 8);
	if (!ret)
		save_and_restore(port);
	if (vswitch_port_connect(port, &nic))
		abort();
	open_flow(port);
	in_a_nic(port, blob, size + 8, ret);
	free(blob);
	vswitch_port_destroy(port);
	vswitch_destroy(sw);
	return 0;
}
