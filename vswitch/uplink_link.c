/* SPDX-License-Identifier: MIT */
/*
 * The monitor listens to the link group, so it hears of all interfaces and keeps what is about its
 * own. When the kernel had to leave something out (ENOBUFS), and at the start, it asks.
 */
#include "vswitch/uplink_link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum {
	ROUND_MESSAGES = 16,		/* our policy: reads per wake-up */
	BUFFER_BYTES = 32768,		/* a link message with all attributes, and then some */
};

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000		/* linux/if.h, which net/if.h excludes */
#endif

bool link_runs(const struct link_state *s)
{
	const unsigned wanted = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;

	return (s->flags & wanted) == wanted;
}

int link_check(const struct link_state *s)
{
	if (s->type != ARPHRD_ETHER || s->flags & IFF_LOOPBACK || !strcmp(s->kind, "bridge"))
		return -EINVAL;
	if (s->master)
		return -EBUSY;
	return s->flags & IFF_UP ? 0 : -ENETDOWN;
}

static void take_kind(const struct nlattr *info, struct link_state *out)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, info)
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 &&
		    mnl_attr_get_payload_len(a) <= sizeof(out->kind))
			strcpy(out->kind, mnl_attr_get_str(a));
}

/* The link message's content; false: it is none, or a broken one. */
static bool parse(const struct nlmsghdr *h, struct link_state *out)
{
	const struct ifinfomsg *info;
	const struct nlattr *a;
	struct link_state s = { 0 };

	if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK)
		return false;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*info))
		return false;
	info = mnl_nlmsg_get_payload(h);
	s.ifindex = (unsigned)info->ifi_index;
	s.type = info->ifi_type;
	s.flags = info->ifi_flags;
	mnl_attr_for_each(a, h, sizeof(*info)) {
		size_t n = mnl_attr_get_payload_len(a);

		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			if (n <= sizeof(s.name) && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
				strcpy(s.name, mnl_attr_get_str(a));
			break;
		case IFLA_ADDRESS:
			if (n == sizeof(s.mac))
				memcpy(s.mac, mnl_attr_get_payload(a), n);
			break;
		case IFLA_MTU:
			if (n == sizeof(s.mtu))
				s.mtu = mnl_attr_get_u32(a);
			break;
		case IFLA_MASTER:
			if (n == sizeof(s.master))
				s.master = mnl_attr_get_u32(a);
			break;
		case IFLA_LINKINFO:
			take_kind(a, &s);
			break;
		default:
			break;
		}
	}
	*out = s;
	return true;
}

/* Asks for one interface; by name if it is not NULL. */
static int ask(struct mnl_socket *nl, unsigned ifindex, const char *name)
{
	char buf[MNL_NLMSG_HDRLEN + 256] __attribute__((aligned(MNL_ALIGNTO)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->ifi_index = (int)ifindex;
	if (name)
		mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return mnl_socket_sendto(nl, h, h->nlmsg_len) < 0 ? -errno : 0;
}

static int answer(struct mnl_socket *nl, struct link_state *out)
{
	char buf[BUFFER_BYTES] __attribute__((aligned(MNL_ALIGNTO)));
	ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	int left = (int)n;

	if (n < 0)
		return -errno;
	if (!mnl_nlmsg_ok(h, left))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(h) >= sizeof(struct nlmsgerr))
		return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
	return parse(h, out) ? 0 : -EPROTO;
}

int link_query(const char *name, struct link_state *out)
{
	struct mnl_socket *nl;
	int ret;

	if (!name[0] || strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl)
		return -errno;
	ret = ask(nl, 0, name);
	if (!ret)
		ret = answer(nl, out);
	mnl_socket_close(nl);
	return ret;
}

/* The first request only asks how many words of link modes there are. */
static bool ask_ethtool(int fd, const char *name, struct ethtool_link_settings *s, int8_t words)
{
	struct ifreq ifr = { .ifr_data = (void *)s };

	strcpy(ifr.ifr_name, name);
	s->cmd = ETHTOOL_GLINKSETTINGS;
	s->link_mode_masks_nwords = words;
	return !ioctl(fd, SIOCETHTOOL, &ifr);
}

void link_speed(const char *name, uint32_t *mbps, bool *full_duplex)
{
	union {
		struct ethtool_link_settings s;
		uint8_t room[sizeof(struct ethtool_link_settings) + 3 * 4 * INT8_MAX];
	} u = { .s = { 0 } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && strlen(name) < IFNAMSIZ && ask_ethtool(fd, name, &u.s, 0) &&
		  u.s.link_mode_masks_nwords < 0 && ask_ethtool(fd, name, &u.s, (int8_t)-u.s.link_mode_masks_nwords);

	*mbps = ok && u.s.speed != (uint32_t)SPEED_UNKNOWN ? u.s.speed : 0;
	*full_duplex = !ok || u.s.duplex != DUPLEX_HALF;
	if (fd >= 0)
		close(fd);
}

static void handle(struct link_monitor *m, const struct nlmsghdr *h)
{
	struct link_state s;

	if (h->nlmsg_type == NLMSG_ERROR) {	/* what we asked for is not there any more */
		m->changed(m, NULL);
		return;
	}
	if (!parse(h, &s) || s.ifindex != m->ifindex)
		return;
	/* A bridge says that a port left it in the same words, with its own family. */
	if (h->nlmsg_type == RTM_DELLINK &&
	    ((const struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_family == AF_UNSPEC)
		m->changed(m, NULL);
	else if (h->nlmsg_type == RTM_NEWLINK)
		m->changed(m, &s);
}

static void ready(struct hv_watch *w, uint32_t events)
{
	struct link_monitor *m = hv_container_of(w, struct link_monitor, watch);
	char buf[BUFFER_BYTES] __attribute__((aligned(MNL_ALIGNTO)));
	const struct nlmsghdr *h;
	ssize_t n;
	int left;

	(void)events;
	for (int i = 0; i < ROUND_MESSAGES && m->nl; i++) {
		n = recv(mnl_socket_get_fd(m->nl), buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == ENOBUFS && !ask(m->nl, m->ifindex, NULL))
			continue;
		if (n <= 0)
			return;
		left = (int)n;
		for (h = (const struct nlmsghdr *)buf; m->nl && mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			handle(m, h);
	}
}

int link_monitor_start(struct hv_loop *loop, struct link_monitor *m, unsigned ifindex)
{
	int ret;

	m->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!m->nl)
		return -errno;
	m->ifindex = ifindex;
	m->watch.ready = ready;
	ret = mnl_socket_bind(m->nl, RTMGRP_LINK, MNL_SOCKET_AUTOPID) ? -errno : 0;
	if (!ret)
		ret = ask(m->nl, ifindex, NULL);
	if (!ret)
		ret = hv_watch_start(loop, &m->watch, mnl_socket_get_fd(m->nl), POLLIN);
	if (ret)
		link_monitor_stop(m);
	return ret;
}

void link_monitor_stop(struct link_monitor *m)
{
	hv_watch_stop(&m->watch);
	if (m->nl)
		mnl_socket_close(m->nl);
	m->nl = NULL;
}
