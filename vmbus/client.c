/* SPDX-License-Identifier: MIT */
/* The guest side: SynIC pages, posting, the connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/bridge_wire.h"
#include "vmbus/client.h"

/* ---- creation ---- */

int vmbus_client_create(uint32_t vps, const struct vmbus_client_ops *ops, void *opaque, struct vmbus_client **out)
{
	struct vmbus_client *c = calloc(1, sizeof(*c));
	void *pages;

	if (!c)
		return -ENOMEM;
	c->ops = ops;
	c->opaque = opaque;
	c->vps = vps;
	c->next_handle = CLIENT_FIRST_HANDLE;
	c->message_connection = VMBUS_CONNECTION_MESSAGE;
	STAILQ_INIT(&c->posts);
	TAILQ_INIT(&c->old);
	if (ops->alloc_pages(opaque, client_pages(c), &c->pages_gpa, &pages)) {
		free(c);
		return -ENOMEM;
	}
	c->pages = pages;
	for (uint32_t vp = 0; vp < vps; vp++) {
		uint64_t gpa = c->pages_gpa + (uint64_t)2 * vp * VMBUS_PAGE_BYTES;

		ops->write_vp(opaque, vp, HVNET_BRIDGE_VP_SIMP, gpa | HVNET_BRIDGE_PAGE_ENABLE);
		ops->write_vp(opaque, vp, HVNET_BRIDGE_VP_SIEFP, (gpa + VMBUS_PAGE_BYTES) | HVNET_BRIDGE_PAGE_ENABLE);
		ops->write_vp(opaque, vp, HVNET_BRIDGE_VP_SINT2, 0);
		ops->write_vp(opaque, vp, HVNET_BRIDGE_VP_SCONTROL, 1);
	}
	*out = c;
	return 0;
}

static void drop_posts(struct vmbus_client *c)
{
	while (!STAILQ_EMPTY(&c->posts)) {
		struct client_post *p = STAILQ_FIRST(&c->posts);

		STAILQ_REMOVE_HEAD(&c->posts, link);
		free(p);
	}
}

void vmbus_client_destroy(struct vmbus_client *c)
{
	if (!c)
		return;
	for (uint32_t vp = 0; vp < c->vps; vp++) {
		c->ops->write_vp(c->opaque, vp, HVNET_BRIDGE_VP_SINT2, HVNET_BRIDGE_SINT_MASKED);
		c->ops->write_vp(c->opaque, vp, HVNET_BRIDGE_VP_SCONTROL, 0);
		c->ops->write_vp(c->opaque, vp, HVNET_BRIDGE_VP_SIMP, 0);
		c->ops->write_vp(c->opaque, vp, HVNET_BRIDGE_VP_SIEFP, 0);
	}
	client_retire_channels(c);
	client_free_old(c);
	drop_posts(c);
	c->ops->free_pages(c->opaque, c->pages_gpa, c->pages, client_pages(c));
	free(c);
}

/* ---- posting ---- */

static void contact_refused(struct vmbus_client *c);

static uint16_t post_now(struct vmbus_client *c, const struct client_post *p)
{
	const size_t offset = (client_pages(c) - 1) * VMBUS_PAGE_BYTES;
	struct vmbus_post_input in = { to_le32(p->connection), to_le32(0), to_le32(VMBUS_SYNIC_MESSAGE_TYPE),
				       to_le32(p->bytes), { 0 } };

	memcpy(in.payload, p->payload, p->bytes);
	memcpy(c->pages + offset, &in, sizeof(in));
	return c->ops->post_message(c->opaque, c->pages_gpa + offset);
}

/* Posts in order what the host takes; false if it has no buffers for the rest now. */
static bool post_queued(struct vmbus_client *c)
{
	bool refused_contact = false;

	if (c->posting)
		return true;		/* the outer call goes on with it */
	c->posting = true;
	while (!STAILQ_EMPTY(&c->posts)) {
		struct client_post *p = STAILQ_FIRST(&c->posts);
		uint16_t status;

		STAILQ_REMOVE_HEAD(&c->posts, link);
		status = post_now(c, p);
		if (status == VMBUS_HV_INSUFFICIENT_BUFFERS || status == VMBUS_HV_INSUFFICIENT_MEMORY) {
			STAILQ_INSERT_HEAD(&c->posts, p, link);
			client_count(c, CLIENT_posts_delayed);
			c->posting = false;
			return false;
		}
		client_count(c, status ? CLIENT_posts_refused : CLIENT_messages_out);
		if (status && c->state == CLIENT_CONTACTING)
			refused_contact = true;	/* a host that only knows versions < 5.0 has no connection 4 */
		free(p);
	}
	c->posting = false;
	if (refused_contact)
		contact_refused(c);
	return true;
}

