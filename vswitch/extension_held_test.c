/* SPDX-License-Identifier: MIT */
/* Frames that an extension keeps, lets go later, replaces or makes. */
#include <errno.h>

#include "vswitch/extension_internal.h"
#include "vswitch/test_extension_frames.h"

/* ---- holding ---- */

static void a_held_frame_goes_on_below(void)
{
	struct vswitch_port_stats ps;

	with_three();
	top.on_ingress = hold_all;
	top.on_timer = release_all;
	CU_ASSERT_EQUAL(top.s->set_timer(top.e, now_ns + 5 * MS), 0);
	send(A, B);
	record_is("cap:in1 top:in1");
	vswitch_port_stats(nics[A].port, &ps);
	CU_ASSERT_EQUAL(ps.held, 1);
	CU_ASSERT(test_balanced(sw));
	CU_ASSERT_EQUAL(recorder_stats(&cap).in_flight, 1);
	CU_ASSERT_EQUAL(top.s->held_frame(top.e, top.held[0])->len, 200);
	later(5 * MS);
	record_is("top:timer0 low:in1 low:out1 top:out1 cap:out1 low:done1 cap:done1");
	has(B, 1);
	CU_ASSERT_EQUAL(recorder_stats(&cap).in_flight, 0);
	CU_ASSERT_EQUAL(recorder_stats(&top).released, 1);
	CU_ASSERT_EQUAL(recorder_stats(&top).held, 0);
	CU_ASSERT_EQUAL(cap.delivered, 1);
	/* The handle is worth nothing now. */
	CU_ASSERT_EQUAL(top.s->release(top.e, top.held[0]), -EINVAL);
	CU_ASSERT_EQUAL(top.s->discard(top.e, top.held[0], NULL), -EINVAL);
	CU_ASSERT_PTR_NULL(top.s->held_frame(top.e, top.held[0]));
	CU_ASSERT_EQUAL(recorder_stats(&top).misuse, 3);
	end();
}

static void two_may_hold_it_one_after_the_other(void)
{
	with_three();
	top.on_ingress = low.on_ingress = hold_all;
	send(A, B);
	release_all(&top);
	later(0);			/* outside of a callback: at the next one's end */
	top.on_timer = release_all;
	top.s->set_timer(top.e, now_ns);
	later(0);
	CU_ASSERT_EQUAL(low.num_held, 1);
	CU_ASSERT_EQUAL(recorder_stats(&cap).in_flight, 1);
	CU_ASSERT_EQUAL(low.s->discard(top.e, low.held[0], "not its own"), -EINVAL);
	record_clear();
	low.on_timer = release_all;
	low.s->set_timer(low.e, now_ns);
	later(0);
	record_is("low:timer0 low:out1 top:out1 cap:out1 cap:done1");
	has(B, 1);
	end();
}

static void discard_all(struct recorder *r)
{
	while (r->num_held)
		CU_ASSERT_EQUAL(r->s->discard(r->e, r->held[--r->num_held], "too late"), 0);
}

static void a_held_frame_may_be_discarded(void)
{
	with_three();
	low.on_ingress = hold_all;
	low.on_timer = discard_all;
	send(A, B);
	record_clear();
	low.s->set_timer(low.e, now_ns);
	later(0);
	record_is("low:timer0 top:done1 cap:done1");
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION), 1);
	CU_ASSERT_EQUAL(recorder_stats(&low).discarded, 1);
	CU_ASSERT_STRING_EQUAL(recorder_stats(&low).last_drop, "too late");
	has(B, 0);
	end();
}

static void holding_is_bounded(void)
{
	struct recorder r;
	char where[32];
	const struct vswitch_extension_config config = { .name = "r", .config = where, .limits = { .held_frames = 2 } };
	const struct vswitch_extension_config small = { .name = "s", .config = where, .limits = { .held_bytes = 600 } };

	begin();
	for (unsigned i = 0; i < 2; i++) {
		recorder_init(&r, "r", VSWITCH_EXT_FILTER);
		snprintf(where, sizeof(where), "%p", (void *)&r);
		CU_ASSERT_EQUAL(vswitch_extension_attach(sw, &r.module, i ? &small : &config, &r.e), 0);
		CU_ASSERT_EQUAL(vswitch_extension_enable(r.e), 0);
		r.on_ingress = hold_all;
		for (unsigned k = 0; k < 5; k++)
			send(A, B);
		CU_ASSERT_EQUAL(r.num_held, i ? 1 : 2);
		CU_ASSERT_EQUAL(nics[B].num_got, i ? 4 : 3);	/* what it could not hold it let pass */
		test_nic_clear(&nics[B]);
		vswitch_extension_detach(r.e);
	}
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_FLUSHED), 3);
	end();
}

