/* SPDX-License-Identifier: MIT */
#include "hvnetctl/capture_text.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "base/rd.h"
#include "vswitch/pcapng_wire.h"

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	TYPE_IPV6 = 0x86dd,
	TYPE_LLDP = 0x88cc,
	TYPE_SLOW = 0x8809,
	TAGS_MAX = 4,			/* our policy: what has more is shown as a tag */
	EXTENSIONS_MAX = 8,		/* our policy, of IPv6 headers */
	LENGTH_MAX = 1500,		/* 802.3: a type field up to this is a length */
};

static bool take16(struct rd *r, uint16_t *v)
{
	uint8_t b[2];

	if (!rd_copy(r, b, sizeof(b)))
		return false;
	*v = (uint16_t)(b[0] << 8 | b[1]);
	return true;
}

static void print_time(FILE *to, uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000u);
	char text[16] = "?";
	struct tm tm;

	if (localtime_r(&s, &tm))
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	fprintf(to, "%s.%06u", text, (unsigned)(ns % 1000000000u / 1000));
}

static void print_mac(FILE *to, const uint8_t mac[6])
{
	fprintf(to, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_tcp_flags(FILE *to, uint8_t flags)
{
	static const char letters[] = "FSRPAUEC";

	fputc(' ', to);
	for (unsigned i = 0; i < 8; i++)
		if (flags & 1u << i)
			fputc(letters[i], to);
}

/* ICMP types of RFC 792 and RFC 4443/4861 that one meets daily. */
static const char *icmp_name(bool v6, uint8_t type)
{
	switch (v6 ? type + 256 : type) {
	case 0:
	case 256 + 129:
		return "echo reply";
	case 3:
	case 256 + 1:
		return "unreachable";
	case 8:
	case 256 + 128:
		return "echo request";
	case 11:
	case 256 + 3:
		return "time exceeded";
	case 256 + 2:
		return "packet too big";
	case 256 + 133:
		return "router solicitation";
	case 256 + 134:
		return "router advertisement";
	case 256 + 135:
		return "neighbour solicitation";
	case 256 + 136:
		return "neighbour advertisement";
	case 256 + 143:
		return "multicast listener report";
	default:
		return NULL;
	}
}

struct endpoints {
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	bool v6;
};

static void print_ports(FILE *to, const struct endpoints *e, const char *name, uint16_t from, uint16_t dest)
{
	const char *open = e->v6 ? "[" : "", *close = e->v6 ? "]" : "";

	fprintf(to, " %s%s%s:%u > %s%s%s:%u %s", open, e->from, close, from, open, e->to, close, dest, name);
}

static void print_transport(FILE *to, const struct endpoints *e, uint8_t protocol, struct rd r)
{
	uint16_t from, dest;
	uint8_t rest[10], type;

	if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && take16(&r, &from) && take16(&r, &dest)) {
		print_ports(to, e, protocol == IPPROTO_TCP ? "tcp" : "udp", from, dest);
		if (protocol == IPPROTO_TCP && rd_copy(&r, rest, sizeof(rest)))
			print_tcp_flags(to, rest[9]);
		return;
	}
	fprintf(to, " %s > %s", e->from, e->to);
	if (protocol == (e->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) && rd_copy(&r, &type, 1)) {
		if (icmp_name(e->v6, type))
			fprintf(to, " icmp %s", icmp_name(e->v6, type));
		else
			fprintf(to, " icmp type %u", type);
	} else {
		fprintf(to, " protocol %u", protocol);
	}
}

static void print_ipv4(FILE *to, struct rd r)
{
	struct endpoints e = { .v6 = false };
	uint8_t h[20];
	unsigned header, fragment;

	fputs(" IPv4", to);
	if (!rd_copy(&r, h, sizeof(h)) || h[0] >> 4 != 4 || (h[0] & 15) < 5 || !rd_skip(&r, (h[0] & 15) * 4u - 20)) {
		fputs(" cut off or malformed", to);
		return;
	}
	header = h[9];
	fragment = (h[6] & 0x1fu) << 8 | h[7];
	inet_ntop(AF_INET, h + 12, e.from, sizeof(e.from));
	inet_ntop(AF_INET, h + 16, e.to, sizeof(e.to));
	if (fragment)
		fprintf(to, " %s > %s protocol %u fragment at %u", e.from, e.to, header, fragment * 8);
	else
		print_transport(to, &e, (uint8_t)header, r);
}

/* Past the extension headers of RFC 8200 that only say how to skip them; false: cut off, or a later fragment. */
static bool skip_extensions(struct rd *r, uint8_t *next, unsigned *fragment)
{
	uint8_t h[8];

	*fragment = 0;
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING && *next != IPPROTO_DSTOPTS &&
		    *next != IPPROTO_FRAGMENT)
			return true;
		if (!rd_copy(r, h, sizeof(h)) || (*next != IPPROTO_FRAGMENT && !rd_skip(r, h[1] * 8u)))
			return false;
		if (*next == IPPROTO_FRAGMENT)
			*fragment = (unsigned)h[2] << 8 | (h[3] & 0xf8u);
		*next = h[0];
		if (*fragment)
			return false;
	}
	return true;
}

