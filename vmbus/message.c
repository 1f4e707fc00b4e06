/* SPDX-License-Identifier: MIT */
/*
 * The guest's hypercalls, and its control messages from bytes to calls: a table says for each type how long it is at
 * least, from which version on it exists and which feature it needs. What does not fit is counted and dropped without
 * an answer, the connection stays up.
 */
#include <string.h>

#include "vmbus/bus.h"

/* ---- to the guest ---- */

void vmbus_send(struct vmbus *bus, const void *msg, uint32_t bytes)
{
	synic_send(bus, bus->target_vp, msg, bytes);
}

/* ---- from the guest ---- */

struct rule {
	uint16_t min_bytes;
	uint32_t min_version;
	uint32_t feature;
	void (*handle)(struct vmbus *bus, const uint8_t *msg, uint32_t bytes);
};

static struct vmbus_channel *find_channel(struct vmbus *bus, uint32_t relid, const char *what)
{
	struct vmbus_channel *ch = relid < VMBUS_RELIDS ? bus->relid[relid] : NULL;

	if (!ch || ch->state == VMBUS_CHANNEL_RELEASING) {
		bus_refuse(bus, relid_unknown, "%s: %s names channel %u, which is not offered", bus->name, what, relid);
		return NULL;
	}
	return ch;
}

static void on_request_offers(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	(void)msg, (void)bytes;
	offer_request(bus);
}

static void on_open(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_open m;
	struct vmbus_channel *ch;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	ch = find_channel(bus, le32_get(m.relid), "OPENCHANNEL");
	if (ch)
		channel_open(ch, &(struct bus_open){ le32_get(m.open_id), le32_get(m.ring_gpadl),
						     le32_get(m.target_vp), le32_get(m.to_guest_ring_page) });
}

static void on_close(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_relid m;
	struct vmbus_channel *ch;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	ch = find_channel(bus, le32_get(m.relid), "CLOSECHANNEL");
	if (ch)
		channel_close(ch);
}

static void on_gpadl_teardown(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_gpadl_teardown m;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	gpadl_teardown(bus, le32_get(m.relid), le32_get(m.handle));
}

static void on_relid_released(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_relid m;
	struct vmbus_channel *ch;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	ch = find_channel(bus, le32_get(m.relid), "RELID_RELEASED");
	if (ch)
		channel_released(ch);
}

static void on_modify(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_modify m;
	struct vmbus_channel *ch;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	ch = find_channel(bus, le32_get(m.relid), "MODIFYCHANNEL");
	if (ch)
		channel_modify(ch, le32_get(m.target_vp));
}

/* We have no sockets: refused, where the guest's version has an answer for that. */
static void on_tl_connect(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_tl_result r = { .h = vmbus_msg(VMBUS_MSG_TL_CONNECT_RESULT),
					 .status = to_le32(VMBUS_STATUS_REFUSED) };
	struct vmbus_msg_tl_connect m;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	memcpy(r.endpoint, m.endpoint, sizeof(r.endpoint));
	memcpy(r.service, m.service, sizeof(r.service));
	if (bus->version >= VMBUS_VERSION_4_1)
		vmbus_send(bus, &r, sizeof(r));
}

static void on_open_reserved(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	(void)msg, (void)bytes;
	bus_refuse(bus, reserved_refused, "%s: there are no reserved channels", bus->name);
}

/* None can be open, so it is closed at once; the answer goes where the request says. Works without a connection. */
static void on_close_reserved(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_relid r = { .h = vmbus_msg(VMBUS_MSG_CLOSE_RESERVED_RESPONSE) };
	struct vmbus_msg_close_reserved m;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	r.relid = m.relid;
	if (le32_get(m.target_vp) >= bus->vps || le32_get(m.target_sint) != VMBUS_SINT) {
		bus_refuse(bus, reserved_refused, "%s: CLOSE_RESERVED_CHANNEL wants an answer on processor %u, SINT %u",
			   bus->name, le32_get(m.target_vp), le32_get(m.target_sint));
		return;
	}
	synic_send(bus, le32_get(m.target_vp), &r, sizeof(r));
}

