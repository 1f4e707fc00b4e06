/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "vswitch/test_extension.h"

#define MS 1000000ull

static struct vswitch *sw;
static struct recorder a, b, c;
static struct test_nic nic;
static uint64_t now_ns;
static unsigned gone;

static void begin(void)
{
	hv_log_set_level(HV_LOG_ERROR);
	sw = test_switch();
	now_ns = 1000000000000;
	recorder_put(sw, &c, "c", VSWITCH_EXT_FORWARD);
	recorder_put(sw, &b, "b", VSWITCH_EXT_FILTER);
	recorder_put(sw, &a, "a", VSWITCH_EXT_CAPTURE);
	gone = 0;
	record_clear();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	vswitch_destroy(sw);
}

static void later(uint64_t ns)
{
	now_ns += ns;
	vswitch_tick(sw, now_ns);
}

static void is_gone(void *cookie)
{
	(void)cookie;
	gone++;
}

static struct vswitch_port *new_port(const char *name)
{
	struct vswitch_port *p;

	if (vswitch_port_create(sw, name, &p))
		abort();
	return p;
}

/* §17 item 2, for each kind of NIC. */
static void steps_come_in_order(void)
{
	static const enum vswitch_nic_kind kinds[] = { VSWITCH_NIC_SYNTHETIC, VSWITCH_NIC_EMULATED, VSWITCH_NIC_INTERNAL,
						       VSWITCH_NIC_EXTERNAL };
	struct vswitch_port *p;

	for (unsigned i = 0; i < 4; i++) {
		begin();
		test_nic_init(&nic, kinds[i], 1, 0);
		p = new_port("p");
		record_is("a:port_create1 b:port_create1 c:port_create1");
		CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, &nic.nic, NULL), 0);
		record_is("a:nic_create0 b:nic_create0 c:nic_create0");
		CU_ASSERT_PTR_NULL(vswitch_port_nic(p));
		CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), 0);
		record_is("a:nic_connect0 b:nic_connect0 c:nic_connect0");
		CU_ASSERT_PTR_EQUAL(vswitch_port_nic(p), &nic.nic);
		CU_ASSERT_EQUAL(nic.ups, 1);
		CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), 0);
		record_is("a:nic_disconnect0 b:nic_disconnect0 c:nic_disconnect0");
		CU_ASSERT_EQUAL(nic.downs, 1);
		CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, is_gone, NULL), 0);
		record_is("a:nic_delete0 b:nic_delete0 c:nic_delete0");
		CU_ASSERT_EQUAL(vswitch_port_delete(p, is_gone, NULL), 0);
		record_is("a:port_teardown1 b:port_teardown1 c:port_teardown1 a:port_delete1 b:port_delete1 c:port_delete1");
		CU_ASSERT_EQUAL(gone, 0);	/* nothing was waited for */
		CU_ASSERT_PTR_NULL(vswitch_next_port(sw, NULL));
		end();
	}
}

/* … and when all of it ends at once, as when QEMU is killed. */
static void a_sudden_end_takes_all_steps(void)
{
	struct vswitch_port *p;

	begin();
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	record_clear();
	vswitch_port_destroy(p);
	record_is("a:nic_disconnect0 b:nic_disconnect0 c:nic_disconnect0 a:nic_delete0 b:nic_delete0 c:nic_delete0 "
		  "a:port_teardown1 b:port_teardown1 c:port_teardown1 a:port_delete1 b:port_delete1 c:port_delete1");
	end();
}

static void a_guest_may_come_back_on_its_nic_and_a_port_take_another(void)
{
	struct vswitch_port *p;

	begin();
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), 0);
	CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), 0);
	CU_ASSERT_PTR_EQUAL(vswitch_port_nic(p), &nic.nic);
	vswitch_port_disconnect(p);
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	vswitch_port_destroy(p);
	end();
}

