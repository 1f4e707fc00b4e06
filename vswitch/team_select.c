/* SPDX-License-Identifier: MIT */
#include "vswitch/team_select.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include "vswitch/internal.h"

enum {
	IPV6_BYTES = 40,
	FRAGMENT_MASK = 0x3fff,		/* "more fragments" and the offset */
	ND_FIRST = 133,			/* ICMPv6: router solicitation … redirect */
	ND_LAST = 137,
};

/* Buckets. */

static unsigned least(const unsigned count[VSWITCH_TEAM_MEMBERS], uint32_t usable)
{
	unsigned best = 0;

	for (unsigned i = 1; i <= VSWITCH_TEAM_MEMBERS; i++)
		if (usable & team_bit(i) && (!best || count[i - 1] < count[best - 1]))
			best = i;
	return best;
}

static unsigned most(const unsigned count[VSWITCH_TEAM_MEMBERS], uint32_t usable)
{
	unsigned best = 0;

	for (unsigned i = 1; i <= VSWITCH_TEAM_MEMBERS; i++)
		if (usable & team_bit(i) && (!best || count[i - 1] > count[best - 1]))
			best = i;
	return best;
}

void team_buckets_spread(struct team_buckets *b, uint32_t usable)
{
	unsigned count[VSWITCH_TEAM_MEMBERS] = { 0 }, to, from;

	for (unsigned i = 0; i < TEAM_BUCKETS; i++) {
		if (b->member[i] && usable & team_bit(b->member[i]))
			count[b->member[i] - 1]++;
		else
			b->member[i] = 0;
	}
	if (!usable)
		return;
	for (unsigned i = 0; i < TEAM_BUCKETS; i++)
		if (!b->member[i]) {
			b->member[i] = (uint8_t)least(count, usable);
			count[b->member[i] - 1]++;
		}
	/* A member that is new gets some of the others'. */
	for (unsigned i = 0; i < TEAM_BUCKETS; i++) {
		from = most(count, usable);
		to = least(count, usable);
		if (count[from - 1] <= count[to - 1] + 1)
			break;
		if (b->member[i] != from)
			continue;
		b->member[i] = (uint8_t)to;
		count[from - 1]--;
		count[to - 1]++;
	}
}

/* Hashes. */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;	/* 2^64 / golden ratio */
	return h ^ h >> 29;
}

static uint32_t finish(uint64_t h)
{
	return (uint32_t)(mix(h, h >> 32) >> 32);
}

static uint32_t hash_macs(const struct vswitch_frame *f)
{
	return finish(mix(mix(1, fdb_mac(f->head)), fdb_mac(f->head + 6)));
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

uint32_t team_hash(const struct vswitch_frame *f, enum vswitch_team_algorithm algorithm)
{
	const uint8_t *ip = f->head + ETHERNET_BYTES;
	unsigned type = get_be16(f->head + 12), transport = ETHERNET_BYTES;
	bool ports;
	uint64_t h;

	if (algorithm == VSWITCH_TEAM_MAC)
		return hash_macs(f);
	if (type == ETH_P_IP && f->head_bytes >= ETHERNET_BYTES + 20) {
		transport += (ip[0] & 0xfu) * 4;
		h = mix(4, (uint64_t)get_be32(ip + 12) << 32 | get_be32(ip + 16));
		/* Only a first fragment has ports: all go by the addresses. */
		ports = has_ports(ip[9]) && !(get_be16(ip + 6) & FRAGMENT_MASK);
	} else if (type == ETH_P_IPV6 && f->head_bytes >= ETHERNET_BYTES + IPV6_BYTES) {
		transport += IPV6_BYTES;
		h = 6;
		for (unsigned i = 8; i < IPV6_BYTES; i += 8)
			h = mix(h, (uint64_t)get_be32(ip + i) << 32 | get_be32(ip + i + 4));
		ports = has_ports(ip[6]);
	} else {
		return hash_macs(f);
	}
	if (ports && algorithm != VSWITCH_TEAM_IP && f->head_bytes >= transport + 4)
		h = mix(h, get_be32(f->head + transport));
	return finish(h);
}

bool team_may_spread(const struct vswitch_frame *f)
{
	const uint8_t *ip = f->head + ETHERNET_BYTES;
	unsigned type = get_be16(f->head + 12);

	if (f->head[0] & 1)
		return false;
	if (type == ETH_P_IP)
		return true;
	if (type != ETH_P_IPV6 || f->head_bytes < ETHERNET_BYTES + IPV6_BYTES + 1)
		return false;
	/* Behind extension headers there may be anything. */
	return has_ports(ip[6]) || (ip[6] == IPPROTO_ICMPV6 && (ip[IPV6_BYTES] < ND_FIRST || ip[IPV6_BYTES] > ND_LAST));
}

/* Flowlets. */

static void forget_load(struct team_flows *f, uint64_t now_ns)
{
	uint64_t halvings = (now_ns - f->halved_ns) / TEAM_LOAD_NS;

	if (!halvings)
		return;
	f->halved_ns = now_ns;
	for (unsigned i = 0; i < VSWITCH_TEAM_MEMBERS; i++)
		f->load[i] = halvings > 40 ? 0 : f->load[i] >> halvings;
}

static unsigned least_loaded(const struct team_flows *f, uint32_t usable)
{
	unsigned best = 0;

	for (unsigned i = 1; i <= VSWITCH_TEAM_MEMBERS; i++)
		if (usable & team_bit(i) && (!best || f->load[i - 1] < f->load[best - 1]))
			best = i;
	return best;
}

unsigned team_flow_member(struct team_flows *f, uint32_t hash, uint32_t bytes, uint32_t usable, uint64_t now_ns)
{
	struct team_flow *flow = &f->flow[hash % TEAM_FLOWS];
	bool lost = !flow->member || !(usable & team_bit(flow->member));
	unsigned best;

	forget_load(f, now_ns);
	if (lost || (now_ns - flow->last_ns > TEAM_FLOWLET_NS && now_ns - flow->moved_ns >= TEAM_MOVE_NS)) {
		best = least_loaded(f, usable);
		/* A quarter is no difference worth a move. */
		if (lost || f->load[best - 1] + f->load[best - 1] / 4 < f->load[flow->member - 1]) {
			flow->member = (uint8_t)best;
			flow->moved_ns = now_ns;
		}
	}
	flow->last_ns = now_ns;
	f->load[flow->member - 1] += bytes;
	return flow->member;
}
