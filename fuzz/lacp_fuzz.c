/* SPDX-License-Identifier: MIT */
/*
 * A partner that says anything, at any time. Each record: ports and seconds that pass (1 byte), the number of bytes of a PDU (1 byte),
 * the PDU. What cannot happen: time that stands still, more than three PDUs in a second, a port that carries frames without link or
 * partner, two partners at once, an answer to an answer.
 */
#include <stdlib.h>
#include <string.h>

#include "vswitch/lacp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PORTS = 3 };

#define S 1000000000ull

static uint64_t now, sent_ns[PORTS][4];
static struct lacp_port ports[PORTS];

static void ensure(bool x)
{
	if (!x)
		abort();
}

static void transmit(struct lacp_port *p, const struct lacpdu *pdu)
{
	struct vswitch_lacp_side a, b;
	uint64_t *sent = sent_ns[p - ports];

	ensure(p->link && lacp_parse((const uint8_t *)pdu, sizeof(*pdu), &a, &b));
	ensure(!sent[1] || now - sent[1] >= S);
	memmove(sent, sent + 1, 3 * sizeof(*sent));
	sent[3] = now;
}

static void check(void)
{
	const struct lacp_port *a = NULL, *p;

	for (p = ports; p < ports + PORTS; p++) {
		if (!lacp_collects(p))
			continue;
		ensure(p->link && p->partner.state & LACP_SYNCHRONIZATION && p->receive == LACP_RECEIVE_CURRENT);
		ensure(!a || (!memcmp(a->partner.system, p->partner.system, 6) && a->partner.key == p->partner.key));
		a = p;
	}
}

static void take(struct lacp *l, const uint8_t *pdu, size_t n, struct lacp_port *p)
{
	uint8_t *block = malloc(n ? n : 1);
	struct marker_pdu out, again;

	ensure(block);
	memcpy(block, pdu, n);
	lacp_receive(l, p, block, n, now);
	if (lacp_marker_response(block, n, &out))
		ensure(!lacp_marker_response((const uint8_t *)&out, sizeof(out), &again));
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t system[6] = { 2, 0, 0, 0, 0, 1 };
	struct lacp l;
	uint8_t what;
	size_t n;

	now = 1000 * S;
	memset(sent_ns, 0, sizeof(sent_ns));
	lacp_init(&l, transmit);
	lacp_configure(&l, size & 1, size & 2, 32768, system);
	for (unsigned i = 0; i < PORTS; i++) {
		lacp_add(&l, &ports[i], (uint16_t)(i + 1));
		lacp_set_link(&l, &ports[i], true, 1000, true, now);
	}
	while (size >= 2) {
		what = data[0];
		n = data[1] < size - 2 ? data[1] : size - 2;
		if ((what & 3) < PORTS)
			take(&l, data + 2, n, &ports[what & 3]);
		else
			lacp_set_link(&l, &ports[n % PORTS], n & 4, n & 8 ? 1000 : 100, n & 16, now);
		data += 2 + n;
		size -= 2 + n;
		ensure(lacp_run(&l, now) > now);
		check();
		for (unsigned i = 0; i < (what >> 2 & 7u); i++) {
			now += S / 2;
			ensure(lacp_run(&l, now) > now);
			check();
		}
	}
	return 0;
}
