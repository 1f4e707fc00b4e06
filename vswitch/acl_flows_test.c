/* SPDX-License-Identifier: MIT */
/*
 * Stateful entries: what opens a flow, what belongs to it, when it ends, and that it survives being saved.
 */
#include <errno.h>

#include "vswitch/test_acl.h"
#include "vswitch/test_blob.h"

#define T0 1000000000000ull
#define S ACL_NS_PER_S

static uint32_t add(enum vswitch_acl_direction d, enum vswitch_acl_action action, uint16_t protocol, uint16_t weight,
		    bool stateful, uint32_t idle_s)
{
	struct vswitch_acl_extended x = { .direction = d, .action = action, .protocol = protocol, .weight = weight,
					  .stateful = stateful, .idle_timeout_s = idle_s };

	return extended(&x);
}

/* The guest may begin what it likes, and gets answers only. */
static uint32_t allow_answers_only(uint32_t idle_s)
{
	add(VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_PROTOCOL_ANY, 1, false, 0);
	return add(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_PROTOCOL_ANY, 1, true, idle_s);
}

static uint8_t version = 4;

static bool sends(uint8_t protocol, uint16_t local, uint16_t remote, uint8_t flags)
{
	struct test_packet t = { .version = version, .protocol = protocol, .from = 1, .to = 2, .from_port = local,
				 .to_port = remote, .tcp_flags = flags };

	return passes(&guest, &t);
}

static bool gets(uint8_t protocol, uint16_t remote, uint16_t local, uint8_t flags)
{
	struct test_packet t = { .version = version, .protocol = protocol, .from = 2, .to = 1, .from_port = remote,
				 .to_port = local, .tcp_flags = flags };

	return passes(&other, &t);
}

static uint32_t flows_of(uint32_t id)
{
	return entry(id).flows;
}

static void open_tcp(uint16_t port)
{
	CU_ASSERT_TRUE(sends(FLOW_TCP, port, 80, FLOW_SYN));
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, port, FLOW_SYN | FLOW_ACK));
	CU_ASSERT_TRUE(sends(FLOW_TCP, port, 80, FLOW_ACK));
}

/* ---- who belongs to a flow ---- */

static void answers_pass_and_nothing_else(void)
{
	uint32_t id;

	for (version = 4; version <= 6; version += 2) {
		begin();
		id = allow_answers_only(0);
		CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1000, 0));
		CU_ASSERT_TRUE(sends(FLOW_UDP, 1000, 53, 0));
		CU_ASSERT_TRUE(gets(FLOW_UDP, 53, 1000, 0));
		CU_ASSERT_TRUE(sends(FLOW_UDP, 1000, 53, 0));
		CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1001, 0));
		CU_ASSERT_FALSE(gets(FLOW_UDP, 54, 1000, 0));
		CU_ASSERT_FALSE(gets(FLOW_TCP, 53, 1000, FLOW_ACK));
		CU_ASSERT_EQUAL(flows_of(id), 1);
		CU_ASSERT_EQUAL(stats().flows_opened, 1);
		end();
	}
	version = 4;
}

static void tcp_is_opened_by_a_syn(void)
{
	begin();
	allow_answers_only(0);
	CU_ASSERT_FALSE(sends(FLOW_TCP, 1000, 80, FLOW_ACK));
	CU_ASSERT_FALSE(sends(FLOW_TCP, 1000, 80, FLOW_SYN | FLOW_ACK));
	CU_ASSERT_FALSE(sends(FLOW_TCP, 1000, 80, FLOW_FIN | FLOW_SYN));
	CU_ASSERT_FALSE(sends(FLOW_TCP, 1000, 80, FLOW_RST));
	CU_ASSERT_FALSE(sends(FLOW_TCP, 1000, 80, 0));
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_ACL_OUT), 5);
	CU_ASSERT_EQUAL(stats().flows, 0);
	open_tcp(1000);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1001, FLOW_SYN));
	end();
}

