/* SPDX-License-Identifier: MIT */
/*
 * The wire that is a Linux tap interface. Each frame travels with a virtio_net_hdr, so frames
 * without checksum and large TCP frames pass as they are both ways: writev() from where the frame
 * lies, readv() of the first bytes into a frame's head and of the rest into a buffer.
 *
 * The host may give its interface another address at any time. rtnetlink tells; but frames from the new address may come
 * first, so an unknown source has us look it up, once a second at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vswitch/internal.h"
#include "vswitch/uplink_interface.h"
#include "vswitch/uplink_vnet.h"

enum {
	ROUND_BATCHES = 2,		/* our policy: one wake-up's work */
	IOVECS = 1024,			/* the kernel's limit (UIO_MAXIOV) */
	REST_BYTES = VSWITCH_FRAME_MAX_BYTES - VSWITCH_HEAD_BYTES,
};

struct tap {
	struct interface_wire i;
	bool follow;			/* the link is the interface's being up */
	uint64_t looked_up_ns;		/* when the interface's address was read last */

	struct vswitch_frame frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	struct iovec rest[VSWITCH_BATCH];
	struct iovec iov[IOVECS];
	uint8_t (*buffers)[REST_BYTES];	/* owned; VSWITCH_BATCH of them */
};

static void vanish(struct tap *t, int error)
{
	if (t->i.wire.gone)
		return;
	hv_log(HV_LOG_ERROR, "tap %s: the interface is gone (%s); its port is down", t->i.wire.name, strerror(error));
	interface_gone(&t->i);
}

/* From the host. */

static int read_mac(const struct tap *t, uint8_t mac[6])
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	if (ioctl(t->i.fd, SIOCGIFHWADDR, &ifr))
		return -errno;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return 0;
}

/* The frame's source is not the interface's address as we know it: has that changed? */
static void look_up_mac(struct tap *t)
{
	uint64_t now_ns = hv_now_ns();
	uint8_t mac[6] = { 0 };

	if (now_ns - t->looked_up_ns < 1000000000)
		return;
	t->looked_up_ns = now_ns;
	if (read_mac(t, mac) || !memcmp(mac, t->i.wire.mac, sizeof(mac)))
		return;
	memcpy(t->i.wire.mac, mac, sizeof(mac));
	t->i.wire.user->changed(t->i.wire.opaque);
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
	ssize_t n = readv(t->i.fd, iov, 3);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			vanish(t, errno);
		return false;
	}
	if (n < (ssize_t)sizeof(vnet))
		return false;
	frame_divide(f, (uint32_t)(n - (ssize_t)sizeof(vnet)), t->buffers[i], &t->rest[i]);
	vnet_to_offload(&vnet, &f->offload);
	t->batch[i] = f;
	if (f->len >= ETHERNET_BYTES && memcmp(f->head + 6, t->i.wire.mac, sizeof(t->i.wire.mac)) != 0)
		look_up_mac(t);
	return true;
}

static void receive(struct interface_wire *i)
{
	struct tap *t = hv_container_of(i, struct tap, i);
	unsigned n = VSWITCH_BATCH;

	for (int round = 0; round < ROUND_BATCHES && n == VSWITCH_BATCH && !i->paused; round++) {
		for (n = 0; n < VSWITCH_BATCH && read_frame(t, n); n++)
			;
		interface_input(i, t->batch, n);
	}
}

/* To the host. */