static void wrong_moves_are_refused(void)
{
	const struct vswitch_nic_config nothing = { 0 };
	struct vswitch_nic_info info;
	struct vswitch_port *p;

	begin();
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	record_clear();
	CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_updated(p, 0, &nothing, false), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 1, &nic.nic, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_create(p, VSWITCH_MEMBERS + 1, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, &nic.nic, NULL), 0);
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, &nic.nic, NULL), -EBUSY);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_updated(p, 0, &nothing, false), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_port_delete(p, NULL, NULL), -EBUSY);
	CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), 0);
	CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, NULL, NULL), -EINVAL);
	CU_ASSERT(vswitch_nic_info(p, 0, &info) && info.state == VSWITCH_NIC_CONNECTED);
	CU_ASSERT_FALSE(vswitch_nic_info(p, 1, &info));
	record_is("a:nic_create0 b:nic_create0 c:nic_create0 a:nic_connect0 b:nic_connect0 c:nic_connect0");
	vswitch_port_destroy(p);
	end();
}

/* §17 item 4. */
static void a_refusal_leaves_nothing(void)
{
	struct vswitch_port *p;

	begin();
	c.refuses = "port_create";
	CU_ASSERT_EQUAL(vswitch_port_create(sw, "p", &p), -ECANCELED);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->extension, "c");
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->reason, "c says no");
	CU_ASSERT_PTR_NULL(vswitch_next_port(sw, NULL));
	/* Those above take back what they did; the one that refused knows. */
	record_is("a:port_create1 b:port_create1 c:port_create1 b:port_delete1 a:port_delete1");
	c.refuses = NULL;
	p = new_port("p");
	b.refuses = "nic_create";
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	record_clear();
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), -ECANCELED);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->extension, "b");
	record_is("a:nic_create0 b:nic_create0 a:nic_delete0");
	CU_ASSERT_PTR_NULL(vswitch_port_nic(p));
	b.refuses = NULL;
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	CU_ASSERT_EQUAL(recorder_stats(&c).refusals, 1);
	vswitch_port_destroy(p);
	end();
}

static void who_captures_cannot_refuse(void)
{
	struct vswitch_port *p;

	begin();
	a.refuses = "port_create";
	p = new_port("p");
	a.refuses = "nic_create";
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	CU_ASSERT_EQUAL(recorder_stats(&a).misuse, 2);
	CU_ASSERT_EQUAL(recorder_stats(&a).refusals, 0);
	vswitch_port_destroy(p);
	end();
}

static void deleting_waits_for_references(void)
{
	struct vswitch_port *p;

	begin();
	b.refs = "nic";
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	CU_ASSERT_EQUAL(recorder_stats(&b).references, 1);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), 0);
	record_clear();
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, is_gone, NULL), -EINPROGRESS);
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, is_gone, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_port_delete(p, NULL, NULL), -EBUSY);
	later(100 * MS);
	CU_ASSERT_EQUAL(gone, 0);
	record_is("");
	CU_ASSERT_EQUAL(b.s->nic_unref(b.e, vswitch_port_id(p), 0), 0);
	later(0);
	CU_ASSERT_EQUAL(gone, 1);
	record_is("a:nic_delete0 b:nic_delete0 c:nic_delete0");
	CU_ASSERT_EQUAL(vswitch_port_delete(p, is_gone, NULL), 0);
	end();
}

static void the_wait_has_an_end(void)
{
	struct vswitch_port *p;

	begin();
	b.refs = "port";
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	vswitch_port_disconnect(p);
	CU_ASSERT_EQUAL(vswitch_port_delete(p, is_gone, NULL), -EINPROGRESS);
	record_clear();
	later(VSWITCH_DRAIN_MS * MS - 1);
	CU_ASSERT_EQUAL(gone, 0);
	record_is("");
	later(1);
	CU_ASSERT_EQUAL(gone, 1);
	record_is("a:port_delete1 b:port_delete1 c:port_delete1");
	CU_ASSERT_EQUAL(recorder_stats(&b).lost_references, 1);
	CU_ASSERT_EQUAL(recorder_stats(&b).references, 0);
	end();
}

