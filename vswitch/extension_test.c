/* SPDX-License-Identifier: MIT */
/* The order of the stack, drops, what each class may do, and forwarders. Frames that are held and injected: extension_held_test.c. */
#include <errno.h>

#include "vswitch/extension_internal.h"
#include "vswitch/test_extension_frames.h"

/* ---- order ---- */

static void down_up_and_completed_in_reverse(void)
{
	with_three();
	send(A, B);
	record_is("cap:in1 top:in1 low:in1 low:out1 top:out1 cap:out1 low:done1 top:done1 cap:done1");
	has(B, 1);
	CU_ASSERT_EQUAL(cap.delivered, 1);
	end();
}

static void the_forwarder_is_lowest(void)
{
	with_three();
	recorder_put(sw, &fwd, "fwd", VSWITCH_EXT_FORWARD);
	record_clear();
	send(A, B);
	record_is("cap:in1 top:in1 low:in1 fwd:in1 fwd:out1 low:out1 top:out1 cap:out1 fwd:done1 low:done1 top:done1 cap:done1");
	has(B, 1);
	end();
}

static void order_changes_at_run_time(void)
{
	struct recorder other;

	with_three();
	CU_ASSERT_EQUAL(vswitch_extension_move(low.e, top.e), 0);
	send(A, B);
	record_is("cap:in1 low:in1 top:in1 top:out1 low:out1 cap:out1 top:done1 low:done1 cap:done1");
	CU_ASSERT_EQUAL(vswitch_extension_move(low.e, NULL), 0);
	CU_ASSERT_PTR_EQUAL(vswitch_next_extension(sw, top.e), low.e);
	CU_ASSERT_EQUAL(vswitch_extension_move(low.e, cap.e), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_extension_move(cap.e, NULL), 0);
	CU_ASSERT_PTR_EQUAL(vswitch_next_extension(sw, NULL), cap.e);
	CU_ASSERT_PTR_NULL(vswitch_next_extension(sw, low.e));
	vswitch_extension_disable(top.e);
	record_clear();
	send(A, B);
	record_is("cap:in1 low:in1 low:out1 cap:out1 low:done1 cap:done1");
	CU_ASSERT_EQUAL(vswitch_extension_enable(top.e), 0);
	record_is("top:activate0");
	recorder_init(&other, "top", VSWITCH_EXT_FILTER);
	CU_ASSERT_EQUAL(recorder_try(sw, &other), -EEXIST);
	vswitch_extension_detach(top.e);
	record_is("top:deactivate0");
	CU_ASSERT_EQUAL(recorder_try(sw, &other), 0);
	CU_ASSERT_FALSE(vswitch_extension_enabled(other.e));
	record_clear();
	send(A, B);
	record_is("cap:in1 low:in1 low:out1 cap:out1 low:done1 cap:done1");
	has(B, 3);
	end();
}

static void one_forwarder_at_most(void)
{
	struct recorder other;

	with_forwarder();
	recorder_init(&other, "other", VSWITCH_EXT_FORWARD);
	CU_ASSERT_EQUAL(recorder_try(sw, &other), 0);
	CU_ASSERT_EQUAL(vswitch_extension_enable(other.e), -EBUSY);
	vswitch_extension_disable(fwd.e);
	CU_ASSERT_EQUAL(vswitch_extension_enable(other.e), 0);
	CU_ASSERT_EQUAL(vswitch_extension_enable(other.e), 0);
	CU_ASSERT_EQUAL(vswitch_extension_enable(fwd.e), -EBUSY);
	end();
}

static void a_malformed_module_is_turned_away(void)
{
	struct recorder r;

	begin();
	recorder_init(&r, "r", VSWITCH_EXT_FILTER);
	r.module.abi++;
	CU_ASSERT_EQUAL(recorder_try(sw, &r), -EPROTO);
	recorder_init(&r, "r", VSWITCH_EXT_FILTER);
	r.module.capture = &recorder_capture;
	CU_ASSERT_EQUAL(recorder_try(sw, &r), -EPROTO);
	recorder_init(&r, "r", VSWITCH_EXT_FILTER);
	r.module.class = VSWITCH_EXT_CAPTURE;
	CU_ASSERT_EQUAL(recorder_try(sw, &r), -EPROTO);
	recorder_init(&r, "r", VSWITCH_EXT_FILTER);
	r.module.ops_size--;
	CU_ASSERT_EQUAL(recorder_try(sw, &r), -EPROTO);
	recorder_init(&r, "r", VSWITCH_EXT_FILTER);
	r.refuses = "attach";
	CU_ASSERT_EQUAL(recorder_try(sw, &r), -EACCES);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->reason, "r says no");
	CU_ASSERT_PTR_NULL(vswitch_next_extension(sw, NULL));
	end();
}

