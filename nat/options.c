/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nat/nat.h"

const char nat_usage[] =
	"usage: hvnet-nat --fd N [option…]\n"
	"User-mode NAT with DHCP and DNS for a virtual switch; hvnetd starts it.\n"
	"\n"
	"  --fd N                 connected stream socket to the switch (QEMU's -netdev stream framing)\n"
	"  --ipv4-net ADDR/LEN    the guests' network, LEN 8 to 24 (default 10.0.2.0/24):\n"
	"                         gateway .2, DNS .3, DHCP from .15\n"
	"  --ipv6-net PREFIX/64   the guests' IPv6 network (default fd68:766e:6574::/64): gateway ::2, DNS ::3\n"
	"  --mtu BYTES            of the NAT's own interface, 576 to 65521 (default 1500)\n"
	"  --no-host-loopback     the gateway's address does not lead to the host's own loopback\n"
	"  --help                 this text\n";

static bool parse_number(const char *s, unsigned long low, unsigned long high, unsigned long *out)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || v < low || v > high)
		return false;
	*out = v;
	return true;
}

/* "ADDR/LEN" */
static bool parse_net(const char *s, int family, void *addr, unsigned long low, unsigned long high, unsigned long *len)
{
	char text[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');

	if (!slash || (size_t)(slash - s) >= sizeof(text))
		return false;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	return inet_pton(family, text, addr) == 1 && parse_number(slash + 1, low, high, len);
}

static bool parse_ipv4(struct nat_options *o, const char *s)
{
	unsigned long len;
	struct in_addr net;
	uint32_t mask;

	if (!parse_net(s, AF_INET, &net, 8, 24, &len))
		return false;
	mask = 0xffffffffu << (32 - len);
	if (ntohl(net.s_addr) & ~mask)
		return false;
	o->net = net;
	o->mask.s_addr = htonl(mask);
	return true;
}

static bool parse_ipv6(struct nat_options *o, const char *s)
{
	static const uint8_t zero[8];
	unsigned long len;
	struct in6_addr prefix;

	if (!parse_net(s, AF_INET6, &prefix, 64, 64, &len) || memcmp(prefix.s6_addr + 8, zero, 8))
		return false;
	o->prefix = prefix;
	return true;
}

bool nat_options_parse(struct nat_options *o, int argc, char **argv, char why[NAT_LINE_BYTES])
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "ipv4-net", required_argument, NULL, '4' },
		{ "ipv6-net", required_argument, NULL, '6' },
		{ "mtu", required_argument, NULL, 'm' },
		{ "no-host-loopback", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	unsigned long v;
	int c;

	*o = (struct nat_options){ .fd = -1, .mtu = 1500, .host_loopback = true };
	parse_ipv4(o, "10.0.2.0/24");
	parse_ipv6(o, "fd68:766e:6574::/64");
	optind = 0;	/* from the beginning, also for a second command line */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		bool good = true;
		int last = optind - 1;

		switch (c) {
		case 'f':
			good = parse_number(optarg, 0, 1 << 20, &v);
			if (good)
				o->fd = (int)v;
			break;
		case '4':
			good = parse_ipv4(o, optarg);
			break;
		case '6':
			good = parse_ipv6(o, optarg);
			break;
		case 'm':
			good = parse_number(optarg, 576, 65521, &v);
			if (good)
				o->mtu = (unsigned)v;
			break;
		case 'l':
			o->host_loopback = false;
			break;
		case 'h':
			o->help = true;
			return true;
		default:
			snprintf(why, NAT_LINE_BYTES, "'%s' is not an option, or its value is missing", argv[last]);
			return false;
		}
		if (!good) {
			snprintf(why, NAT_LINE_BYTES, "'%s' is not a value that the option before it takes", optarg);
			return false;
		}
	}
	if (optind != argc) {
		snprintf(why, NAT_LINE_BYTES, "'%s' is not an option", argv[optind]);
		return false;
	}
	if (o->fd < 0) {
		snprintf(why, NAT_LINE_BYTES, "--fd is missing");
		return false;
	}
	return true;
}