static void echoes_answer_their_request(void)
{
	uint8_t icmp, request, reply;

	for (version = 4; version <= 6; version += 2) {
		icmp = version == 4 ? FLOW_ICMP : FLOW_ICMPV6;
		request = version == 4 ? 8 : 128;
		reply = version == 4 ? 0 : 129;
		begin();
		allow_answers_only(0);
		CU_ASSERT_FALSE(gets(icmp, reply, 7, 0));
		CU_ASSERT_TRUE(sends(icmp, request, 7, 0));
		CU_ASSERT_TRUE(gets(icmp, reply, 7, 0));
		CU_ASSERT_FALSE(gets(icmp, reply, 8, 0));
		CU_ASSERT_FALSE(gets(icmp, request, 7, 0));	/* a question is no answer */
		CU_ASSERT_TRUE(sends(icmp, 3, 7, 0));		/* an error: passes, opens nothing */
		CU_ASSERT_TRUE(sends(icmp, reply, 9, 0));
		CU_ASSERT_EQUAL(stats().flows_opened, 1);
		end();
	}
	version = 4;
}

static void both_sides_may_ask(void)
{
	begin();
	add(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_PROTOCOL_ANY, 1, false, 0);
	allow_answers_only(0);
	add(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, FLOW_ICMP, 5, true, 0);
	add(VSWITCH_ACL_IN, VSWITCH_ACL_ALLOW, FLOW_ICMP, 5, true, 0);
	CU_ASSERT_TRUE(sends(FLOW_ICMP, 8, 7, 0));
	CU_ASSERT_TRUE(gets(FLOW_ICMP, 8, 7, 0));		/* with the same identifier */
	CU_ASSERT_EQUAL(stats().flows, 2);
	CU_ASSERT_TRUE(gets(FLOW_ICMP, 0, 7, 0));
	CU_ASSERT_TRUE(sends(FLOW_ICMP, 0, 7, 0));
	end();
}

static void servers_answer_too(void)
{
	begin();
	add(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_PROTOCOL_ANY, 1, false, 0);
	add(VSWITCH_ACL_IN, VSWITCH_ACL_ALLOW, FLOW_TCP, 1, true, 0);
	CU_ASSERT_FALSE(sends(FLOW_TCP, 80, 1000, FLOW_SYN | FLOW_ACK));
	CU_ASSERT_TRUE(gets(FLOW_TCP, 1000, 80, FLOW_SYN));
	CU_ASSERT_TRUE(sends(FLOW_TCP, 80, 1000, FLOW_SYN | FLOW_ACK));
	CU_ASSERT_FALSE(sends(FLOW_TCP, 80, 1001, FLOW_SYN | FLOW_ACK));
	end();
}

static void vlans_have_flows_of_their_own(void)
{
	struct test_packet t = { .from = 1, .to = 2, .from_port = 5, .to_port = 6 }, answer = { .from = 2, .to = 1,
				 .from_port = 6, .to_port = 5 };
	struct vswitch_frame *f;

	begin();
	allow_answers_only(0);
	f = &frame->f;
	test_packet_set(frame, other.nic.mac, guest.nic.mac, &t);
	f->vlan = 7;
	CU_ASSERT_EQUAL(acl_ingress(guest.port, &f, 1), 1);
	test_packet_set(frame, guest.nic.mac, other.nic.mac, &answer);
	f->vlan = 8;
	CU_ASSERT_EQUAL(acl_egress(guest.port, &f, 1), 0);
	f->vlan = 7;
	CU_ASSERT_EQUAL(acl_egress(guest.port, &f, 1), 1);
	guest.port->stats.segments++;		/* the drop of a frame that was never offered */
	end();
}

static void fragments_belong_to_it(void)
{
	struct test_packet t = { .from = 2, .to = 1, .from_port = 53, .to_port = 1000, .more = true, .payload = 16, .id = 5 };
	struct test_packet rest = { .from = 2, .to = 1, .offset = 24, .payload = 8, .id = 5 };

	begin();
	allow_answers_only(0);
	CU_ASSERT_TRUE(sends(FLOW_UDP, 1000, 53, 0));
	CU_ASSERT_FALSE(passes(&other, &rest));
	CU_ASSERT_TRUE(passes(&other, &t));
	CU_ASSERT_TRUE(passes(&other, &rest));
	rest.id = 6;
	CU_ASSERT_FALSE(passes(&other, &rest));
	end();
}

