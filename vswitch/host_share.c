/* SPDX-License-Identifier: MIT */
/*
 * The host's network moves from an interface to the switch's host adapter, and back.
 *
 * Order. The record is on the disk before the first change, and goes after the last. The adapter
 * has everything before the interface loses it, so a process that dies anywhere on the way leaves the
 * host with its addresses at least once, and the record says where they belong. Putting back only asks
 * for what is not so already: it may be repeated.
 *
 * The interface keeps its own address: the adapter has the same one, so the network sees no change. What comes by the
 * interface is for the adapter alone: the host's stack would answer everything twice.
 */
#include "vswitch/host_share.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <net/if_arp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "vswitch/uplink.h"
#include "vswitch/uplink_link.h"

enum { ROUTE_PASSES = 4 };	/* a route may need another one to reach its gateway */

static int boot_id(char out[BOOT_ID_BYTES])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, BOOT_ID_BYTES - 1);
	close(fd);
	if (n != BOOT_ID_BYTES - 1)
		return -EIO;
	out[n] = '\0';
	return 0;
}

/* All addresses, then all routes; some error if one cannot be, the others are put nevertheless. */
static int put_all(struct mnl_socket *nl, unsigned ifindex, const struct host_settings *settings)
{
	const struct host_setting *s;
	int ret = 0, one;

	STAILQ_FOREACH(s, settings, link)
		if (!s->is_route) {
			one = host_setting_put(nl, ifindex, s);
			ret = one ? one : ret;
		}
	for (int pass = 0; pass < ROUTE_PASSES; pass++) {
		int routes = 0;

		STAILQ_FOREACH(s, settings, link)
			if (s->is_route) {
				one = host_setting_put(nl, ifindex, s);
				routes = one ? one : routes;
			}
		if (!routes)
			return ret;
		if (pass == ROUTE_PASSES - 1)
			ret = routes;
	}
	return ret;
}

static int take_all(struct mnl_socket *nl, unsigned ifindex, const struct host_settings *settings)
{
	const struct host_setting *s;
	int ret = 0, one;

	STAILQ_FOREACH(s, settings, link) {
		one = host_setting_take(nl, ifindex, s);
		ret = one ? one : ret;
	}
	return ret;
}

/* What the adapter has now, if it is still ours: the host may have got another address meanwhile. */
static int present_settings(struct mnl_socket *nl, const struct host_record *r, const struct link_state *interface,
			    struct host_record *now, unsigned *adapter)
{
	struct link_state a = { 0 };

	*adapter = 0;
	if (link_query(r->adapter, &a) || memcmp(a.mac, interface->mac, sizeof(a.mac)) != 0)
		return 0;
	*adapter = a.ifindex;
	return host_settings_of(nl, a.ifindex, &now->settings);
}

static int put_back(struct mnl_socket *nl, const struct host_record *r, const struct link_state *interface)
{
	const struct host_settings *settings;
	struct host_record now;
	unsigned adapter;
	int ret, one;

	host_record_init(&now);
	ret = present_settings(nl, r, interface, &now, &adapter);
	if (!ret)
		ret = host_deafen(r->interface, false);
	/* An adapter without any setting is only just being made: the record knows better. */
	settings = STAILQ_EMPTY(&now.settings) ? &r->settings : &now.settings;
	if (!ret && adapter) {
		(void)put_all(nl, interface->ifindex, settings);
		ret = take_all(nl, adapter, &now.settings);
		one = host_set_link(nl, adapter, r->adapter_mac, 0);
		ret = ret ? ret : one;
	}
	/* Again: of two equal routes the kernel takes the first one only. */
	one = put_all(nl, interface->ifindex, settings);
	host_record_free(&now);
	return ret ? ret : one;
}

static int move(struct mnl_socket *nl, const struct host_record *r, const struct link_state *interface,
		const struct link_state *adapter)
{
	int ret = host_set_link(nl, adapter->ifindex, interface->mac, interface->mtu);

	if (!ret)
		ret = host_deafen(r->interface, true);
	if (!ret) {
		(void)put_all(nl, adapter->ifindex, &r->settings);
		ret = take_all(nl, interface->ifindex, &r->settings);
	}
	/* Again: of two equal routes the kernel takes the first one only. */
	return ret ? ret : put_all(nl, adapter->ifindex, &r->settings);
}

static int share(struct mnl_socket *nl, struct host_record *r, const char *path)
{
	struct link_state interface = { 0 }, adapter = { 0 };
	int ret = link_query(r->interface, &interface);

	if (!ret)
		ret = link_query(r->adapter, &adapter);
	if (!ret && (adapter.type != ARPHRD_ETHER || adapter.ifindex == interface.ifindex))
		ret = -EINVAL;
	if (!ret)
		ret = boot_id(r->boot);
	if (!ret)
		ret = host_settings_of(nl, interface.ifindex, &r->settings);
	if (ret)
		return ret;
	memcpy(r->adapter_mac, adapter.mac, sizeof(adapter.mac));
	ret = host_record_write(path, r);
	if (ret)
		return ret;
	ret = move(nl, r, &interface, &adapter);
	if (!ret)
		return 0;
	hv_log(HV_LOG_ERROR, "interface %s cannot be shared: %s", r->interface, strerror(-ret));
	if (put_back(nl, r, &interface) || host_record_remove(path))
		hv_log(HV_LOG_ERROR, "interface %s: not all could be put back; see %s", r->interface, path);
	return ret;
}

static int open_netlink(struct mnl_socket **nl)
{
	*nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!*nl)
		return -errno;
	if (mnl_socket_bind(*nl, 0, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(*nl);
		return -errno;
	}
	return 0;
}

int vswitch_host_share(const char *interface, const char *adapter, const char *record)
{
	struct mnl_socket *nl;
	struct host_record r;
	int ret;

	if (strlen(interface) >= IFNAMSIZ || strlen(adapter) >= IFNAMSIZ)
		return -ENODEV;
	if (!access(record, F_OK))
		return -EEXIST;
	ret = open_netlink(&nl);
	if (ret)
		return ret;
	host_record_init(&r);
	strcpy(r.interface, interface);
	strcpy(r.adapter, adapter);
	ret = share(nl, &r, record);
	host_record_free(&r);
	mnl_socket_close(nl);
	return ret;
}

static int unshare_host(struct mnl_socket *nl, const struct host_record *r, const char *path)
{
	struct link_state interface = { 0 };
	char boot[BOOT_ID_BYTES];
	int ret = boot_id(boot);

	if (ret)
		return ret;
	/* Another kernel: it knows nothing of an adapter, and has its settings from where it always has them. */
	if (strcmp(boot, r->boot) != 0)
		return host_record_remove(path);
	ret = link_query(r->interface, &interface);
	if (!ret)
		ret = put_back(nl, r, &interface);
	return ret ? ret : host_record_remove(path);
}

int vswitch_host_unshare(const char *record)
{
	struct mnl_socket *nl;
	struct host_record r;
	int ret;

	host_record_init(&r);
	ret = host_record_read(record, &r);
	if (!ret) {
		ret = open_netlink(&nl);
		if (!ret) {
			ret = unshare_host(nl, &r, record);
			mnl_socket_close(nl);
		}
	}
	host_record_free(&r);
	return ret;
}