/* We use no monitor pages: any pair is fine, half a pair is not. */
static void on_modify_connection(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_modify_connection_response r = { .h = vmbus_msg(VMBUS_MSG_MODIFY_CONNECTION_RESPONSE) };
	struct vmbus_msg_modify_connection m;

	(void)bytes;
	memcpy(&m, msg, sizeof(m));
	if (!le64_get(m.monitor_page_to_guest) != !le64_get(m.monitor_page_to_host))
		r.connection_state = VMBUS_CONNECTION_FAILED;
	vmbus_send(bus, &r, sizeof(r));
}

/* The guest takes no more messages until RESUME: the answer is the last, behind all that is queued already. */
static void on_pause(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	const struct vmbus_msg_header r = vmbus_msg(VMBUS_MSG_PAUSE_RESPONSE);

	(void)msg, (void)bytes;
	vmbus_send(bus, &r, sizeof(r));
	synic_hold(bus);
}

static void on_resume(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	(void)msg, (void)bytes;
	synic_unhold(bus);
}

static void on_unload(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	(void)msg, (void)bytes;
	connection_end(bus, BUS_NEXT_UNLOADED);
}

static const struct rule rules[VMBUS_MSG_TYPES] = {
	[VMBUS_MSG_REQUESTOFFERS] = { 8, 0, 0, on_request_offers },
	[VMBUS_MSG_OPENCHANNEL] = { sizeof(struct vmbus_msg_open), 0, 0, on_open },
	[VMBUS_MSG_CLOSECHANNEL] = { sizeof(struct vmbus_msg_relid), 0, 0, on_close },
	[VMBUS_MSG_GPADL_HEADER] = { sizeof(struct vmbus_msg_gpadl_header), 0, 0, gpadl_header },
	[VMBUS_MSG_GPADL_BODY] = { sizeof(struct vmbus_msg_gpadl_body), 0, 0, gpadl_body },
	[VMBUS_MSG_GPADL_TEARDOWN] = { sizeof(struct vmbus_msg_gpadl_teardown), 0, 0, on_gpadl_teardown },
	[VMBUS_MSG_RELID_RELEASED] = { sizeof(struct vmbus_msg_relid), 0, 0, on_relid_released },
	[VMBUS_MSG_UNLOAD] = { 8, 0, 0, on_unload },
	[VMBUS_MSG_OPEN_RESERVED_CHANNEL] = { sizeof(struct vmbus_msg_open_reserved), VMBUS_VERSION_4_0, 0, on_open_reserved },
	[VMBUS_MSG_CLOSE_RESERVED_CHANNEL] = { sizeof(struct vmbus_msg_close_reserved), 0, 0, on_close_reserved },
	[VMBUS_MSG_TL_CONNECT_REQUEST] = { sizeof(struct vmbus_msg_tl_connect), VMBUS_VERSION_4_0, 0, on_tl_connect },
	[VMBUS_MSG_MODIFYCHANNEL] = { sizeof(struct vmbus_msg_modify), VMBUS_VERSION_4_1, 0, on_modify },
	[VMBUS_MSG_MODIFY_CONNECTION] = { sizeof(struct vmbus_msg_modify_connection), VMBUS_VERSION_6_0,
					  VMBUS_FEATURE_MODIFY_CONNECTION, on_modify_connection },
	[VMBUS_MSG_PAUSE] = { 8, VMBUS_VERSION_6_0, VMBUS_FEATURE_PAUSE_RESUME, on_pause },
	[VMBUS_MSG_RESUME] = { 8, VMBUS_VERSION_6_0, VMBUS_FEATURE_PAUSE_RESUME, on_resume },
};

