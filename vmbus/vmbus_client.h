/* SPDX-License-Identifier: MIT */
/*
 * The guest side of VMBus, for soft guests and tests: SynIC pages, version negotiation, offers, GPADLs, opening and
 * closing of channels. Rings are vmbus/ring.h's, with the ends exchanged; what a channel carries is the
 * user's matter.
 *
 * No I/O, no thread, no clock: guest RAM, hypercalls and registers come in through the first half of struct
 * vmbus_client_ops, the user calls vmbus_client_interrupt() when a virtual processor's vector fired, and what happened comes
 * out through the second half. Every request is answered later, by a callback from within vmbus_client_interrupt() (only
 * connected() with "none" may come from within vmbus_client_connect() or _retry()); requests may be made from within
 * callbacks, but the client is not to be destroyed there. A post that the host refuses for want of buffers is kept
 * and posted again, in order, by vmbus_client_interrupt() or vmbus_client_retry().
 *
 * Threads: a client belongs to one thread. The rings of an open channel and vmbus_client_signal() may be used
 * on another one between opened() and the call of vmbus_client_close().
 *
 * The host is believed only as far as a guest must: relids, handles and lengths are checked, what does not fit is
 * counted and dropped.
 */
#ifndef HVNET_VMBUS_CLIENT_H
#define HVNET_VMBUS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmbus/packet.h"
#include "vmbus/ring.h"

struct vmbus_client;
struct vmbus_client_channel;

struct vmbus_client_ops {
	/* ---- what the client stands on ---- */

	/* n guest pages, contiguous, zeroed: their guest-physical and our address. -ENOMEM. */
	int (*alloc_pages)(void *opaque, size_t n, uint64_t *gpa, void **host);
	void (*free_pages)(void *opaque, uint64_t gpa, void *host, size_t n);
	/* Those pages as a ring: the first (control page), then the others (data area) twice back to back. -ENOMEM. */
	int (*map_ring)(void *opaque, uint64_t gpa, uint32_t pages, void **base);
	void (*unmap_ring)(void *opaque, void *base, uint32_t pages);
	/* Writes SynIC register reg (HVNET_BRIDGE_VP_SCONTROL, _SINT2, _SIMP, _SIEFP, _EOM) of a virtual processor. */
	void (*write_vp)(void *opaque, uint32_t vp, uint32_t reg, uint64_t value);
	/* HvPostMessage with the input block at gpa: an HV_STATUS. HvSignalEvent. */
	uint16_t (*post_message)(void *opaque, uint64_t gpa);
	void (*signal_event)(void *opaque, uint32_t connection_id);

	/* ---- what happened; any of them may be NULL ---- */

	/* The host accepted version, or none of those that vmbus_client_connect() was given: 0. */
	void (*connected)(void *opaque, uint32_t version);
	/* An offer; the channel is closed. It stays valid until vmbus_client_release() or the connection's end. */
	void (*offered)(void *opaque, struct vmbus_client_channel *ch);
	void (*offers_delivered)(void *opaque);
	/*
	 * The host took the channel back. The user stops using it and calls vmbus_client_release(), now or later;
	 * no other callback comes for the channel, not even those owed for an open, a close or a GPADL.
	 */
	void (*rescinded)(void *opaque, struct vmbus_client_channel *ch);
	/* Answers vmbus_client_open(): status 0, the rings are live; otherwise the channel is closed again. */
	void (*opened)(void *opaque, struct vmbus_client_channel *ch, uint32_t status);
	/* Answers vmbus_client_close(): the host let go of the rings, their memory has been freed. */
	void (*closed)(void *opaque, struct vmbus_client_channel *ch);
	/* Answers vmbus_client_gpadl_create(): status 0, the host knows the pages by handle. */
	void (*gpadl_created)(void *opaque, struct vmbus_client_channel *ch, uint32_t handle, uint32_t status);
	/* Answers vmbus_client_gpadl_teardown(): the pages are the guest's again. */
	void (*gpadl_torndown)(void *opaque, struct vmbus_client_channel *ch, uint32_t handle);
	/* Answers vmbus_client_modify(), from version 5.3 on. */
	void (*modified)(void *opaque, struct vmbus_client_channel *ch, uint32_t status);
	/* Answers vmbus_client_unload(). All channels are gone already. */
	void (*unloaded)(void *opaque);
	/* The host rang an open channel: packets, or space. */
	void (*event)(void *opaque, struct vmbus_client_channel *ch);
};