/* ---- when it ends ---- */

static void idle_flows_close(void)
{
	begin();
	allow_answers_only(0);
	sends(FLOW_UDP, 1000, 53, 0);
	gets(FLOW_UDP, 53, 1000, 0);
	vswitch_tick(sw, T0 + 254 * S);
	CU_ASSERT_TRUE(gets(FLOW_UDP, 53, 1000, 0));		/* which begins the time anew */
	vswitch_tick(sw, T0 + 508 * S);
	CU_ASSERT_TRUE(gets(FLOW_UDP, 53, 1000, 0));
	vswitch_tick(sw, T0 + (508 + 255) * S);
	CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1000, 0));
	CU_ASSERT_EQUAL(stats().flows, 0);
	CU_ASSERT_EQUAL(stats().flows_expired, 1);
	end();
	begin();
	allow_answers_only(5);
	sends(FLOW_UDP, 1000, 53, 0);
	vswitch_tick(sw, T0 + 5 * S - 1);
	CU_ASSERT_TRUE(gets(FLOW_UDP, 53, 1000, 0));
	vswitch_tick(sw, T0 + 10 * S);
	CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1000, 0));
	end();
}

static void what_nobody_answers_closes_early(void)
{
	begin();
	allow_answers_only(0);
	sends(FLOW_TCP, 1000, 80, FLOW_SYN);
	vswitch_tick(sw, T0 + 30 * S);
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_SYN | FLOW_ACK));
	CU_ASSERT_EQUAL(stats().flows_expired, 1);
	end();
}

static void fins_both_ways_close(void)
{
	begin();
	allow_answers_only(0);
	open_tcp(1000);
	CU_ASSERT_TRUE(sends(FLOW_TCP, 1000, 80, FLOW_FIN | FLOW_ACK));
	vswitch_tick(sw, T0 + 100 * S);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));	/* half closed: the other half lives */
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_FIN | FLOW_ACK));
	vswitch_tick(sw, T0 + 109 * S);
	CU_ASSERT_TRUE(sends(FLOW_TCP, 1000, 80, FLOW_ACK));
	vswitch_tick(sw, T0 + 119 * S);
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	end();
}

static void a_closed_connection_may_be_opened_again(void)
{
	begin();
	allow_answers_only(0);
	open_tcp(1000);
	sends(FLOW_TCP, 1000, 80, FLOW_FIN | FLOW_ACK);
	gets(FLOW_TCP, 80, 1000, FLOW_FIN | FLOW_ACK);
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_SYN));	/* not by the other side */
	CU_ASSERT_EQUAL(stats().flows_closed, 1);
	open_tcp(1000);
	CU_ASSERT_EQUAL(stats().flows_opened, 2);
	vswitch_tick(sw, T0 + 100 * S);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	end();
}

static void a_reset_closes_at_once(void)
{
	begin();
	allow_answers_only(0);
	open_tcp(1000);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_RST));
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_EQUAL(stats().flows_closed, 1);
	CU_ASSERT_EQUAL(stats().flows, 0);
	end();
}

/* ---- entries that come and go ---- */

static void a_flow_lives_no_longer_than_its_policy(void)
{
	uint32_t id, deny;

	begin();
	id = allow_answers_only(0);
	open_tcp(1000);
	open_tcp(1001);
	CU_ASSERT_EQUAL(flows_of(id), 2);
	/* An entry that has nothing to do with it. */
	deny = add(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, FLOW_UDP, 50, false, 0);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_EQUAL(flows_of(id), 1);			/* the other one was not used since */
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1001, FLOW_ACK));
	CU_ASSERT_EQUAL(flows_of(id), 2);
	/* One that forbids it now. */
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, deny), 0);
	deny = add(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, FLOW_TCP, 50, false, 0);
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_EQUAL(stats().flows_revoked, 1);
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, deny), 0);
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));	/* gone is gone */
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1001, FLOW_ACK));
	/* The one that let it in goes. */
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, id), 0);
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1001, FLOW_ACK));
	CU_ASSERT_EQUAL(stats().flows, 0);
	end();
}

