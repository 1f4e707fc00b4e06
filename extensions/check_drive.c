/* SPDX-License-Identifier: MIT */
/*
 * Random life on a switch with one extension on it. Frames lie in pages that are taken away when the
 * switch is done with them, so a late look at one is a crash, and the crash says where.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "extensions/check.h"
#include "vswitch/extension_internal.h"

enum {
	NICS = 6,
	REGIONS = 8,			/* of frames, used in turn */
	FRAME_ROOM = 4096,		/* per frame: its struct, its piece list, its bytes */
	REGION_BYTES = VSWITCH_BATCH * FRAME_ROOM,
};

#define MS 1000000ull

struct nic_of_ours {
	struct vswitch_nic nic;
	struct vswitch_port *port;	/* NULL: not there */
	uint64_t got;
};

static struct {
	struct vswitch *sw;
	struct vswitch_extension *e;
	struct nic_of_ours nics[NICS];
	uint8_t *regions;
	unsigned region;
	uint64_t now_ns;
	unsigned deleting;
	const char *step;
	void *blob;
	size_t blob_bytes;
} d;

static unsigned pick(unsigned n)
{
	return (unsigned)rand() % n;
}

/* Crashes and hangs. */

static void on_signal(int number, siginfo_t *info, void *context)
{
	const uint8_t *at = info->si_addr;
	const char *where = check_where();
	char text[200];
	int n;

	(void)context;
	if (number == SIGALRM)
		n = snprintf(text, sizeof(text), "FAULT: %s does not return\n", where ? where : "the switch");
	else if (d.regions && at >= d.regions && at < d.regions + (size_t)REGIONS * REGION_BYTES)
		n = snprintf(text, sizeof(text), "FAULT: %s touches a frame that was completed\n", where ? where : "a thread");
	else
		n = snprintf(text, sizeof(text), "FAULT: %s crashes (signal %d, step %s)\n", where ? where : "something", number,
			     d.step);
	if (write(STDOUT_FILENO, text, (size_t)n) != n)
		_exit(2);
	_exit(1);
}

static void catch_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &a, NULL);
}

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* NICs. */

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct nic_of_ours *t = opaque;
	uint8_t bytes[FRAME_ROOM];

	for (unsigned i = 0; i < n; i++)
		vswitch_frame_copy(frames[i], 0, bytes, frames[i]->len < sizeof(bytes) ? frames[i]->len : (uint32_t)sizeof(bytes));
	t->got += n;
	if (!pick(50))
		vswitch_port_drop(t->port, VSWITCH_DROP_NO_BUFFER, 1);
}

static int answer(void *opaque, struct vswitch_request *r)
{
	(void)opaque;
	r->out_bytes = 0;
	return pick(2) ? 0 : -EOPNOTSUPP;
}

static const struct vswitch_nic_ops nic_ops = { .deliver = deliver, .request = answer };

static void address(unsigned i, uint8_t mac[6])
{
	const uint8_t bytes[6] = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) };

	memcpy(mac, bytes, 6);
}

static void create_port(unsigned i)
{
	static const enum vswitch_nic_kind kinds[NICS] = { VSWITCH_NIC_EXTERNAL, VSWITCH_NIC_SYNTHETIC, VSWITCH_NIC_EMULATED,
							   VSWITCH_NIC_INTERNAL, VSWITCH_NIC_SYNTHETIC, VSWITCH_NIC_SYNTHETIC };
	struct vswitch_port_config config = { .friendly_name = "a port", .validation = !pick(10) };
	struct nic_of_ours *t = &d.nics[i];
	char name[16];

	snprintf(name, sizeof(name), "p%u", i);
	config.name = name;
	t->nic = (struct vswitch_nic){ .kind = kinds[i], .max_frame_bytes = 1514, .ops = &nic_ops, .opaque = t };
	if (kinds[i] != VSWITCH_NIC_EXTERNAL)
		address(i, t->nic.mac);
	if (vswitch_port_create_as(d.sw, &config, &t->port))
		t->port = NULL;
}

static void deleted(void *cookie)
{
	(void)cookie;
	d.deleting--;
}

static void count_deletion(int ret)
{
	d.deleting += ret == -EINPROGRESS;
}