static void post_to(struct vmbus_client *c, uint32_t connection, const void *msg, uint32_t bytes)
{
	struct client_post *p = calloc(1, sizeof(*p));

	if (!p) {
		client_count(c, CLIENT_posts_refused);
		return;
	}
	p->connection = connection;
	p->bytes = bytes;
	memcpy(p->payload, msg, bytes);
	STAILQ_INSERT_TAIL(&c->posts, p, link);
	post_queued(c);
}

void client_post(struct vmbus_client *c, const void *msg, uint32_t bytes)
{
	post_to(c, c->message_connection, msg, bytes);
}

bool vmbus_client_retry(struct vmbus_client *c)
{
	return !post_queued(c);
}

/* ---- the connection ---- */

static void send_contact(struct vmbus_client *c)
{
	struct vmbus_msg_initiate_contact m = { .h = client_msg(VMBUS_MSG_INITIATE_CONTACT) };

	c->version = c->versions[c->trying];
	m.version = to_le32(c->version);
	if (c->version >= VMBUS_VERSION_5_0)
		m.u.multiclient.sint = VMBUS_SINT;
	else
		m.u.interrupt_page = to_le64(c->pages_gpa + (uint64_t)2 * c->vps * VMBUS_PAGE_BYTES);
	post_to(c, c->version >= VMBUS_VERSION_5_0 ? VMBUS_CONNECTION_MULTICLIENT : VMBUS_CONNECTION_MESSAGE, &m, sizeof(m));
}

static void contact_refused(struct vmbus_client *c)
{
	if (++c->trying < c->n_versions) {
		send_contact(c);
		return;
	}
	c->state = CLIENT_IDLE;
	c->version = 0;
	client_free_old(c);
	if (c->ops->connected)
		c->ops->connected(c->opaque, 0);
}

void vmbus_client_connect(struct vmbus_client *c, const uint32_t *versions, size_t n)
{
	static const uint32_t all[] = {
		VMBUS_VERSION_6_0, VMBUS_VERSION_5_3, VMBUS_VERSION_5_2, VMBUS_VERSION_5_1, VMBUS_VERSION_5_0,
		VMBUS_VERSION_4_1, VMBUS_VERSION_4_0, VMBUS_VERSION_3_0, VMBUS_VERSION_2_4,
	};

	if (!versions) {
		versions = all;
		n = sizeof(all) / sizeof(all[0]);
	}
	c->n_versions = n < CLIENT_MAX_VERSIONS ? n : CLIENT_MAX_VERSIONS;
	memcpy(c->versions, versions, c->n_versions * sizeof(*versions));
	drop_posts(c);
	client_retire_channels(c);
	c->state = CLIENT_CONTACTING;
	c->trying = 0;
	if (c->n_versions)
		send_contact(c);
}

uint32_t vmbus_client_version(const struct vmbus_client *c)
{
	return c->state == CLIENT_CONNECTED ? c->version : 0;
}

void vmbus_client_request_offers(struct vmbus_client *c)
{
	struct vmbus_msg_header m = client_msg(VMBUS_MSG_REQUESTOFFERS);

	client_post(c, &m, sizeof(m));
}

void vmbus_client_unload(struct vmbus_client *c)
{
	struct vmbus_msg_header m = client_msg(VMBUS_MSG_UNLOAD);

	drop_posts(c);
	client_retire_channels(c);
	c->state = CLIENT_UNLOADING;
	client_post(c, &m, sizeof(m));
}

static void on_version_response(struct vmbus_client *c, const uint8_t *msg)
{
	struct vmbus_msg_version_response m;

	memcpy(&m, msg, VMBUS_VERSION_RESPONSE_SHORT_BYTES);
	if (c->state != CLIENT_CONTACTING) {
		client_count(c, CLIENT_messages_unexpected);
		return;
	}
	if (!m.supported || m.connection_state) {
		contact_refused(c);
		return;
	}
	c->message_connection = c->version >= VMBUS_VERSION_5_0 ? le32_get(m.version_or_connection)
								 : VMBUS_CONNECTION_MESSAGE;
	c->state = CLIENT_CONNECTED;
	client_free_old(c);
	if (c->ops->connected)
		c->ops->connected(c->opaque, c->version);
}

static void on_offers_delivered(struct vmbus_client *c, const uint8_t *msg)
{
	(void)msg;
	if (c->ops->offers_delivered)
		c->ops->offers_delivered(c->opaque);
}

static void on_unload_response(struct vmbus_client *c, const uint8_t *msg)
{
	(void)msg;
	if (c->state != CLIENT_UNLOADING) {
		client_count(c, CLIENT_messages_unexpected);
		return;
	}
	c->state = CLIENT_IDLE;
	c->version = 0;
	client_free_old(c);
	if (c->ops->unloaded)
		c->ops->unloaded(c->opaque);
}

