/* SPDX-License-Identifier: MIT */
/*
 * Captures. Theory of operation: a capture has a tap at each port that it includes; a port's watch is the sum of what its
 * taps want, so that a step of the data path that finds no bit there does nothing. A frame that a tap wants is filtered and
 * becomes a block of the capture's ring. Taps are known by their port's name and outlive the port: an adapter that comes back is the same
 * interface in the file.
 *
 *   RUNNING --max_frames, vswitch_capture_end()--> ENDED --vswitch_capture_stop()--> freed
 *
 * The data path may end a capture in the middle of a batch; only vswitch_capture_stop() frees anything.
 *
 * Interfaces are announced in the stream as soon as there is room, at the latest with their first frame. Each one
 * announced takes from the room for frames what its statistics will need at the end.
 */
#include "vswitch/capture.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vswitch/capture_filter.h"
#include "vswitch/capture_ring.h"
#include "vswitch/internal.h"
#include "vswitch/pcapng.h"

enum {
	WIRE_MAX_BYTES = VSWITCH_FRAME_MAX_BYTES + VLAN_TAG_BYTES,
	ALL_POINTS = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_ACCEPTED | VSWITCH_CAPTURE_EGRESS | VSWITCH_CAPTURE_DROPPED,
	ALL_DIRECTIONS = VSWITCH_CAPTURE_IN | VSWITCH_CAPTURE_OUT,
	WAKE_NS = 1000000,		/* as the header says */
	COMMENT_BYTES = 320,		/* the longest: reason, a rule's name and text, offload words */
	NO_INTERFACE = -1,
};

/* What one name in the file stands for. */
struct capture_interface {
	int64_t id;			/* NO_INTERFACE: not announced yet */
	uint64_t seen;
	uint64_t accepted;		/* … that passed the filters */
	uint64_t dropped;		/* … that found no room */
	uint64_t dropped_before;	/* … of these, said in the stream already */
};

enum { INTERFACE_WIRE, INTERFACE_ACCEPTED, INTERFACE_DROPPED, INTERFACES };

struct capture_tap {
	struct vswitch_capture *capture;	/* borrowed: owns its taps */
	struct vswitch_port *port;	/* borrowed: says when it goes; NULL: gone */
	SLIST_ENTRY(capture_tap) of_port;
	SLIST_ENTRY(capture_tap) of_capture;
	struct capture_interface interfaces[INTERFACES];
	char name[VSWITCH_PORT_NAME_BYTES];
};

struct vswitch_capture {
	struct vswitch *sw;		/* borrowed: outlives its captures */
	TAILQ_ENTRY(vswitch_capture) link;
	SLIST_HEAD(, capture_tap) taps;	/* owned */
	struct vswitch_capture_config config;	/* its pointers are ours or borrowed as it says */
	char port[VSWITCH_PORT_NAME_BYTES];	/* empty: all */
	struct capture_filter filter;
	struct capture_writer writer;
	struct hv_timer wake_timer;
	struct vswitch_capture_stats stats;
	uint64_t start_ns;
	int64_t num_interfaces;
};

static uint64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Room for the statistics of n interfaces, and for what is left empty where the ring ends. */
static size_t statistics_bytes(int64_t n)
{
	return (size_t)(n + 1) * PCAPNG_STATISTICS_BYTES;
}

static void wake(struct hv_timer *t)
{
	struct vswitch_capture *c = hv_container_of(t, struct vswitch_capture, wake_timer);

	if (c->config.wake)
		c->config.wake(c->config.cookie);
}

/* Without memory for the timer the reader waits for the next frame's. */
static void wake_soon(struct vswitch_capture *c)
{
	if (c->sw->loop && !c->wake_timer.loop && hv_timer_arm(c->sw->loop, &c->wake_timer, hv_now_ns() + WAKE_NS))
		hv_log_limited(&c->sw->flapping_log, HV_LOG_WARNING, "switch \"%s\": out of memory in a capture", c->sw->name);
}

