/* SPDX-License-Identifier: MIT */
/*
 * A soft guest as a program: attaches to a daemon's bridge socket, brings one NIC up and then
 * sends, counts, echoes or plays ping-pong, with the numbers at the end. Frames that it makes carry
 * a sequence number and a time, so losses are known exactly.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "softguest/softguest.h"

enum mode { MODE_ECHO, MODE_SEND, MODE_SINK, MODE_PINGPONG };
static const char *const mode_names[] = { "echo", "send", "sink", "pingpong" };

enum {
	GEN_TYPE = 0x88b5,		/* IEEE 802: local experiments */
	GEN_MAGIC = 0x746e7668,
	BURST = 64,			/* frames between two looks at the ring */
	RTT_BUCKETS = 4096,		/* of 250 ns each: 1 ms */
	RTT_BUCKET_NS = 250,
	SERVE_AGAIN_NS = 100000000,
	IDLE_POLLS = 2000,		/* empty looks before it sleeps; some 20 µs */
};

/* What follows the Ethernet header in our frames; host order, as both ends are on this machine. */
struct gen {
	uint32_t magic, sender;
	uint64_t seq, sent_ns;
} __attribute__((packed));

struct options {
	const char *socket;
	enum mode mode;
	uint32_t size, seconds, batch, nic, mtu;
	uint32_t nvsp, vmbus;
	uint8_t to[6];
	bool busy, verbose;
	struct softguest_responder responder;
};

struct run {
	const struct options *o;
	struct softguest *g;
	struct softguest_nic *nic;
	struct softguest_responder responder;
	uint64_t seq, sent, sent_bytes, received, received_bytes, echoed, dropped;
	uint64_t expected, lost, reordered;	/* of the sender that is heard */
	uint32_t sender;
	uint64_t rtt_sum, rtt_min, rtt_max, rtt_count, rtt[RTT_BUCKETS];
	bool answered;			/* the ball is ours */
	uint64_t served_ns;
	uint8_t frame[65536];
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void usage(void)
{
	printf("usage: softguest --socket PATH [--mode echo|send|sink|pingpong] [options]\n"
	       "  --size N      bytes of a frame without FCS (default 64, at least 38)\n"
	       "  --seconds S   how long (default: until interrupted)\n"
	       "  --batch N     frames in one packet to the host (default: as many as it takes)\n"
	       "  --to MAC      destination of send and pingpong (default: broadcast)\n"
	       "  --ip ADDRESS  answer ARP, ICMP echo, neighbour discovery for it; IPv4 or IPv6, may be repeated\n"
	       "  --nic N       which NIC of the guest (default 0)\n"
	       "  --mtu N       MTU to ask for (default 1500)\n"
	       "  --nvsp M.N    newest NVSP version to offer        --vmbus M.N  the VMBus version to offer\n"
	       "  --busy        never sleep                         --verbose    a line per second\n");
}

static bool parse_mac(const char *s, uint8_t mac[6])
{
	unsigned v[6];
	char rest;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &rest) != 6)
		return false;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return true;
}

