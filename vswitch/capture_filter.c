/* SPDX-License-Identifier: MIT */
#include "vswitch/capture_filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/capture.h"

/*
 * In front of the bytes that a program runs on lie the answers to the ancillary loads, so that libpcap's interpreter, which has none
 * of those for its callers, can be used: absolute and indexed loads of a frame are moved up by FRAME_AT.
 */
enum {
	PRESENT_AT = 0,			/* words in network order */
	TAG_AT = 4,
	FRAME_AT = 8,

	ADDRESSES_BYTES = 12,
	TAG_BYTES = 4,
	INNER_AT = ADDRESSES_BYTES + TAG_BYTES + 2,	/* what comes after the type behind a tag */

	SNAP_BYTES = 262144,		/* a program's result for what passes; tcpdump's */
};

/* Linux' include/uapi/linux/filter.h, as unsigned: what a load from there on means is not in the frame. */
#define LINUX_NOT_IN_FRAME 0xffe00000u		/* SKF_LL_OFF */
#define LINUX_VLAN_TAG (0xfffff000u + 44)	/* SKF_AD_OFF + SKF_AD_VLAN_TAG */
#define LINUX_VLAN_TAG_PRESENT (0xfffff000u + 48)

/* libpcap's own check lets jumps wrap backwards, as its "protochain" needs: such a program might never end. */
static bool goes_forward(const struct bpf_insn *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (insns[i].code == (BPF_JMP | BPF_JA) && insns[i].k >= n)
			return false;
	return true;
}

static uint32_t load_bytes(const struct bpf_insn *insn)
{
	return BPF_SIZE(insn->code) == BPF_W ? 4 : BPF_SIZE(insn->code) == BPF_H ? 2 : 1;
}

static bool is_load(const struct bpf_insn *insn, unsigned mode)
{
	return BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == mode;
}

static bool is_ancillary(const struct bpf_insn *insn)
{
	return is_load(insn, BPF_ABS) && insn->k >= LINUX_NOT_IN_FRAME;
}

/* Nothing else that Linux would know of a packet is known here. */
static bool asks_for_tags_only(const struct bpf_insn *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (is_ancillary(&insns[i]) && insns[i].k != LINUX_VLAN_TAG && insns[i].k != LINUX_VLAN_TAG_PRESENT)
			return false;
	return true;
}

/* The largest value of the index register that a load can see; UINT32_MAX: not known. */
static uint64_t largest_index(const struct bpf_insn *insns, unsigned n)
{
	uint64_t largest = 0;

	for (const struct bpf_insn *i = insns; i < insns + n; i++) {
		uint64_t x = 0;

		if (i->code == (BPF_LDX | BPF_MSH | BPF_B))
			x = 60;		/* four times a nibble: the length of an IPv4 header */
		else if (i->code == (BPF_LDX | BPF_IMM))
			x = i->k;
		else if (BPF_CLASS(i->code) == BPF_LDX || i->code == (BPF_MISC | BPF_TAX))
			x = UINT32_MAX;
		largest = x > largest ? x : largest;
	}
	return largest;
}

/* How far into a frame the program may look, so that no more of it than this has to be copied for it. */
static uint32_t reach_of(const struct bpf_insn *insns, unsigned n, uint32_t max_bytes)
{
	uint64_t index = largest_index(insns, n), reach = 1, end;

	for (const struct bpf_insn *i = insns; i < insns + n; i++) {
		if (i->code == (BPF_LDX | BPF_MSH | BPF_B))
			end = (uint64_t)i->k + 1;
		else if (is_load(i, BPF_ABS) && !is_ancillary(i))
			end = (uint64_t)i->k + load_bytes(i);
		else if (is_load(i, BPF_IND))
			end = index + i->k + load_bytes(i);
		else
			continue;
		reach = end > reach ? end : reach;
	}
	return reach < max_bytes ? (uint32_t)reach : max_bytes;
}

/* What is too far away stays so. */
static uint32_t moved(uint32_t k)
{
	return k > UINT32_MAX - FRAME_AT ? UINT32_MAX : k + FRAME_AT;
}

static void move_load(struct bpf_insn *insn)
{
	if (is_ancillary(insn)) {
		insn->k = insn->k == LINUX_VLAN_TAG ? TAG_AT : PRESENT_AT;
		insn->code = BPF_LD | BPF_W | BPF_ABS;	/* Linux ignores the size, too */
	} else if (is_load(insn, BPF_ABS) || is_load(insn, BPF_IND) || insn->code == (BPF_LDX | BPF_MSH | BPF_B)) {
		insn->k = moved(insn->k);
	}
}

static int take_memory(struct capture_filter *filter, const struct bpf_insn *insns)
{
	filter->memory = malloc(FRAME_AT + filter->reach);
	filter->insns = calloc(filter->num_insns, sizeof(*filter->insns));
	if (!filter->memory || !filter->insns) {
		capture_filter_free(filter);
		return -ENOMEM;
	}
	filter->bytes = filter->memory + FRAME_AT;
	memcpy(filter->insns, insns, filter->num_insns * sizeof(*filter->insns));
	return 0;
}

int capture_filter_init(struct capture_filter *filter, const struct bpf_program *program, uint32_t max_bytes)
{
	*filter = (struct capture_filter){ 0 };
	if (!program)
		return 0;
	if (!program->bf_len || program->bf_len > VSWITCH_CAPTURE_FILTER_MAX ||
	    !bpf_validate(program->bf_insns, (int)program->bf_len) || !goes_forward(program->bf_insns, program->bf_len) ||
	    !asks_for_tags_only(program->bf_insns, program->bf_len))
		return -EINVAL;
	/* A tag that is in the bytes goes from there. */
	filter->reach = reach_of(program->bf_insns, program->bf_len, max_bytes) + TAG_BYTES;
	if (filter->reach < INNER_AT)
		filter->reach = INNER_AT;
	filter->num_insns = program->bf_len;
	if (take_memory(filter, program->bf_insns))
		return -ENOMEM;
	for (unsigned i = 0; i < program->bf_len; i++)
		move_load(&filter->insns[i]);
	return 0;
}

