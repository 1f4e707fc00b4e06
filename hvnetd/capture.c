/* SPDX-License-Identifier: MIT */
#include "hvnetd/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "vswitch/vswitch.h"

struct capture {
	TAILQ_ENTRY(capture) link;
	struct hvnetd *d;		/* borrowed: outlives all objects */
	char id[16];
	char switch_name[HVNETD_NAME_BYTES];
	char port[HVNETD_NAME_BYTES];	/* empty: all of the switch */
	struct control_client *client;	/* borrowed: the capture goes with it */
	struct vswitch *sw;		/* borrowed: the capture goes with it */
	struct vswitch_capture *capture;	/* owned */
	struct vswitch_capture_ring *ring;	/* owned, shared with the client */
	size_t bytes;			/* of the ring's memory */
	int memory, event;		/* owned; -1: none */
};

static void wake(void *cookie)
{
	const struct capture *c = cookie;

	eventfd_write(c->event, 1);
}

static void capture_free(struct capture *c)
{
	if (!c)
		return;
	vswitch_capture_stop(c->capture);
	if (c->event >= 0) {
		wake(c);
		close(c->event);
	}
	if (c->ring)
		munmap(c->ring, c->bytes);
	if (c->memory >= 0)
		close(c->memory);
	free(c);
}

static void capture_end(struct capture *c, const char *why)
{
	struct vswitch_capture_stats st;

	vswitch_capture_end(c->capture);
	vswitch_capture_stats(c->capture, &st);
	hv_log(HV_LOG_INFO, "capture %s on switch \"%s\": ended, %s; %llu frames, %llu lost", c->id, c->switch_name, why,
	       (unsigned long long)st.captured, (unsigned long long)st.dropped);
	TAILQ_REMOVE(&c->d->captures, c, link);
	capture_free(c);
}

void captures_client_gone(struct hvnetd *d, const struct control_client *client)
{
	struct capture *c, *next;

	for (c = TAILQ_FIRST(&d->captures); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->client == client)
			capture_end(c, "its client is gone");
	}
}

void captures_switch_gone(struct hvnetd *d, const struct vswitch *sw)
{
	struct capture *c, *next;

	for (c = TAILQ_FIRST(&d->captures); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!sw || c->sw == sw)
			capture_end(c, sw ? "its switch is gone" : "hvnetd stops");
	}
}