static void another_entry_may_take_over(void)
{
	uint32_t first, second;

	begin();
	first = allow_answers_only(0);
	open_tcp(1000);
	second = add(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, FLOW_TCP, 9, true, 7);
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, first), 0);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_EQUAL(flows_of(second), 1);
	vswitch_tick(sw, T0 + 7 * S);				/* by its timeout */
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	end();
}

/* ---- limits ---- */

static void the_longest_idle_makes_room(void)
{
	begin();
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, 15), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, VSWITCH_ACL_FLOWS_MAX + 1), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, 16), 0);
	allow_answers_only(0);
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, 20), 0);
	for (uint16_t i = 0; i < 20; i++)
		open_tcp(1000 + i);
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, 30), -EBUSY);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));	/* used last */
	open_tcp(2000);
	CU_ASSERT_EQUAL(stats().flows, 20);
	CU_ASSERT_EQUAL(stats().flows_evicted, 1);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1001, FLOW_ACK));
	end();
}

static void a_flood_of_openings_pushes_out_itself(void)
{
	begin();
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, 16), 0);
	allow_answers_only(0);
	for (uint16_t i = 0; i < 10; i++)
		open_tcp(1000 + i);
	for (uint16_t i = 0; i < 1000; i++)
		CU_ASSERT_TRUE(sends(FLOW_TCP, 2000 + i, 80, FLOW_SYN));
	CU_ASSERT_EQUAL(stats().flows, 16);
	CU_ASSERT_EQUAL(stats().flows_evicted, 994);
	for (uint16_t i = 0; i < 10; i++)
		CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000 + i, FLOW_ACK));
	end();
}

/* ---- saved and restored ---- */

static uint8_t blob[4096];

static size_t save(void)
{
	size_t n = 0, needed;

	CU_ASSERT_EQUAL(vswitch_acl_save_flows(guest.port, blob, &n), -ENOSPC);
	needed = n;
	n = sizeof(blob);
	CU_ASSERT_EQUAL(vswitch_acl_save_flows(guest.port, blob, &n), 0);
	CU_ASSERT_EQUAL(n, needed);
	return n;
}

/* The same guest on another host, later. */
static void move_on(uint64_t now_ns)
{
	end();
	begin();
	vswitch_tick(sw, now_ns);
}

static void flows_survive_a_restore(void)
{
	uint8_t again[sizeof(blob)];
	size_t n, m = sizeof(again);
	uint32_t id;

	begin();
	allow_answers_only(0);
	open_tcp(1000);
	sends(FLOW_ICMP, 8, 7, 0);
	sends(FLOW_UDP, 1000, 53, 0);
	version = 6;
	open_tcp(1001);
	sends(FLOW_TCP, 1001, 80, FLOW_FIN | FLOW_ACK);
	version = 4;
	vswitch_tick(sw, T0 + 5 * S);
	n = save();
	move_on(7 * T0);
	id = allow_answers_only(0);
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, blob, n), 0);
	CU_ASSERT_EQUAL(flows_of(id), 4);
	CU_ASSERT_EQUAL(vswitch_acl_save_flows(guest.port, again, &m), 0);
	CU_ASSERT(m == n && !memcmp(blob, again, n));
	CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, blob, n), 0);	/* once more changes nothing */
	CU_ASSERT_EQUAL(stats().flows, 4);
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	CU_ASSERT_TRUE(gets(FLOW_ICMP, 0, 7, 0));
	CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1001, 0));
	vswitch_tick(sw, 7 * T0 + 25 * S);			/* of its 30 s, 5 were gone */
	CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1000, 0));
	version = 6;
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1001, FLOW_FIN | FLOW_ACK));
	vswitch_tick(sw, 7 * T0 + 35 * S);			/* both halves are closed */
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1001, FLOW_ACK));
	version = 4;
	end();
}

