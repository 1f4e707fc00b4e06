/* SPDX-License-Identifier: MIT */
/* The guest side: channels, their rings, GPADLs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/client.h"

/* ---- memory of an open channel ---- */

static void free_rings(struct vmbus_client_channel *ch)
{
	const struct vmbus_client_ops *ops = ch->c->ops;

	if (ch->out_base)
		ops->unmap_ring(ch->c->opaque, ch->out_base, ch->to_host_pages);
	if (ch->in_base)
		ops->unmap_ring(ch->c->opaque, ch->in_base, ch->to_guest_pages);
	if (ch->ring_host)
		ops->free_pages(ch->c->opaque, ch->ring_gpa, ch->ring_host, (size_t)ch->to_host_pages + ch->to_guest_pages);
	ch->out_base = ch->in_base = ch->ring_host = NULL;
}

static int make_rings(struct vmbus_client_channel *ch, uint32_t to_host_pages, uint32_t to_guest_pages)
{
	const struct vmbus_client_ops *ops = ch->c->ops;
	void *opaque = ch->c->opaque;
	int ret;

	ch->to_host_pages = to_host_pages;
	ch->to_guest_pages = to_guest_pages;
	ret = ops->alloc_pages(opaque, (size_t)to_host_pages + to_guest_pages, &ch->ring_gpa, &ch->ring_host);
	if (!ret)
		ret = ops->map_ring(opaque, ch->ring_gpa, to_host_pages, &ch->out_base);
	if (!ret)
		ret = ops->map_ring(opaque, ch->ring_gpa + (uint64_t)to_host_pages * VMBUS_PAGE_BYTES, to_guest_pages,
				    &ch->in_base);
	if (!ret)
		ret = vmbus_ring_out_init(&ch->out, ch->out_base, to_host_pages);
	if (!ret)
		ret = vmbus_ring_in_init(&ch->in, ch->in_base, to_guest_pages);
	if (!ret)	/* Linux's habit: the host sets it in its own ring too */
		ch->in.ctl->features |= VMBUS_RING_PENDING_SEND;
	else
		free_rings(ch);
	return ret;
}

static void free_channel(struct vmbus_client_channel *ch)
{
	while (!SLIST_EMPTY(&ch->gpadls)) {
		struct client_gpadl *g = SLIST_FIRST(&ch->gpadls);

		SLIST_REMOVE_HEAD(&ch->gpadls, link);
		free(g);
	}
	free_rings(ch);
	free(ch);
}

void client_retire_channels(struct vmbus_client *c)
{
	for (uint32_t id = 1; id < VMBUS_RELIDS; id++) {
		if (c->relid[id])
			TAILQ_INSERT_TAIL(&c->old, c->relid[id], link);
		c->relid[id] = NULL;
	}
}

void client_free_old(struct vmbus_client *c)
{
	while (!TAILQ_EMPTY(&c->old)) {
		struct vmbus_client_channel *ch = TAILQ_FIRST(&c->old);

		TAILQ_REMOVE(&c->old, ch, link);
		free_channel(ch);
	}
}

/* ---- offers ---- */

static struct vmbus_client_channel *find(struct vmbus_client *c, uint32_t relid)
{
	struct vmbus_client_channel *ch = relid < VMBUS_RELIDS ? c->relid[relid] : NULL;

	if (!ch || ch->state == CLIENT_CHANNEL_RESCINDED) {
		client_count(c, CLIENT_relids_unknown);
		return NULL;
	}
	return ch;
}

void client_on_offer(struct vmbus_client *c, const uint8_t *msg)
{
	struct vmbus_client_channel *ch;
	struct vmbus_msg_offer m;
	uint32_t relid;

	memcpy(&m, msg, sizeof(m));
	relid = le32_get(m.relid);
	if (!relid || relid >= VMBUS_RELIDS || c->relid[relid]) {
		client_count(c, CLIENT_relids_unknown);
		return;
	}
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		return;
	ch->c = c;
	ch->offer = m;
	ch->relid = relid;
	ch->dedicated = le16_get(m.interrupt_flags) & VMBUS_OFFER_DEDICATED_INTERRUPT;
	ch->connection_id = ch->dedicated ? le32_get(m.connection_id) : VMBUS_CONNECTION_EVENT;
	SLIST_INIT(&ch->gpadls);
	c->relid[relid] = ch;
	if (c->ops->offered)
		c->ops->offered(c->opaque, ch);
}