static void print_ipv6(FILE *to, struct rd r)
{
	struct endpoints e = { .v6 = true };
	unsigned fragment;
	uint8_t h[40];

	fputs(" IPv6", to);
	if (!rd_copy(&r, h, sizeof(h)) || h[0] >> 4 != 6) {
		fputs(" cut off or malformed", to);
		return;
	}
	inet_ntop(AF_INET6, h + 8, e.from, sizeof(e.from));
	inet_ntop(AF_INET6, h + 24, e.to, sizeof(e.to));
	if (skip_extensions(&r, &h[6], &fragment))
		print_transport(to, &e, h[6], r);
	else if (fragment)
		fprintf(to, " %s > %s protocol %u fragment at %u", e.from, e.to, h[6], fragment);
	else
		fprintf(to, " %s > %s cut off or malformed", e.from, e.to);
}

static void print_arp(FILE *to, struct rd r)
{
	char sender[INET_ADDRSTRLEN], target[INET_ADDRSTRLEN];
	uint8_t h[28];

	fputs(" ARP", to);
	if (!rd_copy(&r, h, sizeof(h)) || memcmp(h, "\0\1\x08\0\6\4", 6) != 0)
		return;
	inet_ntop(AF_INET, h + 14, sender, sizeof(sender));
	inet_ntop(AF_INET, h + 24, target, sizeof(target));
	if (h[7] == 1) {
		fprintf(to, " who has %s? tell %s", target, sender);
	} else if (h[7] == 2) {
		fprintf(to, " %s is at ", sender);
		print_mac(to, h + 8);
	}
}

static void print_type(FILE *to, uint16_t type, struct rd r)
{
	switch (type) {
	case TYPE_IPV4:
		print_ipv4(to, r);
		break;
	case TYPE_IPV6:
		print_ipv6(to, r);
		break;
	case TYPE_ARP:
		print_arp(to, r);
		break;
	case TYPE_LLDP:
		fputs(" LLDP", to);
		break;
	case TYPE_SLOW:
		fputs(" LACP or another slow protocol", to);
		break;
	default:
		fprintf(to, type <= LENGTH_MAX ? " 802.3, %u bytes" : " type 0x%04x", type);
	}
}

static void print_frame(FILE *to, struct rd r)
{
	uint8_t macs[12];
	uint16_t type, tag;

	if (!rd_copy(&r, macs, sizeof(macs))) {
		fputs(" cut off", to);
		return;
	}
	fputc(' ', to);
	print_mac(to, macs + 6);
	fputs(" > ", to);
	print_mac(to, macs);
	for (unsigned tags = 0; take16(&r, &type); tags++) {
		if ((type != TYPE_VLAN && type != TYPE_QINQ) || tags == TAGS_MAX || !take16(&r, &tag)) {
			print_type(to, type, r);
			return;
		}
		fprintf(to, " vlan %u", tag & 0xfffu);
		if (tag >> 13)
			fprintf(to, " priority %u", (unsigned)tag >> 13);
	}
}

void capture_print(FILE *to, const struct capture_packet *p, const char *interface)
{
	print_time(to, p->time_ns);
	fprintf(to, " %s %s", interface, p->flags == PCAPNG_FLAG_INBOUND ? "in" : p->flags == PCAPNG_FLAG_OUTBOUND ? "out" : "?");
	print_frame(to, (struct rd){ p->data, p->captured });
	fprintf(to, ", %u bytes", p->bytes);
	if (p->comment.n)
		fprintf(to, " [%.*s]", (int)p->comment.n, p->comment.s);
	fputc('\n', to);
}