static void references_are_returned_in_time(void)
{
	struct vswitch_port *p;

	begin();
	a.refs = "port";
	b.refs = "nic";
	a.returns = b.returns = true;
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), 0);
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, NULL, NULL), 0);
	CU_ASSERT_EQUAL(vswitch_port_delete(p, NULL, NULL), 0);
	CU_ASSERT_EQUAL(recorder_stats(&a).lost_references + recorder_stats(&b).lost_references, 0);
	CU_ASSERT_EQUAL(recorder_stats(&a).misuse + recorder_stats(&b).misuse, 0);
	end();
}

static struct test_frame *frame;

static int try_inject(struct vswitch_port *p)
{
	test_frame_plain(frame, nic.nic.mac, nic.nic.mac, 60);
	return b.s->inject(b.e, &frame->f, vswitch_port_id(p));
}

static int take_and_give_port(struct vswitch_port *p)
{
	int ret = b.s->port_ref(b.e, vswitch_port_id(p));

	return ret ? ret : b.s->port_unref(b.e, vswitch_port_id(p));
}

static int take_and_give_nic(struct vswitch_port *p)
{
	int ret = b.s->nic_ref(b.e, vswitch_port_id(p), 0);

	return ret ? ret : b.s->nic_unref(b.e, vswitch_port_id(p), 0);
}

static int nic_answers(void *opaque, struct vswitch_request *r)
{
	(void)opaque;
	r->out_bytes = 7;
	return 0;
}

static int ask_nic(struct vswitch_port *p)
{
	struct vswitch_request r = { .code = 1, .destination_port = vswitch_port_id(p) };

	return b.s->request(b.e, &r);
}

/* The columns of table 5.3 that are an extension's: requests to the NIC, frames, references. */
static void check_row(struct vswitch_port *p, bool request, bool frames, bool port, bool ref)
{
	CU_ASSERT_EQUAL(ask_nic(p), request ? 0 : -ENOENT);
	CU_ASSERT_EQUAL(try_inject(p), frames ? 0 : -ENOTCONN);
	CU_ASSERT_EQUAL(take_and_give_port(p), port ? 0 : -EINVAL);
	CU_ASSERT_EQUAL(take_and_give_nic(p), ref ? 0 : -EINVAL);
}

static void what_is_allowed_in_which_state(void)
{
	struct vswitch_nic_ops ops = test_nic_ops;
	struct vswitch_port_info info;
	struct vswitch_port *p;

	begin();
	frame = test_frame_new();
	ops.request = nic_answers;
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	nic.nic.ops = &ops;
	p = new_port("p");
	nic.port = p;
	check_row(p, false, false, true, false);
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, &nic.nic, NULL), 0);
	check_row(p, false, false, true, false);
	CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), 0);
	check_row(p, true, true, true, true);
	b.s->nic_ref(b.e, vswitch_port_id(p), 0);
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), 0);
	check_row(p, false, false, true, false);
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, NULL, NULL), -EINPROGRESS);
	check_row(p, false, false, true, false);
	b.s->nic_unref(b.e, vswitch_port_id(p), 0);
	later(0);
	check_row(p, false, false, true, false);
	b.s->port_ref(b.e, vswitch_port_id(p));
	CU_ASSERT_EQUAL(vswitch_port_delete(p, NULL, NULL), -EINPROGRESS);
	vswitch_port_info(p, &info);
	CU_ASSERT_EQUAL(info.state, VSWITCH_PORT_TEARDOWN);
	check_row(p, false, false, false, false);
	/* Given back: no more than was taken. */
	CU_ASSERT_EQUAL(b.s->port_unref(b.e, vswitch_port_id(p)), 0);
	CU_ASSERT_EQUAL(b.s->port_unref(b.e, vswitch_port_id(p)), -EINVAL);
	later(0);
	CU_ASSERT_FALSE(b.s->port_info(b.e, 1, &info));
	test_nic_clear(&nic);
	free(frame);
	end();
}

