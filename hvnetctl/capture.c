/* SPDX-License-Identifier: MIT */
/*
 * The frames come through memory that hvnetd writes and we read; the control connection says only when it began and when it is to
 * end. So what a slow disk or pipe holds up is this process, and what it then misses the ring counts.
 */
#include "hvnetctl/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hvnetctl/capture_output.h"
#include "hvnetctl/capture_text.h"
#include "hvnetctl/hvnetctl.h"
#include "vswitch/capture.h"
#include "vswitch/capture_block.h"
#include "vswitch/pcapng_wire.h"

enum {
	STATUS_REFUSED = 1,
	STATUS_USAGE = 2,
	PROGRESS_MS = 1000,
	NAMES_MAX = 65536,		/* our policy: interfaces whose names are remembered */
};

struct run {
	struct hvnet_client *client;	/* borrowed */
	const json_t *params;		/* borrowed */
	struct vswitch_capture_ring *ring;	/* owned mapping; NULL: none yet */
	size_t ring_bytes;
	uint64_t position;
	int event;			/* owned; -1: none */
	char *id;			/* owned; of the capture */
	bool text;			/* lines instead of a file */
	struct capture_output output;
	const uint8_t *pending;		/* blocks that are not written yet, one behind the other */
	size_t pending_bytes;
	char **names;			/* owned; of the interfaces, for lines */
	uint32_t num_names;
	uint64_t packets;
	struct capture_counts counts;	/* of the statistics blocks */
	bool counted;			/* … which have come */
	bool pipe_closed;
	uint64_t progress_at_ms;
};

static const int signals_taken[] = { SIGINT, SIGTERM, SIGHUP };
#define SIGNALS (sizeof(signals_taken) / sizeof(signals_taken[0]))

static volatile int interrupted;	/* by so many signals */

static void signals_of_ours(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaddset(set, signals_taken[i]);
}