/* Which ports, which points. */

static bool includes(const struct vswitch_capture *c, const char *name)
{
	return !c->port[0] || !strcmp(c->port, name);
}

/* The points at which the capture can see a frame at all. */
static uint8_t watched_by(const struct vswitch_capture *c)
{
	unsigned points = c->stats.ended ? 0 : c->config.points;

	if (!(c->config.directions & VSWITCH_CAPTURE_IN))
		points &= ~(unsigned)(VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_ACCEPTED);
	if (!(c->config.directions & VSWITCH_CAPTURE_OUT))
		points &= ~(unsigned)VSWITCH_CAPTURE_EGRESS;
	return (uint8_t)points;
}

static void update_watch(struct vswitch_port *port)
{
	const struct capture_tap *tap;

	port->watch = 0;
	SLIST_FOREACH(tap, &port->taps, of_port)
		port->watch |= watched_by(tap->capture);
}

/* Interfaces in the stream. */

struct announcement {
	const struct capture_tap *tap;
	unsigned which;
};

static size_t write_interface(void *to, size_t room, void *arg)
{
	static const char *const names[INTERFACES] = { "%s", "%s accepted", "%s dropped" };
	static const char *const words[INTERFACES] = {
		"switch \"%s\", port %s: between its NIC and the switch",
		"switch \"%s\", port %s: accepted from its NIC, after policy",
		"switch \"%s\", port %s: dropped, from its NIC or on the way to it",
	};
	const struct announcement *a = arg;
	char name[VSWITCH_PORT_NAME_BYTES + 16], description[2 * VSWITCH_PORT_NAME_BYTES + 80];

	/* NOLINTBEGIN(clang-diagnostic-format-nonliteral): one of the above */
	snprintf(name, sizeof(name), names[a->which], a->tap->name);
	snprintf(description, sizeof(description), words[a->which], a->tap->capture->sw->name, a->tap->name);
	/* NOLINTEND(clang-diagnostic-format-nonliteral) */
	return pcapng_write_interface(to, room, name, description, a->tap->capture->config.snap_bytes);
}

static bool announce(struct capture_tap *tap, unsigned which)
{
	struct capture_interface *i = &tap->interfaces[which];
	struct announcement a = { tap, which };
	struct vswitch_capture *c = tap->capture;

	if (i->id != NO_INTERFACE)
		return true;
	if (!capture_writer_add(&c->writer, statistics_bytes(c->num_interfaces + 1), write_interface, &a))
		return false;
	i->id = c->num_interfaces++;
	return true;
}

static unsigned interface_of(unsigned point)
{
	if (point == VSWITCH_CAPTURE_DROPPED)
		return INTERFACE_DROPPED;
	return point == VSWITCH_CAPTURE_ACCEPTED ? INTERFACE_ACCEPTED : INTERFACE_WIRE;
}

static void announce_all(struct capture_tap *tap)
{
	for (unsigned point = 1; point <= VSWITCH_CAPTURE_DROPPED; point <<= 1)
		if (watched_by(tap->capture) & point)
			announce(tap, interface_of(point));
}

static size_t write_statistics(void *to, size_t room, void *arg)
{
	return pcapng_write_statistics(to, room, arg);
}

static void add_statistics(struct vswitch_capture *c, const struct capture_interface *i, uint64_t now_ns)
{
	struct pcapng_statistics_desc d = {
		.interface = (uint32_t)i->id,
		.start_ns = c->start_ns,
		.end_ns = now_ns,
		.received = i->seen,
		.accepted = i->accepted,
		.dropped = i->dropped,
	};
	bool ok = i->id == NO_INTERFACE || capture_writer_add(&c->writer, 0, write_statistics, &d);

	assert(ok);	/* room was kept */
	(void)ok;
}

/* Frames. */

