/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nat/nat.h"

enum {
	PREFIX4_MIN = 8,
	PREFIX4_MAX = 27,		/* .15 and 16 leases must fit in */
};

enum { OPT_FD = 256, OPT_NET4, OPT_NET6, OPT_NO4, OPT_NO6, OPT_NO_HOST, OPT_NO_SANDBOX, OPT_HELP };

static const struct option long_options[] = {
	{ "fd", required_argument, NULL, OPT_FD },
	{ "ipv4-net", required_argument, NULL, OPT_NET4 },
	{ "ipv6-net", required_argument, NULL, OPT_NET6 },
	{ "no-ipv4", no_argument, NULL, OPT_NO4 },
	{ "no-ipv6", no_argument, NULL, OPT_NO6 },
	{ "no-host", no_argument, NULL, OPT_NO_HOST },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

void nat_usage(void)
{
	puts("usage: hvnet-nat --fd N [options]\n"
	     "User-mode NAT behind a connected stream socket (QEMU's -netdev stream framing).\n"
	     "  --fd N                  the socket's descriptor\n"
	     "  --ipv4-net ADDRESS/LEN  default 10.0.2.0/24; .2 gateway and host, .3 DNS, .15 … by DHCP\n"
	     "  --ipv6-net PREFIX/64    default fd00::/64; ::2 host, ::3 DNS\n"
	     "  --no-ipv4, --no-ipv6    without that version\n"
	     "  --no-host               guests cannot reach the host's loopback addresses\n"
	     "  --no-sandbox            no system call filter\n"
	     "  --help                  this text");
}

static bool parse_number(const char *s, long min, long max, long *out)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (end == s || *end || v < min || v > max)
		return false;
	*out = v;
	return true;
}

/* "ADDRESS/LEN"; the address as text goes to addr. */
static bool split(const char *s, char *addr, size_t bytes, long min, long max, long *prefix)
{
	const char *slash = strchr(s, '/');

	if (!slash || (size_t)(slash - s) >= bytes)
		return false;
	memcpy(addr, s, (size_t)(slash - s));
	addr[slash - s] = '\0';
	return parse_number(slash + 1, min, max, prefix);
}

static bool parse_net4(const char *s, struct nat_options *o)
{
	char addr[INET_ADDRSTRLEN];
	struct in_addr net;
	long prefix;

	if (!split(s, addr, sizeof(addr), PREFIX4_MIN, PREFIX4_MAX, &prefix) ||
	    inet_pton(AF_INET, addr, &net) != 1 || ntohl(net.s_addr) << prefix)
		return false;
	o->net4 = net;
	o->prefix4 = (uint8_t)prefix;
	return true;
}

static bool parse_net6(const char *s, struct nat_options *o)
{
	static const uint8_t zeros[8];
	char addr[INET6_ADDRSTRLEN];
	struct in6_addr net;
	long prefix;

	if (!split(s, addr, sizeof(addr), 64, 64, &prefix) || inet_pton(AF_INET6, addr, &net) != 1 ||
	    memcmp(net.s6_addr + 8, zeros, 8) || net.s6_addr[0] == 0xff || net.s6_addr[0] == 0xfe)
		return false;
	o->net6 = net;
	return true;
}

static bool bad(const char *why, const char *what)
{
	fprintf(stderr, "hvnet-nat: %s \"%s\"; try --help\n", why, what);
	return false;
}

static bool take(struct nat_options *o, int c)
{
	long v;

	switch (c) {
	case OPT_FD:
		if (!parse_number(optarg, 0, 1 << 20, &v))
			return bad("not a descriptor:", optarg);
		o->fd = (int)v;
		return true;
	case OPT_NET4:
		return parse_net4(optarg, o) || bad("not an IPv4 network of 8 … 27 bits:", optarg);
	case OPT_NET6:
		return parse_net6(optarg, o) || bad("not an IPv6 prefix of 64 bits:", optarg);
	case OPT_NO4:
		o->ipv4 = false;
		return true;
	case OPT_NO6:
		o->ipv6 = false;
		return true;
	case OPT_NO_HOST:
		o->host = false;
		return true;
	case OPT_NO_SANDBOX:
		o->sandbox = false;
		return true;
	}
	return false;			/* getopt has said why */
}

enum nat_parsed nat_options_parse(struct nat_options *o, int argc, char **argv)
{
	int c;

	*o = (struct nat_options){ .fd = -1, .ipv4 = true, .ipv6 = true, .host = true, .sandbox = true };
	if (!parse_net4("10.0.2.0/24", o) || !parse_net6("fd00::/64", o))
		abort();
	optind = 0;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
		if (c == OPT_HELP)
			return NAT_HELP;
		if (!take(o, c))
			return NAT_BAD;
	}
	if (optind < argc) {
		bad("not an option:", argv[optind]);
		return NAT_BAD;
	}
	if (o->fd < 0 || (!o->ipv4 && !o->ipv6)) {
		fprintf(stderr, "hvnet-nat: %s; try --help\n", o->fd < 0 ? "--fd is missing" :
			"one IP version must be left");
		return NAT_BAD;
	}
	return NAT_RUN;
}
