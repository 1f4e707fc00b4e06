/* SPDX-License-Identifier: MIT */
/*
 * What the files of the host's side share.
 *
 * A bus is one connection to one guest. Messages come in through vmbus_post_message() (message.c checks and
 * dispatches them), go out through vmbus_send() into the queue of a virtual processor (synic.c). connection.c
 * keeps the version and takes everything down when the connection ends; offer.c gives devices' channels their ids (relids);
 * channel.c moves a channel through its states and maps its rings; gpadl.c assembles the guest's page lists.
 *
 * Ownership: the bus owns devices, channels, GPADLs and queued messages. relid[] names every channel that the guest may
 * know; a channel keeps its place there until the guest released it or the connection ended, even when its
 * device is long gone. A GPADL belongs to its channel and stays while it has users (the mapped rings, the
 * device's references), because its TORNDOWN tells the guest that the memory is its own again.
 *
 * Callbacks into devices may come back into the bus (a device answers close() from within): loops over channels go by
 * relid, never by a remembered pointer, and completion of a disconnect waits for the outermost loop.
 */
#ifndef HVNET_VMBUS_BUS_H
#define HVNET_VMBUS_BUS_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "vmbus/vmbus.h"
#include "vmbus/vmbus_wire.h"

enum {
	/* Our policy, against a guest that only takes. */
	BUS_POST_BUFFERS = 16,			/* answers queued before posts get INSUFFICIENT_BUFFERS, as a port of [TLFS] */
	BUS_CHANNEL_GPADLS = 64,
	BUS_ASSEMBLIES = 64,			/* GPADLs whose bodies are still to come */
	BUS_GPADL_WORDS = 1 << 20,		/* range-buffer words of all GPADLs: 4 GiB of guest memory, 8 MiB of ours */

	BUS_EVENT_CONNECTION = 0x2000,		/* | relid: doorbell of a channel */
	BUS_MESSAGE_CONNECTION = VMBUS_CONNECTION_MESSAGE,	/* told to guests ≥ 5.0 */
	BUS_FEATURES = VMBUS_FEATURE_MODIFY_CONNECTION | VMBUS_FEATURE_CLIENT_ID | VMBUS_FEATURE_PAUSE_RESUME,
};

#define BUS_COUNTERS(X)		\
	X(connects)		\
	X(disconnects)		\
	X(messages_in)		\
	X(messages_out)		\
	X(signals_in)		\
	X(signals_out)		\
	X(interrupts)		\
	X(signals_postponed)	\
	X(post_bad_input)	\
	X(post_bad_connection)	\
	X(post_no_buffers)	\
	X(signal_bad_connection) \
	X(message_foreign)	\
	X(message_short)	\
	X(message_unknown)	\
	X(message_wrong_version) \
	X(message_disconnected)	\
	X(messages_dropped)	\
	X(contact_refused)	\
	X(offers_requested_twice) \
	X(relid_unknown)	\
	X(open_wrong_state)	\
	X(open_refused)		\
	X(close_wrong_state)	\
	X(modify_refused)	\
	X(release_wrong_state)	\
	X(gpadl_unknown_channel) \
	X(gpadl_duplicate)	\
	X(gpadl_quota)		\
	X(gpadl_bad_ranges)	\
	X(gpadl_body_unknown)	\
	X(gpadl_teardown_refused) \
	X(reserved_refused)	\
	X(pauses)		\
	X(device_errors)

enum bus_counter {
#define X(name) BUS_##name,
	BUS_COUNTERS(X)
#undef X
	BUS_COUNTER_COUNT
};

/* ---- SynIC ---- */

struct bus_message {
	STAILQ_ENTRY(bus_message) link;
	uint32_t vp, bytes;
	uint8_t payload[];
};

STAILQ_HEAD(bus_messages, bus_message);

struct bus_vp {
	bool enabled;				/* SCONTROL */
	bool masked, polling;			/* SINT2 */
	bool interrupt_owed;			/* wanted while masked */
	uint64_t simp, siefp;			/* as written; bit 0 enabled */
	struct bus_messages queue;		/* owned, in order; the slot itself is the guest's page */
};

/* ---- GPADLs ---- */

enum gpadl_state {
	GPADL_ASSEMBLING,	/* bodies to come; no answer yet */
	GPADL_CREATED,		/* the guest has its CREATED */
	GPADL_TEARDOWN,		/* the guest wants it back; TORNDOWN goes out with the last user */
};

struct vmbus_gpadl {
	TAILQ_ENTRY(vmbus_gpadl) link;		/* of its channel */
	TAILQ_ENTRY(vmbus_gpadl) assembly;	/* of the bus, while assembling */
	struct vmbus_channel *ch;
	uint32_t handle;
	enum gpadl_state state;
	uint32_t range_count;
	uint32_t words, words_have;		/* of the range buffer; declared, arrived */
	uint64_t *range_buffer;			/* owned */
	/* Filled when complete, for one range that starts and ends on pages: */
	uint64_t *pfns;				/* in range_buffer; NULL: not such a one */
	uint32_t pages;
	unsigned device_refs;			/* vmbus_gpadl_get() */
	bool is_ring;				/* the channel's rings are mapped from it */
	uint8_t **hosts;			/* owned; addresses of pages while device_refs and not paused */
};

