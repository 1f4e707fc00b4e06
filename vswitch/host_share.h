/* SPDX-License-Identifier: MIT */
/*
 * What the files of host sharing have in common: the record on disk, and the requests to the kernel.
 */
#ifndef HVNET_VSWITCH_HOST_SHARE_H
#define HVNET_VSWITCH_HOST_SHARE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
	HOST_SETTING_BYTES = 4096,	/* of one address or route, as the kernel says it */
	HOST_SETTINGS = 4096,		/* of one interface, at most: our policy */
	BOOT_ID_BYTES = 37,
};

/* An address or a route: the payload of its netlink message. */
struct host_setting {
	bool is_route;
	size_t n;
	STAILQ_ENTRY(host_setting) link;
	uint8_t bytes[];
};
STAILQ_HEAD(host_settings, host_setting);

struct host_record {
	char interface[IFNAMSIZ], adapter[IFNAMSIZ];
	uint8_t adapter_mac[6];		/* before it got the interface's */
	char boot[BOOT_ID_BYTES];	/* of the kernel that knows of it all */
	struct host_settings settings;	/* owned */
};

void host_record_init(struct host_record *r);
void host_record_free(struct host_record *r);
/* -ENOMEM, -E2BIG. */
int host_record_add(struct host_settings *to, bool is_route, const void *bytes, size_t n) __attribute__((warn_unused_result));
/* Writes a new file, whole or not at all, and to the disk. -EEXIST. */
int host_record_write(const char *path, const struct host_record *r) __attribute__((warn_unused_result));
/* r is initialised. -ENOENT, -EBADMSG. */
int host_record_read(const char *path, struct host_record *r) __attribute__((warn_unused_result));
int host_record_remove(const char *path) __attribute__((warn_unused_result));

/* host_netlink.c. All return 0 or -errno. */
struct mnl_socket;
/* The addresses and routes of an interface that somebody has given it. */
int host_settings_of(struct mnl_socket *nl, unsigned ifindex, struct host_settings *out) __attribute__((warn_unused_result));
/* Gives it to an interface; that it has it already is fine. */
int host_setting_put(struct mnl_socket *nl, unsigned ifindex, const struct host_setting *s) __attribute__((warn_unused_result));
/* Takes it away; that it is gone already is fine. */
int host_setting_take(struct mnl_socket *nl, unsigned ifindex, const struct host_setting *s) __attribute__((warn_unused_result));
int host_set_link(struct mnl_socket *nl, unsigned ifindex, const uint8_t mac[6], uint32_t mtu) __attribute__((warn_unused_result));
/*
 * From now on the host's stack gets nothing that comes by the interface, or everything again. Packet sockets are not
 * concerned. -EOPNOTSUPP: no nf_tables.
 */
int host_deafen(const char *interface, bool deaf) __attribute__((warn_unused_result));

#endif
