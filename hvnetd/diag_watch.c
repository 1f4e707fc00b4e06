/* SPDX-License-Identifier: MIT */
#include "hvnetd/diag_watch.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vswitch/capture_block.h"
#include "vswitch/pcapng_wire.h"
#include "vswitch/vswitch.h"

/* Only what is written to of it takes memory. */
static int make_ring(struct diag_watch *w, uint32_t bytes)
{
	void *p;

	w->bytes = vswitch_capture_ring_size(bytes);
	p = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	w->ring = p;
	w->ring->bytes = bytes;
	return 0;
}

int diag_watch_begin(struct diag_watch *w, const struct diag_watch_desc *desc)
{
	char why[PCAP_ERRBUF_SIZE];
	struct bpf_program program;
	struct vswitch_capture_config config = {
		.port = desc->port, .points = desc->points, .directions = desc->directions, .vlan = desc->vlan, .filter = &program,
		.wake = desc->wake, .cookie = desc->cookie,
	};
	int ret = make_ring(w, desc->ring_bytes);

	if (!ret)
		ret = vswitch_capture_compile(desc->filter, &program, why, sizeof(why));
	if (ret)
		return ret;
	config.ring = w->ring;
	ret = vswitch_capture_start(desc->sw, &config, &w->capture);
	if (ret)
		w->capture = NULL;
	pcap_freecode(&program);
	return ret;
}

void diag_watch_end(struct diag_watch *w)
{
	vswitch_capture_stop(w->capture);
	if (w->ring)
		munmap(w->ring, w->bytes);
	free(w->names);
	*w = (struct diag_watch){ 0 };
}

/* An interface has its port's name, and what it is for behind that. Without memory for one no frame can be told from another's. */
static void add_name(struct diag_watch *w, const struct capture_text *name)
{
	static const char suffix[] = " dropped";
	const uint32_t tail = sizeof(suffix) - 1;
	struct diag_port_name *names = w->blind ? NULL : realloc(w->names, (w->num_names + 1) * sizeof(*names));
	uint32_t n = name->s ? name->n : 0;

	w->blind = !names;
	if (!names)
		return;
	if (n > tail && !memcmp(name->s + n - tail, suffix, tail))
		n -= tail;
	w->names = names;
	snprintf(names[w->num_names++].s, sizeof(names->s), "%.*s", (int)n, n ? name->s : "");
}

/* "dropped: REASON (RULE), 2 segments; …" */
static void read_comment(const struct capture_text *comment, struct diag_sight *out)
{
	static const char prefix[] = "dropped: ";
	const size_t skip = sizeof(prefix) - 1;
	char text[512];
	const char *rule, *end;

	snprintf(text, sizeof(text), "%.*s", (int)comment->n, comment->s ? comment->s : "");
	if (strncmp(text, prefix, skip) != 0)
		return;
	snprintf(out->reason, sizeof(out->reason), "%.*s", (int)strcspn(text + skip, " ,;"), text + skip);
	rule = text + skip + strcspn(text + skip, " ,;");
	end = strrchr(text, ')');
	if (!strncmp(rule, " (", 2) && end)
		snprintf(out->rule, sizeof(out->rule), "%.*s", (int)(end - rule - 2), rule + 2);
}

bool diag_watch_next(struct diag_watch *w, struct diag_sight *out)
{
	struct capture_packet packet;
	struct capture_text name;
	const uint8_t *block;
	uint32_t n;

	vswitch_capture_release(w->ring, w->position);
	while ((block = vswitch_capture_next(w->ring, &w->position, &n))) {
		if (capture_read_interface(block, n, &name))
			add_name(w, &name);
		if (!capture_read_packet(block, n, &packet) || w->blind || packet.interface >= w->num_names)
			continue;
		*out = (struct diag_sight){
			.port = w->names[packet.interface].s, .frame = packet.data, .bytes = packet.captured,
			.time_ns = packet.time_ns, .from_nic = packet.flags & PCAPNG_FLAG_INBOUND,
		};
		read_comment(&packet.comment, out);
		return true;
	}
	vswitch_capture_release(w->ring, w->position);
	return false;
}