TAILQ_HEAD(bus_gpadls, vmbus_gpadl);

/* ---- channels and devices ---- */

/*
 * UNOFFERED --offer--> OFFERED --OPENCHANNEL--> OPENING --device opened--> OPEN --CLOSECHANNEL--> CLOSING
 *     ^                 ^  ^                     |                          |                      |  |
 *     |                 |  +---device refused----+                          |                      |  |
 *     |                 +--device closed------------------------------------|----------------------+  |
 *     |                 |                    CLOSING_REOPEN <--OPENCHANNEL--|-------------------------+
 *     |                 +--device closed, then the OPENCHANNEL again-- |    |
 *     |                                                                |    |
 *     |   OFFERED --rescind--> RESCINDED <--device closed-- RESCINDED_CLOSING <--rescind-- OPENING, OPEN, CLOSING*
 *     |                            |                           |
 *     +----RELID_RELEASED or disconnect (OFFERED too)----------+
 *     |                                                        |
 *     +--device closed-- RELEASING <--RELID_RELEASED or disconnect-- every state in which the device is not done
 */
enum vmbus_channel_state {
	VMBUS_CHANNEL_UNOFFERED,	/* no relid */
	VMBUS_CHANNEL_OFFERED,		/* the guest has the offer; no rings */
	VMBUS_CHANNEL_OPENING,		/* rings mapped and checked, the device has not answered open() */
	VMBUS_CHANNEL_OPEN,		/* rings live */
	VMBUS_CHANNEL_CLOSING,		/* the device has not answered close(); the offer stands */
	VMBUS_CHANNEL_CLOSING_REOPEN,	/* the same, and the guest wants it open again afterwards */
	VMBUS_CHANNEL_RESCINDED,	/* taken back; only the guest's release is awaited */
	VMBUS_CHANNEL_RESCINDED_CLOSING, /* taken back; the device has not answered close() */
	VMBUS_CHANNEL_RELEASING,	/* the guest let go, the device has not answered close() */
	VMBUS_CHANNEL_STATES,
};

struct bus_open {			/* an OPENCHANNEL, parsed */
	uint32_t open_id, ring_gpadl, target_vp, to_guest_page;
};

struct vmbus_channel {
	struct vmbus *bus;
	struct vmbus_device *dev;		/* NULL once the device is destroyed: only the relid is left */
	uint16_t index;				/* 0 primary */
	uint32_t relid;
	enum vmbus_channel_state state;
	bool paused;				/* pages of the session are not all there; the rings are unmapped */
	bool signal_owed;			/* the event-flags page was not there when the device rang */
	uint8_t instance[16];
	char *name;				/* owned */
	struct bus_gpadls gpadls;
	/* the session, from OPENING until the device has closed */
	struct bus_open open, reopen;
	struct vmbus_gpadl *ring;
	void *in_base, *out_base;		/* mapped rings; NULL while paused */
	struct vmbus_ring_in in;
	struct vmbus_ring_out out;
};

struct vmbus_device {
	TAILQ_ENTRY(vmbus_device) link;		/* sorted by interface type, then instance */
	struct vmbus *bus;
	struct vmbus_offer offer;
	const struct vmbus_device_ops *ops;
	void *opaque;
	struct vmbus_channel *primary;		/* owned */
};

TAILQ_HEAD(bus_devices, vmbus_device);

/* ---- the bus ---- */

enum bus_state {
	BUS_DISCONNECTED,
	BUS_CONNECTED,
	BUS_DISCONNECTING,	/* devices have not all answered close(); then what bus_next says */
};

struct bus_contact {		/* an INITIATE_CONTACT, parsed */
	uint32_t version, target_vp, features;
	uint8_t sint, vtl;
	uint64_t interrupt_page, monitor_to_guest, monitor_to_host;
};

enum bus_next { BUS_NEXT_NOTHING, BUS_NEXT_CONTACT, BUS_NEXT_UNLOADED };

struct vmbus {
	char *name;				/* owned */
	const struct vmbus_platform_ops *ops;
	void *opaque;
	uint32_t vps;
	struct bus_vp *vp;			/* owned */
	uint32_t queued;			/* messages in all queues, held ones too */
	uint64_t guest_os_id;

	enum bus_state state;
	enum bus_next next;
	struct bus_contact contact;		/* of BUS_NEXT_CONTACT */
	unsigned disconnect_depth;		/* > 0: a loop over the channels is running */
	uint32_t version, features;
	uint32_t target_vp;			/* of control messages; outlives the connection */
	uint64_t interrupt_page;		/* versions < 2.4; 0: none */
	bool offers_requested;
	bool held;				/* PAUSE: new messages wait in held_queue for RESUME */
	struct bus_messages held_queue;		/* owned */

	struct vmbus_channel *relid[VMBUS_RELIDS];
	uint32_t relids;			/* in use */
	struct bus_devices devices;
	struct bus_gpadls assemblies;
	uint32_t assembling;
	uint32_t gpadl_words;

