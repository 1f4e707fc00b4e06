/* SPDX-License-Identifier: MIT */
/*
 * What all kinds of uplinks have in common.
 */
#include "vswitch/internal.h"

void vswitch_uplink_destroy(struct vswitch_uplink *uplink)
{
	if (!uplink)
		return;
	vswitch_port_destroy(uplink->port);
	uplink->port = NULL;
	uplink->destroy(uplink);
}

struct vswitch_port *vswitch_uplink_port(struct vswitch_uplink *uplink)
{
	return uplink->port;
}
