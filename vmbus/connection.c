/* SPDX-License-Identifier: MIT */
/*
 * A connection's beginning and end.
 *
 * A guest that contacts us while connected has crashed or was replaced (kexec, firmware handing over): the old
 * connection is taken down first, and only when every device has let go of the old guest's memory the new one is
 * answered, for its owner may long be using the pages. While devices are at that, the newest INITIATE_CONTACT or UNLOAD
 * replaces an older one.
 *
 * DISCONNECTED --INITIATE_CONTACT accepted--> CONNECTED --INITIATE_CONTACT, UNLOAD, reset--> DISCONNECTING
 *      ^  | refused: stays                                                                      |
 *      +--+---------------------------------every device has closed: what was asked last--------+
 */
#include "vmbus/bus.h"

static const uint32_t versions[] = {
	VMBUS_VERSION_0_13, VMBUS_VERSION_1_1, VMBUS_VERSION_2_4, VMBUS_VERSION_3_0, VMBUS_VERSION_4_0, VMBUS_VERSION_4_1,
	VMBUS_VERSION_5_0, VMBUS_VERSION_5_1, VMBUS_VERSION_5_2, VMBUS_VERSION_5_3, VMBUS_VERSION_6_0,
};

static bool version_known(uint32_t version)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i] == version)
			return true;
	return false;
}

/* A refusal goes to the processor that the guest named, if there is such a one: it waits there. */
static void refuse(struct vmbus *bus, const struct bus_contact *c, bool supported, const char *why)
{
	struct vmbus_msg_version_response r = { .h = vmbus_msg(VMBUS_MSG_VERSION_RESPONSE) };

	bus_refuse(bus, contact_refused, "%s: refuses version 0x%x: %s", bus->name, c->version, why);
	if (supported) {
		r.supported = 1;
		r.connection_state = VMBUS_CONNECTION_FAILED;
	}
	synic_send(bus, c->target_vp < bus->vps ? c->target_vp : 0, &r, VMBUS_VERSION_RESPONSE_SHORT_BYTES);
}

static void accept_contact(struct vmbus *bus, const struct bus_contact *c)
{
	struct vmbus_msg_version_response r = { .h = vmbus_msg(VMBUS_MSG_VERSION_RESPONSE), .supported = 1 };

	bus->state = BUS_CONNECTED;
	bus->version = c->version;
	bus->features = c->features & BUS_FEATURES;
	bus->target_vp = c->version >= VMBUS_VERSION_3_0 ? c->target_vp : 0;
	bus->interrupt_page = c->interrupt_page & ~0xfffull;
	bus->offers_requested = false;
	bus_count(bus, BUS_connects);
	bus_note(bus, "%s: connected, VMBus %u.%u", bus->name, c->version >> 16, c->version & 0xffff);
	r.version_or_connection = to_le32(c->version < VMBUS_VERSION_5_0 ? c->version : BUS_MESSAGE_CONNECTION);
	r.features = to_le32(bus->features);
	vmbus_send(bus, &r, c->version >= VMBUS_VERSION_6_0 ? sizeof(r) : VMBUS_VERSION_RESPONSE_SHORT_BYTES);
}

static void decide(struct vmbus *bus, const struct bus_contact *c)
{
	if (!version_known(c->version))
		refuse(bus, c, false, "unknown");
	else if (c->sint != VMBUS_SINT)
		/* Would have to be answered on that SINT, of which there is none; this tells a guest that looks. */
		refuse(bus, c, false, "wants its messages on another SINT");
	else if (c->vtl)
		refuse(bus, c, false, "wants another trust level");
	else if (c->version >= VMBUS_VERSION_3_0 && c->target_vp >= bus->vps)
		refuse(bus, c, false, "names a processor that there is not");
	else if (!c->monitor_to_guest != !c->monitor_to_host)
		refuse(bus, c, c->version >= VMBUS_VERSION_2_4, "only one monitor page");
	else
		accept_contact(bus, c);
}

void connection_contact(struct vmbus *bus, const struct bus_contact *contact)
{
	bus->contact = *contact;
	connection_end(bus, BUS_NEXT_CONTACT);
}

void connection_end(struct vmbus *bus, enum bus_next next)
{
	bus->next = next;
	synic_flush(bus);	/* answers that nobody waits for any more */
	if (bus->state == BUS_CONNECTED) {
		bus_note(bus, "%s: disconnected%s", bus->name,
		       next == BUS_NEXT_CONTACT ? " without unload" : next == BUS_NEXT_UNLOADED ? "" : " by reset");
		bus_count(bus, BUS_disconnects);
	}
	bus->state = BUS_DISCONNECTING;
	bus->disconnect_depth++;
	/* A device expects its sub-channels to go before its primary. */
	for (int primaries = 0; primaries < 2; primaries++)
		for (uint32_t id = 1; id < VMBUS_RELIDS && bus->relids; id++)
			if (bus->relid[id] && (bus->relid[id]->index == 0) == primaries)
				channel_disconnect(bus->relid[id]);
	bus->disconnect_depth--;
	connection_check(bus);
}

void connection_check(struct vmbus *bus)
{
	const struct vmbus_msg_header unloaded = vmbus_msg(VMBUS_MSG_UNLOAD_RESPONSE);
	enum bus_next next = bus->next;

	if (bus->state != BUS_DISCONNECTING || bus->disconnect_depth || bus->relids)
		return;
	bus->state = BUS_DISCONNECTED;
	bus->version = bus->features = 0;
	bus->interrupt_page = 0;
	bus->next = BUS_NEXT_NOTHING;
	switch (next) {
	case BUS_NEXT_NOTHING:
		break;
	case BUS_NEXT_CONTACT:
		decide(bus, &bus->contact);
		break;
	case BUS_NEXT_UNLOADED:
		/* For every version: iPXE waits for it with 0.13, where the protocol has no such answer. */
		vmbus_send(bus, &unloaded, sizeof(unloaded));
		break;
	}
}
