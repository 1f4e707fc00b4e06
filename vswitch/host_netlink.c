/* SPDX-License-Identifier: MIT */
/*
 * What host sharing asks of the kernel: addresses and routes (rtnetlink), and a chain at the interface's ingress
 * that drops all (nf_tables), which packet sockets come before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/host_share.h"

enum { BUFFER_BYTES = 65536 };

/* Sends a request and waits for the kernel's word. */
static int request(struct mnl_socket *nl, struct nlmsghdr *h)
{
	char buf[BUFFER_BYTES] __attribute__((aligned(MNL_ALIGNTO)));
	ssize_t n;

	h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, (size_t)n, h->nlmsg_seq, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		return -errno;
	return 0;
}

/* What an interface has. */

struct collection {
	struct host_settings *out;
	unsigned ifindex;
	int error;
};

static bool is_wanted_address(const struct nlmsghdr *h, unsigned ifindex)
{
	const struct ifaddrmsg *a = mnl_nlmsg_get_payload(h);

	/* Each interface makes its own link-local address. */
	return a->ifa_index == ifindex && !(a->ifa_family == AF_INET6 && a->ifa_scope == RT_SCOPE_LINK);
}

static bool is_wanted_route(const struct nlmsghdr *h, unsigned ifindex)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	/* The kernel's own routes come and go with the addresses. */
	if (r->rtm_type != RTN_UNICAST || r->rtm_table == RT_TABLE_LOCAL || r->rtm_protocol == RTPROT_KERNEL ||
	    r->rtm_flags & RTM_F_CLONED)
		return false;
	mnl_attr_for_each(a, h, sizeof(*r))
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			return mnl_attr_get_u32(a) == ifindex;
	return false;
}

static int collect(const struct nlmsghdr *h, void *data)
{
	struct collection *c = data;
	bool is_route = h->nlmsg_type == RTM_NEWROUTE;

	if (is_route ? !is_wanted_route(h, c->ifindex) : !is_wanted_address(h, c->ifindex))
		return MNL_CB_OK;
	c->error = host_record_add(c->out, is_route, mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h));
	return c->error ? MNL_CB_ERROR : MNL_CB_OK;
}