/*
 * Allocates the SynIC pages of vps virtual processors and switches them on. The interrupts (MSI-X vector n: processor n) and
 * GUEST_OS_ID are the user's to set up, before. -ENOMEM.
 */
int vmbus_client_create(uint32_t vps, const struct vmbus_client_ops *ops, void *opaque, struct vmbus_client **out)
	__attribute__((warn_unused_result));
/* Switches the SynIC off and frees everything, without a word to the host. NULL is fine. */
void vmbus_client_destroy(struct vmbus_client *c);

/* Looks at a processor's event flags and message slot, and posts again what was kept. Harmless at any time. */
void vmbus_client_interrupt(struct vmbus_client *c, uint32_t vp);
/* Posts again what the host refused for want of buffers; true if something is still kept. */
bool vmbus_client_retry(struct vmbus_client *c);

/* Offers the versions to the host, in this order (NULL: all from 6.0 down to 2.4). Also anew while connected: a crash. */
void vmbus_client_connect(struct vmbus_client *c, const uint32_t *versions, size_t n);
uint32_t vmbus_client_version(const struct vmbus_client *c);	/* 0 while not connected */
void vmbus_client_request_offers(struct vmbus_client *c);
/* Ends the connection: every channel and GPADL is gone without a callback; the answer is unloaded(). */
void vmbus_client_unload(struct vmbus_client *c);

/* ---- channels ---- */

const uint8_t *vmbus_client_channel_type(const struct vmbus_client_channel *ch);	/* interface GUID, 16 bytes */
const uint8_t *vmbus_client_channel_instance(const struct vmbus_client_channel *ch);	/* instance GUID, 16 bytes */
uint32_t vmbus_client_channel_id(const struct vmbus_client_channel *ch);		/* relid */
unsigned vmbus_client_channel_index(const struct vmbus_client_channel *ch);		/* 0 primary */
uint32_t vmbus_client_channel_vp(const struct vmbus_client_channel *ch);		/* target of its interrupts */
bool vmbus_client_channel_is_open(const struct vmbus_client_channel *ch);
/* The user's own pointer, NULL at first. */
void vmbus_client_channel_set_user(struct vmbus_client_channel *ch, void *user);
void *vmbus_client_channel_user(const struct vmbus_client_channel *ch);

/*
 * Allocates rings (pages each, control page included, ≥ 2), makes their GPADL and opens the channel, its interrupts on
 * processor vp. -ENOMEM; -EBUSY if it is not closed; -EINVAL.
 */
int vmbus_client_open(struct vmbus_client_channel *ch, uint32_t to_host_pages, uint32_t to_guest_pages, uint32_t vp)
	__attribute__((warn_unused_result));
/* Closes an open channel and takes the rings' GPADL back. */
void vmbus_client_close(struct vmbus_client_channel *ch);
/* Moves an open channel's interrupts to another processor; from version 4.1 on. */
void vmbus_client_modify(struct vmbus_client_channel *ch, uint32_t vp);
/* Gives a rescinded channel's id back and frees the channel. */
void vmbus_client_release(struct vmbus_client_channel *ch);

struct vmbus_ring_out *vmbus_client_out(struct vmbus_client_channel *ch);	/* guest to host */
struct vmbus_ring_in *vmbus_client_in(struct vmbus_client_channel *ch);		/* host to guest */
/* Rings the host's doorbell: when vmbus_ring_publish() or _release() says so. */
void vmbus_client_signal(struct vmbus_client_channel *ch);

/* ---- GPADLs as buffers ---- */

/* Names n pages (4096-byte frame numbers), at most 8190, for the host. -ENOMEM, -EINVAL. */
int vmbus_client_gpadl_create(struct vmbus_client_channel *ch, const uint64_t *pfns, size_t n, uint32_t *handle)
	__attribute__((warn_unused_result));
/* The same for contiguous pages. */
int vmbus_client_gpadl_create_contiguous(struct vmbus_client_channel *ch, uint64_t gpa, size_t n, uint32_t *handle)
	__attribute__((warn_unused_result));
void vmbus_client_gpadl_teardown(struct vmbus_client_channel *ch, uint32_t handle);

/* n-th counter by name (messages that did not fit and the like), false past the last. */
bool vmbus_client_counter(const struct vmbus_client *c, unsigned n, const char **name, uint64_t *value);

#endif
