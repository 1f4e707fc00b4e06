/* SPDX-License-Identifier: MIT */
/*
 * The uplink over a Linux tap interface. Each frame travels with a virtio_net_hdr, so frames
 * without checksum and large TCP frames pass as they are both ways: writev() from where the frame
 * lies, readv() of the first bytes into a frame's head and of the rest into a buffer.
 *
 * The host may give its interface another address at any time; frames from an unknown source have
 * us look it up again, once a second at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vswitch/internal.h"

enum {
	ROUND_BATCHES = 2,		/* our policy: one wake-up's work */
	IOVECS = 1024,			/* the kernel's limit (UIO_MAXIOV) */
	REST_BYTES = VSWITCH_FRAME_MAX_BYTES - VSWITCH_HEAD_BYTES,
	TCP_CWR = 0x80,
};

struct tap {
	struct vswitch_uplink uplink;
	struct vswitch_nic nic;
	struct hv_watch watch;
	int fd;				/* owned */
	bool paused, full, gone;
	uint64_t looked_up_ns;		/* when the interface's address was read last */
	struct hv_log_limit errors;

	struct vswitch_frame frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	struct iovec rest[VSWITCH_BATCH];
	struct iovec iov[IOVECS];
	uint8_t (*buffers)[REST_BYTES];	/* owned; VSWITCH_BATCH of them */
	char interface[IFNAMSIZ];
};

static void set_events(struct tap *t)
{
	uint32_t events = (t->paused ? 0 : POLLIN) | (t->full ? POLLOUT : 0);

	if (hv_watch_active(&t->watch))
		hv_watch_modify(&t->watch, events);
}

static void vanish(struct tap *t, int error)
{
	if (t->gone)
		return;
	t->gone = true;
	hv_log(HV_LOG_ERROR, "tap %s: the interface is gone (%s); its port is down", t->interface,
	       strerror(error));
	hv_watch_stop(&t->watch);
	vswitch_port_set_link(t->uplink.port, false);
}

/* Offload metadata, in the words of virtio and in ours. */

static void from_vnet(const struct virtio_net_hdr *h, struct vswitch_offload *o)
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
	default:
		o->gso = UINT8_MAX;	/* we did not ask for it: the switch drops it as bad */
		break;
	}
}

static void to_vnet(const struct vswitch_frame *f, struct virtio_net_hdr *h)
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
	if (f->head[o->csum_start + 13] & TCP_CWR)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	h->gso_size = o->gso_size;
	h->hdr_len = o->header_bytes;
}

/* From the host. */

static int read_mac(const struct tap *t, uint8_t mac[6])
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	if (ioctl(t->fd, SIOCGIFHWADDR, &ifr))
		return -errno;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return 0;
}

/* The frame's source is not the interface's address as we know it: has that changed? */
static void look_up_mac(struct tap *t)
{
	uint64_t now_ns = hv_now_ns();
	uint8_t mac[6] = { 0 };
	int ret;

	if (now_ns - t->looked_up_ns < 1000000000)
		return;
	t->looked_up_ns = now_ns;
	if (read_mac(t, mac) || fdb_mac(mac) == t->uplink.port->mac)
		return;
	ret = vswitch_port_set_mac(t->uplink.port, mac);
	if (ret)
		hv_log_limited(&t->errors, HV_LOG_WARNING, "tap %s: its new address: %s", t->interface,
			       strerror(-ret));
}

/* False: nothing to read, or no longer an interface. */
static bool read_frame(struct tap *t, unsigned i)
{
	struct vswitch_frame *f = &t->frames[i];
	struct virtio_net_hdr vnet;
	struct iovec iov[3] = {
		{ &vnet, sizeof(vnet) },
		{ f->head, VSWITCH_HEAD_BYTES },
		{ t->buffers[i], REST_BYTES },
	};
	ssize_t n = readv(t->fd, iov, 3);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			vanish(t, errno);
		return false;
	}
	if (n < (ssize_t)sizeof(vnet))
		return false;
	f->len = (uint32_t)(n - (ssize_t)sizeof(vnet));
	f->head_bytes = (uint16_t)(f->len < VSWITCH_HEAD_BYTES ? f->len : VSWITCH_HEAD_BYTES);
	t->rest[i] = (struct iovec){ t->buffers[i], f->len - f->head_bytes };
	f->segs = &t->rest[i];
	f->nsegs = f->len > f->head_bytes;
	from_vnet(&vnet, &f->offload);
	t->batch[i] = f;
	if (t->nic.kind == VSWITCH_NIC_INTERNAL && f->len >= ETHERNET_BYTES &&
	    fdb_mac(f->head + 6) != t->uplink.port->mac)
		look_up_mac(t);
	return true;
}

static void receive(struct tap *t)
{
	unsigned n = VSWITCH_BATCH;

	for (int round = 0; round < ROUND_BATCHES && n == VSWITCH_BATCH && !t->paused; round++) {
		for (n = 0; n < VSWITCH_BATCH && read_frame(t, n); n++)
			;
		if (n && vswitch_port_input(t->uplink.port, t->batch, n))
			t->paused = true;
	}
}

