/* SPDX-License-Identifier: MIT */
#include "hvnetd/diag_frame.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "vswitch/vswitch.h"

enum {
	ETHERNET_BYTES = 14, TAG_BYTES = 4, ARP_BYTES = 28, IP4_BYTES = 20, IP6_BYTES = 40,
	SHORTEST_BYTES = 60,		/* 802.3: without the FCS */
	TYPE_IP4 = 0x0800, TYPE_ARP = 0x0806, TYPE_IP6 = 0x86dd, TYPE_TAG = 0x8100,
	ARP_REQUEST = 1, ARP_REPLY = 2,
	PROTOCOL_ICMP = 1, PROTOCOL_ICMP6 = 58,
	ECHO4 = 8, ECHO4_REPLY = 0, ECHO6 = 128, ECHO6_REPLY = 129, SOLICITATION = 135, ADVERTISEMENT = 136,
	OPTION_SOURCE = 1, OPTION_TARGET = 2, OPTION_BYTES = 8,
	SOLICITATION_BYTES = 24,	/* before its options */
	ECHO_BYTES = 8, PAYLOAD_BYTES = 32,
	HOPS = 64,			/* our policy, as Linux */
	ND_HOPS = 255,			/* RFC 4861, 7.1: proves that no router has passed it on */
};

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* ---- addresses ---- */

static const char *wrong_ip4(const uint8_t a[4])
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (!memcmp(a, broadcast, 4))
		return "the broadcast address";
	if ((a[0] & 0xf0) == 224)
		return "a multicast address";
	if (a[0] == 127)
		return "the loopback's";
	return !a[0] || a[0] >= 240 ? "nobody's address" : NULL;
}

static const char *wrong_ip6(const struct in6_addr *a)
{
	if (IN6_IS_ADDR_MULTICAST(a))
		return "a multicast address";
	if (IN6_IS_ADDR_LOOPBACK(a))
		return "the loopback's";
	return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_V4MAPPED(a) ? "nobody's address" : NULL;
}

bool diag_parse_address(const char *text, int *family, uint8_t out[16], const char **why)
{
	struct in6_addr a6;
	uint8_t a4[4];

	if (inet_pton(AF_INET, text, a4) == 1) {
		*why = wrong_ip4(a4);
		*family = AF_INET;
		memset(out, 0, 16);
		memcpy(out, a4, 4);
	} else if (inet_pton(AF_INET6, text, &a6) == 1) {
		*why = wrong_ip6(&a6);
		*family = AF_INET6;
		memcpy(out, &a6, 16);
	} else {
		*why = "no IP address";
	}
	return !*why;
}

/* ---- frames ---- */

static void finish(const struct diag_question *q, struct vswitch_frame *f, uint32_t bytes)
{
	f->len = bytes < SHORTEST_BYTES ? SHORTEST_BYTES : bytes;
	f->head_bytes = (uint16_t)f->len;
	if (!q->vlan)
		return;
	f->offload.flags = VSWITCH_VLAN;
	f->offload.vlan_tci = q->vlan;
}

static uint8_t *begin(const struct diag_question *q, struct vswitch_frame *f, const uint8_t to[6], unsigned type)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->head, to, 6);
	memcpy(f->head + 6, q->mac, 6);
	put16(f->head + 12, type);
	return f->head + ETHERNET_BYTES;
}

/* In memory order, as the sum is. */
static void put_sum(uint8_t *p, uint64_t sum)
{
	const uint16_t v = (uint16_t)~hv_sum_fold(sum);

	memcpy(p, &v, 2);
}

static void make_arp(const struct diag_question *q, struct vswitch_frame *f)
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t head[6] = { 0, 1, TYPE_IP4 >> 8, TYPE_IP4 & 0xff, 6, 4 };
	uint8_t *arp = begin(q, f, everybody, TYPE_ARP);

	memcpy(arp, head, sizeof(head));
	put16(arp + 6, ARP_REQUEST);
	memcpy(arp + 8, q->mac, 6);
	memcpy(arp + 14, q->source, 4);
	memcpy(arp + 24, q->target, 4);
	finish(q, f, ETHERNET_BYTES + ARP_BYTES);
}