/* Sealed: the client cannot take memory away that we write to. */
static int make_ring(struct capture *c, uint32_t bytes, struct rpc_error *err)
{
	c->bytes = vswitch_capture_ring_size(bytes);
	c->memory = memfd_create("hvnet-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	c->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->memory < 0 || c->event < 0 || ftruncate(c->memory, (off_t)c->bytes) ||
	    fcntl(c->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return rpc_fail(err, RPC_NO_RESOURCES, "buffer_bytes", "cannot make a buffer of %u bytes: %s", bytes,
				strerror(errno));
	c->ring = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->memory, 0);
	if (c->ring == MAP_FAILED) {
		c->ring = NULL;
		return rpc_fail(err, RPC_NO_RESOURCES, "buffer_bytes", "cannot map a buffer of %u bytes: %s", bytes,
				strerror(errno));
	}
	c->ring->bytes = bytes;
	return 0;
}

/* What is asked for. */

/* Words of a list by commas, as bits. */
static int parse_words(const char *text, const char *const *words, const char *what, unsigned *out, struct rpc_error *err)
{
	*out = 0;
	for (size_t n; ; text += n + 1) {
		unsigned i = 0;

		n = strcspn(text, ",");
		while (words[i] && (strlen(words[i]) != n || strncmp(words[i], text, n) != 0))
			i++;
		if (!words[i])
			return rpc_fail(err, RPC_INVALID_PARAMS, what, "\"%s\" has no \"%.*s\"", what, n < 40 ? (int)n : 40, text);
		*out |= 1u << i;
		if (!text[n])
			return 0;
	}
}

static bool take_number(const char **text, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long long v;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	v = strtoull(*text, &end, 10);
	if (errno || v > max)
		return false;
	*out = (uint32_t)v;
	*text = end;
	return true;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* "2,6 0 0 65535,6 0 0 0": as tcpdump -ddd prints it, with commas for newlines. To be freed; NULL: something else. */
static struct bpf_insn *parse_program(const char *text, unsigned *n)
{
	struct bpf_insn *insns = NULL;
	uint32_t num, i, code, jt, jf, k;

	if (!take_number(&text, VSWITCH_CAPTURE_FILTER_MAX, &num) || !num)
		return NULL;
	insns = calloc(num, sizeof(*insns));
	for (i = 0; insns && i < num; i++) {
		if (!take_char(&text, ',') || !take_number(&text, UINT16_MAX, &code) || !take_char(&text, ' ') ||
		    !take_number(&text, UINT8_MAX, &jt) || !take_char(&text, ' ') || !take_number(&text, UINT8_MAX, &jf) ||
		    !take_char(&text, ' ') || !take_number(&text, UINT32_MAX, &k))
			break;
		insns[i] = (struct bpf_insn){ (u_short)code, (u_char)jt, (u_char)jf, k };
	}
	if (i < num || *text) {
		free(insns);
		return NULL;
	}
	*n = num;
	return insns;
}

static bool has_port(const struct hvnetd_switch *sw, const char *name)
{
	struct vswitch_port *port = NULL;

	while ((port = vswitch_next_port(sw->sw, port)))
		if (!strcmp(vswitch_port_name(port), name))
			return true;
	return false;
}

/* Of all switches the one with such a port, or without a port the only one. */
static struct hvnetd_switch *guess_switch(struct hvnetd *d, const char *port, struct rpc_error *err)
{
	struct hvnetd_switch *found = NULL;
	struct object *o;
	unsigned n = 0;

	OBJECT_FOREACH(o, d, OBJECT_SWITCH) {
		struct hvnetd_switch *sw = hv_container_of(o, struct hvnetd_switch, o);

		if (sw->sw && (!port || has_port(sw, port))) {
			found = sw;
			n++;
		}
	}
	if (n == 1)
		return found;
	if (port)
		rpc_fail(err, n ? RPC_INVALID_PARAMS : RPC_NOT_FOUND, n ? "switch" : "port", n ? "several switches have a port %s: say "
			 "which with \"switch\"" : "no switch has a port %s; `hvnetctl port show` lists them", port);
	else if (n)
		rpc_fail(err, RPC_INVALID_PARAMS, "switch", "there are several switches: say which with \"switch\", or a port");
	else
		rpc_fail(err, RPC_NOT_FOUND, "switch", "there is no switch");
	return NULL;
}

static struct hvnetd_switch *find_switch(struct rpc_call *call, const char *port)
{
	const char *name = rpc_string(call, "switch");
	struct hvnetd_switch *sw;
	struct object *o;

	if (!name)
		return guess_switch(call->opaque, port, &call->err);
	o = switch_find(call->opaque, name, &call->err);
	sw = o && switch_of(o) ? hv_container_of(o, struct hvnetd_switch, o) : NULL;
	if (!sw || !port || has_port(sw, port))
		return sw;
	rpc_fail(&call->err, RPC_NOT_FOUND, "port", "switch \"%s\" has no port %s; `hvnetctl port show` lists them", name, port);
	return NULL;
}

static int parse_config(struct rpc_call *call, struct vswitch_capture_config *config)
{
	static const char *const points[] = { "ingress", "accepted", "egress", "dropped", NULL };	/* the bits' order */
	static const char *const directions[] = { "in", "out", NULL };
	const char *point = rpc_string(call, "points"), *direction = rpc_string(call, "direction");

	if (parse_words(point ? point : "ingress,egress", points, "points", &config->points, &call->err) ||
	    parse_words(!direction || !strcmp(direction, "both") ? "in,out" : direction, directions, "direction",
			&config->directions, &call->err))
		return -1;
	config->vlan = (int)rpc_integer(call, "vlan", VSWITCH_CAPTURE_VLAN_ANY);
	config->snap_bytes = (uint32_t)rpc_integer(call, "snaplen", 0);
	config->max_frames = (uint64_t)rpc_integer(call, "count", 0);
	config->application = "hvnetd " HVNETD_VERSION;
	return 0;
}

static uint32_t ring_bytes(const struct rpc_call *call)
{
	json_int_t wanted = rpc_integer(call, "buffer_bytes", CAPTURE_BUFFER_BYTES);
	uint32_t bytes = VSWITCH_CAPTURE_RING_MIN;

	while (bytes < wanted && bytes < API_CAPTURE_BUFFER_MAX)
		bytes *= 2;
	return bytes;
}

static int start(struct rpc_call *call, struct capture *c, const struct vswitch_capture_config *wanted)
{
	struct vswitch_capture_config config = *wanted;
	const char *filter = rpc_string(call, "filter");
	struct bpf_program program = { 0 };
	int ret;

	if (filter) {
		program.bf_insns = parse_program(filter, &program.bf_len);
		if (!program.bf_insns)
			return rpc_fail(&call->err, RPC_INVALID_PARAMS, "filter", "\"filter\" must be a BPF program of 1 to %d "
					"instructions as tcpdump -ddd prints it, with commas for newlines",
					VSWITCH_CAPTURE_FILTER_MAX);
		config.filter = &program;
	}
	config.ring = c->ring;
	config.wake = wake;
	config.cookie = c;
	ret = vswitch_capture_start(c->sw, &config, &c->capture);
	free(program.bf_insns);
	if (ret == -EINVAL)
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, filter ? "filter" : "points",
				"the BPF program in \"filter\" is not valid, or it could loop (\"protochain\")");
	return ret ? rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "cannot capture: %s", strerror(-ret)) : 0;
}