/* A frame at a point, as far as all its captures see the same. */
struct sight {
	const struct vswitch_frame *f;
	enum vswitch_capture_point point;
	enum vswitch_capture_direction direction;
	uint64_t now_ns;
	bool sane;			/* its fields were checked */
	bool tagged;			/* on the wire it has a tag that is not in its bytes */
	uint32_t bytes;			/* on the wire */
	unsigned segments;		/* of the drop */
	const char *reason, *rule;	/* of the drop; NULL: none */
};

/* How much of it is there: of a frame that the switch has not checked yet, perhaps only what its head has for sure. */
static void look_at(struct sight *s)
{
	const struct vswitch_frame *f = s->f;

	s->sane = f->len >= ETHERNET_BYTES && f->len <= VSWITCH_FRAME_MAX_BYTES && f->head_bytes >= ETHERNET_BYTES &&
		  f->head_bytes <= VSWITCH_HEAD_BYTES && f->head_bytes <= f->len;
	s->tagged = s->sane && f->offload.flags & VSWITCH_VLAN;
	s->bytes = f->len + (s->tagged ? (uint32_t)VLAN_TAG_BYTES : 0);
}

static uint32_t available(const struct sight *s)
{
	uint32_t n = s->f->head_bytes < VSWITCH_HEAD_BYTES ? s->f->head_bytes : VSWITCH_HEAD_BYTES;

	if (s->sane)
		return s->bytes;
	return s->f->len < n ? s->f->len : n;
}

/* A sender's promise that the pieces hold len bytes is not relied on. */
static void copy_pieces(const struct vswitch_frame *f, uint32_t off, uint8_t *to, uint32_t n)
{
	struct frame_cursor c = frame_cursor_at(f, off);
	struct iovec iov;
	uint32_t got;

	for (; n; n -= got, to += got) {
		got = n;
		if (!frame_cursor_take(&c, &got, &iov, 1)) {
			memset(to, 0, n);
			return;
		}
		memcpy(to, iov.iov_base, got);
	}
}

/* The first n bytes as on the wire; n ≤ available(). */
static void copy_wire(const struct sight *s, uint8_t *to, uint32_t n)
{
	uint8_t start[16];

	if (!s->tagged) {
		copy_pieces(s->f, 0, to, n);
		return;
	}
	memcpy(start, s->f->head, 12);
	put_be16(start + 12, 0x8100);
	put_be16(start + 14, s->f->offload.vlan_tci);
	memcpy(to, start, n < sizeof(start) ? n : sizeof(start));
	if (n > sizeof(start))
		copy_pieces(s->f, 12, to + sizeof(start), n - (uint32_t)sizeof(start));
}

/* The VLAN that the frame is in, 0: none. Before admission its field means nothing yet. */
static uint16_t vlan_of(const struct sight *s)
{
	const struct vswitch_frame *f = s->f;

	if (s->point != VSWITCH_CAPTURE_INGRESS && f->vlan)
		return f->vlan;
	if (s->tagged)
		return f->offload.vlan_tci & VLAN_ID_MASK;
	if (f->head_bytes >= ETHERNET_BYTES + VLAN_TAG_BYTES && get_be16(f->head + 12) == 0x8100)
		return get_be16(f->head + 14) & VLAN_ID_MASK;
	return 0;
}

static bool passes(struct vswitch_capture *c, const struct sight *s)
{
	uint32_t tag = s->tagged ? VLAN_TAG_BYTES : 0, n = available(s) - tag;

	if (c->config.vlan != VSWITCH_CAPTURE_VLAN_ANY && vlan_of(s) != c->config.vlan)
		return false;
	if (!c->filter.insns)
		return true;
	if (n > c->filter.reach)
		n = c->filter.reach;
	copy_pieces(s->f, 0, c->filter.bytes, n);
	return capture_filter_passes(&c->filter, s->bytes - tag, n, tag ? s->f->offload.vlan_tci : CAPTURE_FILTER_NO_TAG);
}

