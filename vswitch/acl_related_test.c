/* SPDX-License-Identifier: MIT */
/*
 * Errors of ICMP that belong to flows: which pass with them, and that nobody gets anything through with one that was made up.
 */
#include "vswitch/test_policy.h"
/* After it: whose names of variables it uses for parameters. */
#include "vswitch/test_acl.h"

enum { ROUTER = 9, QUOTED = 28 };	/* QUOTED: bytes of IPv4 that every error has to quote */

/* An error on its way, and the packet that it says was lost. */
struct error {
	uint8_t type;
	uint32_t from, to;
	struct test_packet lost;
	uint32_t quoted;		/* bytes of lost; 0: all */
	bool fragment;			/* the error is the first one of its datagram */
	unsigned extensions;		/* in front of it */
};

static uint8_t version = 4;

static uint32_t add(enum vswitch_acl_direction d, enum vswitch_acl_action action, uint16_t protocol, uint16_t weight, bool stateful)
{
	struct vswitch_acl_extended x = { .direction = d, .action = action, .protocol = protocol, .weight = weight,
					  .stateful = stateful };

	return extended(&x);
}

/* The guest may begin what it likes; all else is kept from it. */
static uint32_t answers_only(void)
{
	add(VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_PROTOCOL_ANY, 1, false);
	return add(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_PROTOCOL_ANY, 1, true);
}

/* … and says only what was asked for. */
static void begin_server(void)
{
	begin();
	add(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_PROTOCOL_ANY, 1, false);
	add(VSWITCH_ACL_IN, VSWITCH_ACL_ALLOW, VSWITCH_ACL_PROTOCOL_ANY, 1, true);
}

static struct test_packet packet(uint8_t protocol, uint32_t from, uint32_t to, uint16_t from_port, uint16_t to_port)
{
	return (struct test_packet){ .version = version, .protocol = protocol, .from = from, .to = to, .from_port = from_port,
				     .to_port = to_port };
}

static bool sends(struct test_packet t) { return passes(&guest, &t); }
static bool gets(struct test_packet t) { return passes(&other, &t); }

static void put_error(const struct error *e, const uint8_t to[6], const uint8_t from[6])
{
	static uint8_t lost[2048];
	struct test_packet t = packet(version == 4 ? FLOW_ICMP : FLOW_ICMPV6, e->from, e->to, e->type, 0);
	uint32_t n, head;

	memset(lost, 0, sizeof(lost));
	n = test_packet_write(lost, &e->lost) - 14;
	if (e->quoted)
		n = e->quoted;
	t.payload = (uint16_t)n;
	t.more = e->fragment;
	t.extensions = e->extensions;
	test_packet_set(frame, to, from, &t);
	head = frame->f.len - n;
	memcpy(frame->bytes + head, lost + 14, n);
	test_frame_set(frame, frame->f.len);
}

static bool gets_error(const struct error *e)
{
	put_error(e, guest.nic.mac, other.nic.mac);
	return frame_passes(&other);
}

static bool sends_error(const struct error *e)
{
	put_error(e, other.nic.mac, guest.nic.mac);
	return frame_passes(&guest);
}

static uint8_t unreachable(void) { return version == 4 ? 3 : 1; }

/* ---- what passes ---- */

static void errors_about_a_flow_pass(void)
{
	static const uint8_t types[2][4] = { { 3, 11, 12, 3 }, { 1, 2, 3, 4 } };
	static const uint8_t protocols[] = { FLOW_UDP, FLOW_SCTP, 47 };
	uint32_t id;

	for (version = 4; version <= 6; version += 2) {
		begin();
		id = answers_only();
		for (size_t i = 0; i < sizeof(protocols); i++) {
			struct error e = { .from = ROUTER, .to = 1 };

			e.lost = packet(protocols[i], 1, 2, 1000, 53);
			e.lost.payload = 12;
			CU_ASSERT_TRUE(sends(e.lost));
			for (unsigned k = 0; k < 4; k++) {
				e.type = types[version == 6][k];
				CU_ASSERT_TRUE(gets_error(&e));
			}
		}
		CU_ASSERT_EQUAL(stats().errors_related, 12);
		CU_ASSERT_EQUAL(stats().errors_unrelated, 0);
		CU_ASSERT_EQUAL(stats().flows_opened, 3);
		CU_ASSERT_EQUAL(entry(id).frames, 15);
		end();
	}
	version = 4;
}

