/* SPDX-License-Identifier: MIT */
/*
 * Example of a filtering extension: drops what an expression of pcap-filter(7) says.
 *
 *	config: [egress] drop EXPRESSION | [egress] pass EXPRESSION		("drop tcp port 25", "pass arp or ip host 10.0.0.1")
 *
 * drop drops what matches, pass what does not; at ingress, or at egress for each destination. Expressions mean what they do to tcpdump
 * on a Linux interface ("ip" is also what has a VLAN tag); what they read beyond the first bytes is copied first.
 */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>

#include "extensions/example.h"
#include "vswitch/capture.h"
#include "vswitch/capture_filter.h"

struct filter {
	struct vswitch_extension *self;
	const struct vswitch_ext_services *s;
	struct capture_filter program;	/* owned; its bytes are where frames are copied to */
	bool drops_matches;		/* else it drops all others */
	bool at_egress;
	char reason[VSWITCH_REFUSAL_BYTES];
};

static bool unwanted(struct filter *f, const struct vswitch_frame *frame)
{
	const bool tagged = frame->offload.flags & VSWITCH_VLAN;
	uint32_t n = frame->len < f->program.reach ? frame->len : f->program.reach;

	f->s->frame_copy(frame, 0, f->program.bytes, n);
	return capture_filter_passes(&f->program, frame->len, n, tagged ? frame->offload.vlan_tci : CAPTURE_FILTER_NO_TAG) ==
	       f->drops_matches;
}

static void filter(struct filter *f, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->present & 1u << i && unwanted(f, b->frames[i]))
			(void)f->s->drop(v, i, f->reason);
}

static void ingress(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	struct filter *f = instance;

	if (!f->at_egress)
		filter(f, b, v);
}

static void egress(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	struct filter *f = instance;

	if (f->at_egress)
		filter(f, b, v);
}

/* Configuration. */

static int compile(struct filter *f, const char *expression, char *refusal)
{
	struct bpf_program program;
	char why[PCAP_ERRBUF_SIZE];
	int ret = vswitch_capture_compile(expression, &program, why, sizeof(why));

	if (ret)
		return EXAMPLE_REFUSE(refusal, ret, "\"%.50s\": %.60s", expression, why);
	ret = capture_filter_init(&f->program, &program, VSWITCH_FRAME_MAX_BYTES);
	if (ret)
		snprintf(refusal, VSWITCH_REFUSAL_BYTES, "\"%.80s\" makes a program that is too long", expression);
	pcap_freecode(&program);
	return ret;
}

static int take_config(struct filter *f, const char *config, char *refusal)
{
	char word[16] = "";

	(void)example_word(&config, word, sizeof(word));
	f->at_egress = !strcmp(word, "egress");
	if (f->at_egress)
		(void)example_word(&config, word, sizeof(word));
	f->drops_matches = !strcmp(word, "drop");
	if (!f->drops_matches && strcmp(word, "pass"))
		return EXAMPLE_REFUSE(refusal, -EINVAL, "[egress] drop EXPRESSION or [egress] pass EXPRESSION is wanted");
	config += strspn(config, " \t\n");
	if (!*config)
		return EXAMPLE_REFUSE(refusal, -EINVAL, "there is no expression");
	snprintf(f->reason, sizeof(f->reason), "%s %.100s", word, config);
	return compile(f, config, refusal);
}

static void detach(void *instance)
{
	struct filter *f = instance;

	capture_filter_free(&f->program);
	free(f);
}

static int attach(struct vswitch_extension *self, const struct vswitch_ext_services *services, const char *config,
		  char *refusal, void **instance)
{
	struct filter *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return -ENOMEM;
	f->self = self;
	f->s = services;
	ret = take_config(f, config, refusal);
	if (ret)
		detach(f);
	else
		*instance = f;
	return ret;
}

static const struct vswitch_ext_ops ops = { .attach = attach, .detach = detach };
static const struct vswitch_ext_filter_ops frames = { .ingress = ingress, .egress = egress };

const struct vswitch_ext_module vswitch_ext_module = {
	.abi = VSWITCH_EXT_ABI,
	.size = sizeof(struct vswitch_ext_module),
	.ops_size = sizeof(struct vswitch_ext_ops),
	.class = VSWITCH_EXT_FILTER,
	.id = { { 0x5a, 0x1c, 0x0b, 0x57, 0x9d, 0x0e, 0x4c, 0x2f, 0x8b, 0x61, 0x53, 0x0f, 0x9e, 0x27, 0x44, 0x02 } },
	.name = "bpf",
	.version = "1",
	.vendor = "hvnet",
	.ops = &ops,
	.filter = &frames,
};