/* ---- what the host sends ---- */

static const struct {
	uint32_t min_bytes;
	bool connected;		/* of a connection: dropped without one */
	void (*handle)(struct vmbus_client *c, const uint8_t *msg);
} rules[VMBUS_MSG_TYPES] = {
	[VMBUS_MSG_OFFERCHANNEL] = { sizeof(struct vmbus_msg_offer), true, client_on_offer },
	[VMBUS_MSG_RESCIND_CHANNELOFFER] = { sizeof(struct vmbus_msg_relid), true, client_on_rescind },
	[VMBUS_MSG_ALLOFFERS_DELIVERED] = { 8, true, on_offers_delivered },
	[VMBUS_MSG_OPENCHANNEL_RESULT] = { sizeof(struct vmbus_msg_open_result), true, client_on_open_result },
	[VMBUS_MSG_GPADL_CREATED] = { sizeof(struct vmbus_msg_gpadl_created), true, client_on_gpadl_created },
	[VMBUS_MSG_GPADL_TORNDOWN] = { sizeof(struct vmbus_msg_gpadl_torndown), true, client_on_gpadl_torndown },
	[VMBUS_MSG_VERSION_RESPONSE] = { VMBUS_VERSION_RESPONSE_SHORT_BYTES, false, on_version_response },
	[VMBUS_MSG_UNLOAD_RESPONSE] = { 8, false, on_unload_response },
	[VMBUS_MSG_MODIFYCHANNEL_RESPONSE] = { sizeof(struct vmbus_msg_modify_response), true, client_on_modify_response },
};

static void dispatch(struct vmbus_client *c, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_header h;
	uint32_t type;

	client_count(c, CLIENT_messages_in);
	if (bytes < sizeof(h)) {
		client_count(c, CLIENT_messages_short);
		return;
	}
	memcpy(&h, msg, sizeof(h));
	type = le32_get(h.type);
	if (type >= VMBUS_MSG_TYPES || !rules[type].handle)
		client_count(c, CLIENT_messages_unknown);
	else if (bytes < rules[type].min_bytes)
		client_count(c, CLIENT_messages_short);
	else if (rules[type].connected && c->state != CLIENT_CONNECTED)
		client_count(c, CLIENT_messages_unexpected);
	else
		rules[type].handle(c, msg);
}

static void take_messages(struct vmbus_client *c, uint32_t vp)
{
	struct vmbus_synic_slot *slot = &client_messages(c, vp)->sint[VMBUS_SINT];
	struct vmbus_synic_slot copy;
	uint32_t type;

	while ((type = __atomic_load_n(&slot->type, __ATOMIC_ACQUIRE)) != 0) {
		memcpy(&copy, slot, sizeof(copy));
		/* Gives the slot back, then looks for "pending": the host sets that, then looks at the type again. */
		__atomic_store_n(&slot->type, 0, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & VMBUS_SYNIC_MESSAGE_PENDING)
			c->ops->write_vp(c->opaque, vp, HVNET_BRIDGE_VP_EOM, 0);
		if (type == VMBUS_SYNIC_MESSAGE_TYPE && copy.payload_bytes <= VMBUS_MESSAGE_BYTES)
			dispatch(c, copy.payload, copy.payload_bytes);
		else
			client_count(c, CLIENT_messages_unknown);
	}
}

static void take_words(struct vmbus_client *c, uint32_t *words, uint32_t *first)
{
	for (uint32_t i = 0; i < VMBUS_RELIDS / 32; i++) {
		uint32_t bits;

		if (!__atomic_load_n(&words[i], __ATOMIC_RELAXED))
			continue;
		/* Cleared before the ring is read, so that a signal of meanwhile sets it again. */
		bits = __atomic_exchange_n(&words[i], 0, __ATOMIC_SEQ_CST);
		if (!i && first) {
			*first = bits & 1;
			bits &= ~1u;
		}
		for (; bits; bits &= bits - 1)
			client_event(c, i * 32 + (uint32_t)__builtin_ctz(bits));
	}
}

void vmbus_client_interrupt(struct vmbus_client *c, uint32_t vp)
{
	uint32_t flag0 = 0;

	take_words(c, client_events(c, vp)->sint[VMBUS_SINT], &flag0);
	if (flag0 && c->version < VMBUS_VERSION_2_4)
		take_words(c, client_interrupt_page(c)->to_guest, NULL);
	take_messages(c, vp);
	post_queued(c);
}

bool vmbus_client_counter(const struct vmbus_client *c, unsigned n, const char **name, uint64_t *value)
{
	static const char *const names[] = {
#define X(counter) #counter,
		CLIENT_COUNTERS(X)
#undef X
	};

	if (n >= CLIENT_COUNTER_COUNT)
		return false;
	*name = names[n];
	*value = c->counter[n];
	return true;
}