/* ---- drops ---- */

static void drop_all(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		     struct vswitch_ext_writer *w)
{
	(void)w;
	for (uint32_t i = 0; i < b->n; i++)
		if (b->present & 1u << i)
			CU_ASSERT_EQUAL(r->s->drop(v, i, "I do not like it"), 0);
}

static void drop_for_b(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	if (b->port == port_of(B))
		CU_ASSERT_EQUAL(r->s->drop(v, 0, NULL), 0);
}

static void drops_are_counted_with_their_reason(void)
{
	struct vswitch_extension_stats s;

	with_three();
	top.on_ingress = drop_all;
	send(A, B);
	record_is("cap:in1 top:in1 cap:done1");
	CU_ASSERT_EQUAL(cap.delivered, 0);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION), 1);
	s = recorder_stats(&top);
	CU_ASSERT_EQUAL(s.in_frames, 1);
	CU_ASSERT_EQUAL(s.in_dropped, 1);
	CU_ASSERT_EQUAL(s.passed_in, 0);
	CU_ASSERT_STRING_EQUAL(s.last_drop, "I do not like it");
	s = recorder_stats(&cap);
	CU_ASSERT(s.passed_in == 1 && s.completed == 1 && s.in_flight == 0);
	end();
}

/* Excluding one destination of several. */
static void at_egress_a_drop_is_for_one_destination(void)
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	with_three();
	low.on_egress = drop_for_b;
	test_frame_plain(frame, everybody, nics[A].nic.mac, 200);
	test_send(&nics[A], frame);
	has(B, 0);
	has(WIRE, 1);
	CU_ASSERT_EQUAL(test_out_dropped(&nics[B], VSWITCH_DROP_EXTENSION), 1);
	CU_ASSERT_EQUAL(recorder_stats(&low).out_dropped, 1);
	CU_ASSERT_EQUAL(recorder_stats(&top).out_frames, 1);
	end();
}

/* ---- pens and classes ---- */

static struct vswitch_ext_verdicts *stolen;
static struct vswitch_ext_writer *stolen_writer;

static void steal(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		  struct vswitch_ext_writer *w)
{
	(void)r;
	(void)b;
	stolen = v;
	stolen_writer = w;
}

