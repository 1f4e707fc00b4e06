/* SPDX-License-Identifier: MIT */
/*
 * What the guest side's files share: client.c (SynIC pages, posting, the connection), client_channel.c (channels, GPADLs).
 * Private to vmbus/.
 */
#ifndef HVNET_VMBUS_CLIENT_PRIVATE_H
#define HVNET_VMBUS_CLIENT_PRIVATE_H

#include <sys/queue.h>

#include "vmbus/vmbus_client.h"
#include "vmbus/vmbus_wire.h"

enum {
	CLIENT_MAX_VERSIONS = 16,
	CLIENT_FIRST_HANDLE = 0xe1e10,	/* as Linux, so that traces look familiar; any number would do */
	CLIENT_MAX_PFNS = 8190,		/* what the u16 length of one range can say */
};

#define CLIENT_COUNTERS(X)	\
	X(messages_in)		\
	X(messages_out)		\
	X(events)		\
	X(posts_delayed)	\
	X(posts_refused)	\
	X(messages_short)	\
	X(messages_unknown)	\
	X(messages_unexpected)	\
	X(relids_unknown)

enum client_counter {
#define X(name) CLIENT_##name,
	CLIENT_COUNTERS(X)
#undef X
	CLIENT_COUNTER_COUNT
};

/*
 * IDLE --connect--> CONTACTING --accepted--> CONNECTED --unload--> UNLOADING --> IDLE
 *   ^                 |  ^ next version          |                    |
 *   +--none accepted--+  +------connect----------+--------------------+
 */
enum client_state { CLIENT_IDLE, CLIENT_CONTACTING, CLIENT_CONNECTED, CLIENT_UNLOADING };

/*
 * CLOSED --open--> GPADL --created--> OPENING --result 0--> OPEN --close--> CLOSING --torndown--> CLOSED
 *                    | failed            | failed: FAILED --torndown--> CLOSED
 *                    +--> CLOSED         any state --rescind--> RESCINDED --release--> freed
 */
enum client_channel_state {
	CLIENT_CHANNEL_CLOSED,
	CLIENT_CHANNEL_GPADL,		/* the rings' GPADL is asked for */
	CLIENT_CHANNEL_OPENING,
	CLIENT_CHANNEL_OPEN,
	CLIENT_CHANNEL_FAILED,		/* the host did not open; the rings' GPADL is being taken back */
	CLIENT_CHANNEL_CLOSING,		/* the same after a close */
	CLIENT_CHANNEL_RESCINDED,
};

struct client_post {
	STAILQ_ENTRY(client_post) link;
	uint32_t connection, bytes;
	uint8_t payload[VMBUS_MESSAGE_BYTES];
};

struct client_gpadl {
	SLIST_ENTRY(client_gpadl) link;
	uint32_t handle;
	bool created, tearing_down;
};

struct vmbus_client_channel {
	TAILQ_ENTRY(vmbus_client_channel) link;	/* of the old ones */
	struct vmbus_client *c;
	enum client_channel_state state;
	struct vmbus_msg_offer offer;
	uint32_t relid, connection_id;
	bool dedicated;
	SLIST_HEAD(, client_gpadl) gpadls;	/* without the rings' */
	void *user;
	/* while not CLOSED: */
	uint32_t vp, ring_handle, open_status;
	uint32_t to_host_pages, to_guest_pages;
	uint64_t ring_gpa;
	void *ring_host, *out_base, *in_base;
	struct vmbus_ring_out out;
	struct vmbus_ring_in in;
};

struct vmbus_client {
	const struct vmbus_client_ops *ops;
	void *opaque;
	uint32_t vps;
	enum client_state state;
	/* guest pages: one message and one event page per processor, then the interrupt page, then the post's input */
	uint64_t pages_gpa;
	uint8_t *pages;
	uint32_t versions[CLIENT_MAX_VERSIONS];
	size_t n_versions, trying;
	uint32_t version, message_connection;
	STAILQ_HEAD(, client_post) posts;
	bool posting;				/* a post's callback may post */
	struct vmbus_client_channel *relid[VMBUS_RELIDS];
	/* Of an earlier connection: the host may use their rings until it has answered. */
	TAILQ_HEAD(, vmbus_client_channel) old;
	uint32_t next_handle;
	uint64_t counter[CLIENT_COUNTER_COUNT];
};

static inline size_t client_pages(const struct vmbus_client *c)
{
	return 2 * (size_t)c->vps + 2;
}

static inline struct vmbus_synic_message_page *client_messages(struct vmbus_client *c, uint32_t vp)
{
	return (struct vmbus_synic_message_page *)(void *)(c->pages + (size_t)2 * vp * VMBUS_PAGE_BYTES);
}

static inline struct vmbus_synic_event_page *client_events(struct vmbus_client *c, uint32_t vp)
{
	return (struct vmbus_synic_event_page *)(void *)(c->pages + ((size_t)2 * vp + 1) * VMBUS_PAGE_BYTES);
}

static inline struct vmbus_interrupt_page *client_interrupt_page(struct vmbus_client *c)
{
	return (struct vmbus_interrupt_page *)(void *)(c->pages + (size_t)2 * c->vps * VMBUS_PAGE_BYTES);
}

static inline void client_count(struct vmbus_client *c, enum client_counter which)
{
	c->counter[which]++;
}

static inline struct vmbus_msg_header client_msg(enum vmbus_msg_type type)
{
	return (struct vmbus_msg_header){ .type = to_le32(type) };
}

/* client.c: queues a message and posts what can be. */
void client_post(struct vmbus_client *c, const void *msg, uint32_t bytes);

/* client_channel.c: what the host's messages do, their lengths checked. */
void client_on_offer(struct vmbus_client *c, const uint8_t *msg);
void client_on_rescind(struct vmbus_client *c, const uint8_t *msg);
void client_on_open_result(struct vmbus_client *c, const uint8_t *msg);
void client_on_gpadl_created(struct vmbus_client *c, const uint8_t *msg);
void client_on_gpadl_torndown(struct vmbus_client *c, const uint8_t *msg);
void client_on_modify_response(struct vmbus_client *c, const uint8_t *msg);
void client_event(struct vmbus_client *c, uint32_t relid);
/* All channels become old ones; old ones are freed. */
void client_retire_channels(struct vmbus_client *c);
void client_free_old(struct vmbus_client *c);

#endif