static bool parse_number(const char *s, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (end == s || *end || v > max || *s == '-')
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool parse_version(const char *s, uint32_t *out)
{
	unsigned major, minor;
	char rest;

	if (sscanf(s, "%u.%u%c", &major, &minor, &rest) != 2 || major > 0xffff || minor > 0xffff)
		return false;
	*out = major << 16 | minor;
	return true;
}

/* NVSP's versions are not numbered as they are written: 1 and 2 are 0.2 and 3.2. */
static bool parse_nvsp(const char *s, uint32_t *out)
{
	static const struct { const char *name; uint32_t version; } t[] = {
		{ "1", NVSP_VERSION_1 }, { "2", NVSP_VERSION_2 }, { "4", NVSP_VERSION_4 }, { "5", NVSP_VERSION_5 },
		{ "6", NVSP_VERSION_6 }, { "6.1", NVSP_VERSION_6_1 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (!strcmp(s, t[i].name)) {
			*out = t[i].version;
			return true;
		}
	}
	return false;
}

static bool parse_mode(const char *s, enum mode *out)
{
	for (unsigned i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
		if (!strcmp(s, mode_names[i])) {
			*out = (enum mode)i;
			return true;
		}
	}
	return false;
}

static bool parse_option(struct options *o, int c, const char *arg)
{
	switch (c) {
	case 's':
		o->socket = arg;
		return true;
	case 'm':
		return parse_mode(arg, &o->mode);
	case 'z':
		return parse_number(arg, 65536 - 4096, &o->size) && o->size >= 14 + sizeof(struct gen);
	case 't':
		return parse_number(arg, 86400, &o->seconds);
	case 'b':
		return parse_number(arg, NETVSC_MESSAGES_MAX, &o->batch);
	case 'd':
		return parse_mac(arg, o->to);
	case 'i':
		return inet_pton(AF_INET, arg, o->responder.ip) == 1 || inet_pton(AF_INET6, arg, o->responder.ip6) == 1;
	case 'n':
		return parse_number(arg, SOFTGUEST_NICS - 1, &o->nic);
	case 'u':
		return parse_number(arg, NETVSC_MTU_MAX, &o->mtu);
	case 'N':
		return parse_nvsp(arg, &o->nvsp);
	case 'V':
		return parse_version(arg, &o->vmbus);
	case 'B':
		o->busy = true;
		return true;
	case 'v':
		o->verbose = true;
		return true;
	default:
		return false;
	}
}

static bool parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", 1, NULL, 's' }, { "mode", 1, NULL, 'm' }, { "size", 1, NULL, 'z' },
		{ "seconds", 1, NULL, 't' }, { "batch", 1, NULL, 'b' }, { "to", 1, NULL, 'd' }, { "ip", 1, NULL, 'i' },
		{ "nic", 1, NULL, 'n' }, { "mtu", 1, NULL, 'u' }, { "nvsp", 1, NULL, 'N' }, { "vmbus", 1, NULL, 'V' },
		{ "busy", 0, NULL, 'B' }, { "verbose", 0, NULL, 'v' }, { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .size = 64 };
	memset(o->to, 0xff, sizeof(o->to));
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'h') {
			usage();
			exit(0);
		}
		if (!parse_option(o, c, optarg)) {
			if (c != '?')
				fprintf(stderr, "softguest: bad value: %s\n", optarg);
			return false;
		}
	}
	if (optind != argc || !o->socket)
		fprintf(stderr, "softguest: %s\n", o->socket ? "too many arguments" : "--socket is missing");
	return optind == argc && o->socket;
}

/* ---- frames ---- */

static void build_frame(struct run *r)
{
	memset(r->frame, 0x5a, r->o->size);
	memcpy(r->frame, r->o->to, 6);
	memcpy(r->frame + 6, softguest_nic_mac(r->nic), 6);
	r->frame[12] = GEN_TYPE >> 8;
	r->frame[13] = GEN_TYPE & 0xff;
}

/* One frame of ours; false: no room now. */
static bool send_one(struct run *r, uint64_t now)
{
	const uint32_t n = r->o->size, section = softguest_nic_core(r->nic)->section_bytes;
	const uint8_t *mac = softguest_nic_mac(r->nic);
	struct gen gen = { GEN_MAGIC, (uint32_t)mac[2] << 24 | (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5],
			   r->seq, now };
	uint8_t *at;

	if (n + NETVSC_HEADER_MAX_BYTES <= section) {
		at = softguest_tx(r->nic, NULL, n);
		if (!at)
			return false;
		memcpy(at, r->frame, n);
		memcpy(at + 14, &gen, sizeof(gen));
	} else {
		memcpy(r->frame + 14, &gen, sizeof(gen));
		if (softguest_tx_form(r->nic, SOFTGUEST_DIRECT, NULL, r->frame, n))
			return false;
	}
	r->seq++;
	r->sent++;
	r->sent_bytes += n;
	return true;
}

static void note_rtt(struct run *r, uint64_t ns)
{
	uint64_t bucket = ns / RTT_BUCKET_NS;

	r->rtt[bucket < RTT_BUCKETS ? bucket : RTT_BUCKETS - 1]++;
	r->rtt_sum += ns;
	r->rtt_min = r->rtt_count && r->rtt_min < ns ? r->rtt_min : ns;
	r->rtt_max = r->rtt_max > ns ? r->rtt_max : ns;
	r->rtt_count++;
}

/* Follows one sender: the first that is heard. */
static void note_sequence(struct run *r, const struct gen *gen)
{
	if (!r->sender) {
		r->sender = gen->sender ? gen->sender : 1;
		r->expected = gen->seq;
	}
	if (gen->sender != r->sender)
		return;
	if (gen->seq < r->expected) {
		r->reordered++;
		return;
	}
	r->lost += gen->seq - r->expected;
	r->expected = gen->seq + 1;
}