/* The next of the steps that a port and its NIC can take. */
static void step_of_life(struct nic_of_ours *t)
{
	const struct vswitch_nic_config config = { .vm_name = "vm", .initializing = pick(2) };
	struct vswitch_nic_info info;

	d.step = "life";
	if (!vswitch_nic_info(t->port, 0, &info)) {
		if (pick(4) || !TAILQ_EMPTY(&t->port->nics)) {
			(void)!vswitch_nic_create(t->port, 0, &t->nic, &config);
			return;
		}
		count_deletion(vswitch_port_delete(t->port, deleted, NULL));
		t->port = NULL;
	} else if (info.state == VSWITCH_NIC_CREATED || (info.state == VSWITCH_NIC_DISCONNECTED && pick(2))) {
		(void)!vswitch_nic_connect(t->port, 0);
	} else if (info.state == VSWITCH_NIC_CONNECTED) {
		if (!pick(4))
			(void)vswitch_nic_disconnect(t->port, 0);
	} else {
		count_deletion(vswitch_nic_delete(t->port, 0, deleted, NULL));
	}
}

static void step_of_member(struct nic_of_ours *t)
{
	uint8_t index = (uint8_t)(1 + pick(3));
	struct vswitch_nic_info info;

	d.step = "member";
	if (!vswitch_nic_info(t->port, index, &info))
		(void)!vswitch_nic_create(t->port, index, NULL, NULL);
	else if (info.state == VSWITCH_NIC_CONNECTED)
		(void)vswitch_nic_disconnect(t->port, index);
	else if (pick(2))
		(void)!vswitch_nic_connect(t->port, index);
	else
		count_deletion(vswitch_nic_delete(t->port, index, deleted, NULL));
}

static void news(struct nic_of_ours *t)
{
	const struct vswitch_nic_config config = { .mtu = 1400 + pick(100) };
	uint8_t mac[6];

	d.step = "news";
	switch (pick(5)) {
	case 0:
		(void)!vswitch_port_updated(t->port, pick(2) ? "another name" : "a port");
		break;
	case 1:
		(void)!vswitch_nic_updated(t->port, 0, &config, pick(2));
		break;
	case 2:
		vswitch_port_set_link(t->port, pick(4));
		break;
	case 3:
		address(20 + pick(20), mac);
		(void)!vswitch_port_set_mac(t->port, mac);
		break;
	default:
		vswitch_nic_status(t->port, 0, 2 + pick(3), mac, 0);
		break;
	}
}

/* Frames. */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Something that extensions look into: IP with ports, IPv6, ARP, or noise; sometimes cut short or wrong. */
static void fill(uint8_t *p, unsigned from, uint32_t len)
{
	static const uint16_t types[] = { 0x0800, 0x0800, 0x86dd, 0x0806, 0x8100, 0x88b5 };

	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)pick(256);
	address(pick(NICS + 2), p);
	if (!pick(6))
		memset(p, 0xff, 6);
	address(from, p + 6);
	put16(p + 12, types[pick(6)]);
	if (len >= 60 && p[12] == 0x08 && p[13] == 0 && pick(5)) {
		p[14] = 0x45;
		put16(p + 16, len - 14);
		put16(p + 20, pick(10) ? 0 : pick(0x2000));
		p[23] = (uint8_t)(pick(2) ? 6 : 17);
		p[26] = p[30] = 10;
		put16(p + 34, pick(100));
		put16(p + 36, pick(100));
	}
}

static struct vswitch_frame *new_frame(unsigned slot, unsigned from)
{
	uint8_t *at = d.regions + (size_t)d.region * REGION_BYTES + (size_t)slot * FRAME_ROOM;
	struct vswitch_frame *f = (struct vswitch_frame *)(void *)at;
	struct iovec *segs = (struct iovec *)(void *)(at + 512);
	uint8_t *bytes = at + 1024;
	uint32_t len = pick(20) ? 60 + pick(1454) : 14 + pick(60), split;

	fill(bytes, from, len);
	*f = (struct vswitch_frame){ .len = len, .segs = segs };
	f->head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES);
	memcpy(f->head, bytes, f->head_bytes);
	split = len > f->head_bytes ? pick(len - f->head_bytes) : 0;
	segs[0] = (struct iovec){ bytes + f->head_bytes, split };
	segs[1] = (struct iovec){ bytes + f->head_bytes + split, len - f->head_bytes - split };
	f->nsegs = 2;
	if (!pick(6)) {
		f->offload.flags = VSWITCH_VLAN;
		f->offload.vlan_tci = (uint16_t)(1 + pick(5));
	}
	return f;
}