static int dump(struct mnl_socket *nl, uint16_t type, uint8_t family, struct collection *c)
{
	char buf[BUFFER_BYTES] __attribute__((aligned(MNL_ALIGNTO)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *g;
	ssize_t n;
	int run;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = type;
	/* Dumps of routes want the whole struct. */
	g = mnl_nlmsg_put_extra_header(h, type == RTM_GETROUTE ? sizeof(struct rtmsg) : sizeof(struct ifaddrmsg));
	g->rtgen_family = family;
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		run = mnl_cb_run(buf, (size_t)n, type, mnl_socket_get_portid(nl), collect, c);
		if (run < 0)
			return c->error ? c->error : -errno;
	} while (run > MNL_CB_STOP);
	return 0;
}

int host_settings_of(struct mnl_socket *nl, unsigned ifindex, struct host_settings *out)
{
	struct collection c = { .out = out, .ifindex = ifindex };
	int ret = dump(nl, RTM_GETADDR, AF_UNSPEC, &c);

	if (!ret)
		ret = dump(nl, RTM_GETROUTE, AF_INET, &c);
	if (!ret)
		ret = dump(nl, RTM_GETROUTE, AF_INET6, &c);
	return ret;
}

/* Giving and taking. */

static bool attribute_is_copied(bool is_route, unsigned type)
{
	if (is_route)
		return type != RTA_OIF && type != RTA_CACHEINFO;
	return type != IFA_FLAGS && type != IFA_LABEL;	/* a label begins with the interface's name */
}

/* The setting's message for another interface; NULL: a broken record. */
static struct nlmsghdr *message(char *buf, const struct host_setting *s, unsigned ifindex)
{
	size_t head = s->is_route ? sizeof(struct rtmsg) : sizeof(struct ifaddrmsg);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	uint32_t flags = IFA_F_NODAD;
	const struct nlattr *attr;	/* the macro's */
	void *payload;

	if (s->n < head)
		return NULL;
	payload = mnl_nlmsg_put_extra_header(h, head);
	memcpy(payload, s->bytes, head);
	mnl_attr_for_each_payload((void *)(uintptr_t)(s->bytes + MNL_ALIGN(head)), s->n - MNL_ALIGN(head)) {
		if (attribute_is_copied(s->is_route, mnl_attr_get_type(attr)))
			mnl_attr_put(h, attr->nla_type, mnl_attr_get_payload_len(attr), mnl_attr_get_payload(attr));
		else if (!s->is_route && mnl_attr_get_type(attr) == IFA_FLAGS && mnl_attr_get_payload_len(attr) == 4)
			flags |= mnl_attr_get_u32(attr);
	}
	if (s->is_route) {
		((struct rtmsg *)payload)->rtm_flags &= RTNH_F_ONLINK;
		mnl_attr_put_u32(h, RTA_OIF, ifindex);
	} else {
		((struct ifaddrmsg *)payload)->ifa_index = ifindex;
		mnl_attr_put_u32(h, IFA_FLAGS, flags & ~(uint32_t)(IFA_F_TENTATIVE | IFA_F_DADFAILED));
	}
	return h;
}

int host_setting_put(struct mnl_socket *nl, unsigned ifindex, const struct host_setting *s)
{
	char buf[2 * HOST_SETTING_BYTES] __attribute__((aligned(MNL_ALIGNTO)));
	struct nlmsghdr *h = message(buf, s, ifindex);
	int ret;

	if (!h)
		return -EBADMSG;
	h->nlmsg_type = s->is_route ? RTM_NEWROUTE : RTM_NEWADDR;
	h->nlmsg_flags = NLM_F_CREATE | (s->is_route ? NLM_F_EXCL : NLM_F_REPLACE);
	ret = request(nl, h);
	return ret == -EEXIST ? 0 : ret;
}

int host_setting_take(struct mnl_socket *nl, unsigned ifindex, const struct host_setting *s)
{
	char buf[2 * HOST_SETTING_BYTES] __attribute__((aligned(MNL_ALIGNTO)));
	struct nlmsghdr *h = message(buf, s, ifindex);
	int ret;

	if (!h)
		return -EBADMSG;
	h->nlmsg_type = s->is_route ? RTM_DELROUTE : RTM_DELADDR;
	ret = request(nl, h);
	return ret == -ESRCH || ret == -EADDRNOTAVAIL ? 0 : ret;
}

int host_set_link(struct mnl_socket *nl, unsigned ifindex, const uint8_t mac[6], uint32_t mtu)
{
	char buf[256] __attribute__((aligned(MNL_ALIGNTO)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	h->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->ifi_index = (int)ifindex;
	info->ifi_flags = info->ifi_change = IFF_UP;
	mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	if (mtu)
		mnl_attr_put_u32(h, IFLA_MTU, mtu);
	return request(nl, h);
}

/* The chain at the ingress. */

static struct nlmsghdr *put_message(struct mnl_nlmsg_batch *b, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(b));
	struct nfgenmsg *g;

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	g->res_id = htons(res_id);
	return h;
}

static void put_control(struct mnl_nlmsg_batch *b, uint16_t type)
{
	put_message(b, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_nlmsg_batch_next(b);
}

static void put_chain(struct mnl_nlmsg_batch *b, const char *table, const char *interface)
{
	struct nlmsghdr *h = put_message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK,
					 NFPROTO_NETDEV, 0);
	struct nlattr *hook;

	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, "ingress");
	hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl(0));
	mnl_attr_put_strz(h, NFTA_HOOK_DEV, interface);
	mnl_attr_nest_end(h, hook);
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_DROP));
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
	mnl_nlmsg_batch_next(b);
}

/* The kernel answers each message that asked for it, or the batch's first mistake. */
static int run_batch(struct mnl_nlmsg_batch *b, unsigned answers)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	char buf[BUFFER_BYTES] __attribute__((aligned(MNL_ALIGNTO)));
	ssize_t n;
	int ret = 0;

	if (!nl)
		return errno == EPROTONOSUPPORT ? -EOPNOTSUPP : -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(nl, mnl_nlmsg_batch_head(b), mnl_nlmsg_batch_size(b)) < 0)
		ret = -errno;
	while (!ret && answers--) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0)
			ret = -errno;
	}
	mnl_socket_close(nl);
	return ret;
}

int host_deafen(const char *interface, bool deaf)
{
	char buf[4096] __attribute__((aligned(MNL_ALIGNTO))), table[IFNAMSIZ + 8];
	struct mnl_nlmsg_batch *b = mnl_nlmsg_batch_start(buf, sizeof(buf));
	struct nlmsghdr *h;
	int ret;

	if (!b)
		return -ENOMEM;
	snprintf(table, sizeof(table), "hvnet-%s", interface);
	put_control(b, NFNL_MSG_BATCH_BEGIN);
	h = put_message(b, NFNL_SUBSYS_NFTABLES << 8 | (deaf ? NFT_MSG_NEWTABLE : NFT_MSG_DELTABLE),
			(uint16_t)(NLM_F_ACK | (deaf ? NLM_F_CREATE : 0)), NFPROTO_NETDEV, 0);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
	mnl_nlmsg_batch_next(b);
	if (deaf)
		put_chain(b, table, interface);
	put_control(b, NFNL_MSG_BATCH_END);
	ret = run_batch(b, deaf ? 2 : 1);
	mnl_nlmsg_batch_stop(b);
	return !deaf && ret == -ENOENT ? 0 : ret;
}
