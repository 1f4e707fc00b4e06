/* SPDX-License-Identifier: MIT */
/*
 * A core bound to the world: dev.c is its PCI function, nic.c its wire.
 */
#ifndef HVNET_E1000_DEVICE_H
#define HVNET_E1000_DEVICE_H

#include "base/log.h"
#include "e1000/internal.h"
#include "vfio-user/vfio_user.h"

enum {
	E1000_PORT_QUEUE_BYTES = 512 * 1024,	/* our policy: what a switch would queue for a gigabit port, 4 ms */
};

struct e1000 {
	struct hv_loop *loop;		/* borrowed */
	struct vfu_dev *vfu;		/* owned */
	char *name;			/* owned */
	struct hv_poller poller;
	bool accessed;			/* a register was, since the last poll */
	struct hv_timer timer;		/* the core's next deadline */
	bool msi;

	struct vswitch_port *port;	/* borrowed until set_port(); NULL: no cable */
	struct vswitch_nic nic;
	bool admin_up, port_up;
	bool driver_up;			/* the receiver was on since the last reset */
	bool connected;			/* on its port */
	bool stepping;			/* what the port says of its link now is our own doing */
	char *vm_name, *vm_id;		/* owned; or NULL */
	void (*changed)(void *cookie);	/* or NULL */
	void *cookie;
	bool congested;			/* as the port was told */
	bool moving;			/* the cable is out for a while, so that the guest sees it */
	struct hv_timer move_timer;

	struct e1000_core core;
};

/* dev.c */
int e1000_dev_create(struct e1000 *nic, const struct e1000_desc *desc) __attribute__((warn_unused_result));
void e1000_dev_destroy(struct e1000 *nic);

/* nic.c */
void e1000_nic_init(struct e1000 *nic, const uint8_t mac[6]);
int e1000_nic_plug(struct e1000 *nic, struct vswitch_port *port) __attribute__((warn_unused_result));
void e1000_nic_unplug(struct e1000 *nic);
bool e1000_nic_send(struct e1000 *nic, struct vswitch_frame *const *frames, unsigned n);
void e1000_nic_lost(struct e1000 *nic, enum vswitch_drop reason);
/* The device was reset: whatever driver there was is gone. */
void e1000_nic_power_on(struct e1000 *nic);
/* After anything that gives or takes receive descriptors, or may have switched the receiver on. */
void e1000_nic_update_congestion(struct e1000 *nic);

#endif