static enum vswitch_drop why_not(struct tap *t, int error)
{
	switch (error) {
	case EAGAIN:
	case ENOMEM:
	case ENOBUFS:
		t->i.full = true;
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

	vnet_from_frame(f, &vnet);
	t->iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
	n = frame_cursor_take(&c, &length, &t->iov[1], IOVECS - 1);
	if (length < f->len)		/* in pieces of 64 bytes on average, or less */
		wire_dropped(&t->i.wire, VSWITCH_DROP_TOO_BIG, &f, 1);
	else if (writev(t->i.fd, t->iov, (int)n + 1) < 0)
		wire_dropped(&t->i.wire, why_not(t, errno), &f, 1);
}

static void send_all(struct wire *w, const struct vswitch_frame *const *frames, unsigned n)
{
	struct tap *t = hv_container_of(w, struct tap, i.wire);
	bool was_full = t->i.full;

	for (unsigned i = 0; i < n; i++) {
		if (w->gone || (t->i.full && !was_full))
			wire_dropped(w, w->gone ? VSWITCH_DROP_PORT_DOWN : VSWITCH_DROP_UPLINK_FULL, frames + i, 1);
		else
			write_frame(t, frames[i]);
	}
	interface_sent(&t->i);
}

/* Making and ending it. */

/*
 * An interface that moves to another network namespace (a container's) is told as deleted from this one, but the descriptor goes
 * on to work. Of its address we hear by its frames then; whether it is up we do not see any more: what it does not want, it drops.
 */
static void left_namespace(struct tap *t)
{
	struct ifreq ifr = { .ifr_flags = 0 };

	if (ioctl(t->i.fd, TUNGETIFF, &ifr)) {
		vanish(t, ENODEV);
		return;
	}
	link_monitor_stop(&t->i.monitor);
	t->i.wire.link = true;
	t->i.wire.user->changed(t->i.wire.opaque);
}

static void link_changed(struct link_monitor *m, const struct link_state *state)
{
	struct tap *t = hv_container_of(m, struct tap, i.monitor);

	if (!state) {
		left_namespace(t);
		return;
	}
	if (t->follow)
		t->i.wire.link = state->flags & IFF_UP;
	memcpy(t->i.wire.mac, state->mac, sizeof(state->mac));
	t->i.wire.user->changed(t->i.wire.opaque);
}

static void tap_destroy(struct wire *w)
{
	struct tap *t = hv_container_of(w, struct tap, i.wire);

	interface_close(&t->i);
	free(t->buffers);
	free(t);
}

static const struct wire_ops tap_ops = {
	.send = send_all,
	.resume = interface_resume,
	.destroy = tap_destroy,
};

static int open_tap(struct tap *t)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int header_bytes = sizeof(struct virtio_net_hdr);

	t->i.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->i.fd < 0)
		return -errno;
	strcpy(ifr.ifr_name, t->i.wire.name);
	if (ioctl(t->i.fd, TUNSETIFF, &ifr))
		return -errno;
	/* A persistent interface may have been left with another size. */
	if (ioctl(t->i.fd, TUNSETVNETHDRSZ, &header_bytes))
		return -errno;
	if (ioctl(t->i.fd, TUNSETOFFLOAD, (unsigned long)offload))
		return -errno;
	return 0;
}

static int tap_start(struct tap *t)
{
	struct link_state s = { 0 };
	int ret = open_tap(t);

	if (!ret)
		ret = read_mac(t, t->i.wire.mac);
	if (!ret)
		ret = link_query(t->i.wire.name, &s);
	if (!ret)
		ret = wire_claim(&t->i.claim, s.ifindex);
	if (!ret && t->follow)
		t->i.wire.link = s.flags & IFF_UP;
	if (!ret)
		ret = interface_start(&t->i, s.ifindex);
	return ret;
}

int wire_open_tap(struct hv_loop *loop, const struct wire_user *user, void *opaque, const char *interface, bool follow,
		  struct wire **out)
{
	struct tap *t;

	if (!interface[0] || strlen(interface) >= IFNAMSIZ)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->i.receive = receive;
	t->i.monitor.changed = link_changed;
	t->i.wire = (struct wire){
		.ops = &tap_ops,
		.user = user,
		.opaque = opaque,
		.loop = loop,
		.kind = VSWITCH_WIRE_TAP,
		.caps = VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4 | VSWITCH_CAN_TSO6,
		.max_frame_bytes = VSWITCH_FRAME_MAX_BYTES - VLAN_TAG_BYTES,
		.full_duplex = true,
		.link = true,
	};
	interface_init(&t->i, interface);
	t->follow = follow;
	t->buffers = malloc(sizeof(*t->buffers) * VSWITCH_BATCH);
	return wire_opened(&t->i.wire, t->buffers ? tap_start(t) : -ENOMEM, out);
}