/* INITIATE_CONTACT is apart: it starts a connection, and reads differently on the multiclient connection. */
static void initiate_contact(struct vmbus *bus, const uint8_t *msg, uint32_t bytes, bool multiclient)
{
	struct vmbus_msg_initiate_contact m;
	struct bus_contact c = { .sint = VMBUS_SINT };

	if (bytes < sizeof(m)) {
		bus_refuse(bus, message_short, "%s: INITIATE_CONTACT of %u bytes", bus->name, bytes);
		return;
	}
	memcpy(&m, msg, sizeof(m));
	c.version = le32_get(m.version);
	c.target_vp = le32_get(m.target_vp);
	c.monitor_to_guest = le64_get(m.monitor_page_to_guest);
	c.monitor_to_host = le64_get(m.monitor_page_to_host);
	if (c.version < VMBUS_VERSION_2_4)
		c.interrupt_page = le64_get(m.u.interrupt_page);
	if (multiclient && c.version >= VMBUS_VERSION_5_0) {
		c.sint = m.u.multiclient.sint;
		if (c.version >= VMBUS_VERSION_5_1)
			c.vtl = m.u.multiclient.vtl;
		if (c.version >= VMBUS_VERSION_6_0)
			c.features = le32_get(m.u.multiclient.features);
	}
	if ((c.features & VMBUS_FEATURE_CLIENT_ID) && bytes < VMBUS_INITIATE_CONTACT_CLIENT_ID_BYTES) {
		bus_refuse(bus, message_short, "%s: INITIATE_CONTACT of %u bytes without its client id", bus->name, bytes);
		return;
	}
	connection_contact(bus, &c);
}

static void dispatch(struct vmbus *bus, uint32_t type, const uint8_t *msg, uint32_t bytes)
{
	const struct rule *rule = type < VMBUS_MSG_TYPES ? &rules[type] : NULL;
	const bool always = type == VMBUS_MSG_UNLOAD || type == VMBUS_MSG_CLOSE_RESERVED_CHANNEL;

	if (!rule || !rule->handle) {
		bus_refuse(bus, message_unknown, "%s: unknown message %u", bus->name, type);
		return;
	}
	if (bytes < rule->min_bytes) {
		bus_refuse(bus, message_short, "%s: message %u of %u bytes", bus->name, type, bytes);
		return;
	}
	if (bus->state != BUS_CONNECTED && !always) {
		bus_refuse(bus, message_disconnected, "%s: message %u without a connection", bus->name, type);
		return;
	}
	if (bus->version < rule->min_version || (bus->features & rule->feature) != rule->feature) {
		bus_refuse(bus, message_wrong_version, "%s: message %u is not of version 0x%x, features 0x%x", bus->name,
			   type, bus->version, bus->features);
		return;
	}
	rule->handle(bus, msg, bytes);
}

/* ---- hypercalls ---- */