/* What is beside the bytes; false: nothing. */
static bool describe_offload(const struct sight *s, struct pcapng_offload *out)
{
	const struct vswitch_offload *o = &s->f->offload;
	const uint8_t flags = o->flags & (uint8_t)~VSWITCH_VLAN;
	const uint16_t tag = s->tagged ? VLAN_TAG_BYTES : 0;
	const bool partial = flags & VSWITCH_CSUM_PARTIAL;
	const uint16_t vlan = s->point == VSWITCH_CAPTURE_INGRESS ? 0 : s->f->vlan;

	if (!flags && !o->gso && !vlan)
		return false;
	*out = (struct pcapng_offload){
		.pen = to_le32(PCAPNG_PEN),
		.magic = to_le32(PCAPNG_OFFLOAD_MAGIC),
		.flags = flags,
		.gso = o->gso,
		.gso_size = to_le16(o->gso ? o->gso_size : 0),
		.csum_start = to_le16(partial ? (uint16_t)(o->csum_start + tag) : 0),
		.csum_offset = to_le16(partial ? o->csum_offset : 0),
		.header_bytes = to_le16(o->gso && o->header_bytes ? (uint16_t)(o->header_bytes + tag) : 0),
		.vlan = to_le16(vlan),
		.hash = to_le32(flags & VSWITCH_HASH ? o->hash : 0),
	};
	return true;
}

static const char *gso_name(uint8_t gso)
{
	switch ((enum vswitch_gso)gso) {
	case VSWITCH_GSO_TCPV4:
	case VSWITCH_GSO_TCPV6:
		return "TCP segments";
	case VSWITCH_GSO_UDP:
		return "UDP segments";
	case VSWITCH_GSO_NONE:
		break;
	}
	return "segments of an unknown kind";
}

struct text {
	size_t n;
	char s[COMMENT_BYTES];
};

static void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *format, ...)
{
	size_t left = sizeof(t->s) - t->n;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->s + t->n, left, format, ap);
	va_end(ap);
	t->n += n < 0 ? 0 : (size_t)n < left ? (size_t)n : left - 1;
}

/* NULL: nothing to say. */
static const char *comment(const struct sight *s, struct text *t)
{
	const struct vswitch_offload *o = &s->f->offload;

	*t = (struct text){ 0 };
	if (s->reason)
		say(t, "dropped: %s", s->reason);
	if (s->rule)
		say(t, " (%s)", s->rule);
	if (s->segments > 1)
		say(t, ", %u segments", s->segments);
	if (o->flags & VSWITCH_CSUM_PARTIAL)
		say(t, "%stransport checksum to be filled in", t->n ? "; " : "");
	if (o->flags & VSWITCH_IP_CSUM_NEEDED)
		say(t, "%sIPv4 checksum to be filled in", t->n ? "; " : "");
	if (o->gso)
		say(t, "%sto be cut into %s of %u bytes", t->n ? "; " : "", gso_name(o->gso), o->gso_size);
	return t->n ? t->s : NULL;
}

struct entry {
	const struct sight *sight;
	struct pcapng_packet_desc d;
};

static size_t write_packet(void *to, size_t room, void *arg)
{
	const struct entry *e = arg;
	uint8_t *data;
	size_t n = pcapng_write_packet(to, room, &e->d, &data);

	if (n)
		copy_wire(e->sight, data, e->d.captured_bytes);
	return n;
}

static bool record(struct capture_tap *tap, struct capture_interface *i, const struct sight *s)
{
	struct vswitch_capture *c = tap->capture;
	const uint32_t most = c->config.snap_bytes ? c->config.snap_bytes : WIRE_MAX_BYTES;
	struct pcapng_offload offload;
	struct text text;
	struct entry e = {
		.sight = s,
		.d = {
			.interface = (uint32_t)i->id,
			.time_ns = s->now_ns,
			.captured_bytes = available(s) < most ? available(s) : most,
			.bytes = s->bytes,
			.flags = s->direction == VSWITCH_CAPTURE_IN ? PCAPNG_FLAG_INBOUND : PCAPNG_FLAG_OUTBOUND,
			.dropped = i->dropped - i->dropped_before,
			.comment = comment(s, &text),
			.offload = describe_offload(s, &offload) ? &offload : NULL,
		},
	};

	if (!capture_writer_add(&c->writer, statistics_bytes(c->num_interfaces), write_packet, &e))
		return false;
	c->stats.captured_bytes += e.d.captured_bytes;
	return true;
}