	uint64_t counter[BUS_COUNTER_COUNT];
	struct hv_log_limit log_limit;		/* the guest's errors */
	struct hv_log_limit note_limit;		/* what goes as it should */
};

static inline void bus_count(struct vmbus *bus, enum bus_counter c)
{
	bus->counter[c]++;
}

/* A guest's error: counted, and said at a bounded rate. */
#define bus_refuse(bus, which, ...)							\
	do {										\
		bus_count(bus, BUS_##which);						\
		hv_log_limited(&(bus)->log_limit, HV_LOG_NOTICE, __VA_ARGS__);		\
	} while (0)

/* What happens in the life of a connection; a guest can make it happen often. */
#define bus_note(bus, ...) hv_log_limited(&(bus)->note_limit, HV_LOG_INFO, __VA_ARGS__)

/* synic.c */
int synic_create(struct vmbus *bus);
void synic_destroy(struct vmbus *bus);
void synic_reset(struct vmbus *bus);
/* Queues a message for a processor and delivers what can be. Lost (counted) without memory. */
void synic_send(struct vmbus *bus, uint32_t vp, const void *payload, uint32_t bytes);
void synic_flush(struct vmbus *bus);			/* drops all queued messages */
void synic_deliver_all(struct vmbus *bus);		/* tries again: memory came */
void synic_hold(struct vmbus *bus);			/* messages sent from now on wait … */
void synic_unhold(struct vmbus *bus);			/* … until now */
/* Sets an event flag and interrupts; false if the page is not there or not enabled. */
bool synic_set_flag(struct vmbus *bus, uint32_t vp, uint32_t flag);

/* message.c */
void vmbus_send(struct vmbus *bus, const void *msg, uint32_t bytes);	/* to the connection's processor */
static inline struct vmbus_msg_header vmbus_msg(enum vmbus_msg_type type)
{
	return (struct vmbus_msg_header){ .type = to_le32(type) };
}

/* connection.c */
void connection_contact(struct vmbus *bus, const struct bus_contact *contact);
void connection_end(struct vmbus *bus, enum bus_next next);
void connection_check(struct vmbus *bus);		/* a channel was released: is the disconnect complete? */

/* offer.c */
void offer_request(struct vmbus *bus);			/* REQUESTOFFERS */
void offer_device(struct vmbus_device *dev);		/* offers the primary if it is its turn */
void offer_rescind(struct vmbus_channel *ch);		/* takes a channel back, whatever its state */

/* channel.c */
int channel_create(struct vmbus *bus, struct vmbus_device *dev, uint16_t index, struct vmbus_channel **out)
	__attribute__((warn_unused_result));
void channel_free(struct vmbus_channel *ch);
void channel_set_state(struct vmbus_channel *ch, enum vmbus_channel_state state);
int channel_assign_relid(struct vmbus_channel *ch) __attribute__((warn_unused_result));
bool channel_in_session(const struct vmbus_channel *ch);	/* the device is not done with it */
void channel_open(struct vmbus_channel *ch, const struct bus_open *open);
void channel_close(struct vmbus_channel *ch);		/* CLOSECHANNEL */
void channel_modify(struct vmbus_channel *ch, uint32_t target_vp);
void channel_released(struct vmbus_channel *ch);	/* RELID_RELEASED */
void channel_disconnect(struct vmbus_channel *ch);
/* Makes the device let go; state is the one to wait in for its answer. */
void channel_stop(struct vmbus_channel *ch, enum vmbus_channel_state state);
/* The guest no longer knows the channel: frees its relid and GPADLs, and the channel unless it is a device's primary. */
void channel_forget(struct vmbus_channel *ch);

/* session.c */
int session_map(struct vmbus_channel *ch, const struct bus_open *open) __attribute__((warn_unused_result));
void session_unmap(struct vmbus_channel *ch);		/* for good */
void session_doorbell(struct vmbus_channel *ch);

/* gpadl.c */
void gpadl_header(struct vmbus *bus, const uint8_t *msg, uint32_t bytes);
void gpadl_body(struct vmbus *bus, const uint8_t *msg, uint32_t bytes);
void gpadl_teardown(struct vmbus *bus, uint32_t relid, uint32_t handle);
struct vmbus_gpadl *gpadl_find(struct vmbus_channel *ch, uint32_t handle);
void gpadl_unused(struct vmbus_gpadl *g);		/* a user let go */
void gpadl_rescind(struct vmbus_channel *ch);		/* answers what is owed before a RESCIND */
void gpadl_drop_all(struct vmbus_channel *ch);		/* without messages; no users are left */
int gpadl_resolve(struct vmbus_gpadl *g) __attribute__((warn_unused_result));	/* fills hosts; -EFAULT, -ENOMEM */
void gpadl_unresolve(struct vmbus_gpadl *g);
bool gpadl_touches(const struct vmbus_gpadl *g, uint64_t gpa, uint64_t size_bytes);
static inline bool gpadl_used(const struct vmbus_gpadl *g)
{
	return g->device_refs || g->is_ring;
}

#endif