static void wrong_uses(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		       struct vswitch_ext_writer *w)
{
	uint64_t held;

	(void)w;
	CU_ASSERT_EQUAL(r->s->drop(v, b->n, NULL), -EINVAL);
	CU_ASSERT_EQUAL(r->s->drop(v, 0, NULL), 0);
	CU_ASSERT_EQUAL(r->s->drop(v, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(r->s->hold(v, 0, &held), -EINVAL);
}

static void hold_at_egress(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	uint64_t held;

	(void)b;
	CU_ASSERT_EQUAL(r->s->hold(v, 0, &held), -EINVAL);
}

static void pens_work_only_where_they_were_lent(void)
{
	struct vswitch_ext_destination to = { 0 };

	with_forwarder();
	fwd.on_ingress = steal;
	send(A, B);
	CU_ASSERT_EQUAL(fwd.s->drop(stolen, 0, NULL), -EINVAL);
	to.port = port_of(B);
	CU_ASSERT_EQUAL(fwd.s->direct(stolen_writer, 0, &to), -EINVAL);
	CU_ASSERT_EQUAL(recorder_stats(&fwd).misuse, 2);
	top.on_ingress = wrong_uses;
	send(A, B);
	CU_ASSERT_EQUAL(recorder_stats(&top).misuse, 3);
	top.on_ingress = NULL;
	top.on_egress = hold_at_egress;
	send(A, B);
	CU_ASSERT_EQUAL(recorder_stats(&top).misuse, 4);
	CU_ASSERT_EQUAL(recorder_stats(&top).in_dropped, 1);
	has(B, 2);
	end();
}

static void who_captures_may_only_originate(void)
{
	with_three();
	make(A, B, 200);
	CU_ASSERT_EQUAL(cap.s->inject(cap.e, &frame->f, port_of(A)), -EPERM);
	CU_ASSERT_EQUAL(cap.s->drop(&cap.e->verdicts, 0, NULL), -EPERM);
	CU_ASSERT_EQUAL(recorder_stats(&cap).misuse, 2);
	end();
}

/* ---- directing ---- */

static struct vswitch_ext_destination list[8];
static unsigned num_list;

static void direct_all(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		       struct vswitch_ext_writer *w)
{
	(void)v;
	for (uint32_t i = 0; i < b->n; i++)
		for (unsigned k = 0; k < num_list; k++)
			if (b->present & 1u << i)
				CU_ASSERT_EQUAL(r->s->direct(w, i, &list[k]), 0);
}

static void a_forwarder_chooses_destinations(void)
{
	with_forwarder();
	fwd.on_ingress = direct_all;
	list[0] = (struct vswitch_ext_destination){ .port = port_of(WIRE) };
	num_list = 1;
	send(A, B);			/* natively to B */
	has(B, 0);
	has(WIRE, 1);
	CU_ASSERT_EQUAL(recorder_stats(&fwd).directed, 1);
	num_list = 0;
	send(A, B);
	has(B, 1);
	end();
}

static void try_bad(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		    struct vswitch_ext_writer *w)
{
	const struct vswitch_ext_destination back = { .port = b->port }, nobody = { .port = 99 },
					     member = { .port = port_of(WIRE), .index = 3 },
					     excluded = { .port = port_of(WIRE), .excluded = 1 };

	(void)v;
	CU_ASSERT_EQUAL(r->s->direct(w, 0, &back), -ELOOP);
	CU_ASSERT_EQUAL(r->s->direct(w, 0, &nobody), -ENOENT);
	CU_ASSERT_EQUAL(r->s->direct(w, 0, &member), -ENOENT);
	CU_ASSERT_EQUAL(r->s->direct(w, 0, &excluded), -ENOENT);
}

static void bad_destinations_are_refused(void)
{
	with_forwarder();
	num_list = 0;
	fwd.on_ingress = try_bad;
	send(A, B);
	has(B, 1);			/* natively: it has none */
	end();
}

/* Each destination gets the frame with what was chosen for it. */
static uint8_t members[8], preserves[8];
static unsigned num_members;

static void note_choice(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	(void)r;
	(void)v;
	for (uint32_t i = 0; i < b->n && num_members < 8; i++) {
		members[num_members] = b->frames[i]->member;
		preserves[num_members++] = b->frames[i]->preserve;
	}
}

static void members_and_tags_are_chosen_per_destination(void)
{
	with_forwarder();
	CU_ASSERT_EQUAL(vswitch_nic_create(nics[WIRE].port, 1, NULL, NULL), 0);
	CU_ASSERT_EQUAL(vswitch_nic_create(nics[WIRE].port, 2, NULL, NULL), 0);
	list[0] = (struct vswitch_ext_destination){ .port = port_of(WIRE), .index = 1 };
	list[1] = (struct vswitch_ext_destination){ .port = port_of(B), .preserve = VSWITCH_PRESERVE_VLAN };
	list[2] = (struct vswitch_ext_destination){ .port = port_of(WIRE), .index = 2, .preserve = VSWITCH_PRESERVE_PRIORITY };
	num_list = 3;
	num_members = 0;
	fwd.on_ingress = direct_all;
	fwd.on_egress = note_choice;
	send(A, B);
	has(B, 1);
	has(WIRE, 2);
	CU_ASSERT_EQUAL(num_members, 3);
	CU_ASSERT(members[0] == 1 && preserves[0] == 0);	/* the first to the wire is served early */
	CU_ASSERT(members[1] == 2 && preserves[1] == VSWITCH_PRESERVE_PRIORITY);
	CU_ASSERT(members[2] == 0 && preserves[2] == VSWITCH_PRESERVE_VLAN);
	CU_ASSERT_EQUAL(nics[A].port->stats.copies, 3);
	/* Taken out again, all but one; then all. */
	list[3] = list[0];
	list[3].excluded = 1;
	list[4] = list[2];
	list[4].excluded = 1;
	num_list = 5;
	send(A, B);
	has(B, 2);
	has(WIRE, 2);
	list[5] = list[1];
	list[5].excluded = 1;
	num_list = 6;
	send(A, B);
	has(B, 2);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_NO_DESTINATION), 1);
	num_list = 0;
	end();
}