static void tap_frame(struct capture_tap *tap, const struct sight *s)
{
	struct capture_interface *i = &tap->interfaces[interface_of(s->point)];
	struct vswitch_capture *c = tap->capture;

	i->seen++;
	c->stats.seen++;
	if (!passes(c, s))
		return;
	i->accepted++;
	if (!announce(tap, interface_of(s->point)) || !record(tap, i, s)) {
		i->dropped++;
		c->stats.dropped++;
		return;
	}
	i->dropped_before = i->dropped;
	wake_soon(c);
	if (++c->stats.captured == c->config.max_frames) {
		vswitch_capture_end(c);
		if (c->config.wake)
			c->config.wake(c->config.cookie);
	}
}

static void tap_all(struct vswitch_port *port, struct sight *s)
{
	struct capture_tap *tap;

	look_at(s);
	SLIST_FOREACH(tap, &port->taps, of_port)
		if (watched_by(tap->capture) & s->point && tap->capture->config.directions & s->direction)
			tap_frame(tap, s);
}

void capture_frames(struct vswitch_port *port, enum vswitch_capture_point point,
		    const struct vswitch_frame *const *frames, uint32_t which)
{
	struct sight s = {
		.point = point,
		.direction = point == VSWITCH_CAPTURE_EGRESS ? VSWITCH_CAPTURE_OUT : VSWITCH_CAPTURE_IN,
		.now_ns = which ? wall_ns() : 0,
	};

	for (; which; which &= which - 1) {
		s.f = frames[__builtin_ctz(which)];
		tap_all(port, &s);
	}
}

void capture_drop(struct vswitch_port *port, enum vswitch_capture_direction direction, const struct vswitch_frame *f,
		  unsigned n, enum vswitch_drop reason, const char *rule)
{
	struct sight s = {
		.f = f,
		.point = VSWITCH_CAPTURE_DROPPED,
		.direction = direction,
		.now_ns = wall_ns(),
		.segments = n,
		.reason = vswitch_drop_name(reason),
		.rule = rule,
	};

	tap_all(port, &s);
}

/* Ports come and go. */

static struct capture_tap *find_tap(struct vswitch_capture *c, const char *name)
{
	struct capture_tap *tap;

	SLIST_FOREACH(tap, &c->taps, of_capture)
		if (!strcmp(tap->name, name))
			return tap;
	return NULL;
}

static struct capture_tap *make_tap(struct vswitch_capture *c, const char *name)
{
	struct capture_tap *tap = calloc(1, sizeof(*tap));

	if (!tap)
		return NULL;
	tap->capture = c;
	strcpy(tap->name, name);
	for (unsigned i = 0; i < INTERFACES; i++)
		tap->interfaces[i].id = NO_INTERFACE;
	SLIST_INSERT_HEAD(&c->taps, tap, of_capture);
	return tap;
}

static int attach(struct vswitch_capture *c, struct vswitch_port *port)
{
	struct capture_tap *tap = find_tap(c, port->name);

	if (!tap)
		tap = make_tap(c, port->name);
	if (!tap)
		return -ENOMEM;
	tap->port = port;
	SLIST_INSERT_HEAD(&port->taps, tap, of_port);
	announce_all(tap);
	update_watch(port);
	return 0;
}

void capture_port_created(struct vswitch_port *port)
{
	struct vswitch_capture *c;

	SLIST_INIT(&port->taps);
	TAILQ_FOREACH(c, &port->sw->captures, link)
		if (!c->stats.ended && includes(c, port->name) && attach(c, port))
			hv_log(HV_LOG_WARNING, "switch \"%s\"/%s: out of memory, a capture goes without it", port->sw->name,
			       port->name);
}

