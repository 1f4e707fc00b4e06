/* SPDX-License-Identifier: MIT */
/*
 * Example of a capturing extension: writes what passes its place in the stack to a pcapng file.
 *
 *	config: file=PATH [snap=BYTES] [ingress] [egress]		(without a direction: both)
 *
 * It writes to the file from the thread that moves the frames, a mebibyte at a time or ten times a second. Where a disk may
 * be slow, run it as a process of its own (hvnet-extension), where nobody waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "extensions/example.h"
#include "vswitch/pcapng.h"

enum {
	BUFFER_BYTES = 1 << 20,		/* our policy */
	DIRECTION_INGRESS = 1,
	DIRECTION_EGRESS = 2,
	NO_INTERFACE = UINT32_MAX,
};

#define FLUSH_NS 100000000ull		/* our policy */

/* A port's number in the file. */
struct interface {
	uint32_t port;
	char name[VSWITCH_PORT_NAME_BYTES];
};

struct capture {
	struct vswitch_extension *self;
	const struct vswitch_ext_services *s;
	int fd;				/* owned */
	unsigned directions;
	uint32_t snap_bytes;
	bool failed;			/* the file took no more: said once */
	bool armed;
	struct interface *interfaces;	/* owned */
	uint32_t num_interfaces;
	size_t used;
	uint8_t buffer[BUFFER_BYTES];
};

static void flush(struct capture *c)
{
	size_t done = 0;
	ssize_t n;

	while (done < c->used && !c->failed) {
		n = write(c->fd, c->buffer + done, c->used - done);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			c->failed = true;
	}
	if (c->failed && c->used)
		c->s->log(c->self, 3, "the file takes no more; the capture ends");
	c->used = 0;
}

/* Room for a block; the file ends at a block's end whatever happens. */
static uint8_t *room_for(struct capture *c, size_t n)
{
	if (BUFFER_BYTES - c->used < n)
		flush(c);
	return c->buffer + c->used;
}

static uint32_t new_interface(struct capture *c, uint32_t port)
{
	struct vswitch_port_info info = { .name = "(extensions)" };
	struct interface *more = realloc(c->interfaces, (c->num_interfaces + 1) * sizeof(*more));

	if (!more)
		return NO_INTERFACE;
	c->interfaces = more;
	if (port)
		(void)c->s->port_info(c->self, port, &info);
	more[c->num_interfaces].port = port;
	memcpy(more[c->num_interfaces].name, info.name, sizeof(info.name));
	c->used += pcapng_write_interface(room_for(c, 4096), 4096, info.name, NULL, c->snap_bytes);
	return c->num_interfaces++;
}

static uint32_t interface_of(struct capture *c, uint32_t port)
{
	for (uint32_t i = c->num_interfaces; i--;)
		if (c->interfaces[i].port == port)
			return i;
	return new_interface(c, port);
}

static uint64_t wall_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void write_frame(struct capture *c, const struct vswitch_frame *f, uint32_t interface, uint32_t flags,
			uint64_t time_ns)
{
	uint32_t bytes = f->len + (f->offload.flags & VSWITCH_VLAN ? 4 : 0);
	struct pcapng_packet_desc d = {
		.interface = interface,
		.time_ns = time_ns,
		.captured_bytes = bytes < c->snap_bytes ? bytes : c->snap_bytes,
		.bytes = bytes,
		.flags = flags,
	};
	size_t n, room = d.captured_bytes + 256;
	uint8_t *data;

	n = pcapng_write_packet(room_for(c, room), room, &d, &data);
	if (n)
		(void)example_wire_bytes(c->s, f, data, d.captured_bytes);
	c->used += n;
}

static void capture(struct capture *c, const struct vswitch_ext_batch *b, uint32_t flags)
{
	uint32_t interface = interface_of(c, b->port);
	uint64_t time_ns = wall_clock_ns();

	if (interface == NO_INTERFACE || c->failed)
		return;
	for (uint32_t i = 0; i < b->n; i++)
		if (b->present & 1u << i)
			write_frame(c, b->frames[i], interface, flags, time_ns);
	if (!c->armed)
		c->armed = !c->s->set_timer(c->self, c->s->now_ns(c->self) + FLUSH_NS);
}

