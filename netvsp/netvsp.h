/* SPDX-License-Identifier: MIT */
/*
 * NetVSP: the back end of a synthetic NIC. It offers a network device on a guest's VMBus, speaks NVSP and RNDIS with the
 * guest's driver, and is a NIC on a port of a switch.
 *
 * Threads: belongs to the thread of its bus and its switch, which are the same one. It polls its rings through hv_poller
 * while they are busy and sleeps on the VMBus doorbell otherwise.
 *
 * The guest is not trusted: a bad RNDIS message costs its frames (completed with a failure status), a bad NVSP
 * message or a corrupt ring stops the channel until the guest reopens it; each way has a counter.
 */
#ifndef HVNET_NETVSP_H
#define HVNET_NETVSP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

struct netvsp;

struct netvsp_desc {
	const char *name;		/* for log lines and as the NIC's friendly name: "vm3/nic0"; copied */
	uint8_t mac[6];			/* permanent address */
	uint8_t instance[16];		/* VMBus instance GUID, stable across restarts */
	uint64_t link_bps;		/* reported speed; 0: 10 Gbit/s */
	uint32_t max_mtu;		/* 1500 … 9202; 0: 9202 (9216 with the header, NVSP's limit) */
	const char *vm_name, *vm_id;	/* whose it is, for the switch; copied; NULL: nobody's */
	/* The NIC was connected or disconnected: only to take a note. May be NULL. */
	void (*changed)(void *cookie);
	void *cookie;
};

/*
 * Adds the device to the bus and plugs its NIC into port (borrowed; it may be NULL: link down until netvsp_set_port()). On the port the
 * NIC is created at once, connected while the guest's driver is up (RNDIS initialized, a packet filter set), and disconnected when the
 * channel closes; a filter that is taken back only stops delivery. The guest sees a link from the start.
 * Errors of vmbus_device_create() and vswitch_nic_create().
 */
int netvsp_create(struct hv_loop *loop, struct vmbus *bus, struct vswitch_port *port, const struct netvsp_desc *desc,
		  struct netvsp **out) __attribute__((warn_unused_result));
/* Unplugs and rescinds. NULL is fine. */
void netvsp_destroy(struct netvsp *nic);
/* Moves the NIC to another port, or to none (NULL), while the guest runs: it sees the link go down and up. */
int netvsp_set_port(struct netvsp *nic, struct vswitch_port *port) __attribute__((warn_unused_result));
/* The link as the guest sees it (and the port, with it). */
void netvsp_set_link(struct netvsp *nic, bool up);

/* What was agreed with the guest; zero before. For `hvnetctl adapter show`. */
struct netvsp_status {
	uint32_t nvsp_version;		/* 0x60001 is 6.1 */
	uint32_t ndis_major, ndis_minor;
	uint32_t mtu;			/* bytes without the Ethernet header */
	uint32_t packet_filter;		/* OID_GEN_CURRENT_PACKET_FILTER bits */
	uint32_t channels;		/* open, primary included */
	uint32_t receive_buffers, receive_buffers_free;
	bool open, operational, link_up;
};
void netvsp_status(const struct netvsp *nic, struct netvsp_status *out);

/* n-th counter by name, false past the last. */
bool netvsp_counter(const struct netvsp *nic, unsigned n, const char **name, uint64_t *value);

#endif