static void restores_only_what_may_live(void)
{
	size_t n;

	begin();
	allow_answers_only(0);
	open_tcp(1000);
	sends(FLOW_UDP, 1000, 53, 0);
	n = save();
	move_on(T0);
	CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, blob, n), 0);	/* without entries: no use for it */
	add(VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_PROTOCOL_ANY, 1, false, 0);
	CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, blob, n), 0);	/* no stateful one */
	CU_ASSERT_EQUAL(stats().flows_revoked, 2);
	add(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, FLOW_UDP, 1, true, 0);
	CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, blob, n), 0);
	CU_ASSERT_EQUAL(stats().flows, 1);
	CU_ASSERT_EQUAL(stats().flows_revoked, 3);
	CU_ASSERT_TRUE(gets(FLOW_UDP, 53, 1000, 0));
	CU_ASSERT_FALSE(gets(FLOW_TCP, 80, 1000, FLOW_ACK));
	end();
}

/* ---- … as part of what is saved of a NIC ---- */

static void flows_are_saved_with_their_nic(void)
{
	unsigned unowned = 9;
	uint32_t id;
	void *saved;
	size_t n;

	begin();
	allow_answers_only(0);
	sends(FLOW_UDP, 1000, 53, 0);
	sends(FLOW_UDP, 1001, 53, 0);
	open_tcp(1002);
	vswitch_tick(sw, T0 + 20 * S);
	CU_ASSERT_EQUAL_FATAL(vswitch_nic_save(guest.port, 0, &saved, &n), 0);
	move_on(9 * T0);
	id = allow_answers_only(0);
	CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1000, 0));
	CU_ASSERT_EQUAL(vswitch_nic_restore(guest.port, 0, saved, n, &unowned), 0);
	CU_ASSERT_EQUAL(unowned, 0);
	CU_ASSERT_EQUAL(flows_of(id), 3);
	vswitch_tick(sw, 9 * T0 + 10 * S - 1);			/* of its 30 s, 20 were gone */
	CU_ASSERT_TRUE(gets(FLOW_UDP, 53, 1000, 0));
	vswitch_tick(sw, 9 * T0 + 10 * S);
	CU_ASSERT_FALSE(gets(FLOW_UDP, 53, 1001, 0));
	CU_ASSERT_TRUE(gets(FLOW_TCP, 80, 1002, FLOW_ACK));
	free(saved);
	end();
}

static void many_flows_are_saved_with_their_nic(void)
{
	enum { FLOWS = 50000 };		/* more than one record holds */
	void *saved;
	size_t n;

	begin();
	allow_answers_only(0);
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, FLOWS), 0);
	for (unsigned i = 0; i < FLOWS; i++)
		sends(FLOW_UDP, (uint16_t)i, 53, 0);
	test_nic_clear(&other);
	CU_ASSERT_EQUAL_FATAL(vswitch_nic_save(guest.port, 0, &saved, &n), 0);
	CU_ASSERT(n > VSWITCH_RECORD_MAX_BYTES);
	move_on(T0);
	allow_answers_only(0);
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, FLOWS), 0);
	CU_ASSERT_EQUAL(vswitch_nic_restore(guest.port, 0, saved, n, NULL), 0);
	CU_ASSERT_EQUAL(stats().flows, FLOWS);
	CU_ASSERT_TRUE(gets(FLOW_UDP, 53, 0, 0));
	CU_ASSERT_TRUE(gets(FLOW_UDP, 53, FLOWS - 1, 0));
	free(saved);
	end();
}

/* One byte of the flows is wrong; all else was made to fit by whoever did that. */
static void a_nic_with_damaged_flows_is_refused(void)
{
	uint8_t good[1024], bad[1024];
	void *saved;
	size_t n;

	begin();
	allow_answers_only(0);
	open_tcp(1000);
	CU_ASSERT_EQUAL_FATAL(vswitch_nic_save(guest.port, 0, &saved, &n), 0);
	CU_ASSERT_FATAL(n <= sizeof(good));
	memcpy(good, saved, n);
	free(saved);
	move_on(T0);
	allow_answers_only(0);
	for (size_t i = TEST_NIC_BLOB_HEADER + TEST_NIC_BLOB_RECORD; i < n; i++) {
		memcpy(bad, good, n);
		bad[i] ^= 1;
		test_sign_nic(bad, n);
		CU_ASSERT_EQUAL(vswitch_nic_restore(guest.port, 0, bad, n, NULL), -EBADMSG);
	}
	CU_ASSERT_EQUAL(stats().flows, 0);
	CU_ASSERT_EQUAL(vswitch_nic_restore(guest.port, 0, good, n, NULL), 0);
	CU_ASSERT_EQUAL(stats().flows, 1);
	end();
}