static void ingress(void *instance, const struct vswitch_ext_batch *b)
{
	struct capture *c = instance;

	if (c->directions & DIRECTION_INGRESS)
		capture(c, b, PCAPNG_FLAG_INBOUND);
}

static void egress(void *instance, const struct vswitch_ext_batch *b)
{
	struct capture *c = instance;

	if (c->directions & DIRECTION_EGRESS)
		capture(c, b, PCAPNG_FLAG_OUTBOUND);
}

static void timer(void *instance)
{
	struct capture *c = instance;

	c->armed = false;
	flush(c);
}

static void deactivate(void *instance)
{
	timer(instance);
}

/* Configuration. */

static int take_word(struct capture *c, const char *word, char *path, size_t room, char *refusal)
{
	unsigned long snap;
	char *end;

	if (!strncmp(word, "file=", 5) && strlen(word + 5) < room) {
		strcpy(path, word + 5);
	} else if (!strncmp(word, "snap=", 5)) {
		snap = strtoul(word + 5, &end, 10);
		if (*end || snap < 14 || snap > VSWITCH_FRAME_MAX_BYTES)
			return EXAMPLE_REFUSE(refusal, -EINVAL, "snap= takes 14 to %d bytes", VSWITCH_FRAME_MAX_BYTES);
		c->snap_bytes = (uint32_t)snap;
	} else if (!strcmp(word, "ingress")) {
		c->directions |= DIRECTION_INGRESS;
	} else if (!strcmp(word, "egress")) {
		c->directions |= DIRECTION_EGRESS;
	} else {
		return EXAMPLE_REFUSE(refusal, -EINVAL, "\"%.40s\": file=PATH, snap=BYTES, ingress or egress is wanted", word);
	}
	return 0;
}

static int take_config(struct capture *c, const char *config, char *path, size_t room, char *refusal)
{
	char word[1024];
	int ret;

	while (example_word(&config, word, sizeof(word))) {
		ret = take_word(c, word, path, room, refusal);
		if (ret)
			return ret;
	}
	if (!path[0])
		return EXAMPLE_REFUSE(refusal, -EINVAL, "file=PATH is missing");
	if (!c->directions)
		c->directions = DIRECTION_INGRESS | DIRECTION_EGRESS;
	return 0;
}

static int attach(struct vswitch_extension *self, const struct vswitch_ext_services *services, const char *config,
		  char *refusal, void **instance)
{
	struct capture *c = calloc(1, sizeof(*c));
	char path[1024] = "";
	int ret;

	if (!c)
		return -ENOMEM;
	c->self = self;
	c->s = services;
	c->snap_bytes = VSWITCH_FRAME_MAX_BYTES;
	ret = take_config(c, config, path, sizeof(path), refusal);
	if (!ret) {
		c->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (c->fd < 0)
			ret = EXAMPLE_REFUSE(refusal, -errno, "%.80s: %m", path);
	}
	if (ret) {
		free(c);
		return ret;
	}
	c->used = pcapng_write_section(c->buffer, BUFFER_BYTES, "hvnet extension pcapng");
	*instance = c;
	return 0;
}

static void detach(void *instance)
{
	struct capture *c = instance;

	flush(c);
	close(c->fd);
	free(c->interfaces);
	free(c);
}

static const struct vswitch_ext_ops ops = {
	.attach = attach,
	.detach = detach,
	.deactivate = deactivate,
	.timer = timer,
};
static const struct vswitch_ext_capture_ops frames = { .ingress = ingress, .egress = egress };

const struct vswitch_ext_module vswitch_ext_module = {
	.abi = VSWITCH_EXT_ABI,
	.size = sizeof(struct vswitch_ext_module),
	.ops_size = sizeof(struct vswitch_ext_ops),
	.class = VSWITCH_EXT_CAPTURE,
	.id = { { 0x5a, 0x1c, 0x0b, 0x57, 0x9d, 0x0e, 0x4c, 0x2f, 0x8b, 0x61, 0x53, 0x0f, 0x9e, 0x27, 0x44, 0x01 } },
	.name = "pcapng",
	.version = "1",
	.vendor = "hvnet",
	.ops = &ops,
	.capture = &frames,
};