uint16_t vmbus_post_message(struct vmbus *bus, uint64_t gpa)
{
	struct vmbus_msg_header h;
	struct vmbus_post_input in;
	uint32_t connection, bytes, type;
	const void *guest;

	if (!bus->guest_os_id) {
		bus_count(bus, BUS_post_bad_input);
		return VMBUS_HV_ACCESS_DENIED;
	}
	if (gpa % 8 || gpa % VMBUS_PAGE_BYTES > VMBUS_PAGE_BYTES - sizeof(in)) {
		bus_count(bus, BUS_post_bad_input);
		return VMBUS_HV_INVALID_ALIGNMENT;
	}
	guest = bus->ops->gpa(bus->opaque, gpa, sizeof(in), false);
	if (!guest) {
		bus_count(bus, BUS_post_bad_input);
		return VMBUS_HV_INVALID_PARAMETER;
	}
	memcpy(&in, guest, sizeof(in));
	__asm__ volatile("" ::: "memory");	/* from here on only the copy */
	connection = le32_get(in.connection_id) & 0xffffff;
	bytes = le32_get(in.payload_bytes);
	type = le32_get(in.message_type);
	if (!type || type >> 31 || bytes > VMBUS_MESSAGE_BYTES) {
		bus_count(bus, BUS_post_bad_input);
		return VMBUS_HV_INVALID_PARAMETER;
	}
	if (connection != VMBUS_CONNECTION_MESSAGE && connection != VMBUS_CONNECTION_MULTICLIENT) {
		bus_count(bus, BUS_post_bad_connection);
		return VMBUS_HV_INVALID_CONNECTION_ID;
	}
	if (type != VMBUS_SYNIC_MESSAGE_TYPE || bytes < sizeof(h)) {
		bus_refuse(bus, message_foreign, "%s: posted %u bytes of message type %u", bus->name, bytes, type);
		return VMBUS_HV_SUCCESS;
	}
	memcpy(&h, in.payload, sizeof(h));
	type = le32_get(h.type);
	/*
	 * The guest does not take its answers: it must before it asks more. A new connection and an unload void
	 * all answers, so they always pass, or a crashed guest could not say goodbye.
	 */
	if (type != VMBUS_MSG_INITIATE_CONTACT && type != VMBUS_MSG_UNLOAD && bus->queued >= BUS_POST_BUFFERS) {
		bus_count(bus, BUS_post_no_buffers);
		return VMBUS_HV_INSUFFICIENT_BUFFERS;
	}
	bus_count(bus, BUS_messages_in);
	if (type == VMBUS_MSG_INITIATE_CONTACT)
		initiate_contact(bus, in.payload, bytes, connection == VMBUS_CONNECTION_MULTICLIENT);
	else
		dispatch(bus, type, in.payload, bytes);
	return VMBUS_HV_SUCCESS;
}

/* Versions before 2.4: which channel rang is in the second half of the guest's interrupt page. */
static void scan_interrupt_page(struct vmbus *bus)
{
	struct vmbus_interrupt_page *page = bus->ops->gpa(bus->opaque, bus->interrupt_page, sizeof(*page), true);

	for (uint32_t word = 0; page && word < VMBUS_RELIDS / 32; word++) {
		uint32_t bits;

		if (!__atomic_load_n(&page->to_host[word], __ATOMIC_RELAXED))
			continue;
		bits = __atomic_exchange_n(&page->to_host[word], 0, __ATOMIC_SEQ_CST);
		for (; bits; bits &= bits - 1) {
			struct vmbus_channel *ch = bus->relid[word * 32 + (uint32_t)__builtin_ctz(bits)];

			if (ch)
				session_doorbell(ch);
		}
	}
}

/* The shared doorbell, without a page that says whose: everybody's. */
static void ring_all(struct vmbus *bus)
{
	for (uint32_t id = 1; id < VMBUS_RELIDS && bus->relids; id++)
		if (bus->relid[id])
			session_doorbell(bus->relid[id]);
}

uint16_t vmbus_signal_event(struct vmbus *bus, uint32_t connection_id, uint16_t flag)
{
	uint32_t relid = connection_id - BUS_EVENT_CONNECTION;

	if (flag)
		return VMBUS_HV_INVALID_PARAMETER;
	if (relid < VMBUS_RELIDS && bus->relid[relid]) {
		bus_count(bus, BUS_signals_in);
		session_doorbell(bus->relid[relid]);
		return VMBUS_HV_SUCCESS;
	}
	if (connection_id == VMBUS_CONNECTION_EVENT) {
		bus_count(bus, BUS_signals_in);
		if (bus->interrupt_page)
			scan_interrupt_page(bus);
		else
			ring_all(bus);
		return VMBUS_HV_SUCCESS;
	}
	bus_count(bus, BUS_signal_bad_connection);
	return VMBUS_HV_INVALID_CONNECTION_ID;
}
