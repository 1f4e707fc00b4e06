/* SPDX-License-Identifier: MIT */
/*
 * Extensions that drop, delay, clone, direct and never finish anything, at random, while NICs come and go (§17 item 16):
 * every frame is accounted for at every moment, and whatever they do, deleting comes to its end. Fixed seeds.
 */
#include <errno.h>

#include "vswitch/test_extension.h"

#define MS 1000000ull

enum { PORTS = 5, EXTENSIONS = 5, STEPS = 4000 };

static struct vswitch *sw;
static struct recorder exts[EXTENSIONS];
static struct test_nic nics[PORTS];
static struct test_frame *frames[VSWITCH_BATCH];
static uint64_t now_ns;
static unsigned deleting;

static unsigned pick(unsigned n)
{
	return (unsigned)rand() % n;
}

static struct vswitch_port *any_port(void)
{
	return nics[pick(PORTS)].port;
}

/* What one of them does with a frame. */
static void meddle(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		   struct vswitch_ext_writer *w)
{
	struct vswitch_ext_destination to = { .port = vswitch_port_id(any_port()), .index = (uint8_t)(pick(20) ? 0 : pick(4)) };
	uint64_t held;

	for (uint32_t i = 0; i < b->n; i++) {
		if (!(b->present & 1u << i))
			continue;
		if (!pick(8))
			(void)r->s->inject(r->e, b->frames[i], pick(2) ? 0 : b->port);
		if (v && !pick(10))
			(void)r->s->drop(v, i, pick(2) ? NULL : "by chance");
		if (v && !pick(6) && !r->s->hold(v, i, &held)) {
			if (r->num_held < 64)
				r->held[r->num_held++] = held;	/* the others it forgets */
		}
		for (unsigned k = 0; w && k < pick(4); k++) {
			to.port = vswitch_port_id(any_port());
			(void)r->s->direct(w, i, &to);
		}
	}
}

static void meddle_out(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	for (uint32_t i = 0; i < b->n; i++) {
		if (!pick(30))
			(void)r->s->inject(r->e, b->frames[i], 0);
		if (v && !pick(10))
			(void)r->s->drop(v, i, NULL);
	}
}

static void let_go(struct recorder *r)
{
	const struct vswitch_ext_destination to = { .port = vswitch_port_id(any_port()) };

	for (unsigned n = pick(64); n && r->num_held; n--) {
		uint64_t held = r->held[--r->num_held];

		switch (pick(r->module.class == VSWITCH_EXT_FORWARD ? 5 : 4)) {
		case 0:
			(void)r->s->discard(r->e, held, "late");
			break;
		case 1:		/* forgotten */
			break;
		case 4:
			(void)r->s->release_to(r->e, held, &to, 1);
			break;
		default:
			(void)r->s->release(r->e, held);
			break;
		}
	}
	(void)r->s->set_timer(r->e, now_ns + (1 + pick(50)) * MS);
}

static void seldom_let_go(struct recorder *r, const struct vswitch_ext_batch *b)
{
	(void)b;
	if (!pick(20))
		let_go(r);
}

static void put_extensions(void)
{
	static const enum vswitch_ext_class classes[EXTENSIONS] = { VSWITCH_EXT_FILTER, VSWITCH_EXT_FORWARD,
								    VSWITCH_EXT_CAPTURE, VSWITCH_EXT_FILTER,
								    VSWITCH_EXT_FILTER };
	char name[8];

	for (unsigned i = 0; i < EXTENSIONS; i++) {
		snprintf(name, sizeof(name), "e%u", i);
		recorder_put(sw, &exts[i], name, classes[i]);
		exts[i].quiet = true;
		exts[i].on_ingress = meddle;
		exts[i].on_egress = meddle_out;
		exts[i].on_timer = let_go;
		exts[i].on_complete = seldom_let_go;
		exts[i].refs = pick(3) ? NULL : "nic";
		exts[i].returns = pick(2);
		exts[i].lenient = true;
		(void)exts[i].s->set_timer(exts[i].e, now_ns + MS);
	}
}

static void deleted(void *cookie)
{
	(void)cookie;
	deleting--;
}

static void life(struct test_nic *t)
{
	struct vswitch_nic_info info;

	if (!vswitch_nic_info(t->port, 0, &info)) {
		CU_ASSERT_EQUAL(vswitch_nic_create(t->port, 0, &t->nic, NULL), 0);
	} else if (info.state == VSWITCH_NIC_CONNECTED) {
		if (!pick(4))
			CU_ASSERT_EQUAL(vswitch_nic_disconnect(t->port, 0), 0);
	} else if (info.state == VSWITCH_NIC_DISCONNECTED && pick(2)) {
		deleting += vswitch_nic_delete(t->port, 0, deleted, NULL) == -EINPROGRESS;
	} else {
		(void)!vswitch_nic_connect(t->port, 0);
	}
}