static void who_is_disabled_gives_up_what_it_holds(void)
{
	with_three();
	low.on_ingress = hold_all;
	low.refs = "nic";
	send(A, B);
	send(A, B);
	low.on_deactivate = NULL;
	record_clear();
	vswitch_extension_disable(low.e);
	record_is("low:deactivate0 top:done1 cap:done1 top:done1 cap:done1");
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_FLUSHED), 2);
	CU_ASSERT_EQUAL(recorder_stats(&low).flushed, 2);
	/* One that is asked to in time may let them go on. */
	CU_ASSERT_EQUAL(vswitch_extension_enable(low.e), 0);
	low.num_held = 0;
	send(A, B);
	low.on_deactivate = release_all;
	vswitch_extension_disable(low.e);
	has(B, 1);
	CU_ASSERT_EQUAL(recorder_stats(&low).flushed, 2);
	/* Nothing is owed to one that left while another held its frame. */
	CU_ASSERT_EQUAL(vswitch_extension_enable(low.e), 0);
	send(A, B);
	CU_ASSERT_EQUAL(recorder_stats(&top).in_flight, 1);
	vswitch_extension_disable(top.e);
	CU_ASSERT_EQUAL(recorder_stats(&top).in_flight, 0);
	vswitch_extension_detach(top.e);
	vswitch_extension_disable(low.e);
	CU_ASSERT_EQUAL(recorder_stats(&cap).in_flight, 0);
	end();
}

/* §17 item 3: DELETE waits for a frame held by an extension. */
static void deleting_a_nic_waits_for_held_frames(void)
{
	with_three();
	low.on_ingress = hold_all;
	low.on_timer = release_all;
	send(A, B);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(nics[A].port, 0), 0);
	CU_ASSERT_EQUAL(vswitch_nic_delete(nics[A].port, 0, NULL, NULL), -EINPROGRESS);
	record_clear();
	low.s->set_timer(low.e, now_ns + 10 * MS);
	later(10 * MS);
	record_is("low:timer0 low:out1 top:out1 cap:out1 top:done1 cap:done1 cap:nic_delete0 top:nic_delete0 low:nic_delete0");
	has(B, 1);
	end();
}

static void a_frame_held_for_too_long_is_flushed(void)
{
	with_three();
	low.on_ingress = hold_all;
	send(A, B);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(nics[A].port, 0), 0);
	CU_ASSERT_EQUAL(vswitch_nic_delete(nics[A].port, 0, NULL, NULL), -EINPROGRESS);
	record_clear();
	later(VSWITCH_DRAIN_MS * MS);
	record_is("top:done1 cap:done1 cap:nic_delete0 top:nic_delete0 low:nic_delete0");
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_FLUSHED), 1);
	CU_ASSERT_EQUAL(recorder_stats(&low).flushed, 1);
	CU_ASSERT_EQUAL(low.s->release(low.e, low.held[0]), -EINVAL);
	end();
}

/* ---- injecting ---- */

static void originate(struct recorder *r)
{
	uint8_t mac[6];

	test_mac(B + 1, mac);
	test_frame_plain(frame, mac, nics[A].nic.mac, 200);
	CU_ASSERT_EQUAL(r->s->inject(r->e, &frame->f, 0), 0);
	memset(frame->bytes, 0xee, 200);
}

static void what_is_originated_starts_below(void)
{
	struct vswitch_port_stats ps;

	with_three();
	top.on_timer = originate;
	top.s->set_timer(top.e, now_ns);
	later(0);
	record_is("top:timer0 low:in1 low:out1 top:out1 cap:out1 low:done1");
	has(B, 1);
	vswitch_originated_stats(sw, &ps);
	CU_ASSERT(ps.injected == 1 && ps.forwarded == 1 && ps.in_frames == 0);
	CU_ASSERT_EQUAL(recorder_stats(&top).injected, 1);
	end();
}

/* The way to modify: drop, and inject a copy. */
static void replace(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		    struct vswitch_ext_writer *w)
{
	struct vswitch_frame f = *b->frames[0];

	(void)w;
	f.head[20] = 0xab;
	CU_ASSERT_EQUAL(r->s->inject(r->e, &f, b->port), 0);
	CU_ASSERT_EQUAL(r->s->drop(v, 0, NULL), 0);
}