/* The header before an ICMPv6 message of so many bytes, and the message's checksum. */
static void finish_ip6(const struct diag_question *q, struct vswitch_frame *f, uint8_t *ip, const uint8_t to[16], uint8_t hops,
		       unsigned bytes)
{
	uint8_t rest[4] = { [3] = PROTOCOL_ICMP6 };
	uint64_t sum;

	ip[0] = 0x60;
	put16(ip + 4, bytes);
	ip[6] = PROTOCOL_ICMP6;
	ip[7] = hops;
	memcpy(ip + 8, q->source, 16);
	memcpy(ip + 24, to, 16);
	sum = hv_sum_add(0, ip + 4, 2, false);		/* the pseudo-header: length, next header, addresses */
	sum = hv_sum_add(sum, rest, sizeof(rest), false);
	sum = hv_sum_add(sum, ip + 8, 32, false);
	put_sum(ip + IP6_BYTES + 2, hv_sum_add(sum, ip + IP6_BYTES, bytes, false));
	finish(q, f, ETHERNET_BYTES + IP6_BYTES + bytes);
}

static void make_solicitation(const struct diag_question *q, struct vswitch_frame *f)
{
	uint8_t group[16] = { 0xff, 2, [11] = 1, [12] = 0xff, q->target[13], q->target[14], q->target[15] };
	const uint8_t to[6] = { 0x33, 0x33, 0xff, q->target[13], q->target[14], q->target[15] };
	uint8_t *ip = begin(q, f, to, TYPE_IP6), *icmp = ip + IP6_BYTES;
	unsigned bytes = SOLICITATION_BYTES;

	icmp[0] = SOLICITATION;
	memcpy(icmp + 8, q->target, 16);
	if (q->has_source) {			/* a probe must not have the option: RFC 4861, 4.3 */
		icmp[bytes] = OPTION_SOURCE;
		icmp[bytes + 1] = 1;
		memcpy(icmp + bytes + 2, q->mac, 6);
		bytes += OPTION_BYTES;
	}
	finish_ip6(q, f, ip, group, ND_HOPS, bytes);
}

void diag_make_solicitation(const struct diag_question *q, struct vswitch_frame *f)
{
	if (q->family == AF_INET)
		make_arp(q, f);
	else
		make_solicitation(q, f);
}

static void put_echo(uint8_t *icmp, uint8_t type, uint16_t id, uint16_t sequence)
{
	icmp[0] = type;
	put16(icmp + 4, id);
	put16(icmp + 6, sequence);
	for (unsigned i = 0; i < PAYLOAD_BYTES; i++)
		icmp[ECHO_BYTES + i] = (uint8_t)('a' + i % 23);
}

void diag_make_echo(const struct diag_question *q, const uint8_t to[6], uint16_t sequence, struct vswitch_frame *f)
{
	uint8_t *ip = begin(q, f, to, q->family == AF_INET ? TYPE_IP4 : TYPE_IP6);

	if (q->family == AF_INET6) {
		put_echo(ip + IP6_BYTES, ECHO6, q->id, sequence);
		finish_ip6(q, f, ip, q->target, HOPS, ECHO_BYTES + PAYLOAD_BYTES);
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, IP4_BYTES + ECHO_BYTES + PAYLOAD_BYTES);
	put16(ip + 4, q->id);
	ip[8] = HOPS;
	ip[9] = PROTOCOL_ICMP;
	memcpy(ip + 12, q->source, 4);
	memcpy(ip + 16, q->target, 4);
	put_sum(ip + 10, hv_sum_add(0, ip, IP4_BYTES, false));
	put_echo(ip + IP4_BYTES, ECHO4, q->id, sequence);
	put_sum(ip + IP4_BYTES + 2, hv_sum_add(0, ip + IP4_BYTES, ECHO_BYTES + PAYLOAD_BYTES, false));
	finish(q, f, ETHERNET_BYTES + IP4_BYTES + ECHO_BYTES + PAYLOAD_BYTES);
}

/* ---- filters ---- */

/* "ip6[48:4] = 0x… and …": the target of a discovery message. */
static void print_target(const struct diag_question *q, char *text, size_t bytes)
{
	size_t n = 0;

	for (unsigned i = 0; i < 4; i++)
		n += (size_t)snprintf(text + n, bytes - n, "%sip6[%u:4] = 0x%08" PRIx32, i ? " and " : "", 48 + 4 * i,
				      get32(q->target + 4 * i));
}

static void print_filter4(const struct diag_question *q, bool answer, char text[DIAG_FILTER_BYTES])
{
	const uint32_t target = get32(q->target), source = get32(q->source);

	snprintf(text, DIAG_FILTER_BYTES, "(arp[6:2] = %u and arp[14:4] = 0x%08" PRIx32 " and arp[24:4] = 0x%08" PRIx32 ") or "
		 "(ip[%u:4] = 0x%08" PRIx32 " and icmp[0] = %u and icmp[4:2] = %u)", answer ? ARP_REPLY : ARP_REQUEST,
		 answer ? target : source, answer ? source : target, answer ? 12 : 16, target, answer ? ECHO4_REPLY : ECHO4, q->id);
}