static void send_batch(unsigned from)
{
	struct vswitch_frame *frames[VSWITCH_BATCH];
	unsigned n = 1 + pick(VSWITCH_BATCH);
	uint8_t *at;

	d.step = "frames";
	d.region = (d.region + 1) % REGIONS;
	at = d.regions + (size_t)d.region * REGION_BYTES;
	if (mprotect(at, REGION_BYTES, PROT_READ | PROT_WRITE))
		abort();
	for (unsigned i = 0; i < n; i++)
		frames[i] = new_frame(i, from);
	vswitch_port_input(d.nics[from].port, frames, n);
	if (mprotect(at, REGION_BYTES, PROT_NONE))
		abort();
}

/* Control. */

static void policies(struct vswitch_port *port)
{
	static const uint8_t data[64];
	const struct vswitch_property p = {
		.feature = { { (uint8_t)pick(3) } },
		.instance = { { (uint8_t)pick(2) } },
		.version = 1,
		.standard = pick(2),
		.bytes = pick(sizeof(data)),
		.data = data,
	};
	uint8_t out[256];
	uint32_t n;

	d.step = "policies";
	switch (pick(4)) {
	case 0:
		(void)!vswitch_property_add(d.sw, port, &p);
		break;
	case 1:
		(void)!vswitch_property_update(d.sw, port, &p);
		break;
	case 2:
		(void)!vswitch_property_delete(d.sw, port, &p.feature, &p.instance);
		break;
	default:
		(void)!vswitch_feature_status(d.sw, port, &p.feature, out, pick(sizeof(out)), &n);
		break;
	}
}

static void requests(const struct vswitch_port *port)
{
	uint8_t in[16] = { 1 }, out[16];
	struct vswitch_request r = {
		.code = pick(2) ? 0x01010103 : pick(1000),
		.destination_port = pick(3) ? vswitch_port_id(port) : 0,
		.set = (uint8_t)pick(2),
		.in = in,
		.in_bytes = sizeof(in),
		.out = out,
		.out_max_bytes = sizeof(out),
	};

	d.step = "requests";
	(void)!vswitch_request(d.sw, &r);
}

static void save_and_restore(struct vswitch_port *port)
{
	uint8_t noise[64];
	struct vswitch_nic_info info;
	void *blob;
	size_t n;
	int ret;

	d.step = "save and restore";
	if (!vswitch_nic_info(port, 0, &info))
		return;
	if (!vswitch_nic_save(port, 0, &blob, &n)) {
		ret = vswitch_nic_restore(port, 0, blob, n, NULL);
		if (ret)
			check_fault("restore() does not take what save() made (%s)", strerror(-ret));
		free(blob);
	}
	/* What somebody has forged, below the checksum: it may refuse, no more. */
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)pick(256);
	if (vswitch_extension_enabled(d.e) && vswitch_extension_module(d.e)->ops->restore)
		(void)vswitch_extension_module(d.e)->ops->restore(d.e->instance, &info, &(struct vswitch_guid){ { 0 } }, noise,
								   pick(sizeof(noise)));
}

static void on_and_off(void)
{
	struct vswitch_extension_stats before, after;

	d.step = "enable and disable";
	if (!vswitch_extension_enabled(d.e)) {
		(void)!vswitch_extension_enable(d.e);
		return;
	}
	vswitch_extension_stats(d.e, &before);
	vswitch_extension_disable(d.e);
	vswitch_extension_stats(d.e, &after);
	if (after.flushed != before.flushed)
		check_fault("deactivate() leaves frames held");
	if (after.lost_references != before.lost_references)
		check_fault("deactivate() leaves references");
}

static void later(uint64_t ns)
{
	d.now_ns += ns;
	vswitch_tick(d.sw, d.now_ns);
}

/* What the extension must have let go of by now. */
static void look_at_drains(void)
{
	struct vswitch_extension_stats before, after;

	if (!d.deleting)
		return;
	d.step = "waiting for a deletion";
	vswitch_extension_stats(d.e, &before);
	for (unsigned i = 0; i < VSWITCH_DRAIN_MS && d.deleting; i += 10)
		later(10 * MS);
	vswitch_extension_stats(d.e, &after);
	if (after.flushed != before.flushed)
		check_fault("a frame is still held %d ms after its NIC was disconnected", VSWITCH_DRAIN_MS);
	if (after.lost_references != before.lost_references)
		check_fault("a reference is still there %d ms after nic_disconnect() or port_teardown()", VSWITCH_DRAIN_MS);
}

