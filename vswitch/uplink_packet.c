/* SPDX-License-Identifier: MIT */
/*
 * The wire that is an existing interface of the host, through a packet socket.
 *
 * From the interface: batches by recvmmsg(), each frame with a virtio_net_hdr, so frames without
 * checksum and large TCP frames stay as the host's stack has them. The kernel takes a VLAN tag out of the
 * frame before we see it and tells it beside (PACKET_AUXDATA); it goes to the frame's metadata.
 *
 * To it: batches by sendmmsg(), from where the frames lie. Through the interface's queue: to go past it
 * (PACKET_QDISC_BYPASS) was no faster by more than the noise (veth, 0.9 µs a frame either way), and loses what a busy
 * device does not take at once.
 *
 * Our own frames do not come back (the kernel does not show a socket what it sent itself), nor do
 * those that the host sends by this interface (PACKET_IGNORE_OUTGOING): they are not from the wire.
 *
 * Link, address and MTU come from rtnetlink. A socket whose interface goes down stays bound, gets
 * ENETDOWN once and works again when it is up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vswitch/internal.h"
#include "vswitch/uplink_interface.h"
#include "vswitch/uplink_vnet.h"

enum {
	ROUND_BATCHES = 2,		/* our policy: one wake-up's work */
	IOVECS = 1024,			/* of a batch */
	FRAME_IOVECS = 1 + 1024 / 2,	/* of a frame, at most */
	REST_BYTES = VSWITCH_FRAME_MAX_BYTES - VSWITCH_HEAD_BYTES,
	SOCKET_BYTES = 4 * 1024 * 1024,	/* our wish for the kernel's buffers; it may give less */
};

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23	/* Linux 4.20 */
#endif

/* What one frame from the interface needs. */
struct slot {
	struct vswitch_frame frame;
	struct virtio_net_hdr vnet;
	struct iovec in[3];
	struct iovec rest;
	struct sockaddr_ll from;
	uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))] __attribute__((aligned(8)));
	uint8_t *buffer;		/* in buffers; VLAN_TAG_BYTES before it are free, too */
};

struct packet {
	struct interface_wire i;
	uint64_t lost;			/* frames that the kernel had for us and did not give */

	struct slot slots[VSWITCH_BATCH];
	struct mmsghdr in[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	uint8_t *buffers;		/* owned */

	struct mmsghdr out[VSWITCH_BATCH];
	struct virtio_net_hdr out_vnet[VSWITCH_BATCH];
	struct iovec iov[IOVECS];
};

static void vanish(struct packet *p)
{
	if (p->i.wire.gone)
		return;
	hv_log(HV_LOG_ERROR, "interface %s: it is gone; its port is down", p->i.wire.name);
	interface_gone(&p->i);
}

static void take_state(struct packet *p, const struct link_state *s)
{
	struct wire *w = &p->i.wire;

	w->link = link_runs(s);
	w->max_frame_bytes = s->mtu + ETHERNET_BYTES;
	if (w->max_frame_bytes > VSWITCH_FRAME_MAX_BYTES - VLAN_TAG_BYTES)
		w->max_frame_bytes = VSWITCH_FRAME_MAX_BYTES - VLAN_TAG_BYTES;
	memcpy(w->mac, s->mac, sizeof(w->mac));
	link_speed(s->name, &w->speed_mbps, &w->full_duplex);
}

static void link_changed(struct link_monitor *m, const struct link_state *state)
{
	struct packet *p = hv_container_of(m, struct packet, i.monitor);
	bool had = p->i.wire.link;

	if (!state) {
		vanish(p);
		return;
	}
	take_state(p, state);
	if (had != p->i.wire.link)
		hv_log(HV_LOG_NOTICE, "interface %s: link %s", p->i.wire.name, p->i.wire.link ? "up" : "down");
	p->i.wire.user->changed(p->i.wire.opaque);
}

/* From the interface. */

/* A tag that has no place in our metadata, such as the outer one of 802.1ad, goes back into the bytes. */
static void put_tag_back(struct slot *s, uint16_t tpid, uint16_t tci)
{
	struct vswitch_frame *f = &s->frame;
	uint32_t moved = f->head_bytes < VSWITCH_HEAD_BYTES - VLAN_TAG_BYTES ? 0 :
		f->head_bytes - (VSWITCH_HEAD_BYTES - VLAN_TAG_BYTES);

	s->rest.iov_base = s->buffer - moved;
	s->rest.iov_len += moved;
	memcpy(s->buffer - moved, f->head + f->head_bytes - moved, moved);
	f->nsegs = s->rest.iov_len > 0;
	f->head_bytes = (uint16_t)(f->head_bytes - moved);
	memmove(f->head + 16, f->head + 12, f->head_bytes - 12u);
	put_be16(f->head + 12, tpid);
	put_be16(f->head + 14, tci);
	f->head_bytes += VLAN_TAG_BYTES;
	f->len += VLAN_TAG_BYTES;
	f->offload.csum_start += VLAN_TAG_BYTES;
}

static void take_auxdata(struct slot *s, struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct tpacket_auxdata aux;
	uint16_t tpid;

	if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
	    c->cmsg_len < CMSG_LEN(sizeof(aux)))
		return;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return;
	tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q;
	if (tpid == ETH_P_8021Q) {
		s->frame.offload.flags |= VSWITCH_VLAN;
		s->frame.offload.vlan_tci = aux.tp_vlan_tci;
	} else if (s->frame.len >= ETHERNET_BYTES) {
		put_tag_back(s, tpid, aux.tp_vlan_tci);
	}
}