static void print_filter6(const struct diag_question *q, bool answer, char text[DIAG_FILTER_BYTES])
{
	const unsigned discovery = answer ? ADVERTISEMENT : SOLICITATION, echo = answer ? ECHO6_REPLY : ECHO6;
	char target[128];

	print_target(q, target, sizeof(target));
	snprintf(text, DIAG_FILTER_BYTES, "ip6[6] = %d and ((ip6[40] = %u and %s) or (ip6[40] = %u and ip6[44:2] = %u))", PROTOCOL_ICMP6,
		 discovery, target, echo, q->id);
}

static void print_filter(const struct diag_question *q, bool answer, char text[DIAG_FILTER_BYTES])
{
	if (q->family == AF_INET)
		print_filter4(q, answer, text);
	else
		print_filter6(q, answer, text);
}

void diag_answer_filter(const struct diag_question *q, char text[DIAG_FILTER_BYTES])
{
	print_filter(q, true, text);
}

void diag_filter(const struct diag_question *q, char text[2 * DIAG_FILTER_BYTES])
{
	char request[DIAG_FILTER_BYTES], answer[DIAG_FILTER_BYTES];

	print_filter(q, false, request);
	print_filter(q, true, answer);
	snprintf(text, 2 * DIAG_FILTER_BYTES, "(ether src %02x:%02x:%02x:%02x:%02x:%02x and (%.440s)) or (%.440s)", q->mac[0], q->mac[1],
		 q->mac[2], q->mac[3], q->mac[4], q->mac[5], request, answer);
}

/* ---- what was seen ---- */

static void look_at_arp(const uint8_t *arp, size_t n, struct diag_seen *s)
{
	if (n < ARP_BYTES)
		return;
	s->kind = get16(arp + 6) == ARP_REPLY ? DIAG_ADVERTISEMENT : DIAG_SOLICITATION;
	memcpy(s->mac, arp + 8, 6);
}

static void look_at_icmp(const uint8_t *icmp, size_t n, unsigned echo, unsigned reply, struct diag_seen *s)
{
	if (n < ECHO_BYTES || (icmp[0] != echo && icmp[0] != reply))
		return;
	s->kind = icmp[0] == reply ? DIAG_ECHO_REPLY : DIAG_ECHO;
	s->sequence = (uint16_t)get16(icmp + 6);
}

/* The address is in an option, which may be left out of an answer to one (RFC 4861, 4.4): then it is the sender's. */
static void look_at_advertisement(const uint8_t *icmp, size_t n, struct diag_seen *s)
{
	size_t at = SOLICITATION_BYTES;

	s->kind = DIAG_ADVERTISEMENT;
	while (n >= at + OPTION_BYTES && icmp[at + 1]) {
		if (icmp[at] == OPTION_TARGET)
			memcpy(s->mac, icmp + at + 2, 6);
		at += icmp[at + 1] * (size_t)OPTION_BYTES;
	}
}

static void look_at_ip6(const uint8_t *ip, size_t n, struct diag_seen *s)
{
	if (n < IP6_BYTES + ECHO_BYTES || ip[6] != PROTOCOL_ICMP6)
		return;
	if (ip[IP6_BYTES] == SOLICITATION)
		s->kind = DIAG_SOLICITATION;
	else if (ip[IP6_BYTES] == ADVERTISEMENT)
		look_at_advertisement(ip + IP6_BYTES, n - IP6_BYTES, s);
	else
		look_at_icmp(ip + IP6_BYTES, n - IP6_BYTES, ECHO6, ECHO6_REPLY, s);
}

struct diag_seen diag_look_at(const uint8_t *frame, size_t n)
{
	struct diag_seen s = { .kind = DIAG_OTHER };
	size_t at = ETHERNET_BYTES, header;
	unsigned type;

	if (n < ETHERNET_BYTES + TAG_BYTES)
		return s;
	memcpy(s.mac, frame + 6, 6);
	type = get16(frame + 12);
	if (type == TYPE_TAG) {
		type = get16(frame + 16);
		at += TAG_BYTES;
	}
	if (type == TYPE_ARP)
		look_at_arp(frame + at, n - at, &s);
	else if (type == TYPE_IP6)
		look_at_ip6(frame + at, n - at, &s);
	header = type == TYPE_IP4 && n > at ? (frame[at] & 15u) * 4u : 0;
	if (header >= IP4_BYTES && n - at > header)
		look_at_icmp(frame + at + header, n - at - header, ECHO4, ECHO4_REPLY, &s);
	return s;
}