/* The client's copies of the descriptors go with the reply. */
static int hand_over(struct rpc_call *call, const struct capture *c)
{
	int fds[2] = { fcntl(c->memory, F_DUPFD_CLOEXEC, 0), fcntl(c->event, F_DUPFD_CLOEXEC, 0) };

	if (fds[0] >= 0 && fds[1] >= 0) {
		if (!control_client_send_fds_take(c->client, fds, 2))
			return 0;
		return rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "one capture at a time may be started on a connection; wait "
				"for the answer to the last one");
	}
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "no descriptors left");
}

static json_t *show(const struct capture *c)
{
	struct vswitch_capture_stats st;
	json_t *o;

	vswitch_capture_stats(c->capture, &st);
	o = json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:b}", "capture", c->id, "switch", c->switch_name, "pid",
		      (int)control_client_pid(c->client), "seen", (json_int_t)st.seen, "frames", (json_int_t)st.captured, "bytes",
		      (json_int_t)st.captured_bytes, "lost", (json_int_t)st.dropped, "ended", st.ended);
	if (c->port[0])
		json_object_set_new(o, "port", json_string(c->port));
	return o;
}

static struct capture *make(struct rpc_call *call, struct hvnetd_switch *sw, const char *port)
{
	struct vswitch_capture_config config = { .port = port };
	struct hvnetd *d = call->opaque;
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->d = d;
	c->memory = c->event = -1;
	c->sw = sw->sw;
	c->client = call->caller;
	snprintf(c->id, sizeof(c->id), "%llu", (unsigned long long)++d->captures_made);
	snprintf(c->switch_name, sizeof(c->switch_name), "%.63s", sw->o.key);
	if (port)
		snprintf(c->port, sizeof(c->port), "%s", port);
	if (parse_config(call, &config) || make_ring(c, ring_bytes(call), &call->err) || start(call, c, &config) ||
	    hand_over(call, c)) {
		capture_free(c);
		return NULL;
	}
	return c;
}

json_t *method_capture_start(struct rpc_call *call)
{
	const char *port = rpc_string(call, "port");
	struct hvnetd *d = call->opaque;
	struct hvnetd_switch *sw;
	struct capture *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &d->captures, link)
		n++;
	if (n >= CAPTURES_MAX) {
		rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "%d captures run, the limit; `hvnetctl capture list`", CAPTURES_MAX);
		return NULL;
	}
	sw = find_switch(call, port);
	c = sw ? make(call, sw, port) : NULL;
	if (!c)
		return NULL;
	TAILQ_INSERT_TAIL(&d->captures, c, link);
	hv_log(HV_LOG_INFO, "capture %s on switch \"%s\"%s%s: begun for process %d", c->id, c->switch_name, port ? ", port " : "",
	       c->port, (int)control_client_pid(c->client));
	return show(c);
}

json_t *method_capture_stop(struct rpc_call *call)
{
	const char *id = rpc_string(call, "capture");
	struct hvnetd *d = call->opaque;
	struct capture *c;
	json_t *o;

	TAILQ_FOREACH(c, &d->captures, link)
		if (!strcmp(c->id, id))
			break;
	if (!c) {
		rpc_fail(&call->err, RPC_NOT_FOUND, "capture", "there is no capture %s; `hvnetctl capture list` lists them", id);
		return NULL;
	}
	vswitch_capture_end(c->capture);
	o = show(c);
	capture_end(c, "as asked for");
	return o;
}

json_t *method_capture_list(struct rpc_call *call)
{
	json_int_t limit = rpc_integer(call, "limit", 100), offset = rpc_integer(call, "offset", 0), n = 0;
	struct hvnetd *d = call->opaque;
	json_t *list = json_array(), *o;
	const struct capture *c;

	TAILQ_FOREACH(c, &d->captures, link) {
		if (n >= offset && n - offset < limit)
			json_array_append_new(list, show(c));
		n++;
	}
	o = json_pack("{s:o, s:I}", "captures", list, "total", n);
	if (offset < n && n - offset > limit)
		json_object_set_new(o, "next_offset", json_integer(offset + limit));
	return o;
}
