/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/bus.h"

int vmbus_create(const char *name, uint32_t vps, const struct vmbus_platform_ops *ops, void *opaque, struct vmbus **out)
{
	struct vmbus *bus;

	if (!vps || vps > VMBUS_MAX_VPS)
		return -EINVAL;
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->ops = ops;
	bus->opaque = opaque;
	bus->vps = vps;
	TAILQ_INIT(&bus->devices);
	TAILQ_INIT(&bus->assemblies);
	bus->name = strdup(name);
	if (!bus->name || synic_create(bus)) {
		vmbus_destroy(bus);
		return -ENOMEM;
	}
	*out = bus;
	return 0;
}

void vmbus_destroy(struct vmbus *bus)
{
	if (!bus)
		return;
	assert(TAILQ_EMPTY(&bus->devices));
	for (uint32_t id = 1; id < VMBUS_RELIDS; id++)	/* rescinded, not yet released by the guest */
		if (bus->relid[id])
			channel_forget(bus->relid[id]);
	synic_destroy(bus);
	free(bus->name);
	free(bus);
}

void vmbus_reset(struct vmbus *bus)
{
	connection_end(bus, BUS_NEXT_NOTHING);
	synic_reset(bus);
	bus->guest_os_id = 0;
	bus->target_vp = 0;
}

void vmbus_set_guest_os_id(struct vmbus *bus, uint64_t id)
{
	bus->guest_os_id = id;
}

uint64_t vmbus_guest_os_id(const struct vmbus *bus)
{
	return bus->guest_os_id;
}

uint32_t vmbus_version(const struct vmbus *bus)
{
	return bus->version;
}

bool vmbus_counter(const struct vmbus *bus, unsigned n, const char **name, uint64_t *value)
{
	static const char *const names[] = {
#define X(counter) #counter,
		BUS_COUNTERS(X)
#undef X
	};

	if (n >= BUS_COUNTER_COUNT)
		return false;
	*name = names[n];
	*value = bus->counter[n];
	return true;
}
