/* SPDX-License-Identifier: MIT */
/*
 * The host side of VMBus for one guest: version negotiation, offers, GPADLs, channels, SynIC messages and
 * event flags, and the rings (vmbus/ring.h). What the channels carry is the devices' matter (netvsp).
 *
 * The core does no I/O and has no thread and no clock: guest memory comes in through struct vmbus_platform_ops, the
 * guest's register writes and hypercalls through the vmbus_synic_*(), vmbus_post_message() and
 * vmbus_signal_event() calls, interrupts go out through the platform. vmbus_bridge_create() builds a platform
 * from the PCI function of docs/bridge.md over vfio-user; tests build one from plain memory.
 *
 * Threads: one bus belongs to one thread; all calls and callbacks happen on it.
 *
 * The guest is not trusted: see vmbus.md §12 and §13 as implemented in the files of the same topics. Its mistakes are counted
 * (vmbus_counter()), cost it its message, its GPADL or its channel, and never reach a neighbour.
 */
#ifndef HVNET_VMBUS_H
#define HVNET_VMBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "vmbus/packet.h"
#include "vmbus/ring.h"

struct vmbus;
struct vmbus_device;
struct vmbus_channel;
struct vmbus_gpadl;

enum {
	VMBUS_MAX_CHANNEL_ID = 2047,	/* relids, so event flags; 0 is never a channel */
	VMBUS_MAX_VPS = 240,		/* our policy: vectors of the bridge */
};

/* ---- what the bus stands on ---- */

struct vmbus_platform_ops {
	/* Host address of guest memory, NULL if it is not all there; valid until vmbus_memory_gone(). */
	void *(*gpa)(void *opaque, uint64_t gpa, uint64_t size_bytes, bool write);
	/* n page frames back to back in our address space (a frame may repeat), writable. -EFAULT, -ENOMEM. */
	int (*map_pages)(void *opaque, const uint64_t *pfns, size_t n, void **out);
	void (*unmap_pages)(void *opaque, void *base, size_t n);
	/* Raises SINT 2's interrupt on a virtual processor. */
	void (*interrupt)(void *opaque, uint32_t vp);
};

/* A bus without devices, for a guest with vps virtual processors. name goes into log lines; copied. */
int vmbus_create(const char *name, uint32_t vps, const struct vmbus_platform_ops *ops, void *opaque,
		 struct vmbus **out) __attribute__((warn_unused_result));
/* Every device must be gone (vmbus_device_destroy()). NULL is fine. */
void vmbus_destroy(struct vmbus *bus);
/* VM reset, or the client is gone: closes and releases everything the guest had, without messages to it; offers stay. */
void vmbus_reset(struct vmbus *bus);
/*
 * Guest memory [gpa, gpa + size) goes away or came (back). Channels with pages there are paused at once
 * (nothing touches them once vmbus_memory_gone() has returned) and resumed when all their pages are there again.
 */
void vmbus_memory_gone(struct vmbus *bus, uint64_t gpa, uint64_t size_bytes);
void vmbus_memory_came(struct vmbus *bus, uint64_t gpa, uint64_t size_bytes);

/* ---- the guest's SynIC and hypercalls; TLFS names; vp < vps is the caller's duty ---- */

void vmbus_set_guest_os_id(struct vmbus *bus, uint64_t id);
void vmbus_synic_set_scontrol(struct vmbus *bus, uint32_t vp, uint64_t value);
void vmbus_synic_set_sint2(struct vmbus *bus, uint32_t vp, uint64_t value);
void vmbus_synic_set_simp(struct vmbus *bus, uint32_t vp, uint64_t value);
void vmbus_synic_set_siefp(struct vmbus *bus, uint32_t vp, uint64_t value);
void vmbus_synic_eom(struct vmbus *bus, uint32_t vp);
/* HvPostMessage with the 256-byte input block at gpa; HvSignalEvent. Both return an HV_STATUS. */
uint16_t vmbus_post_message(struct vmbus *bus, uint64_t gpa);
uint16_t vmbus_signal_event(struct vmbus *bus, uint32_t connection_id, uint16_t flag);

/* ---- devices (VSPs) ---- */

struct vmbus_offer {
	uint8_t interface_type[16];	/* GUID as on the wire */
	uint8_t instance[16];		/* GUID, unique over all devices of the bus, stable across reboots */
	uint16_t flags;
	uint8_t user_data[120];
};

struct vmbus_device_ops {
	/*
	 * The guest opened the channel; its rings are mapped and checked. Answer with vmbus_channel_opened(),
	 * within the call or later; until then the rings are not to be touched. If close() comes first, its answer is
	 * the only one that is owed (a late vmbus_channel_opened() does nothing).
	 */
	void (*open)(void *opaque, struct vmbus_channel *ch);
	/*
	 * The channel must stop, whatever the reason (closed, rescinded, connection lost, reset). Answer with
	 * vmbus_channel_closed(), within the call or later (soon: the guest waits); from then on the rings are gone.
	 * GPADL references that belong to the channel's session are to be put before that.
	 */
	void (*close)(void *opaque, struct vmbus_channel *ch);
	/* The guest rang: there may be packets, or space. Not while paused. */
	void (*doorbell)(void *opaque, struct vmbus_channel *ch);
	/*
	 * The guest takes a GPADL back that the device holds a reference on. The device puts its reference, now
	 * or later; only then the guest gets GPADL_TORNDOWN.
	 */
	void (*gpadl_teardown)(void *opaque, struct vmbus_channel *ch, struct vmbus_gpadl *gpadl);
	/*
	 * Guest memory of the channel (or of another channel of the device) vanished for now (true) or is complete again
	 * (false); see vmbus_memory_gone(). Comes for open channels, close() may still come while paused. After
	 * (false) the device looks at its rings: doorbells of meanwhile were not passed on. The bus rings the guest.
	 */
	void (*pause)(void *opaque, struct vmbus_channel *ch, bool paused);
	/*
	 * A sub-channel is no more: the guest has released it after a rescind, or the connection has ended. May be NULL. ch is
	 * freed when this returns. Not called for primaries, nor for a device that has been destroyed.
	 */
	void (*released)(void *opaque, struct vmbus_channel *ch);
};