int capture_filter_copy(struct capture_filter *filter, const struct capture_filter *from)
{
	*filter = (struct capture_filter){ .num_insns = from->num_insns, .reach = from->reach };
	return take_memory(filter, from->insns);
}

void capture_filter_free(struct capture_filter *filter)
{
	free(filter->insns);
	free(filter->memory);
	*filter = (struct capture_filter){ 0 };
}

/* Customer and service tags, as Linux takes them out of what comes from a network. */
static bool has_tag(const uint8_t *bytes, uint32_t n)
{
	const unsigned type = n < INNER_AT ? 0 : (unsigned)bytes[ADDRESSES_BYTES] << 8 | bytes[ADDRESSES_BYTES + 1];

	return type == 0x8100 || type == 0x88a8;
}

bool capture_filter_passes(struct capture_filter *filter, uint32_t len, uint32_t n, int tci)
{
	uint8_t *bytes = filter->bytes;

	if (tci < 0 && has_tag(bytes, n)) {
		tci = bytes[ADDRESSES_BYTES + 2] << 8 | bytes[ADDRESSES_BYTES + 3];
		n -= TAG_BYTES;
		len -= TAG_BYTES;
		memmove(bytes + ADDRESSES_BYTES, bytes + ADDRESSES_BYTES + TAG_BYTES, n - ADDRESSES_BYTES);
	}
	memset(filter->memory, 0, FRAME_AT);
	if (tci >= 0) {
		filter->memory[PRESENT_AT + 3] = 1;
		filter->memory[TAG_AT + 2] = (uint8_t)(tci >> 8);
		filter->memory[TAG_AT + 3] = (uint8_t)tci;
	}
	return bpf_filter(filter->insns, filter->memory, len, FRAME_AT + n) != 0;
}

/* Expressions. */

static bool in_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("-_.:\\", c));
}

/* The first "vlan" that is a word of its own; NULL: none, or only about what is inside a tunnel's packets. */
static const char *find_vlan(const char *expression)
{
	static const char *const words[] = { "vlan", "geneve", "vxlan", NULL };
	size_t n;

	for (const char *at = expression; *at; at += n) {
		unsigned i = 0;

		for (n = 0; in_word(at[n]); n++)
			;
		if (!n) {
			n = 1;
			continue;
		}
		while (words[i] && (strlen(words[i]) != n || strncmp(words[i], at, n) != 0))
			i++;
		if (words[i])
			return i ? NULL : at;
	}
	return NULL;
}

/* The number that may follow "vlan", in parentheses or not; *end: behind it. False: there is none. */
static bool take_id(const char *text, unsigned long *id, const char **end)
{
	unsigned depth = 0;
	char *behind;

	for (; strchr(" \t\n(", *text) && *text; text++)
		depth += *text == '(';
	if (*text < '0' || *text > '9')
		return false;
	*id = strtoul(text, &behind, 0);
	if (in_word(*behind))
		return false;
	for (; depth; behind++) {
		behind += strspn(behind, " \t\n");
		if (*behind != ')')
			return false;
		depth--;
	}
	*end = behind;
	return true;
}

/* "icmp and vlan 10" -> "icmp and (ether[TAG_PRESENT] = 1 and …)". To be freed; NULL: no memory. */
static char *with_tag_beside(const char *expression, const char *vlan)
{
	const char *rest = vlan + strlen("vlan");
	char *text = NULL;
	unsigned long id;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	fprintf(f, "%.*s(ether[%u] = 1", (int)(vlan - expression), expression, LINUX_VLAN_TAG_PRESENT);
	if (take_id(rest, &id, &rest))
		fprintf(f, " and ether[%u:2] & 0xfff = %lu", LINUX_VLAN_TAG, id);
	fprintf(f, ")%s", rest);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static int compile(const char *expression, bool optimize, struct bpf_program *out, char *why, size_t room)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, SNAP_BYTES);
	int ret = 0;

	if (!dead || pcap_compile(dead, out, expression, optimize, PCAP_NETMASK_UNKNOWN)) {
		ret = dead ? -EINVAL : -ENOMEM;
		snprintf(why, room, "%s", dead ? pcap_geterr(dead) : "out of memory");
	}
	if (dead)
		pcap_close(dead);
	return ret;
}

/*
 * libpcap makes the program that Linux' packets need only for a device that it has opened. For a mere expression it takes "vlan" for a
 * tag in the bytes, from which on everything lies further back. So the word is replaced once libpcap has found nothing wrong with the
 * expression; what a second "vlan" means, a tag below the first, is right as it is. That first look must not optimize, or libpcap might
 * find that nothing can match ("icmp and vlan 5").
 */
int vswitch_capture_compile(const char *expression, struct bpf_program *out, char *why, size_t room)
{
	const char *vlan = find_vlan(expression);
	struct bpf_program program;
	int ret = compile(expression, !vlan, &program, why, room);
	char *text;

	if (ret || !vlan) {
		if (!ret)
			*out = program;
		return ret;
	}
	pcap_freecode(&program);
	text = with_tag_beside(expression, vlan);
	if (!text)
		snprintf(why, room, "out of memory");
	ret = text ? compile(text, true, out, why, room) : -ENOMEM;
	free(text);
	return ret;
}