static void on_signal(int number)
{
	(void)number;
	interrupted++;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const char *text_of(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

static uint64_t number_of(const json_t *params, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(params, name));
}

static int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int complain(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("hvnetctl: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	return status;
}

/* The request. */

/* The expression's program as tcpdump -ddd prints it, with commas for newlines. To be freed; NULL after a complaint. */
static char *compile(const char *expression)
{
	struct bpf_program program;
	char why[PCAP_ERRBUF_SIZE];
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (vswitch_capture_compile(expression, &program, why, sizeof(why))) {
		complain(0, "--filter: %s; see pcap-filter(7)", why);
		return NULL;
	}
	f = open_memstream(&text, &n);
	if (f) {
		fprintf(f, "%u", program.bf_len);
		for (unsigned i = 0; i < program.bf_len; i++)
			fprintf(f, ",%u %u %u %u", program.bf_insns[i].code, program.bf_insns[i].jt, program.bf_insns[i].jf,
				program.bf_insns[i].k);
		fclose(f);
	}
	pcap_freecode(&program);
	return text;
}

static void copy_param(json_t *request, const char *name, const json_t *params, const char *from)
{
	if (json_object_get(params, from))
		json_object_set(request, name, json_object_get(params, from));
}

/* A new reference, or NULL after a complaint. */
static json_t *make_request(const json_t *params)
{
	const char *filter = text_of(params, "filter");
	json_t *request = json_object();
	char *program;

	copy_param(request, "switch", params, "switch");
	copy_param(request, "port", params, "port");
	copy_param(request, "points", params, "point");
	copy_param(request, "direction", params, "direction");
	copy_param(request, "vlan", params, "vlan");
	copy_param(request, "snaplen", params, "snap");
	copy_param(request, "count", params, "count");
	copy_param(request, "buffer_bytes", params, "buffer");
	if (filter) {
		program = compile(filter);
		if (!program) {
			json_decref(request);
			return NULL;
		}
		json_object_set_new(request, "filter", json_string(program));
		free(program);
	}
	return request;
}

static bool map_ring(struct run *r, int memory)
{
	struct stat st;
	void *p;

	if (fstat(memory, &st) || (size_t)st.st_size < sizeof(*r->ring))
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (p == MAP_FAILED)
		return false;
	r->ring = p;
	r->ring_bytes = (size_t)st.st_size;
	return r->ring->bytes >= VSWITCH_CAPTURE_RING_MIN && vswitch_capture_ring_size(r->ring->bytes) <= r->ring_bytes;
}

static int begin(struct run *r)
{
	json_t *request = make_request(r->params), *result;
	struct hvnet_error err = { 0 };
	int fds[2];
	bool ok;

	if (!request)
		return STATUS_USAGE;
	result = hvnet_call(r->client, "capture.start", request, &err);
	if (!result)
		return complain(STATUS_REFUSED, "%s", err.message);
	r->id = strdup(text_of(result, "capture") ? text_of(result, "capture") : "");
	json_decref(result);
	if (hvnet_take_fds(r->client, fds, 2) != 2)
		return complain(STATUS_REFUSED, "hvnetd has sent no buffer with its answer");
	r->event = fds[1];
	ok = map_ring(r, fds[0]);
	close(fds[0]);
	return ok && r->id ? 0 : complain(STATUS_REFUSED, "cannot map the buffer that hvnetd has sent");
}

/* Blocks. */

static int flush_blocks(struct run *r)
{
	int ret = r->pending_bytes ? capture_output_write(&r->output, r->pending, r->pending_bytes) : 0;

	r->pending_bytes = 0;
	return ret;
}

static void learn_name(struct run *r, const struct capture_text *name)
{
	char **longer;

	if (r->num_names == NAMES_MAX)
		return;
	longer = realloc(r->names, (r->num_names + 1) * sizeof(*longer));
	if (!longer)
		return;
	r->names = longer;
	r->names[r->num_names++] = strndup(name->s ? name->s : "", name->n);
}

static void print_line(const struct run *r, const struct capture_packet *p)
{
	const char *name = p->interface < r->num_names ? r->names[p->interface] : NULL;

	capture_print(stdout, p, name ? name : "?");
}

static int take_packet(struct run *r, const uint8_t *block, uint32_t n)
{
	struct capture_packet p;
	int ret = 0;

	if (!capture_read_packet(block, n, &p))
		return -EBADMSG;
	r->packets++;
	if (r->text) {
		print_line(r, &p);
		return ferror(stdout) ? -(errno ? errno : EIO) : 0;
	}
	if (capture_output_full(&r->output, r->pending_bytes + n)) {
		ret = flush_blocks(r);
		if (!ret)
			ret = capture_output_turn(&r->output);
	}
	r->output.has_packets = true;
	return ret;
}

/* What is to be known of a block before it is written. */
static int look_at(struct run *r, const uint8_t *block, uint32_t n)
{
	struct capture_counts c;
	struct capture_text name;

	switch (capture_block_type(block)) {
	case PCAPNG_PACKET:
		return take_packet(r, block, n);
	case PCAPNG_INTERFACE:
		if (!capture_read_interface(block, n, &name))
			return -EBADMSG;
		learn_name(r, &name);
		return capture_output_keep(&r->output, block, n);
	case PCAPNG_SECTION:
		return capture_output_keep(&r->output, block, n);
	case PCAPNG_STATISTICS:
		if (!capture_read_statistics(block, n, &c))
			return -EBADMSG;
		r->counted = true;
		r->counts.seen += c.seen;
		r->counts.accepted += c.accepted;
		r->counts.dropped += c.dropped;
		return 0;
	default:
		return 0;
	}
}

static int take_block(struct run *r, const uint8_t *block, uint32_t n)
{
	int ret;

	if (r->pending_bytes && block != r->pending + r->pending_bytes) {
		ret = flush_blocks(r);
		if (ret)
			return ret;
	}
	ret = look_at(r, block, n);
	if (ret || r->text)
		return ret;
	if (!r->pending_bytes)
		r->pending = block;
	r->pending_bytes += n;
	return 0;
}

/* Takes all that is there now. */
static int drain(struct run *r)
{
	uint64_t before = r->position;
	const uint8_t *block;
	uint32_t n;
	int ret = 0;

	while (!ret && r->position - before < r->ring->bytes / 4 &&
	       (block = vswitch_capture_next(r->ring, &r->position, &n)))
		ret = take_block(r, block, n);
	if (!ret)
		ret = flush_blocks(r);
	if (!ret && r->text && fflush(stdout))
		ret = -errno;
	vswitch_capture_release(r->ring, r->position);
	return ret;
}

/* The loop. */

static bool shows_progress(const struct run *r)
{
	return !r->text && isatty(STDERR_FILENO);
}

static void show_progress(struct run *r)
{
	if (!shows_progress(r) || now_ms() < r->progress_at_ms)
		return;
	r->progress_at_ms = now_ms() + PROGRESS_MS;
	fprintf(stderr, "\r%" PRIu64 " frames", r->packets);
	fflush(stderr);
}

static int timeout_ms(const struct run *r, uint64_t until_ms)
{
	uint64_t now = now_ms(), next = UINT64_MAX;

	if (until_ms)
		next = until_ms > now ? until_ms - now : 0;
	if (shows_progress(r) && next > PROGRESS_MS)
		next = PROGRESS_MS;
	return next > INT32_MAX ? -1 : (int)next;
}

/*
 * Waits for frames or the end. -EPIPE: the pipe's reader is gone; -ECONNRESET: the daemon is; else 0. Signals are blocked between the
 * look at interrupted and the waiting, so that none is missed.
 */
static int wait_for_more(struct run *r, uint64_t until_ms)
{
	struct pollfd p[3] = {
		{ .fd = r->event, .events = POLLIN },
		{ .fd = hvnet_client_fd(r->client), .events = POLLRDHUP },
		{ .fd = r->text ? STDOUT_FILENO : r->output.fd },
	};
	int ms = timeout_ms(r, until_ms);
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };
	sigset_t signals, open;
	eventfd_t ignored;
	int n;

	signals_of_ours(&signals);
	sigprocmask(SIG_BLOCK, &signals, &open);
	n = interrupted ? 0 : ppoll(p, 3, ms < 0 ? NULL : &ts, &open);
	sigprocmask(SIG_SETMASK, &open, NULL);
	if (n <= 0)
		return 0;
	if (p[0].revents)
		eventfd_read(r->event, &ignored);
	if (p[2].revents & POLLERR)
		return -EPIPE;
	/* A daemon that ends in an orderly way has ended the ring first. */
	return p[1].revents && !p[0].revents && !atomic_load(&r->ring->ended) ? -ECONNRESET : 0;
}

/* Until the capture has ended, or it is to end. */
static int loop(struct run *r)
{
	uint64_t seconds = number_of(r->params, "seconds"), until_ms = seconds ? now_ms() + seconds * 1000 : 0;
	int ret = 0;

	while (!ret) {
		bool ended = atomic_load_explicit(&r->ring->ended, memory_order_acquire);
		uint64_t before = r->position;

		ret = drain(r);
		if (ret || interrupted || (until_ms && now_ms() >= until_ms))
			break;
		show_progress(r);
		if (r->position != before)
			continue;	/* more may be there */
		if (ended)
			break;
		ret = wait_for_more(r, until_ms);
	}
	return ret;
}

static int drain_all(struct run *r)
{
	uint64_t before;
	int ret;

	do {
		before = r->position;
		ret = drain(r);
	} while (!ret && r->position != before);
	return ret;
}

/* Tells the daemon, unless it has ended by itself, and takes what is left. */
static int finish(struct run *r)
{
	struct hvnet_error err = { 0 };

	if (!atomic_load(&r->ring->ended)) {
		json_decref(hvnet_call(r->client, "capture.stop", json_pack("{s:s}", "capture", r->id), &err));
		if (err.message[0] && !atomic_load(&r->ring->ended))
			complain(0, "%s", err.message);
	}
	return drain_all(r);
}

static int explain(struct run *r, int ret)
{
	switch (ret) {
	case 0:
		return 0;
	case -EPIPE:
		r->pipe_closed = true;
		return 0;
	case -EINTR:
		return complain(STATUS_REFUSED, "interrupted while the output took no more");
	case -ECONNRESET:
		return complain(STATUS_REFUSED, "hvnetd is gone; what it had captured until then is written");
	case -EBADMSG:
		return complain(STATUS_REFUSED, "what hvnetd has put into the buffer is no capture");
	default:
		return complain(STATUS_REFUSED, "cannot write to %s: %s", r->text || !r->output.path ? "standard output" :
				r->output.path, strerror(-ret));
	}
}

static void summarise(const struct run *r)
{
	fprintf(stderr, "%s%" PRIu64 " frames captured", shows_progress(r) ? "\r" : "", r->packets);
	if (r->counted)
		fprintf(stderr, ", %" PRIu64 " seen, %" PRIu64 " lost for lack of room", r->counts.seen, r->counts.dropped);
	if (r->pipe_closed)
		fprintf(stderr, "; the reader of the pipe has gone");
	fputc('\n', stderr);
}

static int check_options(const json_t *params)
{
	const char *path = text_of(params, "write");
	uint64_t files = number_of(params, "ring_files"), bytes = number_of(params, "ring_size");

	if (!files != !bytes)
		return complain(STATUS_USAGE, "--ring-files and --ring-size go together");
	if (files > CAPTURE_FILES_MAX)
		return complain(STATUS_USAGE, "--ring-files: %d at most", CAPTURE_FILES_MAX);
	if (files && (!path || !strcmp(path, "-")))
		return complain(STATUS_USAGE, "a ring of files needs --write FILE");
	if (path && !strcmp(path, "-") && isatty(STDOUT_FILENO))
		return complain(STATUS_USAGE, "a capture is not for a terminal: --write FILE, or a pipe: … --write - | tshark -r -");
	return 0;
}

static int open_output(struct run *r)
{
	const char *path = text_of(r->params, "write"), *what;
	int ret;

	r->text = !path;
	r->output.fd = -1;
	if (r->text)
		return 0;
	ret = capture_output_open(&r->output, path, (unsigned)number_of(r->params, "ring_files"), number_of(r->params, "ring_size"),
				  &what);
	return ret ? complain(STATUS_REFUSED, "cannot write to %s: %s", what, strerror(-ret)) : 0;
}

static int capture(struct run *r)
{
	int status = check_options(r->params), ret;

	if (!status)
		status = open_output(r);
	if (!status)
		status = begin(r);
	if (status)
		return status;
	ret = loop(r);
	status = explain(r, ret);
	if (!ret)
		status = explain(r, finish(r));
	else if (ret == -ECONNRESET)
		drain_all(r);
	summarise(r);
	ret = capture_output_close(&r->output);
	return status ? status : explain(r, ret);
}

int capture_run(struct hvnet_client *client, const json_t *params)
{
	struct run r = { .client = client, .params = params, .event = -1, .output = { .interrupted = &interrupted } };
	struct sigaction action = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN }, old_pipe, old[SIGNALS];
	int status;

	interrupted = 0;
	sigaction(SIGPIPE, &ignore, &old_pipe);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals_taken[i], &action, &old[i]);
	status = capture(&r);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals_taken[i], &old[i], NULL);
	sigaction(SIGPIPE, &old_pipe, NULL);
	capture_output_close(&r.output);
	if (r.ring)
		munmap(r.ring, r.ring_bytes);
	if (r.event >= 0)
		close(r.event);
	for (uint32_t i = 0; i < r.num_names; i++)
		free(r.names[i]);
	free(r.names);
	free(r.id);
	return status;
}