/* A frame out of what the i-th message holds; false: it is none for us. */
static bool make_frame(struct packet *p, unsigned i)
{
	struct slot *s = &p->slots[i];
	struct vswitch_frame *f = &s->frame;
	unsigned n = p->in[i].msg_len;

	if (s->from.sll_pkttype == PACKET_OUTGOING || n < sizeof(s->vnet) ||
	    p->in[i].msg_hdr.msg_flags & MSG_TRUNC) {
		p->lost++;
		return false;
	}
	frame_divide(f, n - (unsigned)sizeof(s->vnet), s->buffer, &s->rest);
	vnet_to_offload(&s->vnet, &f->offload);
	take_auxdata(s, &p->in[i].msg_hdr);
	return true;
}

/* Reads a batch; how many messages there were, or 0. */
static unsigned read_batch(struct packet *p)
{
	int n;

	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		p->in[i].msg_hdr.msg_namelen = sizeof(p->slots[i].from);
		p->in[i].msg_hdr.msg_controllen = sizeof(p->slots[i].control);
	}
	n = recvmmsg(p->i.fd, p->in, VSWITCH_BATCH, MSG_DONTWAIT, NULL);
	if (n > 0)
		return (unsigned)n;
	/* A frame whose offload virtio has no words for costs itself; the next may be good. */
	if (n < 0 && errno == EINVAL)
		p->lost++;
	return 0;
}

static void receive(struct interface_wire *i)
{
	struct packet *p = hv_container_of(i, struct packet, i);
	unsigned got = VSWITCH_BATCH, n;

	for (int round = 0; round < ROUND_BATCHES && got == VSWITCH_BATCH && !i->paused; round++) {
		got = read_batch(p);
		n = 0;
		for (unsigned k = 0; k < got; k++)
			if (make_frame(p, k))
				p->batch[n++] = &p->slots[k].frame;
		interface_input(i, p->batch, n);
	}
}

/* To the interface. */

/* The messages of as many of n frames as there is room for; at least one. */
static unsigned gather(struct packet *p, const struct vswitch_frame *const *frames, unsigned n)
{
	struct frame_cursor c;
	unsigned used = 0, i, pieces;
	uint32_t length;

	for (i = 0; i < n && used + FRAME_IOVECS <= IOVECS; i++) {
		vnet_from_frame(frames[i], &p->out_vnet[i]);
		p->iov[used] = (struct iovec){ &p->out_vnet[i], sizeof(p->out_vnet[i]) };
		c = frame_cursor_at(frames[i], 0);
		length = frames[i]->len;
		pieces = 1 + frame_cursor_take(&c, &length, &p->iov[used + 1], FRAME_IOVECS - 1);
		p->out[i].msg_hdr = (struct msghdr){ .msg_iov = &p->iov[used], .msg_iovlen = pieces };
		if (length < frames[i]->len)	/* in very many pieces: without any it is refused as a bad one */
			p->out[i].msg_hdr.msg_iovlen = 0;
		used += pieces;
	}
	return i;
}

static enum vswitch_drop why_not(struct packet *p, int error)
{
	switch (error) {
	case EAGAIN:
		p->i.full = true;
		return VSWITCH_DROP_UPLINK_FULL;
	case ENOBUFS:			/* the interface's queue is full: it says nothing when it has room again */
	case ENOMEM:
		return VSWITCH_DROP_UPLINK_FULL;
	case ENETDOWN:
	case ENXIO:			/* it is gone; the monitor will say so */
		return VSWITCH_DROP_PORT_DOWN;
	case EMSGSIZE:			/* the MTU has just become smaller */
		return VSWITCH_DROP_TOO_BIG;
	default:			/* EINVAL: the offload; EFAULT: a guest's memory went away */
		return VSWITCH_DROP_BAD_FRAME;
	}
}