void client_on_rescind(struct vmbus_client *c, const uint8_t *msg)
{
	struct vmbus_client_channel *ch;
	struct vmbus_msg_relid m;

	memcpy(&m, msg, sizeof(m));
	ch = find(c, le32_get(m.relid));
	if (!ch)
		return;
	ch->state = CLIENT_CHANNEL_RESCINDED;
	if (c->ops->rescinded)
		c->ops->rescinded(c->opaque, ch);
}

void vmbus_client_release(struct vmbus_client_channel *ch)
{
	struct vmbus_msg_relid m = { .h = client_msg(VMBUS_MSG_RELID_RELEASED), .relid = to_le32(ch->relid) };
	struct vmbus_client *c = ch->c;

	c->relid[ch->relid] = NULL;
	free_channel(ch);
	client_post(c, &m, sizeof(m));
}

const uint8_t *vmbus_client_channel_type(const struct vmbus_client_channel *ch)
{
	return ch->offer.interface_type;
}

const uint8_t *vmbus_client_channel_instance(const struct vmbus_client_channel *ch)
{
	return ch->offer.instance;
}

uint32_t vmbus_client_channel_id(const struct vmbus_client_channel *ch)
{
	return ch->relid;
}

unsigned vmbus_client_channel_index(const struct vmbus_client_channel *ch)
{
	return le16_get(ch->offer.sub_channel_index);
}

uint32_t vmbus_client_channel_vp(const struct vmbus_client_channel *ch)
{
	return ch->vp;
}

bool vmbus_client_channel_is_open(const struct vmbus_client_channel *ch)
{
	return ch->state == CLIENT_CHANNEL_OPEN;
}

void vmbus_client_channel_set_user(struct vmbus_client_channel *ch, void *user)
{
	ch->user = user;
}

void *vmbus_client_channel_user(const struct vmbus_client_channel *ch)
{
	return ch->user;
}

/* ---- GPADLs ---- */

/* Posts header and bodies of a one-range GPADL; pfns may be NULL: contiguous from first on. */
static void post_gpadl(struct vmbus_client_channel *ch, uint32_t handle, const uint64_t *pfns, uint64_t first, size_t n)
{
	const struct vmbus_msg_gpadl_header head = {
		.h = client_msg(VMBUS_MSG_GPADL_HEADER), .relid = to_le32(ch->relid), .handle = to_le32(handle),
		.range_bytes = to_le16((uint16_t)(8 + 8 * n)), .range_count = to_le16(1),
	};
	const struct vmbus_gpa_range_header range = { to_le32((uint32_t)(n * VMBUS_PAGE_BYTES)), to_le32(0) };
	struct vmbus_msg_gpadl_body body = { .h = client_msg(VMBUS_MSG_GPADL_BODY), .handle = to_le32(handle) };
	uint8_t msg[VMBUS_MESSAGE_BYTES];
	uint32_t at = sizeof(head) + sizeof(range), number = 0;
	size_t done = 0;

	memcpy(msg, &head, sizeof(head));
	memcpy(msg + sizeof(head), &range, sizeof(range));
	do {
		for (; done < n && at + sizeof(le64) <= sizeof(msg); at += sizeof(le64), done++) {
			le64 pfn = to_le64(pfns ? pfns[done] : first + done);

			memcpy(msg + at, &pfn, sizeof(pfn));
		}
		client_post(ch->c, msg, at);
		body.number = to_le32(++number);
		memcpy(msg, &body, sizeof(body));
		at = sizeof(body);
	} while (done < n);
}

static void post_teardown(struct vmbus_client_channel *ch, uint32_t handle)
{
	struct vmbus_msg_gpadl_teardown m = { .h = client_msg(VMBUS_MSG_GPADL_TEARDOWN), .relid = to_le32(ch->relid),
					      .handle = to_le32(handle) };

	client_post(ch->c, &m, sizeof(m));
}

static struct client_gpadl *find_gpadl(struct vmbus_client_channel *ch, uint32_t handle)
{
	struct client_gpadl *g;

	SLIST_FOREACH(g, &ch->gpadls, link)
		if (g->handle == handle)
			return g;
	return NULL;
}

