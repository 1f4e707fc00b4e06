/* SPDX-License-Identifier: MIT */
/*
 * Headers, read byte by byte with the question asked each time whether there is such a byte; and segmentation, naively.
 */
#include "tests/switch_model_guard.h"

#include <string.h>

enum { SEEN_MAX = VSWITCH_GUARD_BYTES - 12 };	/* what guards look at, of a body */

/* What a frame is behind all that it is wrapped in. */
struct seen {
	const uint8_t *b;
	uint32_t len;
	bool anything;			/* too deep to say */
	bool broken;			/* no valid IP header, or ARP cut off */
	bool lost;			/* the chain of headers breaks off */
	bool later;			/* a later fragment */
	unsigned type;			/* 0x0800, 0x86dd, 0x0806, 0x8035, or others */
	unsigned protocol;
	uint32_t ip, transport, end;
};

static unsigned two(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

bool model_unwrap(const uint8_t *body, uint32_t len, unsigned *type, uint32_t *at, unsigned *wraps)
{
	*type = two(body);
	*at = 2;
	for (*wraps = 0;; ++*wraps) {
		bool tag = *type == 0x8100 || *type == 0x88a8 || *type == 0x9100 || *type == 0x9200;
		uint32_t wrap = tag ? 4 : 8;

		if (!tag && *type >= 0x600)
			return true;
		if (*wraps == 4 || (len - *at >= wrap && *at + wrap > SEEN_MAX))
			return false;
		if (len - *at < wrap || (!tag && two(body + *at) != 0xaaaa)) {
			*type = 0;
			return true;
		}
		*type = two(body + *at + wrap - 2);
		*at += wrap;
	}
}

bool model_is_extension(unsigned header, bool v6)
{
	static const uint8_t v6_headers[] = { 0, 43, 44, 51, 60, 135, 139, 140 };

	return header == 51 || (v6 && memchr(v6_headers, (int)header, sizeof(v6_headers)));
}

/* Whether n bytes from off on can be read. */
static bool there(struct seen *s, uint32_t off, uint32_t n)
{
	if (off + n > s->end)
		s->lost = true;
	else if (off + n > SEEN_MAX)
		s->anything = true;
	return !s->lost && !s->anything;
}

static void follow(struct seen *s, unsigned next, bool v6)
{
	uint32_t off = s->transport;

	for (int n = 0; model_is_extension(next, v6) && !s->later; n++) {
		const uint8_t *h = s->b + off;

		if (n == 8)
			s->lost = true;
		if (s->lost || !there(s, off, 8))
			return;
		if (next == 44)
			s->later = two(h + 2) >> 3;
		off += next == 44 ? 8 : next == 51 ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
		next = h[0];
		if (!there(s, off, 0))
			return;
	}
	s->protocol = next;
	s->transport = off;
	if (!s->later) {
		uint32_t left = s->end - off;
		bool discovery = next == 58 && left >= 8 && off < SEEN_MAX && s->b[off] >= 133 && s->b[off] <= 137;

		there(s, off, left < 8 || (discovery && off + 8 <= SEEN_MAX) ? left : 8);
	}
}

static struct seen look(const uint8_t *body, uint32_t len)
{
	struct seen s = { .b = body, .len = len };
	uint32_t left, need;
	const uint8_t *ip;
	unsigned wraps;

	s.anything = !model_unwrap(body, len, &s.type, &s.ip, &wraps);
	if (s.anything)
		return s;
	left = len - s.ip;
	ip = body + s.ip;
	need = s.type == 0x0800 ? 20 : s.type == 0x86dd ? 40 : s.type == 0x0806 || s.type == 0x8035 ? 28 : 0;
	s.end = len;
	if (left < need)
		s.broken = true;
	else if (s.ip + need > SEEN_MAX)
		s.anything = true;
	else if (s.type == 0x0800) {
		uint32_t header = (ip[0] & 15u) * 4, total = two(ip + 2);

		s.broken = ip[0] >> 4 != 4 || header < 20 || total < header || total > left;
		s.later = two(ip + 6) & 0x1fff;
		s.end = s.ip + total;
		s.transport = s.ip + header;
		if (!s.broken)
			follow(&s, ip[9], false);
	} else if (s.type == 0x86dd) {
		uint32_t payload = two(ip + 4);

		if (!payload && !ip[6])
			payload = left - 40;
		s.broken = ip[0] >> 4 != 6 || payload > left - 40;
		s.end = s.ip + 40 + payload;
		s.transport = s.ip + 40;
		if (!s.broken)
			follow(&s, ip[6], true);
	}
	return s;
}

static bool unclear(const struct seen *s)
{
	return s->anything || s->broken || s->lost;
}

static bool is_ip(const struct seen *s)
{
	return s->type == 0x0800 || s->type == 0x86dd;
}

bool guard_model_bpdu(const uint8_t destination[6], const uint8_t *body, uint32_t len)
{
	static const uint8_t pvst[6] = { 0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd };

	return !memcmp(destination, pvst, 6) || (two(body) < 0x600 && len >= 4 && two(body + 2) == 0x4242);
}

bool guard_model_router(const uint8_t *body, uint32_t len)
{
	struct seen s = look(body, len);
	bool v6 = s.type == 0x86dd;
	unsigned type;

	if (unclear(&s))
		return true;
	if (!is_ip(&s) || s.later || s.protocol != (v6 ? 58 : 1))
		return false;
	if (s.transport == s.end)
		return true;
	type = body[s.transport];
	return v6 ? type == 134 || type == 137 : type == 5 || type == 9;
}

bool guard_model_dhcp(const uint8_t *body, uint32_t len)
{
	struct seen s = look(body, len);
	bool v6 = s.type == 0x86dd;

	if (unclear(&s))
		return true;
	if (!is_ip(&s) || s.later || s.protocol != 17)
		return false;
	if (s.end - s.transport < 4)
		return true;
	return two(body + s.transport) == (v6 ? 547 : 67) || two(body + s.transport + 2) == (v6 ? 546 : 68);
}

static bool listed(const struct vswitch_port_policy *policy, unsigned version, const uint8_t *bytes)
{
	for (unsigned i = 0; i < policy->num_addresses; i++)
		if (policy->addresses[i].version == version &&
		    !memcmp(policy->addresses[i].bytes, bytes, version == 4 ? 4 : 16))
			return true;
	return false;
}

static bool none(const uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

static bool options_lie(const struct seen *s, uint32_t off, const uint8_t source[6])
{
	while (off < s->end) {
		const uint8_t *o = s->b + off;
		uint32_t left = s->end - off;

		if (left < 8 || !o[1] || o[1] * 8u > left)
			return true;
		if ((o[0] == 1 || o[0] == 2) && (o[1] != 1 || memcmp(o + 2, source, 6)))
			return true;
		off += o[1] * 8u;
	}
	return false;
}

static bool arp_spoofs(const struct vswitch_port_policy *policy, const uint8_t *a, const uint8_t source[6], bool rarp)
{
	unsigned operation = two(a + 6);

	if (two(a + 2) != 0x0800 || a[4] != 6 || a[5] != 4 || memcmp(a + 8, source, 6))
		return true;
	if (rarp)
		return operation != 3 || !(none(a + 14, 4) || listed(policy, 4, a + 14));
	return !listed(policy, 4, a + 14) && !(operation == 1 && none(a + 14, 4));
}

static bool ipv4_spoofs(const struct vswitch_port_policy *policy, const struct seen *s)
{
	const uint8_t *ip = s->b + s->ip, *udp = s->b + s->transport;

	if (listed(policy, 4, ip + 12))
		return false;
	return !none(ip + 12, 4) || s->later || s->protocol != 17 || s->end - s->transport < 4 || two(udp) != 68 ||
	       two(udp + 2) != 67;
}

static bool ipv6_spoofs(const struct vswitch_port_policy *policy, const struct seen *s, const uint8_t source[6])
{
	const uint8_t *from = s->b + s->ip + 8, *icmp = s->b + s->transport;
	uint32_t left = s->later ? 0 : s->end - s->transport;
	bool is_icmp = s->protocol == 58 && !s->later, whole = left >= 24;
	unsigned type = is_icmp && left ? icmp[0] : 0;

	if (!listed(policy, 6, from)) {
		if (!none(from, 16) || !is_icmp || left < 8)
			return true;
		if (type == 135 ? !whole || !listed(policy, 6, icmp + 8) :
		    type != 133 && type != 131 && type != 132 && type != 143)
			return true;
	}
	if (!is_icmp)
		return false;
	if (left < 8)
		return true;
	if (type == 133)
		return options_lie(s, s->transport + 8, source);
	if (type < 133 || type > 137)
		return false;
	if (!whole || (type == 136 && !listed(policy, 6, icmp + 8)))
		return true;
	return options_lie(s, s->transport + 24, source);
}

bool guard_model_spoofs(const struct vswitch_port_policy *policy, const uint8_t source[6], const uint8_t *body, uint32_t len)
{
	struct seen s = look(body, len);

	if (guard_model_router(body, len))
		return true;
	switch (s.type) {
	case 0x0806:
	case 0x8035:
		return arp_spoofs(policy, body + s.ip, source, s.type == 0x8035);
	case 0x0800:
		return ipv4_spoofs(policy, &s);
	case 0x86dd:
		return ipv6_spoofs(policy, &s, source);
	}
	return false;
}

static int claim(struct model_address *claims, int n, uint8_t version, const uint8_t *bytes)
{
	if (none(bytes, version == 4 ? 4 : 16))
		return n;
	claims[n] = (struct model_address){ .version = version };
	memcpy(claims[n].bytes, bytes, version == 4 ? 4 : 16);
	return n + 1;
}

int guard_model_claims(const uint8_t *body, uint32_t len, struct model_address claims[2])
{
	struct seen s = look(body, len);
	const uint8_t *ip = body + s.ip;
	int n;

	if (s.anything || s.broken)
		return -1;
	if (s.type == 0x0806 || s.type == 0x8035)
		return claim(claims, 0, 4, ip + 14);
	if (s.type == 0x0800)
		return claim(claims, 0, 4, ip + 12);
	if (s.type != 0x86dd)
		return 0;
	n = claim(claims, 0, 6, ip + 8);
	if (s.lost || s.later || s.protocol != 58 || s.end - s.transport < 24 || body[s.transport] != 136)
		return n;
	return claim(claims, n, 6, body + s.transport + 8);
}

/* Segmentation. */

uint32_t model_headers(const uint8_t *body)
{
	uint32_t ip = two(body) == 0x0800 ? 20 : 40;
	unsigned protocol = two(body) == 0x0800 ? body[2 + 9] : body[2 + 6];

	return 2 + ip + (protocol == 6 ? (body[2 + ip + 12] >> 4) * 4u : 8);
}

static uint32_t add_up(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static void store(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t complement(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void finish(uint8_t *body, uint32_t len)
{
	bool v4 = two(body) == 0x0800;
	uint8_t *ip = body + 2, *transport = ip + (v4 ? 20 : 40);
	bool tcp = (v4 ? ip[9] : ip[6]) == 6;
	uint32_t sum, payload = len - (uint32_t)(transport - body);
	uint8_t *field = transport + (tcp ? 16 : 6);

	if (v4) {
		store(ip + 2, len - 2);
		store(ip + 10, 0);
		store(ip + 10, complement(add_up(ip, 20, 0)));
	} else {
		store(ip + 4, len - 42);
	}
	if (!tcp)
		store(transport + 4, payload);
	store(field, 0);
	sum = add_up(ip + (v4 ? 12 : 8), v4 ? 8 : 32, payload + (tcp ? 6 : 17));
	sum = complement(add_up(transport, payload, sum));
	store(field, sum ? sum : 0xffff);
}

/* The i-th segment's own fields. */
static void edit(uint8_t *body, uint32_t i, uint32_t size, bool last)
{
	bool v4 = two(body) == 0x0800;
	uint8_t *transport = body + 2 + (v4 ? 20 : 40);
	uint32_t sequence = (uint32_t)two(transport + 4) << 16 | two(transport + 6);

	if (v4)
		store(body + 2 + 4, two(body + 2 + 4) + i);
	if (body[2 + (v4 ? 9 : 6)] != 6)
		return;
	sequence += i * size;
	store(transport + 4, sequence >> 16);
	store(transport + 6, sequence);
	if (!last)
		transport[13] &= (uint8_t)~0x09;	/* PSH, FIN */
	if (i)
		transport[13] &= (uint8_t)~0x80;	/* CWR */
}

unsigned model_segments(const struct model_frame *f, struct model_frame *out, unsigned max)
{
	uint32_t before = f->bytes[12] == 0x81 && !f->bytes[13] ? 16 : 12;
	const uint8_t *body = f->bytes + before;
	uint32_t headers, payload, count, n;

	if (!f->gso_size) {
		out[0] = *f;
		return 1;
	}
	headers = model_headers(body);
	payload = f->len - before - headers;
	count = (payload + f->gso_size - 1) / f->gso_size;
	if (count > max)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		struct model_frame *g = &out[i];
		uint8_t *b = g->bytes + before;

		n = i + 1 < count ? f->gso_size : payload - i * f->gso_size;
		memcpy(g->bytes, f->bytes, before + headers);
		memcpy(b + headers, body + headers + i * f->gso_size, n);
		g->gso_size = 0;
		g->len = before + headers + n;
		edit(b, i, f->gso_size, i + 1 == count);
		finish(b, headers + n);
	}
	return count;
}
