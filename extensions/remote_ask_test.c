/* SPDX-License-Identifier: MIT */
/*
 * Ports and NICs that programs outside may refuse: asked before, answered in time, late, wrongly or not at all.
 */
#include "extensions/test_remote.h"

static unsigned answered;

static void on_answered(void *opaque)
{
	(void)opaque;
	answered++;
}

static const struct vswitch_stack_ops stack_ops = { .answered = on_answered };

static const struct vswitch_port_config wanted = { .name = "wanted", .type = VSWITCH_PORT_SYNTHETIC };
static const struct vswitch_port_config unwanted = { .name = "unwanted", .type = VSWITCH_PORT_SYNTHETIC };
static const struct vswitch_nic_config nic_config = {
	.name = "a guest's", .kind = VSWITCH_NIC_SYNTHETIC, .mtu = 9000, .initializing = true, .mac = { 2, 0, 0, 0, 0, 9 },
};

static void begin_asking(bool fail_open, const char *config, uint32_t time_ms)
{
	answer_ms = time_ms;
	wants = REMOTE_WANTS_INGRESS | REMOTE_WANTS_PORTS | REMOTE_WANTS_NICS;
	begin(VSWITCH_EXT_FILTER, fail_open, config, 10000, 0);
	vswitch_set_stack_ops(sw, &stack_ops, NULL);
	answered = 0;
}

static bool next_question(struct client *c, struct remote_ask *out)
{
	struct remote_event ev;

	while (recv(c->fd, &ev, sizeof(ev), MSG_DONTWAIT) == sizeof(ev))
		if (ev.type == REMOTE_ASK) {
			*out = ev.ask;
			return true;
		}
	return false;
}

static void reply(struct client *c, uint32_t id, uint32_t refused, const char *reason)
{
	struct remote_answer a = { .type = REMOTE_ANSWER, .id = id, .refused = refused };

	snprintf(a.reason, sizeof(a.reason), "%s", reason);
	CU_ASSERT_EQUAL(send(c->fd, &a, sizeof(a), MSG_NOSIGNAL), sizeof(a));
}

static void it_is_created(const struct vswitch_port_config *config)
{
	struct vswitch_port *port;

	CU_ASSERT_EQUAL_FATAL(vswitch_port_create_as(sw, config, &port), 0);
	vswitch_port_destroy(port);
}

static void it_is_refused(const struct vswitch_port_config *config, const char *reason)
{
	struct vswitch_port *port = NULL;

	CU_ASSERT_EQUAL(vswitch_port_create_as(sw, config, &port), -ECANCELED);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->extension, "outside");
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->reason, reason);
	if (port)
		vswitch_port_destroy(port);
}

static void an_answer_decides(void)
{
	struct remote_ask ask;
	struct client c;

	begin_asking(true, NULL, 10000);
	attach(&c, VSWITCH_EXT_FILTER);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &unwanted, NULL, NULL), -EAGAIN);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &unwanted, NULL, NULL), -EAGAIN);	/* once is enough */
	CU_ASSERT_TRUE_FATAL(next_question(&c, &ask));
	CU_ASSERT_EQUAL(ask.what, REMOTE_ASK_PORT);
	CU_ASSERT_STRING_EQUAL(ask.port.name, "unwanted");
	CU_ASSERT_EQUAL(ask.port.state, VSWITCH_PORT_UNKNOWN);
	CU_ASSERT_FALSE(next_question(&c, &ask));
	/* Frames do not wait for it. */
	send_udp(1, 100);
	CU_ASSERT_EQUAL(stats().waiting, 1);
	test_send(&nics[WIRE], frame);
	reply(&c, ask.id, REMOTE_ASK_PORT, "no \n thanks");
	UNTIL(answered == 1);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &unwanted, NULL, NULL), 0);
	it_is_refused(&unwanted, "no ? thanks");
	/* The answer was for once. */
	CU_ASSERT_EQUAL(vswitch_ask(sw, &unwanted, NULL, NULL), -EAGAIN);
	CU_ASSERT_TRUE_FATAL(next_question(&c, &ask));
	reply(&c, ask.id, 0, "");
	UNTIL(answered == 2);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &unwanted, NULL, NULL), 0);
	it_is_created(&unwanted);
	/* An answer about the port says nothing of a NIC. */
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), -EAGAIN);
	CU_ASSERT_TRUE_FATAL(next_question(&c, &ask));
	reply(&c, ask.id, 0, "");
	UNTIL(answered == 3);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, &nic_config), -EAGAIN);
	CU_ASSERT_TRUE_FATAL(next_question(&c, &ask));
	CU_ASSERT_EQUAL(ask.what, REMOTE_ASK_PORT | REMOTE_ASK_NIC);
	CU_ASSERT_EQUAL(stats().questions, 4);
	CU_ASSERT_EQUAL(stats().unanswered, 0);
	leave(&c);
	end();
}