/* §17 item 3, the part without extensions that hold. */
static void no_frame_before_connect_or_after_disconnect(void)
{
	struct vswitch_port *p;
	struct test_nic other;
	struct test_frame *f = test_frame_new();

	begin();
	a.quiet = b.quiet = c.quiet = true;
	test_nic_plug(sw, &other, VSWITCH_NIC_SYNTHETIC, 2, 0);
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	nic.port = p = new_port("p");
	for (unsigned step = 0; step < 4; step++) {
		if (step == 1)
			CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, &nic.nic, NULL), 0);
		if (step == 2)
			CU_ASSERT_EQUAL(vswitch_nic_connect(p, 0), 0);
		if (step == 3)
			CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 0), 0);
		test_nic_clear(&nic);
		test_nic_clear(&other);
		test_frame_plain(f, nic.nic.mac, other.nic.mac, 60);
		test_send(&other, f);
		CU_ASSERT_EQUAL(nic.num_got, step == 2);
		test_frame_plain(f, other.nic.mac, nic.nic.mac, 60);
		test_send(&nic, f);
		CU_ASSERT_EQUAL(other.num_got, step == 2);
	}
	CU_ASSERT_EQUAL(test_in_dropped(&nic, VSWITCH_DROP_PORT_DOWN), 3);
	CU_ASSERT_EQUAL(b.seen_in, 5);	/* the other's four and one */
	CU_ASSERT(test_balanced(sw));
	test_nic_clear(&nic);
	vswitch_port_destroy(p);
	test_nic_unplug(&other);
	free(f);
	end();
}

static void members_of_a_team_have_lives_of_their_own(void)
{
	struct vswitch_nic_info info;
	struct vswitch_port *p;

	begin();
	test_nic_init(&nic, VSWITCH_NIC_EXTERNAL, 1, 0);
	p = new_port("uplink");
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	record_clear();
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 2, NULL, &(struct vswitch_nic_config){ .name = "eth2", .mtu = 9000 }), 0);
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 1, NULL, NULL), 0);
	CU_ASSERT_EQUAL(vswitch_nic_connect(p, 2), 0);
	record_is("a:nic_create2 b:nic_create2 c:nic_create2 a:nic_create1 b:nic_create1 c:nic_create1 "
		  "a:nic_connect2 b:nic_connect2 c:nic_connect2");
	CU_ASSERT(vswitch_nic_info(p, 2, &info));
	CU_ASSERT_STRING_EQUAL(info.name, "eth2");
	CU_ASSERT_EQUAL(info.mtu, 9000);
	/* Nobody may refuse a physical member. */
	b.refuses = "nic_create";
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 3, NULL, NULL), 0);
	CU_ASSERT_EQUAL(recorder_stats(&b).misuse, 1);
	record_clear();
	CU_ASSERT_EQUAL(vswitch_nic_disconnect(p, 2), 0);
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 2, NULL, NULL), 0);
	CU_ASSERT_PTR_EQUAL(vswitch_port_nic(p), &nic.nic);
	vswitch_port_destroy(p);
	record_is("a:nic_disconnect2 b:nic_disconnect2 c:nic_disconnect2 a:nic_delete2 b:nic_delete2 c:nic_delete2 "
		  "a:nic_delete3 b:nic_delete3 c:nic_delete3 a:nic_delete1 b:nic_delete1 c:nic_delete1 "
		  "a:nic_disconnect0 b:nic_disconnect0 c:nic_disconnect0 a:nic_delete0 b:nic_delete0 c:nic_delete0 "
		  "a:port_teardown1 b:port_teardown1 c:port_teardown1 a:port_delete1 b:port_delete1 c:port_delete1");
	end();
}