static void ready(struct hv_watch *w, uint32_t events)
{
	struct tap *t = hv_container_of(w, struct tap, watch);

	if (t->full && events & POLLOUT) {
		t->full = false;
		vswitch_port_set_congested(t->uplink.port, false);
	}
	/* With an error, reading says which. */
	if (events & (POLLIN | POLLERR | POLLHUP))
		receive(t);
	if (!t->gone)
		set_events(t);
}

static void resume(void *opaque)
{
	struct tap *t = opaque;

	t->paused = false;
	set_events(t);
}

/* To the host. */

static enum vswitch_drop why_not(struct tap *t, int error)
{
	switch (error) {
	case EAGAIN:
	case ENOMEM:
	case ENOBUFS:
		t->full = true;
		return VSWITCH_DROP_UPLINK_FULL;
	case EIO:			/* the interface is not up */
		return VSWITCH_DROP_NOT_READY;
	case EINVAL:			/* the host does not like the offload */
	case EFAULT:			/* a guest's memory went away */
		return VSWITCH_DROP_BAD_FRAME;
	default:
		vanish(t, error);
		return VSWITCH_DROP_PORT_DOWN;
	}
}

static void write_frame(struct tap *t, const struct vswitch_frame *f)
{
	struct frame_cursor c = frame_cursor_at(f, 0);
	struct virtio_net_hdr vnet;
	uint32_t length = f->len;
	unsigned n;

	to_vnet(f, &vnet);
	t->iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
	n = frame_cursor_take(&c, &length, &t->iov[1], IOVECS - 1);
	if (length < f->len)		/* in pieces of 64 bytes on average, or less */
		vswitch_port_drop(t->uplink.port, VSWITCH_DROP_TOO_BIG, 1);
	else if (writev(t->fd, t->iov, (int)n + 1) < 0)
		vswitch_port_drop(t->uplink.port, why_not(t, errno), 1);
}

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct tap *t = opaque;
	bool was_full = t->full;

	for (unsigned i = 0; i < n; i++) {
		if (t->gone || (t->full && !was_full))
			vswitch_port_drop(t->uplink.port, t->gone ? VSWITCH_DROP_PORT_DOWN :
					  VSWITCH_DROP_UPLINK_FULL, 1);
		else
			write_frame(t, frames[i]);
	}
	if (t->full && !t->gone) {
		vswitch_port_set_congested(t->uplink.port, true);
		set_events(t);
	}
}

/* Making and ending it. */

static const struct vswitch_nic_ops tap_ops = {
	.deliver = deliver,
	.resume = resume,
};

static int open_tap(struct tap *t)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int header_bytes = sizeof(struct virtio_net_hdr);

	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, t->interface, sizeof(ifr.ifr_name));
	if (ioctl(t->fd, TUNSETIFF, &ifr))
		return -errno;
	/* A persistent interface may have been left with another size. */
	if (ioctl(t->fd, TUNSETVNETHDRSZ, &header_bytes))
		return -errno;
	if (ioctl(t->fd, TUNSETOFFLOAD, (unsigned long)offload))
		return -errno;
	return 0;
}

static void tap_destroy(struct vswitch_uplink *u)
{
	struct tap *t = hv_container_of(u, struct tap, uplink);

	hv_watch_stop(&t->watch);
	if (t->fd >= 0)
		close(t->fd);
	free(t->buffers);
	free(t);
}

static int tap_start(struct tap *t, struct vswitch *sw, struct hv_loop *loop)
{
	int ret = open_tap(t);

	if (!ret && t->nic.kind == VSWITCH_NIC_INTERNAL)
		ret = read_mac(t, t->nic.mac);
	if (!ret)
		ret = vswitch_port_create(sw, t->interface, &t->uplink.port);
	if (!ret)
		ret = vswitch_port_connect(t->uplink.port, &t->nic);
	if (!ret)
		ret = hv_watch_start(loop, &t->watch, t->fd, POLLIN);
	return ret;
}

int vswitch_uplink_tap(struct vswitch *sw, struct hv_loop *loop, const char *interface,
		       enum vswitch_nic_kind kind, struct vswitch_uplink **out)
{
	struct tap *t;
	int ret;

	if (!interface[0] || strlen(interface) >= sizeof(t->interface))
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->fd = -1;
	t->uplink.destroy = tap_destroy;
	t->watch.ready = ready;
	strcpy(t->interface, interface);
	t->nic = (struct vswitch_nic){
		.kind = kind,
		.caps = VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4 | VSWITCH_CAN_TSO6,
		.max_frame_bytes = VSWITCH_FRAME_MAX_BYTES - VLAN_TAG_BYTES,
		.ops = &tap_ops,
		.opaque = t,
	};
	t->buffers = malloc(sizeof(*t->buffers) * VSWITCH_BATCH);
	ret = t->buffers ? tap_start(t, sw, loop) : -ENOMEM;
	if (ret)
		vswitch_uplink_destroy(&t->uplink);
	else
		*out = &t->uplink;
	return ret;
}