static void a_frame_is_replaced_by_a_clone(void)
{
	with_three();
	top.on_ingress = replace;
	send(A, B);
	record_is("cap:in1 top:in1 cap:done1 low:in1 low:out1 top:out1 cap:out1 low:done1");
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	CU_ASSERT_EQUAL(nics[B].got[0].bytes[20], 0xab);
	CU_ASSERT_EQUAL(nics[B].got[0].bytes[199], (uint8_t)(199 * 7));
	CU_ASSERT_EQUAL(nics[A].port->stats.injected, 1);
	end();
}

static void clones_teach_no_addresses(void)
{
	struct vswitch_fdb_stats s;
	uint8_t mac[6];

	with_three();
	make(A, B, 200);
	test_mac(500, mac);
	memcpy(frame->f.head + 6, mac, 6);
	CU_ASSERT_EQUAL(top.s->inject(top.e, &frame->f, port_of(WIRE)), 0);
	send(A, B);			/* … and with it the clone */
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.learned, 0);
	CU_ASSERT_EQUAL(nics[B].num_got, 2);
	end();
}

static void what_is_injected_must_be_a_frame(void)
{
	struct vswitch_frame f;

	with_three();
	make(A, B, 200);
	f = frame->f;
	f.len = 300;			/* more than its pieces hold */
	CU_ASSERT_EQUAL(top.s->inject(top.e, &f, 0), -EBADMSG);
	f.len = 10;
	CU_ASSERT_EQUAL(top.s->inject(top.e, &f, 0), -EBADMSG);
	f = frame->f;
	f.head_bytes = VSWITCH_HEAD_BYTES + 1;
	CU_ASSERT_EQUAL(top.s->inject(top.e, &f, 0), -EBADMSG);
	f = frame->f;
	f.vlan = 4095;
	CU_ASSERT_EQUAL(top.s->inject(top.e, &f, 0), -EBADMSG);
	f = frame->f;
	f.member = VSWITCH_MEMBERS + 1;
	CU_ASSERT_EQUAL(top.s->inject(top.e, &f, 0), -EBADMSG);
	f = frame->f;
	f.offload.gso = VSWITCH_GSO_TCPV4;	/* with no TCP in it */
	CU_ASSERT_EQUAL(top.s->inject(top.e, &f, 0), -EBADMSG);
	CU_ASSERT_EQUAL(top.s->inject(top.e, &frame->f, 99), -EINVAL);
	vswitch_port_disconnect(nics[B].port);
	CU_ASSERT_EQUAL(top.s->inject(top.e, &frame->f, port_of(B)), -ENOTCONN);
	CU_ASSERT_EQUAL(recorder_stats(&top).injected, 0);
	end();
}

static void echo(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	(void)v;
	r->s->inject(r->e, b->frames[0], 0);
}

/* Each injected frame makes it inject another at egress: that ends. */
static void injecting_does_not_go_on_for_ever(void)
{
	with_three();
	low.on_egress = echo;
	send(A, B);
	CU_ASSERT_EQUAL(recorder_stats(&low).injected, 4);
	CU_ASSERT_EQUAL(recorder_stats(&low).inject_refused, 1);
	CU_ASSERT_EQUAL(nics[B].num_got, 5);
	end();
}

static const struct hv_test tests[] = {
	{ "a held frame goes on below", a_held_frame_goes_on_below },
	{ "two may hold it one after the other", two_may_hold_it_one_after_the_other },
	{ "a held frame may be discarded", a_held_frame_may_be_discarded },
	{ "holding is bounded", holding_is_bounded },
	{ "who is disabled gives up what it holds", who_is_disabled_gives_up_what_it_holds },
	{ "deleting a NIC waits for held frames", deleting_a_nic_waits_for_held_frames },
	{ "a frame held for too long is flushed", a_frame_held_for_too_long_is_flushed },
	{ "what is originated starts below", what_is_originated_starts_below },
	{ "a frame is replaced by a clone", a_frame_is_replaced_by_a_clone },
	{ "clones teach no addresses", clones_teach_no_addresses },
	{ "what is injected must be a frame", what_is_injected_must_be_a_frame },
	{ "injecting does not go on for ever", injecting_does_not_go_on_for_ever },
};

HV_TEST_MAIN("vswitch/extension_held", tests)