static void eight_bytes_of_a_segment_are_enough(void)
{
	struct error e = { .from = ROUTER, .to = 1, .quoted = QUOTED, .type = 3 };

	begin();
	answers_only();
	e.lost = packet(FLOW_TCP, 1, 2, 1000, 80);
	e.lost.tcp_flags = FLOW_SYN;
	CU_ASSERT_TRUE(sends(e.lost));
	e.lost.payload = 1000;			/* "fragmentation needed" comes for a large one */
	CU_ASSERT_TRUE(gets_error(&e));
	e.quoted = 0;
	CU_ASSERT_TRUE(gets_error(&e));
	e.lost.more = true;			/* a router may have cut it before */
	CU_ASSERT_TRUE(gets_error(&e));
	end();
}

static void echoes_are_flows_too(void)
{
	struct error e = { .from = ROUTER, .to = 1 };

	for (version = 4; version <= 6; version += 2) {
		begin();
		answers_only();
		e.type = unreachable();
		e.lost = packet(version == 4 ? FLOW_ICMP : FLOW_ICMPV6, 1, 2, version == 4 ? 8 : 128, 7);
		CU_ASSERT_TRUE(sends(e.lost));
		CU_ASSERT_TRUE(gets_error(&e));
		e.lost.to_port = 8;
		CU_ASSERT_FALSE(gets_error(&e));
		end();
	}
	version = 4;
}

/* The guest says itself that a packet of the other one's did not arrive. */
static void both_directions(void)
{
	struct error e = { .type = 3, .from = 1, .to = 2 };

	begin_server();
	e.lost = packet(FLOW_UDP, 2, 1, 1000, 53);
	CU_ASSERT_FALSE(sends_error(&e));
	CU_ASSERT_TRUE(gets(e.lost));
	CU_ASSERT_TRUE(sends_error(&e));
	e.from = ROUTER;			/* which it may be */
	CU_ASSERT_TRUE(sends_error(&e));
	e = (struct error){ .type = 3, .from = ROUTER, .to = 1, .lost = packet(FLOW_UDP, 1, 2, 53, 1000) };
	CU_ASSERT_TRUE(sends(e.lost));
	CU_ASSERT_TRUE(gets_error(&e));		/* about the answer; here the entry lets it pass, too */
	CU_ASSERT_EQUAL(stats().errors_related, 3);
	end();
}

/* ---- what does not ---- */

/* Each differs from an error that passes in one thing. */
static void made_up_errors_are_refused(void)
{
	static const struct {
		const char *what;
		struct error e;
	} lies[] = {
#define LOST(from_, to_, source, destination) .lost = { .protocol = FLOW_UDP, .from = from_, .to = to_, .from_port = source, \
						       .to_port = destination, .payload = 12 }
#define QUESTION LOST(1, 2, 1000, 53)
#define UNREACHABLE .type = 3, .from = ROUTER
		{ "to somebody else", { UNREACHABLE, .to = 7, QUESTION } },
		{ "to the destination of what is quoted", { UNREACHABLE, .to = 2, QUESTION } },
		{ "a redirect", { .type = 5, .from = ROUTER, .to = 1, QUESTION } },
		{ "a source quench", { .type = 4, .from = ROUTER, .to = 1, QUESTION } },
		{ "an echo reply with a quotation", { .type = 0, .from = ROUTER, .to = 1, QUESTION } },
		{ "an unknown type", { .type = 13, .from = ROUTER, .to = 1, QUESTION } },
		{ "a fragment", { UNREACHABLE, .to = 1, .fragment = true, QUESTION } },
		{ "seven bytes of the transport header", { UNREACHABLE, .to = 1, .quoted = 27, QUESTION } },
		{ "no transport header", { UNREACHABLE, .to = 1, .quoted = 20, QUESTION } },
		{ "half an IP header", { UNREACHABLE, .to = 1, .quoted = 10, QUESTION } },
		{ "another source port", { UNREACHABLE, .to = 1, LOST(1, 2, 1001, 53) } },
		{ "another destination port", { UNREACHABLE, .to = 1, LOST(1, 2, 1000, 54) } },
		{ "another source", { UNREACHABLE, .to = 1, LOST(3, 2, 1000, 53) } },
		{ "another source, to it", { UNREACHABLE, .to = 3, LOST(3, 2, 1000, 53) } },
		{ "another destination", { UNREACHABLE, .to = 1, LOST(1, 3, 1000, 53) } },
		{ "the packet turned round", { UNREACHABLE, .to = 1, LOST(2, 1, 53, 1000) } },
		{ "the packet turned round, to its sender", { UNREACHABLE, .to = 2, LOST(2, 1, 53, 1000) } },
		{ "another protocol", { UNREACHABLE, .to = 1, .lost = { .protocol = FLOW_UDPLITE, .from = 1, .to = 2,
									.from_port = 1000, .to_port = 53 } } },
		{ "a later fragment", { UNREACHABLE, .to = 1, .lost = { .from = 1, .to = 2, .offset = 24, .payload = 20 } } },
		{ "IPv6 in ICMP", { UNREACHABLE, .to = 1, .lost = { .version = 6, .from = 1, .to = 2, .from_port = 1000,
								    .to_port = 53 } } },
		{ "an error", { UNREACHABLE, .to = 1, .lost = { .protocol = FLOW_ICMP, .from = 1, .to = 2, .from_port = 3 } } },
#undef UNREACHABLE
#undef QUESTION
#undef LOST
	};
	struct error good;

	begin();
	answers_only();
	good = (struct error){ .type = 3, .from = ROUTER, .to = 1, .lost = packet(FLOW_UDP, 1, 2, 1000, 53) };
	good.lost.payload = 12;
	CU_ASSERT_FALSE(gets_error(&good));
	CU_ASSERT_TRUE(sends(good.lost));
	CU_ASSERT_TRUE(gets_error(&good));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		if (!gets_error(&lies[i].e))
			continue;
		fprintf(stderr, "%s\n", lies[i].what);
		CU_FAIL("an error that was made up passes");
	}
	CU_ASSERT_EQUAL(stats().errors_related, 1);
	/* Not the four other types and the fragment, which are no errors; but the one before the packet. */
	CU_ASSERT_EQUAL(stats().errors_unrelated, sizeof(lies) / sizeof(lies[0]) - 5 + 1);
	CU_ASSERT_EQUAL(test_out_dropped(&guest, VSWITCH_DROP_ACL_IN), sizeof(lies) / sizeof(lies[0]) + 1);
	CU_ASSERT_EQUAL(stats().flows, 1);
	end();
}

