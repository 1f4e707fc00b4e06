/* SPDX-License-Identifier: MIT */
/* Large sends: TSO of TCP and UDP over IPv4 and IPv6, with headers and payload cut in any way. */
#include <string.h>

#include "e1000/e1000_hw.h"
#include "tests/twin.h"

enum {
	MAX_PARTS = 12,
	MAX_PAYLOAD = 30000,
	ETHERNET = 14, IP6 = 40, TCP = 20, UDP = 8,
	PROTOCOL_TCP = 6, PROTOCOL_UDP = 17,
};

struct large {
	bool ip4, tcp;
	uint32_t ip_at, l4_at, header_bytes, mss, payload_bytes;
	uint8_t bytes[256 + MAX_PAYLOAD];
};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Sum of addresses and protocol, without a length and not complemented: what a driver leaves in the field (3.5.7). */
static uint16_t pseudo_sum(const struct large *l)
{
	const uint8_t *p = l->bytes + l->ip_at + (l->ip4 ? 12 : 8);
	uint32_t sum = l->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;

	for (unsigned i = 0; i < (l->ip4 ? 8u : 32u); i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void make_ip(struct twin_run *r, struct large *l)
{
	uint8_t *ip = l->bytes + l->ip_at;
	uint32_t header = l->l4_at - l->ip_at;

	put16(l->bytes + 12, l->ip4 ? 0x0800 : 0x86dd);
	if (l->ip4) {
		ip[0] = (uint8_t)(0x40 | header / 4);
		put16(ip + 2, 0);
		put16(ip + 6, twin_chance(&r->random, 50) ? 0x4000 : 0);
		ip[9] = l->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
		put16(ip + 10, 0);
		memset(ip + 20, 1, header - 20);	/* options: no operation */
	} else {
		ip[0] = 0x60;
		put16(ip + 4, 0);
		ip[6] = l->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
	}
}

static void make_large(struct twin_run *r, struct large *l)
{
	uint32_t options = 4 * twin_between(&r->random, 0, 3), segments = twin_between(&r->random, 1, 20);
	uint8_t *l4;

	l->ip4 = twin_chance(&r->random, 65);
	l->tcp = twin_chance(&r->random, 85);
	l->ip_at = ETHERNET;
	l->l4_at = l->ip_at + (l->ip4 ? 20 + (twin_chance(&r->random, 20) ? 4 * twin_between(&r->random, 1, 10) : 0) : IP6);
	l->header_bytes = l->l4_at + (l->tcp ? TCP + options : UDP);
	l->mss = twin_chance(&r->random, 60) ? twin_between(&r->random, 1200, 1460) : twin_between(&r->random, 20, 3000);
	if (l->mss * segments > MAX_PAYLOAD)
		segments = MAX_PAYLOAD / l->mss;
	/* Not a multiple, and no short last one: TWIN_RULE_TSO_EMPTY, TWIN_RULE_SHORT. */
	l->payload_bytes = (segments - 1) * l->mss + twin_between(&r->random, 18, l->mss - 1);
	twin_make_frame(r, l->header_bytes + l->payload_bytes, l->bytes);
	make_ip(r, l);
	l4 = l->bytes + l->l4_at;
	if (l->tcp) {
		l4[12] = (uint8_t)((TCP + options) / 4 << 4);
		l4[13] &= 0x7f;		/* CWR: our switch leaves it to the first segment */
	} else {
		put16(l4 + 4, 0);
	}
	put16(l4 + (l->tcp ? 16 : 6), pseudo_sum(l));
}

static void large_context(struct twin_run *r, const struct large *l)
{
	const uint64_t ip = l->ip_at | (l->ip_at + 10) << 8 | (l->ip4 ? l->l4_at - 1 : 0) << 16;
	const uint64_t tu = l->l4_at | (l->l4_at + (l->tcp ? 16 : 6)) << 8;

	twin_tx_desc(r, ip | tu << 32, l->payload_bytes | E1000_TXD_CMD_DEXT | E1000_TXD_CMD_TSE |
		     (l->tcp ? E1000_TXD_CMD_TCP : 0) | (l->ip4 ? E1000_TXD_CMD_IP : 0) |
		     (twin_chance(&r->random, 50) ? E1000_TXD_CMD_RS : 0), l->header_bytes << 8 | l->mss << 16);
}

void twin_step_tx_tso(struct twin_run *r)
{
	static struct large l;
	uint32_t lower = E1000_TXD_CMD_DEXT | E1000_TXD_DTYP_DATA | E1000_TXD_CMD_TSE, upper = E1000_TXD_POPTS_TXSM;
	unsigned frames = twin_between(&r->random, 1, 3);
	struct twin_sent sent = { 0 };

	twin_tx_ready(r, 1 + 3 * MAX_PARTS);
	make_large(r, &l);
	large_context(r, &l);
	sent.tso6_offset = l.ip4 ? 0 : l.ip_at;
	if (l.ip4) {
		upper |= E1000_TXD_POPTS_IXSM;
		sent.ip_sum_offset = l.ip_at + 10;
	}
	twin_tx_tag(r, &lower, &upper);
	if (sent.tso6_offset && r->tags_out) {	/* a tag before it */
		sent.tso6_offset += lower & E1000_TXD_CMD_VLE && r->ctrl & E1000_CTRL_VME ? 4 : 0;
	}
	r->large_sends += frames;
	while (frames--) {	/* with the same context */
		if (twin_chance(&r->random, 50)) {	/* as Linux: the header by itself */
			twin_tx_desc(r, twin_tx_data(r, l.bytes, l.header_bytes), l.header_bytes | lower | E1000_TXD_CMD_IFCS, upper);
			twin_tx_split(r, l.bytes + l.header_bytes, l.payload_bytes, twin_between(&r->random, 1, MAX_PARTS - 2),
				      lower, E1000_TXD_CMD_RS, upper);
		} else {
			twin_tx_split(r, l.bytes, l.header_bytes + l.payload_bytes, twin_between(&r->random, 1, MAX_PARTS - 1),
				      lower, E1000_TXD_CMD_RS, upper);
		}
	}
	twin_tx_go(r, &sent);
}