static void a_port_and_its_nic_are_one_question(void)
{
	const struct vswitch_nic other = { .kind = VSWITCH_NIC_SYNTHETIC, .mac = { 2, 0, 0, 0, 0, 9 }, .max_frame_bytes = 9014,
					   .ops = nics[A].nic.ops, .opaque = &nics[A] };
	struct vswitch_port *port;
	struct remote_ask ask;
	struct client c;

	begin_asking(true, NULL, 10000);
	attach(&c, VSWITCH_EXT_FILTER);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, &nic_config), -EAGAIN);
	CU_ASSERT_TRUE_FATAL(next_question(&c, &ask));
	CU_ASSERT_EQUAL(ask.what, REMOTE_ASK_PORT | REMOTE_ASK_NIC);
	CU_ASSERT_EQUAL(ask.nic.port, ask.port.id);
	CU_ASSERT_EQUAL(ask.nic.mtu, 9000);
	CU_ASSERT_EQUAL(ask.nic.current_mac[5], 9);
	reply(&c, ask.id, REMOTE_ASK_NIC, "not that NIC");
	UNTIL(answered == 1);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, &nic_config), 0);
	CU_ASSERT_EQUAL_FATAL(vswitch_port_create_as(sw, &wanted, &port), 0);
	CU_ASSERT_EQUAL(vswitch_nic_create(port, 0, &other, &nic_config), -ECANCELED);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->reason, "not that NIC");
	/* For a port that is there, only about the NIC. */
	CU_ASSERT_EQUAL(vswitch_ask(sw, NULL, port, &nic_config), -EAGAIN);
	CU_ASSERT_TRUE_FATAL(next_question(&c, &ask));
	CU_ASSERT_EQUAL(ask.what, REMOTE_ASK_NIC);
	CU_ASSERT_EQUAL(ask.port.id, vswitch_port_id(port));
	reply(&c, ask.id, 0, "");
	UNTIL(answered == 2);
	CU_ASSERT_EQUAL(vswitch_nic_create(port, 0, &other, &nic_config), 0);
	CU_ASSERT_EQUAL(vswitch_nic_delete(port, 0, NULL, NULL), 0);
	vswitch_port_destroy(port);
	leave(&c);
	end();
}

/* Silence, death and absence: the policy answers. */
static void who_does_not_answer_is_answered_for(void)
{
	struct remote_ask ask;
	struct client c;

	for (unsigned open = 0; open < 2; open++) {
		begin_asking(open, NULL, 20);
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), 0);	/* nobody was ever there */
		it_is_created(&wanted);
		attach(&c, VSWITCH_EXT_FILTER);
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), -EAGAIN);
		UNTIL(answered == 1);
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), 0);
		if (open)
			it_is_created(&wanted);
		else
			it_is_refused(&wanted, "its program did not answer in time");
		CU_ASSERT_EQUAL(stats().unanswered, 1);
		/* Its word comes too late, which is no crime, and counts for nothing. */
		CU_ASSERT_TRUE_FATAL(next_question(&c, &ask));
		reply(&c, ask.id, open ? REMOTE_ASK_PORT : 0, "late");
		some_rounds();
		CU_ASSERT_TRUE(stats().attached);
		/* One that was not asked about. */
		if (open)
			it_is_created(&unwanted);
		else
			it_is_refused(&unwanted, "its program was not asked");
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), -EAGAIN);
		leave(&c);
		UNTIL(answered == 2);
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), 0);
		if (open)
			it_is_created(&wanted);
		else
			it_is_refused(&wanted, "its program is gone");
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), 0);
		if (open)
			it_is_created(&wanted);
		else
			it_is_refused(&wanted, "its program is not there");
		end();
	}
}

static void disabled_it_is_not_asked(void)
{
	struct client c;

	begin_asking(false, NULL, 10000);
	attach(&c, VSWITCH_EXT_FILTER);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), -EAGAIN);
	vswitch_extension_disable(vswitch_remote_extension(remote));
	CU_ASSERT_EQUAL(answered, 1);	/* who waits is told */
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), 0);
	it_is_created(&wanted);
	leave(&c);
	end();
}

/* One that has no opinion is not asked, whatever the policy. */
static void who_wants_no_say_is_not_asked(void)
{
	struct client c;

	begin_asking(false, NULL, 10000);
	wants = REMOTE_WANTS_INGRESS | REMOTE_WANTS_NICS;
	attach(&c, VSWITCH_EXT_FILTER);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), 0);
	it_is_created(&wanted);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, &nic_config), -EAGAIN);
	leave(&c);
	end();
}

