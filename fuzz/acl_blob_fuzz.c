/* SPDX-License-Identifier: MIT */
/*
 * A blob of saved flows that somebody made up: it gets the right checksum here, so that what is behind it is reached. What
 * is taken must come out of a save again and be taken once more, to the same effect.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/internal.h"

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

static void sign(uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	for (unsigned i = 0; i < 8; i++)
		p[n + i] = (uint8_t)(h >> 8 * i);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vswitch_config config = { .name = "fuzz" };
	struct vswitch_port *port;
	struct vswitch *sw;
	uint8_t *blob;

	if (size > 4096)
		return 0;
	blob = malloc(size + 8);
	if (!blob)
		abort();
	memcpy(blob, data, size);
	sign(blob, size);
	if (vswitch_create(NULL, &config, &sw))
		abort();
	if (vswitch_port_create(sw, "a", &port))
		abort();
	vswitch_tick(sw, 1000000000000);
	ensure(!vswitch_acl_set_flow_limit(port, 16));
	add(port, VSWITCH_ACL_OUT, 6);
	add(port, VSWITCH_ACL_IN, 17);
	if (!vswitch_acl_restore_flows(port, blob, size + 8))
		save_and_restore(port);
	free(blob);
	vswitch_port_destroy(port);
	vswitch_destroy(sw);
	return 0;
}