static void refuses_what_is_no_blob(void)
{
	static const struct {
		const char *what;
		unsigned at;
		uint8_t value;
		int error;
	} lies[] = {
		{ "another magic", 0, 0, -EBADMSG },
		{ "another version", 4, 2, -EOPNOTSUPP },
		{ "another size of records", 6, 47, -EBADMSG },
		{ "more records than there are", 8, 2, -EBADMSG },
		{ "fewer", 8, 0, -EBADMSG },
		{ "more than anybody has", 11, 1, -EBADMSG },
		{ "something where nothing belongs", 12, 1, -EBADMSG },
		{ "IP version 5", 16 + 38, 5, -EBADMSG },
		{ "a long IPv4 address", 16 + 4, 1, -EBADMSG },
		{ "a VLAN beyond all", 16 + 37, 0x10, -EBADMSG },
		{ "no direction", 16 + 40, 3, -EBADMSG },
		{ "a state beyond all", 16 + 41, 8, -EBADMSG },
		{ "the truth", 0, 0x48, 0 },
	};
	uint8_t good[sizeof(blob)];
	size_t n;

	begin();
	allow_answers_only(0);
	open_tcp(1000);
	n = save();
	memcpy(good, blob, n);
	move_on(T0);
	allow_answers_only(0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]) - 1; i++) {
		memcpy(blob, good, n);
		blob[lies[i].at] = lies[i].value;
		CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, blob, n), -EBADMSG);	/* the checksum */
		test_sign_flows(blob, n);
		if (vswitch_acl_restore_flows(guest.port, blob, n) != lies[i].error) {
			fprintf(stderr, "%s\n", lies[i].what);
			CU_FAIL("a damaged blob is taken");
		}
	}
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, good, i), -EBADMSG);
	CU_ASSERT_EQUAL(stats().flows, 0);
	CU_ASSERT_EQUAL(vswitch_acl_restore_flows(guest.port, good, n), 0);
	CU_ASSERT_EQUAL(stats().flows, 1);
	end();
}

static const struct hv_test tests[] = {
	{ "answers pass, and nothing else", answers_pass_and_nothing_else },
	{ "TCP is opened by a SYN", tcp_is_opened_by_a_syn },
	{ "echoes answer their request", echoes_answer_their_request },
	{ "both sides may ask", both_sides_may_ask },
	{ "servers answer, too", servers_answer_too },
	{ "VLANs have flows of their own", vlans_have_flows_of_their_own },
	{ "fragments belong to it", fragments_belong_to_it },
	{ "idle flows close", idle_flows_close },
	{ "what nobody answers closes early", what_nobody_answers_closes_early },
	{ "FINs both ways close", fins_both_ways_close },
	{ "a closed connection may be opened again", a_closed_connection_may_be_opened_again },
	{ "a reset closes at once", a_reset_closes_at_once },
	{ "a flow lives no longer than its policy", a_flow_lives_no_longer_than_its_policy },
	{ "another entry may take over", another_entry_may_take_over },
	{ "the longest idle makes room", the_longest_idle_makes_room },
	{ "a flood of openings pushes out itself", a_flood_of_openings_pushes_out_itself },
	{ "flows survive a restore", flows_survive_a_restore },
	{ "restores only what may live", restores_only_what_may_live },
	{ "refuses what is no blob", refuses_what_is_no_blob },
	{ "flows are saved with their NIC", flows_are_saved_with_their_nic },
	{ "many flows are saved with their NIC", many_flows_are_saved_with_their_nic },
	{ "a NIC with damaged flows is refused", a_nic_with_damaged_flows_is_refused },
};

HV_TEST_MAIN("vswitch/acl_flows", tests)