static int gpadl_create(struct vmbus_client_channel *ch, const uint64_t *pfns, uint64_t first, size_t n, uint32_t *handle)
{
	struct client_gpadl *g;

	if (!n || n > CLIENT_MAX_PFNS || ch->state == CLIENT_CHANNEL_RESCINDED)
		return -EINVAL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	*handle = g->handle = ch->c->next_handle++;
	SLIST_INSERT_HEAD(&ch->gpadls, g, link);
	post_gpadl(ch, g->handle, pfns, first, n);
	return 0;
}

int vmbus_client_gpadl_create(struct vmbus_client_channel *ch, const uint64_t *pfns, size_t n, uint32_t *handle)
{
	return gpadl_create(ch, pfns, 0, n, handle);
}

int vmbus_client_gpadl_create_contiguous(struct vmbus_client_channel *ch, uint64_t gpa, size_t n, uint32_t *handle)
{
	return gpadl_create(ch, NULL, gpa / VMBUS_PAGE_BYTES, n, handle);
}

void vmbus_client_gpadl_teardown(struct vmbus_client_channel *ch, uint32_t handle)
{
	struct client_gpadl *g = find_gpadl(ch, handle);

	if (!g || !g->created || g->tearing_down || ch->state == CLIENT_CHANNEL_RESCINDED)
		return;
	g->tearing_down = true;
	post_teardown(ch, handle);
}

/* ---- open and close ---- */

int vmbus_client_open(struct vmbus_client_channel *ch, uint32_t to_host_pages, uint32_t to_guest_pages, uint32_t vp)
{
	int ret;

	if (ch->state != CLIENT_CHANNEL_CLOSED)
		return -EBUSY;
	if (to_host_pages < 2 || to_guest_pages < 2 || to_host_pages > CLIENT_MAX_PFNS ||
	    to_guest_pages > CLIENT_MAX_PFNS - to_host_pages)
		return -EINVAL;
	ret = make_rings(ch, to_host_pages, to_guest_pages);
	if (ret)
		return ret;
	ch->vp = vp;
	ch->ring_handle = ch->c->next_handle++;
	ch->state = CLIENT_CHANNEL_GPADL;
	post_gpadl(ch, ch->ring_handle, NULL, ch->ring_gpa / VMBUS_PAGE_BYTES, (size_t)to_host_pages + to_guest_pages);
	return 0;
}

static void ring_gpadl_created(struct vmbus_client_channel *ch, uint32_t status)
{
	struct vmbus_msg_open m = {
		.h = client_msg(VMBUS_MSG_OPENCHANNEL), .relid = to_le32(ch->relid), .open_id = to_le32(ch->relid),
		.ring_gpadl = to_le32(ch->ring_handle), .target_vp = to_le32(ch->vp),
		.to_guest_ring_page = to_le32(ch->to_host_pages),
	};

	if (!status) {
		ch->state = CLIENT_CHANNEL_OPENING;
		client_post(ch->c, &m, sizeof(m));
		return;
	}
	free_rings(ch);
	ch->state = CLIENT_CHANNEL_CLOSED;
	if (ch->c->ops->opened)
		ch->c->ops->opened(ch->c->opaque, ch, status);
}

void client_on_gpadl_created(struct vmbus_client *c, const uint8_t *msg)
{
	struct vmbus_msg_gpadl_created m;
	struct vmbus_client_channel *ch;
	struct client_gpadl *g;
	uint32_t handle;

	memcpy(&m, msg, sizeof(m));
	handle = le32_get(m.handle);
	ch = find(c, le32_get(m.relid));
	if (!ch)
		return;
	if (ch->state == CLIENT_CHANNEL_GPADL && handle == ch->ring_handle) {
		ring_gpadl_created(ch, le32_get(m.status));
		return;
	}
	g = find_gpadl(ch, handle);
	if (!g || g->created) {
		client_count(c, CLIENT_messages_unexpected);
		return;
	}
	g->created = true;
	if (le32_get(m.status)) {
		SLIST_REMOVE(&ch->gpadls, g, client_gpadl, link);
		free(g);
	}
	if (c->ops->gpadl_created)
		c->ops->gpadl_created(c->opaque, ch, handle, le32_get(m.status));
}

void client_on_open_result(struct vmbus_client *c, const uint8_t *msg)
{
	struct vmbus_msg_open_result m;
	struct vmbus_client_channel *ch;

	memcpy(&m, msg, sizeof(m));
	ch = find(c, le32_get(m.relid));
	if (!ch)
		return;
	if (ch->state != CLIENT_CHANNEL_OPENING || le32_get(m.open_id) != ch->relid) {
		client_count(c, CLIENT_messages_unexpected);
		return;
	}
	ch->open_status = le32_get(m.status);
	if (ch->open_status) {
		ch->state = CLIENT_CHANNEL_FAILED;
		post_teardown(ch, ch->ring_handle);
		return;
	}
	ch->state = CLIENT_CHANNEL_OPEN;
	if (c->ops->opened)
		c->ops->opened(c->opaque, ch, VMBUS_STATUS_SUCCESS);
}

