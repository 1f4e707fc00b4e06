/* SPDX-License-Identifier: MIT */
/*
 * Offload metadata in the words of virtio, which taps and packet sockets speak, and in ours.
 */
#ifndef HVNET_VSWITCH_UPLINK_VNET_H
#define HVNET_VSWITCH_UPLINK_VNET_H

#include <linux/virtio_net.h>

#include "vswitch/vswitch.h"

/* A kind of segmentation that we do not know becomes one that the switch drops as bad. */
void vnet_to_offload(const struct virtio_net_hdr *h, struct vswitch_offload *o);
void vnet_from_frame(const struct vswitch_frame *f, struct virtio_net_hdr *h);

#endif