static void lies_about_questions(void)
{
	struct remote_answer a = { .type = REMOTE_ANSWER };
	struct client c;

	begin_asking(true, NULL, 10000);
	for (unsigned which = 0; which < 3; which++) {
		attach(&c, VSWITCH_EXT_FILTER);
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), -EAGAIN);
		a.type = which == 0 ? REMOTE_WELCOME : REMOTE_ANSWER;
		a.refused = which == 1 ? 4 : 0;
		CU_ASSERT_EQUAL(send(c.fd, &a, sizeof(a) - (which == 2), MSG_NOSIGNAL), sizeof(a) - (which == 2));
		UNTIL(stats().breaches == which + 1);
		CU_ASSERT_FALSE(stats().attached);
		CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, NULL), 0);
		it_is_created(&wanted);
		leave(&c);
	}
	/* Answers to nothing, as many as it likes, cost it nothing, and nobody else either. */
	attach(&c, VSWITCH_EXT_FILTER);
	for (unsigned i = 0; i < 1000; i++)
		if (send(c.fd, &(struct remote_answer){ .type = REMOTE_ANSWER, .id = i + 77 }, sizeof(a), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			hv_loop_run_once(loop, 0);
	some_rounds();
	CU_ASSERT_TRUE(stats().attached);
	/* More questions than are kept: the policy answers at once. */
	for (unsigned i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "q%u", i);
		CU_ASSERT_EQUAL(vswitch_ask(sw, &(struct vswitch_port_config){ .name = name }, NULL, NULL), i < 256 ? -EAGAIN : 0);
	}
	leave(&c);
	end();
}

static void a_real_program_refuses(void)
{
	const struct vswitch_nic device = { .kind = VSWITCH_NIC_SYNTHETIC, .mac = { 2, 0, 0, 0, 0, 9 }, .max_frame_bytes = 9014,
					    .ops = nics[A].nic.ops, .opaque = &nics[A] };
	struct vswitch_nic_info info;
	struct vswitch_port *port;
	pid_t pid;

	begin_asking(false, "port=unwanted nic=1 mtu=4000", 10000);
	pid = start("veto");
	CU_ASSERT_EQUAL(vswitch_ask(sw, &unwanted, NULL, NULL), -EAGAIN);
	UNTIL(answered == 1);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &unwanted, NULL, NULL), 0);
	it_is_refused(&unwanted, "nobody wants a port unwanted");
	/* Another port, with a NIC whose MTU it lowers. */
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, &nic_config), -EAGAIN);
	UNTIL(answered == 2);
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, &nic_config), 0);
	CU_ASSERT_EQUAL_FATAL(vswitch_port_create_as(sw, &wanted, &port), 0);
	CU_ASSERT_EQUAL(vswitch_nic_create(port, 0, &device, &nic_config), 0);
	CU_ASSERT_TRUE(vswitch_nic_info(port, 0, &info) && info.mtu == 4000);
	CU_ASSERT_EQUAL(vswitch_nic_delete(port, 0, NULL, NULL), 0);
	vswitch_port_destroy(port);
	/* A NIC of a kind that it does not want. */
	CU_ASSERT_EQUAL(vswitch_ask(sw, &wanted, NULL, &(struct vswitch_nic_config){ .kind = VSWITCH_NIC_EMULATED }), -EAGAIN);
	UNTIL(answered == 3);
	CU_ASSERT_EQUAL_FATAL(vswitch_port_create_as(sw, &wanted, &port), 0);
	CU_ASSERT_EQUAL(vswitch_nic_create(port, 0, &device, NULL), -ECANCELED);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->reason, "NICs of kind 1 have to stay outside");
	vswitch_port_destroy(port);
	/* It has kept count: what was only asked about was taken back. */
	CU_ASSERT_TRUE(WIFEXITED(stop(pid, SIGTERM)));
	UNTIL(!stats().attached);
	end();
}

static const struct hv_test tests[] = {
	{ "an answer decides", an_answer_decides },
	{ "a port and its NIC are one question", a_port_and_its_nic_are_one_question },
	{ "who does not answer is answered for", who_does_not_answer_is_answered_for },
	{ "disabled, it is not asked", disabled_it_is_not_asked },
	{ "who wants no say is not asked", who_wants_no_say_is_not_asked },
	{ "lies about questions", lies_about_questions },
	{ "a real program refuses", a_real_program_refuses },
};

HV_TEST_MAIN("extensions/remote_ask", tests)
