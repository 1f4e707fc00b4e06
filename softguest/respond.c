/* SPDX-License-Identifier: MIT */
/*
 * As much of a network stack as `ping` needs at the other end. The frame is a private copy; an
 * answer is the question with addresses exchanged and the checksum mended.
 */
#include <string.h>

#include "softguest/softguest.h"

enum {
	ETH_BYTES = 14, ARP_BYTES = 28, IP4_BYTES = 20, IP6_BYTES = 40, ICMP_BYTES = 8,
	TYPE_IP4 = 0x0800, TYPE_ARP = 0x0806, TYPE_IP6 = 0x86dd,
	PROTO_ICMP = 1, PROTO_ICMP6 = 58,
	ICMP_ECHO_REPLY = 0, ICMP_ECHO = 8,
	ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129, ICMP6_SOLICIT = 135, ICMP6_ADVERTISE = 136,
	SOLICIT_BYTES = 24,		/* ICMPv6 header and the target address */
	ADVERTISE_BYTES = 32,		/* … and the option with our link-layer address */
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t sum(uint32_t s, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i += 2)
		s += get16(p + i);
	if (n & 1)
		s += (uint32_t)p[n - 1] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void swap_macs(const struct softguest_responder *r, uint8_t *f)
{
	memcpy(f, f + 6, 6);
	memcpy(f + 6, r->mac, 6);
}

static bool for_us(const struct softguest_responder *r, const uint8_t *f)
{
	return !memcmp(f, r->mac, 6) || f[0] & 1;
}

static uint32_t answer_arp(const struct softguest_responder *r, uint8_t *f, uint32_t bytes)
{
	uint8_t *arp = f + ETH_BYTES;

	if (bytes < ETH_BYTES + ARP_BYTES || get16(arp + 6) != 1 || memcmp(arp + 24, r->ip, 4))
		return 0;
	swap_macs(r, f);
	put16(arp + 6, 2);
	memcpy(arp + 18, arp + 8, 10);		/* the asker becomes the target */
	memcpy(arp + 8, r->mac, 6);
	memcpy(arp + 14, r->ip, 4);
	return ETH_BYTES + ARP_BYTES;
}

static uint32_t answer_ip4(const struct softguest_responder *r, uint8_t *f, uint32_t bytes)
{
	uint8_t *ip = f + ETH_BYTES, *icmp;
	uint32_t header, total;

	if (bytes < ETH_BYTES + IP4_BYTES)
		return 0;
	header = (ip[0] & 15u) * 4;
	total = get16(ip + 2);
	/*
	 * Fragments are not put together: ping with more than fits into a frame stays without an
	 * answer.
	 */
	if (ip[0] >> 4 != 4 || header < IP4_BYTES || total > bytes - ETH_BYTES || total < header + ICMP_BYTES ||
	    ip[9] != PROTO_ICMP || get16(ip + 6) & 0x3fff || memcmp(ip + 16, r->ip, 4))
		return 0;
	icmp = ip + header;
	if (icmp[0] != ICMP_ECHO)
		return 0;
	swap_macs(r, f);
	memcpy(ip + 16, ip + 12, 4);
	memcpy(ip + 12, r->ip, 4);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum(0, ip, header));
	icmp[0] = ICMP_ECHO_REPLY;
	put16(icmp + 2, 0);
	put16(icmp + 2, (uint16_t)~sum(0, icmp, total - header));
	return ETH_BYTES + total;
}

static void icmp6_sum(uint8_t *ip, uint32_t bytes)
{
	uint8_t *icmp = ip + IP6_BYTES;

	put16(ip + 4, (uint16_t)bytes);
	put16(icmp + 2, 0);
	put16(icmp + 2, (uint16_t)~sum(sum(bytes + PROTO_ICMP6, ip + 8, 32), icmp, bytes));
}

static uint32_t advertise(const struct softguest_responder *r, uint8_t *f, uint32_t bytes)
{
	static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 }, none[16];
	uint8_t *ip = f + ETH_BYTES, *icmp = ip + IP6_BYTES;
	bool probe = !memcmp(ip + 8, none, 16);	/* duplicate address detection asks without an address of its own */

	if (bytes < SOLICIT_BYTES || memcmp(icmp + 8, r->ip6, 16))
		return 0;
	swap_macs(r, f);
	memcpy(ip + 24, probe ? all_nodes : ip + 8, 16);
	memcpy(ip + 8, r->ip6, 16);
	icmp[0] = ICMP6_ADVERTISE;
	icmp[1] = 0;
	memset(icmp + 4, 0, 4);
	icmp[4] = probe ? 0x20 : 0x60;		/* override; solicited */
	icmp[24] = 2;				/* our link-layer address, one unit of eight bytes */
	icmp[25] = 1;
	memcpy(icmp + 26, r->mac, 6);
	icmp6_sum(ip, ADVERTISE_BYTES);
	return ETH_BYTES + IP6_BYTES + ADVERTISE_BYTES;
}

static uint32_t answer_ip6(const struct softguest_responder *r, uint8_t *f, uint32_t bytes)
{
	uint8_t *ip = f + ETH_BYTES, *icmp = ip + IP6_BYTES;
	uint32_t payload;

	if (bytes < ETH_BYTES + IP6_BYTES + ICMP_BYTES)
		return 0;
	payload = get16(ip + 4);
	if (ip[0] >> 4 != 6 || ip[6] != PROTO_ICMP6 || payload > bytes - ETH_BYTES - IP6_BYTES || payload < ICMP_BYTES)
		return 0;
	if (icmp[0] == ICMP6_SOLICIT)
		return advertise(r, f, payload);
	if (icmp[0] != ICMP6_ECHO || memcmp(ip + 24, r->ip6, 16))
		return 0;
	swap_macs(r, f);
	memcpy(ip + 24, ip + 8, 16);
	memcpy(ip + 8, r->ip6, 16);
	icmp[0] = ICMP6_ECHO_REPLY;
	icmp6_sum(ip, payload);
	return ETH_BYTES + IP6_BYTES + payload;
}

uint32_t softguest_respond(struct softguest_responder *r, const uint8_t *frame, uint32_t bytes, uint8_t *reply,
			   uint32_t room)
{
	static const uint8_t none[16];
	uint32_t n = 0;

	if (bytes < ETH_BYTES || room < bytes || room < ETH_BYTES + IP6_BYTES + ADVERTISE_BYTES || !for_us(r, frame))
		return 0;
	memcpy(reply, frame, bytes);
	switch (get16(frame + 12)) {
	case TYPE_ARP:
		n = answer_arp(r, reply, bytes);
		break;
	case TYPE_IP4:
		n = answer_ip4(r, reply, bytes);
		break;
	case TYPE_IP6:
		n = memcmp(r->ip6, none, 16) ? answer_ip6(r, reply, bytes) : 0;
		break;
	default:
		break;
	}
	r->answered += n != 0;
	return n;
}
