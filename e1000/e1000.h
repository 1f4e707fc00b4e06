/* SPDX-License-Identifier: MIT */
/*
 * An emulated NIC: an Intel 8254x gigabit controller, register by register, as a PCI function on a vfio-user socket, whose
 * wire is a port of a switch. Stock drivers can't tell it from the chip (docs/e1000.md says where it differs, and why).
 *
 * Inside, a core without I/O (registers and frames in, DMA, interrupts, timers and frames out through an ops table) is
 * bound to vfio-user and the switch by two files, dev.c and nic.c.
 *
 * Left to others: sockets and DMA maps (vfio-user), forwarding, segmentation and the rest of the wire (vswitch), event loop
 * and timers (base/loop.h).
 *
 * Threads: belongs to the thread of its loop, which is its port's too. Transmit work is done from a poller, in bounded
 * portions; a driver that is idle costs nothing.
 *
 * The guest is not trusted: a bad descriptor costs its frame, a bad ring its queue (until the guest writes one of its
 * registers), never more; each way to refuse has a counter.
 */
#ifndef HVNET_E1000_H
#define HVNET_E1000_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "vswitch/vswitch.h"

struct e1000;
struct vfu_dev;

enum e1000_model {
	E1000_82540EM,		/* PCI, 8086:100e: what QEMU's and VirtualBox's guests know; the default */
	E1000_82545EM,		/* PCI-X, 8086:100f: Linux uses 64-bit DMA; macOS 10.6+, images from VMware */
	E1000_82544GC,		/* PCI-X, 8086:100c: older; neither ITR nor absolute timers */
	E1000_MODELS		/* how many there are */
};
/* "82540em", "82545em", "82544gc" and back; false: no such model. */
const char *e1000_model_name(enum e1000_model model);
bool e1000_model_parse(const char *name, enum e1000_model *out);

struct e1000_desc {
	const char *name;		/* in log lines: "vm3/nic0"; copied */
	const char *socket_path;	/* as struct vfu_dev_desc's; copied */
	mode_t socket_mode;		/* 0 means 0600 */
	uint8_t mac[6];			/* in the EEPROM, and the NIC's address on the switch */
	enum e1000_model model;
	bool msi;			/* offer MSI, too; no stock driver uses it on these chips */
	const char *vm_name, *vm_id;	/* whose it is, for the switch; copied; NULL: nobody's */
	/* The NIC was connected or disconnected: only to take a note. May be NULL. */
	void (*changed)(void *cookie);
	void *cookie;
};

/*
 * Makes the function, listens on its socket, plugs the NIC into port (borrowed; it may be NULL: cable out until
 * e1000_set_port()). loop is borrowed. On the port the NIC is created at once, connected when the guest has switched its receiver on
 * for the first time since the last reset of the device, and disconnected by that; the guest sees a link from the start.
 * Errors of vfu_dev_create() and vswitch_nic_create().
 */
int e1000_create(struct hv_loop *loop, struct vswitch_port *port, const struct e1000_desc *desc, struct e1000 **out)
	__attribute__((warn_unused_result));
/* Unplugs, closes, removes the socket. NULL is fine. */
void e1000_destroy(struct e1000 *nic);
/* Moves the cable to another port, or pulls it out (NULL), while the guest runs: it sees the link go down and up. */
int e1000_set_port(struct e1000 *nic, struct vswitch_port *port) __attribute__((warn_unused_result));
/* The cable as administered: with false the guest's link is down whatever the port says. */
void e1000_set_link(struct e1000 *nic, bool up);

/* The function that QEMU attaches to; it lives as long as the NIC. */
struct vfu_dev *e1000_function(struct e1000 *nic);

/* What the guest's driver has set up. For `hvnetctl adapter show`. */
struct e1000_status {
	enum e1000_model model;
	bool attached;			/* a client has the function */
	bool link_up;			/* as the guest sees it (STATUS.LU) */
	bool receiving, transmitting;	/* RCTL.EN, TCTL.EN */
	uint32_t speed_mbps;		/* 0: no link */
	uint8_t station[6];		/* address that the receive filter holds first (RA[0]) */
	bool promiscuous;		/* RCTL.UPE */
	uint32_t max_frame_bytes;	/* longest frame that is received, without FCS */
	uint32_t receive_ring, transmit_ring;	/* descriptors */
	uint32_t receive_free;		/* descriptors that the guest has lent us */
	uint32_t queued_bytes;		/* received and waiting for descriptors */
	uint64_t interrupts;		/* raised so far */
};
void e1000_status(const struct e1000 *nic, struct e1000_status *out);

/* n-th counter by name, false past the last. */
bool e1000_counter(const struct e1000 *nic, unsigned n, const char **name, uint64_t *value);

/*
 * The whole device (registers, EEPROM, PHY, timers, frames in the FIFO and in assembly, contexts), but not the PCI
 * configuration, which belongs to the client. *blob is the caller's to free(). -ENOMEM.
 */
int e1000_save(struct e1000 *nic, uint8_t **blob, size_t *bytes) __attribute__((warn_unused_result));
/*
 * Takes over a saved state, as hostile as any input: -EBADMSG if it is damaged, of another model or version; the
 * device is then as before. Restored timers run on from the first access, frame or poll; until then e1000_save() gives the
 * same bytes again.
 */
int e1000_restore(struct e1000 *nic, const uint8_t *blob, size_t bytes) __attribute__((warn_unused_result));

#endif
