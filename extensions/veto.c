/* SPDX-License-Identifier: MIT */
/*
 * For tests: an extension that refuses what it is told to refuse. Its configuration is words: port=NAME and nic=KIND (a number of enum
 * vswitch_nic_kind) are refused, policies with "policy", mtu=BYTES is what NICs get at most, sleep=MS what port_create() takes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vswitch/extension.h"

struct veto {
	struct vswitch_extension *self;
	const struct vswitch_ext_services *services;
	char port[VSWITCH_PORT_NAME_BYTES];
	int nic;			/* -1: any is good */
	uint32_t mtu;			/* 0: as it is */
	unsigned sleep_ms;
	bool policy;
	int balance;			/* ports that were let pass and not deleted */
};

static int attach(struct vswitch_extension *self, const struct vswitch_ext_services *services, const char *config, char *refusal,
		  void **instance)
{
	struct veto *v = calloc(1, sizeof(*v));
	char word[128];
	int n;

	if (!v)
		return -ENOMEM;
	v->self = self;
	v->services = services;
	v->nic = -1;
	for (; sscanf(config, " %127s%n", word, &n) == 1; config += n) {
		if (!strncmp(word, "port=", 5))
			snprintf(v->port, sizeof(v->port), "%.63s", word + 5);
		else if (!strncmp(word, "nic=", 4))
			v->nic = atoi(word + 4);
		else if (!strncmp(word, "mtu=", 4))
			v->mtu = (uint32_t)atoi(word + 4);
		else if (!strncmp(word, "sleep=", 6))
			v->sleep_ms = (unsigned)atoi(word + 6);
		else if (!strcmp(word, "policy"))
			v->policy = true;
		else {
			snprintf(refusal, VSWITCH_REFUSAL_BYTES, "there is no word \"%.40s\"", word);
			free(v);
			return -EINVAL;
		}
	}
	*instance = v;
	return 0;
}

static void detach(void *instance)
{
	free(instance);
}

/* In a process of its own there are no ports yet: they are told then. */
static void activate(void *instance)
{
	struct veto *v = instance;

	v->balance = 0;
	for (uint32_t id = 0; (id = v->services->next_port(v->self, id));)
		v->balance++;
}

static int port_create(void *instance, const struct vswitch_port_info *port, char *refusal)
{
	struct veto *v = instance;

	if (v->sleep_ms)
		usleep(v->sleep_ms * 1000);
	if (!strcmp(port->name, v->port)) {
		snprintf(refusal, VSWITCH_REFUSAL_BYTES, "nobody wants a port %.60s", port->name);
		return -EPERM;
	}
	v->balance++;
	return VSWITCH_EXT_PASS;
}

static void port_delete(void *instance, const struct vswitch_port_info *port)
{
	struct veto *v = instance;

	(void)port;
	if (--v->balance < 0)
		abort();		/* a delete of what there never was */
}

static int nic_create(void *instance, const struct vswitch_nic_info *nic, uint32_t *mtu, char *refusal)
{
	const struct veto *v = instance;

	if (nic->kind == v->nic) {
		snprintf(refusal, VSWITCH_REFUSAL_BYTES, "NICs of kind %d have to stay outside", v->nic);
		return -EPERM;
	}
	if (v->mtu && nic->initializing && v->mtu < *mtu)
		*mtu = v->mtu;
	return VSWITCH_EXT_PASS;
}

static int property(void *instance, uint32_t port, const struct vswitch_property *p, char *refusal)
{
	const struct veto *v = instance;

	(void)port, (void)p;
	if (!v->policy)
		return VSWITCH_EXT_PASS;
	snprintf(refusal, VSWITCH_REFUSAL_BYTES, "policies are not for this port");
	return -EPERM;
}

static const struct vswitch_ext_ops ops = {
	.attach = attach, .detach = detach, .activate = activate, .port_create = port_create, .port_delete = port_delete,
	.nic_create = nic_create, .property_add = property, .property_update = property,
};
static const struct vswitch_ext_filter_ops frames;

const struct vswitch_ext_module vswitch_ext_module = {
	.abi = VSWITCH_EXT_ABI, .size = sizeof(struct vswitch_ext_module), .ops_size = sizeof(struct vswitch_ext_ops),
	.class = VSWITCH_EXT_FILTER, .name = "veto", .version = "1", .vendor = "hvnet", .ops = &ops, .filter = &frames,
};