/* Where the ports would be is data: zeroes here, as the flow's ports are. */
static void data_is_not_taken_for_ports(void)
{
	struct error e = { .type = 3, .from = ROUTER, .to = 1 };

	begin();
	answers_only();
	e.lost = packet(FLOW_UDP, 1, 2, 0, 0);
	CU_ASSERT_TRUE(sends(e.lost));
	CU_ASSERT_TRUE(gets_error(&e));
	e.lost.offset = 24;
	e.lost.payload = 20;
	CU_ASSERT_FALSE(gets_error(&e));
	end();
}

/* An echo with identifier 0 is told from them by nothing but their type. */
static void errors_about_errors_are_refused(void)
{
	struct error e = { .type = 3, .from = 1, .to = 2 };

	begin_server();
	e.lost = packet(FLOW_ICMP, 2, 1, 8, 0);
	CU_ASSERT_TRUE(gets(e.lost));
	CU_ASSERT_TRUE(sends_error(&e));
	e.lost = packet(FLOW_ICMP, 2, 1, 3, 0);
	CU_ASSERT_FALSE(sends_error(&e));
	e.lost = packet(FLOW_ICMP, 2, 1, 5, 0);
	CU_ASSERT_FALSE(sends_error(&e));
	end();
}

/* A quotation of what was never sent: a flow without answers has packets in one direction only. */
static void what_was_never_sent_was_not_lost(void)
{
	struct error e = { .type = 3, .from = 1, .to = 2 };
	struct test_packet question = packet(FLOW_UDP, 1, 2, 1000, 53), answer = packet(FLOW_UDP, 2, 1, 53, 1000);

	begin();
	add(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, FLOW_ICMP, 2, false);
	answers_only();
	e.lost = answer;
	CU_ASSERT_TRUE(sends(question));
	CU_ASSERT_FALSE(sends_error(&e));
	CU_ASSERT_TRUE(gets(answer));
	CU_ASSERT_TRUE(sends_error(&e));
	end();
}

/* Neither opened nor prolonged nor ended. */
static void errors_change_no_flow(void)
{
	struct error e = { .type = 3, .from = ROUTER, .to = 1 };
	const struct acl_flow *flow;
	uint64_t expires_ns;

	begin();
	answers_only();
	e.lost = packet(FLOW_TCP, 1, 2, 1000, 80);
	e.lost.tcp_flags = FLOW_SYN;
	CU_ASSERT_TRUE(sends(e.lost));
	flow = &guest.port->acl->flows.flows[0];
	expires_ns = flow->expires_ns;
	vswitch_tick(sw, 1000000000000 + 29 * ACL_NS_PER_S);
	e.lost.tcp_flags = FLOW_RST | FLOW_FIN;
	CU_ASSERT_TRUE(gets_error(&e));
	CU_ASSERT_EQUAL(flow->expires_ns, expires_ns);
	CU_ASSERT_EQUAL(flow->state, 0);
	vswitch_tick(sw, 1000000000000 + 30 * ACL_NS_PER_S);
	CU_ASSERT_FALSE(gets_error(&e));
	CU_ASSERT_EQUAL(stats().flows_opened, 1);
	end();
}

