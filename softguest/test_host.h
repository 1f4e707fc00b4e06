/* SPDX-License-Identifier: MIT */
/*
 * For the tests: a host in this process, on a thread of its own, with one switch and a bridge with
 * one NIC for each guest.
 */
#ifndef HVNET_SOFTGUEST_TEST_HOST_H
#define HVNET_SOFTGUEST_TEST_HOST_H

#include <semaphore.h>

#include "base/log.h"
#include "netvsp/netvsp.h"
#include "softguest/test_guest.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

enum { GUESTS = 3 };

struct host {
	struct hv_loop *loop;
	pthread_t thread;
	char dir[64], socket[GUESTS][96];
	struct vswitch *sw;
	struct vswitch_port *port[GUESTS];
	struct vmbus_bridge *bridge[GUESTS];
	struct netvsp *nic[GUESTS];
	unsigned guests;
};

/* Runs fn on the host's thread and waits for it. */
struct host_call {
	struct hv_work work;
	void (*fn)(struct host *h, void *arg);
	struct host *h;
	void *arg;
	sem_t done;
};

static inline void host_call_run(struct hv_work *w)
{
	struct host_call *c = (struct host_call *)((char *)w - offsetof(struct host_call, work));

	c->fn(c->h, c->arg);
	sem_post(&c->done);
}

static inline void host_do(struct host *h, void (*fn)(struct host *h, void *arg), void *arg)
{
	struct host_call c = { .work = { .run = host_call_run }, .fn = fn, .h = h, .arg = arg };

	sem_init(&c.done, 0, 0);
	hv_loop_post(h->loop, &c.work);
	while (sem_wait(&c.done))
		;
	sem_destroy(&c.done);
}

static inline void *host_thread(void *arg)
{
	struct host *h = arg;

	if (hv_loop_run(h->loop))
		abort();
	return NULL;
}

static inline void host_add_nic(struct host *h, void *arg)
{
	unsigned i = *(unsigned *)arg;
	char name[32];
	struct netvsp_desc desc = { .name = name, .mac = { 2, 0, 0, 0, 1, (uint8_t)i }, .instance = { 1, (uint8_t)i } };

	snprintf(name, sizeof(name), "vm%u/nic0", i);
	if (netvsp_create(h->loop, vmbus_bridge_bus(h->bridge[i]), h->port[i], &desc, &h->nic[i]))
		abort();
}

static inline void host_remove_nic(struct host *h, void *arg)
{
	unsigned i = *(unsigned *)arg;

	netvsp_destroy(h->nic[i]);
	h->nic[i] = NULL;
}

static inline void host_start_as(struct host *h, unsigned guests, const struct vswitch_config *config)
{
	const char *tmp = getenv("TMPDIR");

	*h = (struct host){ .guests = guests };
	hv_log_set_level(HV_LOG_WARNING);
	snprintf(h->dir, sizeof(h->dir), "%s/softguestXXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	if (!mkdtemp(h->dir) || hv_loop_create(&h->loop) || vswitch_create(h->loop, config, &h->sw))
		abort();
	for (unsigned i = 0; i < guests; i++) {
		char name[32];

		snprintf(h->socket[i], sizeof(h->socket[i]), "%s/vm%u", h->dir, i);
		snprintf(name, sizeof(name), "vm%u", i);
		if (vswitch_port_create(h->sw, name, &h->port[i]) ||
		    vmbus_bridge_create(h->loop, name, h->socket[i], 0600, 2, &h->bridge[i]))
			abort();
		host_add_nic(h, &i);
	}
	if (pthread_create(&h->thread, NULL, host_thread, h))
		abort();
}

static inline void host_start(struct host *h, unsigned guests)
{
	const struct vswitch_config config = { .name = "test" };

	host_start_as(h, guests, &config);
}

static inline void host_stop(struct host *h)
{
	hv_loop_stop(h->loop);
	pthread_join(h->thread, NULL);
	for (unsigned i = 0; i < h->guests; i++) {
		netvsp_destroy(h->nic[i]);
		vmbus_bridge_destroy(h->bridge[i]);
		vswitch_port_destroy(h->port[i]);
	}
	vswitch_destroy(h->sw);
	hv_loop_destroy(h->loop);
	rmdir(h->dir);
}

struct host_stats { unsigned port; struct vswitch_port_stats stats; };

static inline void host_get_stats(struct host *h, void *arg)
{
	struct host_stats *s = arg;

	vswitch_port_stats(h->port[s->port], &s->stats);
}

/* Frames for guest i that the switch or its NIC dropped, for any reason. */
static inline uint64_t host_dropped(struct host *h, unsigned i)
{
	struct host_stats s = { .port = i };
	uint64_t n = 0;

	host_do(h, host_get_stats, &s);
	for (unsigned r = 0; r < VSWITCH_DROPS; r++)
		n += s.stats.out_dropped[r];
	return n;
}

/* ---- its guests ---- */

static inline void guest_attach(struct guest *t, struct host *h, unsigned i, uint32_t vmbus_version)
{
	guest_attach_socket(t, h->socket[i], 1 + i % 2, vmbus_version);
}

static inline void guest_up(struct guest *t, struct host *h, unsigned i)
{
	guest_attach(t, h, i, 0);
	guest_open(t, NULL);
}

#endif