static void news_of_ports_and_nics(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 99 };
	struct vswitch_nic_info info;
	struct vswitch_port *p;

	begin();
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), 0);
	record_clear();
	CU_ASSERT_EQUAL(vswitch_port_updated(p, "the new name"), 0);
	record_is("a:port_updated1 b:port_updated1 c:port_updated1");
	CU_ASSERT_EQUAL(vswitch_nic_updated(p, 0, &(struct vswitch_nic_config){ .mtu = 1400 }, true), 0);
	CU_ASSERT_EQUAL(vswitch_port_set_mac(p, mac), 0);
	record_is("a:nic_updated0 b:nic_updated0 c:nic_updated0 a:nic_updated0 b:nic_updated0 c:nic_updated0");
	CU_ASSERT(vswitch_nic_info(p, 0, &info));
	CU_ASSERT(info.mtu == 1400 && info.vf_assigned && !memcmp(info.current_mac, mac, 6));
	CU_ASSERT(!memcmp(info.permanent_mac, nic.nic.mac, 6));
	vswitch_port_set_link(p, false);
	record_is("a:nic_status100 b:nic_status100 c:nic_status100");
	vswitch_port_destroy(p);
	end();
}

static void headroom_is_only_given_at_first(void)
{
	struct vswitch_nic_config config = { .initializing = true };
	struct vswitch_nic_info info;
	struct vswitch_port *p;

	begin();
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	p = new_port("p");
	b.lowers_mtu = 1450;
	c.lowers_mtu = 1600;		/* raises it: not heard */
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, &nic.nic, &config), 0);
	CU_ASSERT(vswitch_nic_info(p, 0, &info) && info.mtu == 1450);
	CU_ASSERT_EQUAL(recorder_stats(&b).misuse, 0);
	CU_ASSERT_EQUAL(recorder_stats(&c).misuse, 1);
	CU_ASSERT_EQUAL(vswitch_nic_delete(p, 0, NULL, NULL), 0);
	config.initializing = false;
	CU_ASSERT_EQUAL(vswitch_nic_create(p, 0, &nic.nic, &config), 0);
	CU_ASSERT(vswitch_nic_info(p, 0, &info) && info.mtu == 1500);
	vswitch_port_destroy(p);
	end();
}

static void a_validation_port_never_has_a_nic(void)
{
	const struct vswitch_port_config config = { .name = "try", .validation = true };
	const struct vswitch_property standard = { .standard = 1 };
	struct vswitch_port *p;

	begin();
	CU_ASSERT_EQUAL(vswitch_port_create_as(sw, &config, &p), 0);
	record_is("a:validation1 b:validation1 c:validation1");
	test_nic_init(&nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &nic.nic), -EINVAL);
	c.refuses = "property_add";
	CU_ASSERT_EQUAL(vswitch_property_add(sw, p, &standard), -ECANCELED);
	CU_ASSERT_EQUAL(vswitch_port_delete(p, NULL, NULL), 0);
	end();
}

static const struct hv_test tests[] = {
	{ "steps come in order, for every kind of NIC", steps_come_in_order },
	{ "a sudden end takes all steps", a_sudden_end_takes_all_steps },
	{ "a guest may come back on its NIC and a port take another", a_guest_may_come_back_on_its_nic_and_a_port_take_another },
	{ "wrong moves are refused", wrong_moves_are_refused },
	{ "a refusal leaves nothing", a_refusal_leaves_nothing },
	{ "who captures cannot refuse", who_captures_cannot_refuse },
	{ "deleting waits for references", deleting_waits_for_references },
	{ "the wait has an end", the_wait_has_an_end },
	{ "references are returned in time", references_are_returned_in_time },
	{ "what is allowed in which state", what_is_allowed_in_which_state },
	{ "no frame before connect or after disconnect", no_frame_before_connect_or_after_disconnect },
	{ "members of a team have lives of their own", members_of_a_team_have_lives_of_their_own },
	{ "news of ports and NICs", news_of_ports_and_nics },
	{ "headroom is only given at first", headroom_is_only_given_at_first },
	{ "a validation port never has a NIC", a_validation_port_never_has_a_nic },
};

HV_TEST_MAIN("vswitch/life", tests)