static void send_all(struct wire *w, const struct vswitch_frame *const *frames, unsigned n)
{
	struct packet *p = hv_container_of(w, struct packet, i.wire);
	unsigned done = 0, some;
	int sent;

	while (done < n && !w->gone && !p->i.full) {
		some = gather(p, frames + done, n - done);
		sent = sendmmsg(p->i.fd, p->out, some, MSG_DONTWAIT);
		if (sent > 0) {
			done += (unsigned)sent;
		} else {		/* the first of them is at fault */
			wire_dropped(w, why_not(p, errno), frames + done, 1);
			done++;
		}
	}
	if (done < n)
		wire_dropped(w, w->gone ? VSWITCH_DROP_PORT_DOWN : VSWITCH_DROP_UPLINK_FULL, frames + done, n - done);
	interface_sent(&p->i);
}

static uint64_t lost(struct wire *w)
{
	struct packet *p = hv_container_of(w, struct packet, i.wire);
	struct tpacket_stats stats;
	socklen_t n = sizeof(stats);

	/* The kernel begins anew with each time that it is asked. */
	if (!getsockopt(p->i.fd, SOL_PACKET, PACKET_STATISTICS, &stats, &n))
		p->lost += stats.tp_drops;
	return p->lost;
}

/* Making and ending it. */

static void packet_destroy(struct wire *w)
{
	struct packet *p = hv_container_of(w, struct packet, i.wire);

	interface_close(&p->i);
	free(p->buffers);
	free(p);
}

static const struct wire_ops packet_ops = {
	.send = send_all,
	.resume = interface_resume,
	.lost = lost,
	.destroy = packet_destroy,
};

static int set_option(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) ? -errno : 0;
}

static int open_socket(struct packet *p, unsigned ifindex)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)ifindex };
	struct packet_mreq promiscuous = { .mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC };
	int bytes = SOCKET_BYTES, ret;

	/* Protocol 0: nothing comes before the socket knows its interface and its options. */
	p->i.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->i.fd < 0)
		return -errno;
	ret = set_option(p->i.fd, PACKET_VNET_HDR, 1);
	if (!ret)
		ret = set_option(p->i.fd, PACKET_AUXDATA, 1);
	/* Where the kernel is older, make_frame() does it. */
	if (!ret)
		(void)set_option(p->i.fd, PACKET_IGNORE_OUTGOING, 1);
	/* A wish that only root's variant can exceed the system's limit with. */
	if (setsockopt(p->i.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(p->i.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(p->i.fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(p->i.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (!ret && bind(p->i.fd, (struct sockaddr *)&addr, sizeof(addr)))
		ret = -errno;
	if (!ret && setsockopt(p->i.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)))
		ret = -errno;
	return ret;
}

static int make_slots(struct packet *p)
{
	const size_t stride = VLAN_TAG_BYTES + REST_BYTES;
	struct slot *s;

	p->buffers = malloc(stride * VSWITCH_BATCH);
	if (!p->buffers)
		return -ENOMEM;
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		s = &p->slots[i];
		s->buffer = p->buffers + i * stride + VLAN_TAG_BYTES;
		s->in[0] = (struct iovec){ &s->vnet, sizeof(s->vnet) };
		s->in[1] = (struct iovec){ s->frame.head, VSWITCH_HEAD_BYTES };
		s->in[2] = (struct iovec){ s->buffer, REST_BYTES };
		p->in[i].msg_hdr = (struct msghdr){ .msg_name = &s->from, .msg_iov = s->in, .msg_iovlen = 3,
						    .msg_control = s->control };
	}
	return 0;
}

static int packet_start(struct packet *p)
{
	struct link_state s = { 0 };
	int ret = link_query(p->i.wire.name, &s);

	if (!ret)
		ret = link_check(&s);
	if (!ret)
		ret = wire_claim(&p->i.claim, s.ifindex);
	if (!ret)
		ret = make_slots(p);
	if (!ret)
		ret = open_socket(p, s.ifindex);
	if (ret)
		return ret;
	take_state(p, &s);
	return interface_start(&p->i, s.ifindex);
}

int wire_open_packet(struct hv_loop *loop, const struct wire_user *user, void *opaque, const char *interface,
		     struct wire **out)
{
	struct packet *p;

	if (!interface[0] || strlen(interface) >= IFNAMSIZ)
		return -ENODEV;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->i.receive = receive;
	p->i.monitor.changed = link_changed;
	p->i.wire = (struct wire){
		.ops = &packet_ops,
		.user = user,
		.opaque = opaque,
		.loop = loop,
		.kind = VSWITCH_WIRE_PACKET,
		.caps = VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4 | VSWITCH_CAN_TSO6,
	};
	interface_init(&p->i, interface);
	return wire_opened(&p->i.wire, packet_start(p), out);
}
