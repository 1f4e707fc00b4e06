/* SPDX-License-Identifier: MIT */
/*
 * What all wires have in common: which interfaces they hold, their beginning and their end.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "vswitch/internal.h"
#include "vswitch/uplink_wire.h"

/* The one list of the process; switches of several threads share it. */
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, wire_claim) claims = TAILQ_HEAD_INITIALIZER(claims);

static uint64_t own_namespace(void)
{
	struct stat st;

	/* Without /proc there is one namespace as far as we can tell. */
	return stat("/proc/thread-self/ns/net", &st) ? 0 : st.st_ino;
}

static bool claimed(uint64_t namespace, unsigned ifindex)
{
	const struct wire_claim *c;

	TAILQ_FOREACH(c, &claims, link)
		if (c->namespace == namespace && c->ifindex == ifindex)
			return true;
	return false;
}

int wire_claim(struct wire_claim *claim, unsigned ifindex)
{
	uint64_t namespace = own_namespace();
	int ret = 0;

	pthread_mutex_lock(&claims_lock);
	if (claimed(namespace, ifindex)) {
		ret = -EBUSY;
	} else {
		claim->namespace = namespace;
		claim->ifindex = ifindex;
		TAILQ_INSERT_TAIL(&claims, claim, link);
	}
	pthread_mutex_unlock(&claims_lock);
	return ret;
}

void wire_release(struct wire_claim *claim)
{
	if (!claim->ifindex)
		return;
	pthread_mutex_lock(&claims_lock);
	TAILQ_REMOVE(&claims, claim, link);
	pthread_mutex_unlock(&claims_lock);
	claim->ifindex = 0;
}

bool wire_is_claimed(unsigned ifindex)
{
	uint64_t namespace = own_namespace();
	bool ret;

	pthread_mutex_lock(&claims_lock);
	ret = claimed(namespace, ifindex);
	pthread_mutex_unlock(&claims_lock);
	return ret;
}

void wire_destroy(struct wire *w)
{
	if (w)
		w->ops->destroy(w);
}

int wire_opened(struct wire *w, int ret, struct wire **out)
{
	if (ret)
		wire_destroy(w);
	else
		*out = w;
	return ret;
}