void vmbus_client_close(struct vmbus_client_channel *ch)
{
	struct vmbus_msg_relid m = { .h = client_msg(VMBUS_MSG_CLOSECHANNEL), .relid = to_le32(ch->relid) };

	if (ch->state != CLIENT_CHANNEL_OPEN)
		return;
	ch->state = CLIENT_CHANNEL_CLOSING;
	client_post(ch->c, &m, sizeof(m));
	post_teardown(ch, ch->ring_handle);
}

static void ring_torndown(struct vmbus_client_channel *ch)
{
	const struct vmbus_client_ops *ops = ch->c->ops;
	const bool failed = ch->state == CLIENT_CHANNEL_FAILED;

	free_rings(ch);
	ch->state = CLIENT_CHANNEL_CLOSED;
	if (failed && ops->opened)
		ops->opened(ch->c->opaque, ch, ch->open_status);
	else if (!failed && ops->closed)
		ops->closed(ch->c->opaque, ch);
}

/* Carries a handle only; ours are unique in the connection. */
void client_on_gpadl_torndown(struct vmbus_client *c, const uint8_t *msg)
{
	struct vmbus_msg_gpadl_torndown m;
	uint32_t handle;

	memcpy(&m, msg, sizeof(m));
	handle = le32_get(m.handle);
	for (uint32_t id = 1; id < VMBUS_RELIDS; id++) {
		struct vmbus_client_channel *ch = c->relid[id];
		struct client_gpadl *g;

		if (!ch || ch->state == CLIENT_CHANNEL_RESCINDED)
			continue;
		if ((ch->state == CLIENT_CHANNEL_CLOSING || ch->state == CLIENT_CHANNEL_FAILED) && ch->ring_handle == handle) {
			ring_torndown(ch);
			return;
		}
		g = find_gpadl(ch, handle);
		if (!g || !g->tearing_down)
			continue;
		SLIST_REMOVE(&ch->gpadls, g, client_gpadl, link);
		free(g);
		if (c->ops->gpadl_torndown)
			c->ops->gpadl_torndown(c->opaque, ch, handle);
		return;
	}
	client_count(c, CLIENT_messages_unexpected);
}

void vmbus_client_modify(struct vmbus_client_channel *ch, uint32_t vp)
{
	struct vmbus_msg_modify m = { .h = client_msg(VMBUS_MSG_MODIFYCHANNEL), .relid = to_le32(ch->relid),
				      .target_vp = to_le32(vp) };

	ch->vp = vp;
	client_post(ch->c, &m, sizeof(m));
}

void client_on_modify_response(struct vmbus_client *c, const uint8_t *msg)
{
	struct vmbus_msg_modify_response m;
	struct vmbus_client_channel *ch;

	memcpy(&m, msg, sizeof(m));
	ch = find(c, le32_get(m.relid));
	if (ch && c->ops->modified)
		c->ops->modified(c->opaque, ch, le32_get(m.status));
}

/* ---- data ---- */

struct vmbus_ring_out *vmbus_client_out(struct vmbus_client_channel *ch)
{
	return &ch->out;
}

struct vmbus_ring_in *vmbus_client_in(struct vmbus_client_channel *ch)
{
	return &ch->in;
}

void vmbus_client_signal(struct vmbus_client_channel *ch)
{
	if (!ch->dedicated)
		__atomic_fetch_or(&client_interrupt_page(ch->c)->to_host[ch->relid / 32], 1u << ch->relid % 32,
				  __ATOMIC_SEQ_CST);
	ch->c->ops->signal_event(ch->c->opaque, ch->connection_id);
}

void client_event(struct vmbus_client *c, uint32_t relid)
{
	struct vmbus_client_channel *ch = relid < VMBUS_RELIDS ? c->relid[relid] : NULL;

	if (!ch || ch->state != CLIENT_CHANNEL_OPEN)
		return;
	client_count(c, CLIENT_events);
	if (c->ops->event)
		c->ops->event(c->opaque, ch);
}