void capture_port_gone(struct vswitch_port *port)
{
	struct capture_tap *tap;

	while ((tap = SLIST_FIRST(&port->taps))) {
		SLIST_REMOVE_HEAD(&port->taps, of_port);
		tap->port = NULL;
	}
	port->watch = 0;
}

/* Captures. */

static bool good(const struct vswitch_capture_config *config)
{
	const uint32_t bytes = config->ring->bytes;

	return config->points && !(config->points & ~(unsigned)ALL_POINTS) && config->directions &&
	       !(config->directions & ~(unsigned)ALL_DIRECTIONS) && config->vlan >= VSWITCH_CAPTURE_VLAN_ANY &&
	       config->vlan < VLAN_ID_RESERVED && bytes >= VSWITCH_CAPTURE_RING_MIN && bytes <= VSWITCH_CAPTURE_RING_MAX &&
	       !(bytes & (bytes - 1)) && (!config->port || strlen(config->port) < VSWITCH_PORT_NAME_BYTES);
}

static size_t write_section(void *to, size_t room, void *arg)
{
	return pcapng_write_section(to, room, arg);
}

static int attach_ports(struct vswitch_capture *c)
{
	struct vswitch_port *port;
	int ret;

	TAILQ_FOREACH(port, &c->sw->ports, link) {
		ret = includes(c, port->name) ? attach(c, port) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

int vswitch_capture_start(struct vswitch *sw, const struct vswitch_capture_config *config, struct vswitch_capture **out)
{
	struct vswitch_capture *c;
	int ret;

	assert(!sw->busy);
	if (!good(config))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->sw = sw;
	c->config = *config;
	c->wake_timer.fire = wake;
	c->start_ns = wall_ns();
	if (config->port)
		strcpy(c->port, config->port);
	SLIST_INIT(&c->taps);
	capture_writer_init(&c->writer, config->ring);
	TAILQ_INSERT_TAIL(&sw->captures, c, link);
	ret = capture_filter_init(&c->filter, config->filter, WIRE_MAX_BYTES);
	if (!ret && !capture_writer_add(&c->writer, statistics_bytes(0), write_section, (void *)(uintptr_t)config->application))
		ret = -EINVAL;		/* a ring that is not empty */
	if (!ret)
		ret = attach_ports(c);
	if (ret)
		vswitch_capture_stop(c);
	else
		*out = c;
	return ret;
}

void vswitch_capture_end(struct vswitch_capture *capture)
{
	struct capture_tap *tap;
	uint64_t now_ns = wall_ns();

	if (capture->stats.ended)
		return;
	capture->stats.ended = true;
	SLIST_FOREACH(tap, &capture->taps, of_capture) {
		if (tap->port)
			update_watch(tap->port);
		for (unsigned i = 0; i < INTERFACES; i++)
			add_statistics(capture, &tap->interfaces[i], now_ns);
	}
	/* After the last head; pairs with the reader's load before its last look at head. */
	atomic_store_explicit(&capture->config.ring->ended, 1, memory_order_release);
}

void vswitch_capture_stats(const struct vswitch_capture *capture, struct vswitch_capture_stats *out)
{
	*out = capture->stats;
}

void vswitch_capture_stop(struct vswitch_capture *capture)
{
	struct capture_tap *tap;

	if (!capture)
		return;
	assert(!capture->sw->busy);
	vswitch_capture_end(capture);
	hv_timer_cancel(&capture->wake_timer);
	while ((tap = SLIST_FIRST(&capture->taps))) {
		SLIST_REMOVE_HEAD(&capture->taps, of_capture);
		if (tap->port)
			SLIST_REMOVE(&tap->port->taps, tap, capture_tap, of_port);
		free(tap);
	}
	TAILQ_REMOVE(&capture->sw->captures, capture, link);
	capture_filter_free(&capture->filter);
	free(capture);
}