static void respond(struct run *r, const struct netvsc_frame *f)
{
	uint8_t question[2048], answer[2048], *at;
	uint32_t n;

	if (f->bytes > sizeof(question))
		return;
	memcpy(question, f->data, f->bytes);
	n = softguest_respond(&r->responder, question, f->bytes, answer, sizeof(answer));
	if (!n)
		return;
	at = softguest_tx(r->nic, NULL, n);
	if (at)
		memcpy(at, answer, n);
}

static void echo(struct run *r, const struct netvsc_frame *f)
{
	uint8_t *at = softguest_tx(r->nic, NULL, f->bytes);

	if (!at) {
		r->dropped++;
		return;
	}
	memcpy(at, f->data + 6, 6);
	memcpy(at + 6, softguest_nic_mac(r->nic), 6);
	memcpy(at + 12, f->data + 12, f->bytes - 12);
	r->echoed++;
}

static void on_frame(void *opaque, struct softguest_nic *nic, const struct netvsc_frame *f)
{
	struct run *r = opaque;
	struct gen gen;

	(void)nic;
	r->received++;
	r->received_bytes += f->bytes;
	if (f->bytes >= 14 + sizeof(gen) && f->data[12] == GEN_TYPE >> 8 && f->data[13] == (GEN_TYPE & 0xff)) {
		memcpy(&gen, f->data + 14, sizeof(gen));
		if (gen.magic != GEN_MAGIC)
			return;
		if (r->o->mode == MODE_ECHO)
			return echo(r, f);
		if (r->o->mode == MODE_PINGPONG && gen.seq + 1 == r->seq) {
			note_rtt(r, hv_now_ns() - gen.sent_ns);
			r->answered = true;
		}
		note_sequence(r, &gen);
		return;
	}
	respond(r, f);
}

/* ---- modes ---- */

static void report_line(const struct run *r, uint64_t sent, uint64_t received, uint64_t ns)
{
	printf("%8.3f Mframe/s out %8.3f Mframe/s in, lost %" PRIu64 "\n", (double)sent * 1e3 / (double)ns,
	       (double)received * 1e3 / (double)ns, r->lost);
	fflush(stdout);
}

/* One turn of the mode; true if there was something to do. */
static bool turn(struct run *r, uint64_t now)
{
	bool work = softguest_poll(r->g);

	if (r->o->mode == MODE_SEND) {
		for (unsigned i = 0; i < BURST && send_one(r, now); i++)
			work = true;
	} else if (r->o->mode == MODE_PINGPONG && r->answered) {
		r->served_ns = hv_now_ns();
		r->answered = !send_one(r, r->served_ns);
		work = true;
	}
	softguest_flush(r->nic);
	return work;
}

static int run(struct run *r, uint64_t *ns)
{
	uint64_t begin = hv_now_ns(), now = begin, mark = begin, sent = 0, received = 0;
	uint64_t end = r->o->seconds ? begin + r->o->seconds * UINT64_C(1000000000) : UINT64_MAX;
	unsigned idle = 0;

	r->answered = true;
	for (unsigned n = 0; !stopped && now < end; n++) {
		if (softguest_nic_is_rescinded(r->nic) || !softguest_nic_is_open(r->nic))
			return -ENODEV;
		idle = turn(r, now) ? 0 : idle + 1;
		if (idle > IDLE_POLLS && !r->o->busy) {
			softguest_wait(r->g, 100);
			idle = 0;
		} else if (n & 15) {
			continue;	/* the clock is not read each time */
		}
		now = hv_now_ns();
		if (r->o->verbose && now - mark >= 1000000000) {
			report_line(r, r->sent - sent, r->received - received, now - mark);
			sent = r->sent;
			received = r->received;
			mark = now;
		}
		/* A lost ball is served again. */
		if (!r->answered && now - r->served_ns > SERVE_AGAIN_NS)
			r->answered = true;
	}
	*ns = now - begin;
	return 0;
}

