/* SPDX-License-Identifier: MIT */
#include "vswitch/uplink_vnet.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5	/* Linux 6.2; absent from the headers of Debian 12 */
#endif

enum {
	TCP_FLAGS_OFFSET = 13,
	TCP_CWR = 0x80,
};

void vnet_to_offload(const struct virtio_net_hdr *h, struct vswitch_offload *o)
{
	*o = (struct vswitch_offload){ .gso_size = h->gso_size };
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		o->flags = VSWITCH_CSUM_PARTIAL;
		o->csum_start = h->csum_start;
		o->csum_offset = h->csum_offset;
	} else if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		o->flags = VSWITCH_CSUM_VALID;
	}
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		o->gso = VSWITCH_GSO_NONE;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		o->gso = VSWITCH_GSO_TCPV4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		o->gso = VSWITCH_GSO_TCPV6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		o->gso = VSWITCH_GSO_UDP;
		break;
	default:
		o->gso = UINT8_MAX;
		break;
	}
}

void vnet_from_frame(const struct vswitch_frame *f, struct virtio_net_hdr *h)
{
	const struct vswitch_offload *o = &f->offload;

	*h = (struct virtio_net_hdr){ .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	if (o->flags & VSWITCH_CSUM_PARTIAL) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = o->csum_start;
		h->csum_offset = o->csum_offset;
	} else if (o->flags & VSWITCH_CSUM_VALID) {
		h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (!o->gso)
		return;
	h->gso_type = o->gso == VSWITCH_GSO_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	if (f->head[o->csum_start + TCP_FLAGS_OFFSET] & TCP_CWR)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	h->gso_size = o->gso_size;
	h->hdr_len = o->header_bytes;
}