static void errors_end_with_the_policy(void)
{
	struct error e = { .type = 11, .from = ROUTER, .to = 1 };
	uint32_t id;

	begin();
	id = answers_only();
	e.lost = packet(FLOW_UDP, 1, 2, 1000, 53);
	CU_ASSERT_TRUE(sends(e.lost));
	add(VSWITCH_ACL_IN, VSWITCH_ACL_DENY, FLOW_ICMP, 50, false);
	CU_ASSERT_TRUE(gets_error(&e));		/* with the flow, which no entry is asked about */
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, id), 0);
	CU_ASSERT_FALSE(gets_error(&e));
	end();
}

static void simple_entries_are_asked_first(void)
{
	struct vswitch_acl_simple s = { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE,
					{ VSWITCH_ACL_IPV4, 32, { 0, 0, 0, ROUTER } } };
	struct error e = { .type = 3, .from = ROUTER, .to = 1 };
	uint32_t id = 0;

	begin();
	answers_only();
	e.lost = packet(FLOW_UDP, 1, 2, 1000, 53);
	CU_ASSERT_TRUE(sends(e.lost));
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &id, NULL), 0);
	CU_ASSERT_FALSE(gets_error(&e));
	e.from = 2;
	CU_ASSERT_TRUE(gets_error(&e));
	end();
}

/* The quotation lies behind the head, where the guest could still change it: what was read is what arrives. */
static void quotations_are_read_once(void)
{
	struct error e = { .type = 1, .from = 1, .to = 2, .extensions = 8 };
	uint8_t *lost;

	version = 6;
	begin_server();
	e.lost = packet(FLOW_UDP, 2, 1, 1000, 53);
	CU_ASSERT_TRUE(gets(e.lost));
	put_error(&e, other.nic.mac, guest.nic.mac);
	CU_ASSERT_FATAL(frame->f.len > VSWITCH_HEAD_BYTES + 40);
	lost = frame->seg.iov_base;
	CU_ASSERT_TRUE(frame_passes(&guest));
	CU_ASSERT_PTR_NOT_EQUAL(frame->f.segs[0].iov_base, lost);
	CU_ASSERT_EQUAL(stats().errors_related, 1);
	end();
	version = 4;
}

/* ---- private VLANs: question and answer are in different ones ---- */

static void flows_span_a_private_vlan(void)
{
	struct vswitch_port_policy isolated = { .vlan = { .mode = VSWITCH_VLAN_ISOLATED, .primary = 100, .secondary = 101 } };
	struct vswitch_port_policy access = { .vlan = { .mode = VSWITCH_VLAN_ACCESS, .access = 100 } };
	struct vswitch_port_policy promiscuous = { .vlan = { .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 100 } };
	struct error e = { .type = 3, .from = ROUTER, .to = 1 };

	vswitch_vlan_set_add(&promiscuous.vlan.secondaries, 101);
	begin();
	test_policy(&guest, &isolated);
	test_policy(&other, &promiscuous);
	answers_only();
	CU_ASSERT_FALSE(gets(packet(FLOW_UDP, 2, 1, 53, 1000)));
	e.lost = packet(FLOW_UDP, 1, 2, 1000, 53);
	CU_ASSERT_TRUE(sends(e.lost));
	CU_ASSERT_TRUE(gets(packet(FLOW_UDP, 2, 1, 53, 1000)));
	CU_ASSERT_TRUE(gets_error(&e));
	/* The isolated VLAN is no more, and what it shared with is another's. */
	test_policy(&other, &access);
	test_policy(&guest, &access);
	CU_ASSERT_FALSE(gets(packet(FLOW_UDP, 2, 1, 53, 1000)));
	CU_ASSERT_FALSE(gets_error(&e));
	CU_ASSERT_EQUAL(stats().flows_revoked, 1);
	end();
}

static const struct hv_test tests[] = {
	{ "errors about a flow pass", errors_about_a_flow_pass },
	{ "eight bytes of a segment are enough", eight_bytes_of_a_segment_are_enough },
	{ "echoes are flows, too", echoes_are_flows_too },
	{ "in both directions", both_directions },
	{ "made-up errors are refused", made_up_errors_are_refused },
	{ "data is not taken for ports", data_is_not_taken_for_ports },
	{ "errors about errors are refused", errors_about_errors_are_refused },
	{ "what was never sent was not lost", what_was_never_sent_was_not_lost },
	{ "errors change no flow", errors_change_no_flow },
	{ "errors end with the policy", errors_end_with_the_policy },
	{ "simple entries are asked first", simple_entries_are_asked_first },
	{ "quotations are read once", quotations_are_read_once },
	{ "flows span a private VLAN", flows_span_a_private_vlan },
};

HV_TEST_MAIN("vswitch/acl_related", tests)