static void report_rtt(const struct run *r)
{
	static const unsigned percent[] = { 50, 99 };
	uint64_t seen = 0;
	unsigned p = 0;

	printf("rtt_min_us=%.2f rtt_avg_us=%.2f rtt_max_us=%.2f", (double)r->rtt_min / 1e3,
	       r->rtt_count ? (double)r->rtt_sum / (double)r->rtt_count / 1e3 : 0, (double)r->rtt_max / 1e3);
	for (unsigned i = 0; i < RTT_BUCKETS && p < 2; i++) {
		seen += r->rtt[i];
		while (p < 2 && seen * 100 >= r->rtt_count * percent[p] && r->rtt_count)
			printf(" rtt_p%u_us=%.2f", percent[p++], (double)(i + 1) * RTT_BUCKET_NS / 1e3);
	}
	printf("\n");
}

static void report(const struct run *r, uint64_t ns)
{
	struct softguest_stats s;
	double seconds = (double)ns / 1e9;

	softguest_nic_stats(r->nic, &s);
	printf("mode=%s seconds=%.3f sent=%" PRIu64 " received=%" PRIu64 " lost=%" PRIu64 " reordered=%" PRIu64
	       " echoed=%" PRIu64 " dropped=%" PRIu64 " answered=%" PRIu64 "\n",
	       mode_names[r->o->mode], seconds, r->sent, r->received, r->lost, r->reordered, r->echoed, r->dropped,
	       r->responder.answered);
	printf("out_frames_per_s=%.0f in_frames_per_s=%.0f out_mbit_per_s=%.1f in_mbit_per_s=%.1f\n",
	       (double)s.core.n[NETVSC_TX_FRAMES] / seconds, (double)r->received / seconds,
	       (double)s.core.n[NETVSC_TX_BYTES] * 8 / seconds / 1e6, (double)r->received_bytes * 8 / seconds / 1e6);
	printf("doorbells=%" PRIu64 " interrupts=%" PRIu64 " messages=%" PRIu64 " rx_packets=%" PRIu64
	       " no_room=%" PRIu64 " tx_failed=%" PRIu64 "\n",
	       s.doorbells, s.interrupts, s.core.n[NETVSC_TX_MESSAGES], s.rx_packets, s.tx_no_room,
	       s.core.n[NETVSC_TX_FAILED]);
	if (r->o->mode == MODE_PINGPONG)
		report_rtt(r);
}

static int bring_up(struct run *r)
{
	const struct options *o = r->o;
	struct softguest_opts go = { .vmbus_version = o->vmbus };
	struct softguest_nic_opts no = {
		.config = { .max_version = o->nvsp, .mtu = o->mtu }, .rx = on_frame, .opaque = r,
	};
	const uint8_t *mac;
	int ret = softguest_create(o->socket, &go, &r->g);

	if (!ret)
		ret = softguest_wait_nics(r->g, o->nic + 1);
	if (ret)
		return ret;
	r->nic = softguest_nic(r->g, o->nic);
	ret = softguest_nic_open(r->nic, &no);
	if (!ret)
		ret = softguest_nic_set_filter(r->nic, NDIS_FILTER_DIRECTED | NDIS_FILTER_ALL_MULTICAST |
						       NDIS_FILTER_BROADCAST);
	if (ret)
		return ret;
	softguest_set_batch(r->nic, o->batch);
	mac = softguest_nic_mac(r->nic);
	r->responder = o->responder;
	memcpy(r->responder.mac, mac, 6);
	printf("mac=%02x:%02x:%02x:%02x:%02x:%02x vmbus=%u.%u nvsp=%#x mtu=%u\n", mac[0], mac[1], mac[2], mac[3], mac[4],
	       mac[5], softguest_vmbus_version(r->g) >> 16, softguest_vmbus_version(r->g) & 0xffff,
	       softguest_nic_core(r->nic)->version, softguest_nic_core(r->nic)->mtu);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static struct run r;
	struct options o;
	uint64_t ns = 0;
	int ret;

	if (!parse_options(&o, argc, argv)) {
		fprintf(stderr, "softguest: --help says what there is\n");
		return 2;
	}
	r.o = &o;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	ret = bring_up(&r);
	if (!ret) {
		build_frame(&r);
		ret = run(&r, &ns);
	}
	if (!ret) {
		report(&r, ns);
		ret = softguest_nic_close(r.nic);
	}
	if (ret)
		fprintf(stderr, "softguest: %s: %s\n", o.socket, strerror(-ret));
	softguest_destroy(r.g);
	return ret ? 1 : 0;
}