/*
 * Adds a device; its primary channel is offered when the guest asks, at once if it has asked already.
 * -EEXIST if the instance is taken, -ENOSPC without a free channel id.
 */
int vmbus_device_create(struct vmbus *bus, const struct vmbus_offer *offer,
			const struct vmbus_device_ops *ops, void *opaque, struct vmbus_device **out)
	__attribute__((warn_unused_result));
/*
 * Takes the device back: RESCIND for sub-channels, then the primary; the device's close() is called for open ones
 * before this returns, and counts as answered when this returns: all GPADL references are put by then, and no callback
 * comes afterwards. The bus keeps what it must until the guest has released the channel ids. NULL is fine. Not from
 * within one of the device's callbacks.
 */
void vmbus_device_destroy(struct vmbus_device *dev);
struct vmbus_channel *vmbus_device_primary(struct vmbus_device *dev);
/*
 * Offers sub-channels 1 … n of the device (after the protocol's own answer is in the ring). Nothing is offered on failure:
 * -ENOTCONN if the primary is not open, -EOPNOTSUPP before version 2.4, -EEXIST while there are some, -ENOSPC, -ENOMEM.
 */
int vmbus_device_offer_subchannels(struct vmbus_device *dev, unsigned n) __attribute__((warn_unused_result));
/* Rescinds all sub-channels. The bus does it by itself when the primary has closed or the connection ends. */
void vmbus_device_rescind_subchannels(struct vmbus_device *dev);

/* ---- channels ---- */

/* Answers open(): status 0 or -errno (the guest gets a failure). */
void vmbus_channel_opened(struct vmbus_channel *ch, int status);
/* Answers close(). */
void vmbus_channel_closed(struct vmbus_channel *ch);

uint32_t vmbus_channel_id(const struct vmbus_channel *ch);		/* relid; 0 when not offered */
unsigned vmbus_channel_index(const struct vmbus_channel *ch);		/* 0 primary */
const char *vmbus_channel_name(const struct vmbus_channel *ch);	/* "vm3/ch7" for log lines */
bool vmbus_channel_is_open(const struct vmbus_channel *ch);
/* The rings of an open channel. */
struct vmbus_ring_in *vmbus_channel_in(struct vmbus_channel *ch);	/* guest to host */
struct vmbus_ring_out *vmbus_channel_out(struct vmbus_channel *ch);	/* host to guest */
/* Rings the guest's doorbell: sets the event flag, raises the target processor's interrupt if it was clear. */
void vmbus_channel_signal(struct vmbus_channel *ch);
/* Logs and counts a device protocol's error; the channel stays as it is. */
void vmbus_channel_note_error(struct vmbus_channel *ch, const char *what);
/* The version agreed with the guest, e.g. 0x50003; 0 while disconnected. */
uint32_t vmbus_version(const struct vmbus *bus);
uint64_t vmbus_guest_os_id(const struct vmbus *bus);
struct vmbus *vmbus_channel_bus(struct vmbus_channel *ch);

/* ---- GPADLs as buffers ---- */

/*
 * A reference on the channel's GPADL handle as a buffer: exactly one range, offset 0, whole pages, all in guest RAM.
 * -ENOENT (also between sessions), -EINVAL, -EFAULT (also while paused), -ENOMEM. The pages need not be contiguous. The
 * reference holds for the session: it is put before vmbus_channel_closed().
 */
int vmbus_gpadl_get(struct vmbus_channel *ch, uint32_t handle, struct vmbus_gpadl **out)
	__attribute__((warn_unused_result));
void vmbus_gpadl_put(struct vmbus_gpadl *gpadl);
uint32_t vmbus_gpadl_size(const struct vmbus_gpadl *gpadl);		/* bytes */

/*
 * The host addresses of a GPADL's pages, for the data path; size_bytes / 4096 entries. Not to be used while
 * the channel is paused (the entries change across a pause).
 */
uint8_t *const *vmbus_gpadl_pages(const struct vmbus_gpadl *gpadl);

/* Guest memory by address, for GPA-direct ranges: NULL if not all there. Valid within the callback only. */
void *vmbus_channel_gpa(struct vmbus_channel *ch, uint64_t gpa, uint64_t size_bytes, bool write);

/* ---- the bridge: a bus on a PCI function ---- */

struct vmbus_bridge;

/*
 * Serves the function of docs/bridge.md on a vfio-user socket (made with mode; its folder exists) and the bus
 * behind it. Errors of vfu_dev_create().
 */
int vmbus_bridge_create(struct hv_loop *loop, const char *name, const char *socket_path, uint32_t mode,
			uint32_t vps, struct vmbus_bridge **out) __attribute__((warn_unused_result));
/* Devices on the bus must be gone. NULL is fine. */
void vmbus_bridge_destroy(struct vmbus_bridge *bridge);
struct vmbus *vmbus_bridge_bus(struct vmbus_bridge *bridge);
/* For `hvnetctl vm show`. */
bool vmbus_bridge_attached(const struct vmbus_bridge *bridge);
struct vfu_dev *vmbus_bridge_function(struct vmbus_bridge *bridge);

/* What was refused or happened on the control path, by name; n-th counter, false past the last. */
bool vmbus_counter(const struct vmbus *bus, unsigned n, const char **name, uint64_t *value);

#endif