static void look(void)
{
	struct vswitch_extension_stats s;
	struct vswitch_port_stats ps;
	struct vswitch_port *p = NULL;
	uint64_t dropped;

	vswitch_extension_stats(d.e, &s);
	if (s.misuse)
		check_fault("misuse: %s", s.last_misuse);
	while ((p = vswitch_next_port(d.sw, p))) {
		vswitch_port_stats(p, &ps);
		dropped = 0;
		for (int i = 0; i < VSWITCH_DROPS; i++)
			dropped += ps.in_dropped[i];
		if (ps.in_frames + ps.injected != ps.forwarded + dropped + ps.held)
			check_fault("the balance of a port is wrong");
	}
}

static void step(void)
{
	unsigned i = pick(NICS);
	struct nic_of_ours *t = &d.nics[i];

	if (!t->port) {
		d.step = "port";
		create_port(i);
		return;
	}
	switch (pick(20)) {
	case 0: case 1:
		step_of_life(t);
		break;
	case 2:
		if (!i)
			step_of_member(t);
		break;
	case 3:
		news(t);
		break;
	case 4:
		policies(pick(2) ? t->port : NULL);
		break;
	case 5:
		requests(t->port);
		break;
	case 6:
		save_and_restore(t->port);
		break;
	case 7:
		if (!pick(10))
			on_and_off();
		break;
	case 8: case 9:
		d.step = "time";
		later(pick(30) * MS);
		break;
	default:
		send_batch(i);
		break;
	}
	look_at_drains();
	look();
}

static void connect_all(void)
{
	for (unsigned i = 0; i < NICS; i++) {
		if (!d.nics[i].port)
			create_port(i);
		for (unsigned k = 0; d.nics[i].port && k < 3; k++)
			if (!vswitch_port_nic(d.nics[i].port))
				step_of_life(&d.nics[i]);
	}
}

/* Everybody goes in good order, with frames still held perhaps. */
static void the_end(void)
{
	connect_all();
	for (unsigned i = 0; i < NICS; i++)
		if (d.nics[i].port)
			send_batch(i);
	for (unsigned i = 0; i < NICS; i++) {
		if (!d.nics[i].port)
			continue;
		(void)vswitch_nic_disconnect(d.nics[i].port, 0);
		count_deletion(vswitch_nic_delete(d.nics[i].port, 0, deleted, NULL));
	}
	look_at_drains();
	for (unsigned i = 0; i < NICS; i++)
		vswitch_port_destroy(d.nics[i].port);
	look();
}

unsigned check_extension(const struct vswitch_ext_module *module, const struct check_options *options)
{
	const struct vswitch_extension_config config = { .config = options->config };
	const struct vswitch_config switch_config = { .name = "extcheck" };
	unsigned descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
	int ret;

	srand(options->seed);
	if (!options->verbose)
		hv_log_set_level(HV_LOG_ERROR);
	d.regions = mmap(NULL, (size_t)REGIONS * REGION_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d.regions == MAP_FAILED || vswitch_create(NULL, &switch_config, &d.sw))
		abort();
	catch_signals();
	d.now_ns = 1000000000000;
	vswitch_tick(d.sw, d.now_ns);
	d.step = "attach";
	ret = vswitch_extension_attach(d.sw, check_proxy(module), &config, &d.e);
	if (ret) {
		check_fault("attach() fails: %s (%s)", vswitch_refusal(d.sw)->reason, strerror(-ret));
		return check_faults();
	}
	(void)!vswitch_extension_enable(d.e);
	for (unsigned i = 0; i < options->steps; i++) {
		alarm(options->patience_s);
		step();
	}
	alarm(options->patience_s);
	if (!vswitch_extension_enabled(d.e))
		on_and_off();
	the_end();
	on_and_off();
	d.step = "detach";
	vswitch_extension_detach(d.e);
	vswitch_destroy(d.sw);
	alarm(0);
	if (entries("/proc/self/fd") != descriptors)
		check_fault("descriptors are open after detach()");
	if (entries("/proc/self/task") != threads)
		check_fault("threads run after detach()");
	munmap(d.regions, (size_t)REGIONS * REGION_BYTES);
	d.regions = NULL;
	return check_faults();
}