static void send(unsigned from)
{
	struct vswitch_frame *batch[VSWITCH_BATCH];
	unsigned n = 1 + pick(VSWITCH_BATCH);
	uint8_t to[6];

	for (unsigned i = 0; i < n; i++) {
		test_mac(1 + pick(PORTS), to);
		if (!pick(8))
			to[0] = 0xff;
		test_frame_plain(frames[i], to, nics[from].nic.mac, 14 + pick(1000));
		batch[i] = &frames[i]->f;
	}
	vswitch_port_input(nics[from].port, batch, n);
	/* The sender's memory is its own again. */
	for (unsigned i = 0; i < n; i++)
		memset(frames[i]->bytes, 0xee, 1014);
}

static void stack_changes(void)
{
	struct recorder *r = &exts[pick(EXTENSIONS)];

	switch (pick(3)) {
	case 0:
		vswitch_extension_disable(r->e);
		r->num_held = 0;
		break;
	case 1:
		CU_ASSERT_EQUAL(vswitch_extension_enable(r->e), 0);
		(void)r->s->set_timer(r->e, now_ns + MS);
		break;
	default:
		(void)!vswitch_extension_move(r->e, pick(2) ? NULL : exts[pick(EXTENSIONS)].e);
		break;
	}
}

static void check(void)
{
	struct vswitch_extension_stats s;
	uint64_t held = 0, at_ports = 0;
	struct vswitch_port_stats ps;
	struct vswitch_port *p = NULL;

	CU_ASSERT_FATAL(test_balanced(sw));
	for (unsigned i = 0; i < EXTENSIONS; i++) {
		s = recorder_stats(&exts[i]);
		held += s.held;
		CU_ASSERT_FATAL(s.in_flight <= s.passed_in);
		CU_ASSERT_FATAL(s.released + s.discarded <= s.held_total);
	}
	while ((p = vswitch_next_port(sw, p))) {
		vswitch_port_stats(p, &ps);
		at_ports += ps.held;
	}
	vswitch_originated_stats(sw, &ps);
	CU_ASSERT_EQUAL_FATAL(held, at_ports + ps.held);
	for (unsigned i = 0; i < PORTS; i++)
		test_nic_clear(&nics[i]);
}

static void later(uint64_t ns)
{
	now_ns += ns;
	vswitch_tick(sw, now_ns);
}

static void deleting_comes_to_its_end(void)
{
	for (unsigned i = 0; i <= VSWITCH_DRAIN_MS && deleting; i++)
		later(MS);
	CU_ASSERT_EQUAL_FATAL(deleting, 0);
}

static void run(unsigned seed)
{
	srand(seed);
	sw = test_switch();
	now_ns = 1000000000000;
	record_clear();
	for (unsigned i = 0; i < PORTS; i++)
		test_nic_plug(sw, &nics[i], i ? VSWITCH_NIC_SYNTHETIC : VSWITCH_NIC_EXTERNAL, i + 1, 0);
	put_extensions();
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned what = pick(40);

		if (what < 6)
			life(&nics[pick(PORTS)]);
		else if (what < 8)
			stack_changes();
		else if (what < 12)
			later(pick(20) * MS);
		else
			send(pick(PORTS));
		if (deleting && !pick(10))
			deleting_comes_to_its_end();
		check();
	}
	deleting_comes_to_its_end();
	for (unsigned i = 0; i < EXTENSIONS; i++) {
		vswitch_extension_disable(exts[i].e);
		CU_ASSERT_EQUAL(recorder_stats(&exts[i]).held, 0);
		CU_ASSERT_EQUAL(recorder_stats(&exts[i]).in_flight, 0);
		CU_ASSERT_EQUAL(recorder_stats(&exts[i]).references, 0);
	}
	check();
	for (unsigned i = 0; i < PORTS; i++)
		test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
}

static void nothing_is_lost_and_nothing_hangs(void)
{
	hv_log_set_level(HV_LOG_ERROR);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		frames[i] = test_frame_new();
	for (unsigned seed = 1; seed <= 6; seed++)
		run(seed);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		free(frames[i]);
}

static const struct hv_test tests[] = {
	{ "nothing is lost and nothing hangs", nothing_is_lost_and_nothing_hangs },
};

HV_TEST_MAIN("vswitch/extension faults", tests)