static void whole_batches_to_one_port_by_several_members(void)
{
	struct vswitch_frame *batch[VSWITCH_BATCH];
	struct test_frame *f[VSWITCH_BATCH];

	with_forwarder();
	fwd.quiet = top.quiet = true;
	CU_ASSERT_EQUAL(vswitch_nic_create(nics[WIRE].port, 1, NULL, NULL), 0);
	list[0] = (struct vswitch_ext_destination){ .port = port_of(WIRE), .index = 1 };
	list[1] = (struct vswitch_ext_destination){ .port = port_of(WIRE) };
	num_list = 2;
	fwd.on_ingress = direct_all;
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		f[i] = test_frame_new();
		test_frame_plain(f[i], nics[B].nic.mac, nics[A].nic.mac, 60 + i);
		batch[i] = &f[i]->f;
	}
	vswitch_port_input(nics[A].port, batch, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(nics[WIRE].num_got, 2 * VSWITCH_BATCH);
	for (unsigned i = 0; i < nics[WIRE].num_got; i++)
		CU_ASSERT_EQUAL(nics[WIRE].got[i].len, 60 + i / 2);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		free(f[i]);
	num_list = 0;
	end();
}

static void release_to_wire(struct recorder *r)
{
	const struct vswitch_ext_destination to = { .port = port_of(WIRE) };

	CU_ASSERT_EQUAL(r->s->release_to(r->e, r->held[0], &to, 1), 0);
}

static void a_forwarder_may_decide_later(void)
{
	with_forwarder();
	fwd.on_ingress = hold_all;
	fwd.on_timer = release_to_wire;
	send(A, B);
	record_clear();
	fwd.s->set_timer(fwd.e, now_ns);
	later(0);
	record_is("fwd:timer0 fwd:out1 top:out1 top:done1");
	has(WIRE, 1);
	has(B, 0);
	/* A destination that is gone by then gets nothing, nor does anybody in its place. */
	send(A, B);
	fwd.held[0] = fwd.held[1];
	fwd.s->set_timer(fwd.e, now_ns);
	vswitch_port_disconnect(nics[WIRE].port);
	later(0);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_NO_DESTINATION), 1);
	has(B, 0);
	CU_ASSERT_EQUAL(top.s->release_to(top.e, 1, list, 1), -EPERM);
	end();
}

static const struct hv_test tests[] = {
	{ "down, up, and completed in reverse", down_up_and_completed_in_reverse },
	{ "the forwarder is lowest", the_forwarder_is_lowest },
	{ "order changes at run time", order_changes_at_run_time },
	{ "one forwarder at most", one_forwarder_at_most },
	{ "a malformed module is turned away", a_malformed_module_is_turned_away },
	{ "drops are counted with their reason", drops_are_counted_with_their_reason },
	{ "at egress a drop is for one destination", at_egress_a_drop_is_for_one_destination },
	{ "pens work only where they were lent", pens_work_only_where_they_were_lent },
	{ "who captures may only originate", who_captures_may_only_originate },
	{ "a forwarder chooses destinations", a_forwarder_chooses_destinations },
	{ "bad destinations are refused", bad_destinations_are_refused },
	{ "members and tags are chosen per destination", members_and_tags_are_chosen_per_destination },
	{ "whole batches to one port by several members", whole_batches_to_one_port_by_several_members },
	{ "a forwarder may decide later", a_forwarder_may_decide_later },
};

HV_TEST_MAIN("vswitch/extension", tests)
