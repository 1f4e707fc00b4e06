/* SPDX-License-Identifier: MIT */
/* Hypercalls, message slots, versions, the connection's beginning and end. */
#include "vmbus/test_guest.h"

/* ---- hypercalls ---- */

static void post_says_what_is_wrong(void)
{
	static const struct { const char *lie; uint64_t gpa; uint32_t connection, type, bytes; uint16_t status; } rows[] = {
		{ "unaligned", GUEST_POST + 4, 1, 1, 8, VMBUS_HV_INVALID_ALIGNMENT },
		{ "crosses a page", GUEST_POST + 0xf08, 1, 1, 8, VMBUS_HV_INVALID_ALIGNMENT },
		{ "not in memory", (uint64_t)GUEST_PAGES * 4096, 1, 1, 8, VMBUS_HV_INVALID_PARAMETER },
		{ "241 bytes", GUEST_POST, 1, 1, 241, VMBUS_HV_INVALID_PARAMETER },
		{ "message type 0", GUEST_POST, 1, 0, 8, VMBUS_HV_INVALID_PARAMETER },
		{ "the hypervisor's message type", GUEST_POST, 1, 0x80000001, 8, VMBUS_HV_INVALID_PARAMETER },
		{ "no such connection", GUEST_POST, 2, 1, 8, VMBUS_HV_INVALID_CONNECTION_ID },
		{ "no such connection", GUEST_POST, 0x2001, 1, 8, VMBUS_HV_INVALID_CONNECTION_ID },
		{ "a foreign type is nobody's", GUEST_POST, 1, 2, 8, VMBUS_HV_SUCCESS },
		{ "shorter than any message", GUEST_POST, 1, 1, 7, VMBUS_HV_SUCCESS },
		{ "last place in its page", GUEST_POST + 0xf00, 1, 1, 8, VMBUS_HV_SUCCESS },
	};
	struct guest g;

	guest_start(&g);
	CU_ASSERT_EQUAL(vmbus_post_message(g.bus, GUEST_POST), VMBUS_HV_ACCESS_DENIED);	/* no GUEST_OS_ID */
	guest_synic(&g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_post_input in = { to_le32(rows[i].connection), to_le32(0), to_le32(rows[i].type),
					       to_le32(rows[i].bytes), { VMBUS_MSG_UNLOAD } };

		memset(g.ram + GUEST_POST, 0, 0x2000);
		if (rows[i].gpa % 8 == 0 && guest_has(&g, rows[i].gpa, sizeof(in)))
			memcpy(g.ram + rows[i].gpa, &in, sizeof(in));
		uint16_t status = vmbus_post_message(g.bus, rows[i].gpa);
		if (status != rows[i].status)
			printf("%s: %u\n", rows[i].lie, status);
		CU_ASSERT_EQUAL(status, rows[i].status);
	}
	CU_ASSERT_EQUAL(guest_count(&g, "message_foreign"), 2);
	guest_end(&g);
}

static void signal_says_what_is_wrong(void)
{
	struct guest g;

	guest_boot(&g);
	CU_ASSERT_EQUAL(vmbus_signal_event(g.bus, 0x2001, 0), VMBUS_HV_INVALID_CONNECTION_ID);
	CU_ASSERT_EQUAL(vmbus_signal_event(g.bus, 0x2000, 0), VMBUS_HV_INVALID_CONNECTION_ID);
	CU_ASSERT_EQUAL(vmbus_signal_event(g.bus, 0x2800, 0), VMBUS_HV_INVALID_CONNECTION_ID);
	CU_ASSERT_EQUAL(vmbus_signal_event(g.bus, 1, 0), VMBUS_HV_INVALID_CONNECTION_ID);
	CU_ASSERT_EQUAL(vmbus_signal_event(g.bus, 0x2001, 1), VMBUS_HV_INVALID_PARAMETER);
	CU_ASSERT_EQUAL(vmbus_signal_event(g.bus, VMBUS_CONNECTION_EVENT, 0), VMBUS_HV_SUCCESS);
	guest_end(&g);
}

/* ---- messages ---- */

/* Every type, one byte short, must be counted and change nothing; so must types that only the host sends. */
static void messages_have_a_least_length(void)
{
	static const struct { uint32_t type, bytes; } rows[] = {
		{ VMBUS_MSG_OPENCHANNEL, 147 }, { VMBUS_MSG_CLOSECHANNEL, 11 },
		{ VMBUS_MSG_GPADL_HEADER, 19 }, { VMBUS_MSG_GPADL_BODY, 15 }, { VMBUS_MSG_GPADL_TEARDOWN, 15 },
		{ VMBUS_MSG_RELID_RELEASED, 11 }, { VMBUS_MSG_INITIATE_CONTACT, 39 },
		{ VMBUS_MSG_OPEN_RESERVED_CHANNEL, 27 }, { VMBUS_MSG_CLOSE_RESERVED_CHANNEL, 19 },
		{ VMBUS_MSG_TL_CONNECT_REQUEST, 39 }, { VMBUS_MSG_MODIFYCHANNEL, 15 },
	};
	static const uint32_t unknown[] = { 0, 1, 2, 4, 6, 10, 12, 15, 17, 20, 23, 24, 26, 28, 30, 0xffffffff };
	struct guest g;
	uint8_t msg[VMBUS_MESSAGE_BYTES] = { 0 };

	guest_boot(&g);
	guest_connect(&g, VMBUS_VERSION_5_3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(msg, &(le32){ { (uint8_t)rows[i].type } }, 4);
		guest_post(&g, msg, rows[i].bytes);
		CU_ASSERT_EQUAL(guest_count(&g, "message_short"), i + 1);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		le32 type = to_le32(unknown[i]);

		memcpy(msg, &type, 4);
		guest_post(&g, msg, VMBUS_MESSAGE_BYTES);
		CU_ASSERT_EQUAL(guest_count(&g, "message_unknown"), i + 1);
	}
	guest_quiet(&g);
	CU_ASSERT_EQUAL(vmbus_version(g.bus), VMBUS_VERSION_5_3);
	guest_end(&g);
}

static void messages_begin_with_a_version(void)
{
	static const struct { uint32_t type, below, from; } rows[] = {
		{ VMBUS_MSG_OPEN_RESERVED_CHANNEL, VMBUS_VERSION_3_0, VMBUS_VERSION_4_0 },
		{ VMBUS_MSG_TL_CONNECT_REQUEST, VMBUS_VERSION_3_0, VMBUS_VERSION_4_0 },
		{ VMBUS_MSG_MODIFYCHANNEL, VMBUS_VERSION_4_0, VMBUS_VERSION_4_1 },
		{ VMBUS_MSG_MODIFY_CONNECTION, VMBUS_VERSION_5_3, 0 },	/* never without its feature */
		{ VMBUS_MSG_PAUSE, VMBUS_VERSION_6_0, 0 },
		{ VMBUS_MSG_RESUME, VMBUS_VERSION_6_0, 0 },
	};
	uint8_t msg[VMBUS_MESSAGE_BYTES] = { 0 };
	union any_message m;
	struct guest g;

	guest_boot(&g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t refused = guest_count(&g, "message_wrong_version");

		memcpy(msg, &(le32){ { (uint8_t)rows[i].type } }, 4);
		guest_connect(&g, rows[i].below);
		guest_post(&g, msg, sizeof(msg));
		CU_ASSERT_EQUAL(guest_count(&g, "message_wrong_version"), refused + 1);
		guest_quiet(&g);
		if (!rows[i].from)
			continue;
		guest_connect(&g, rows[i].from);
		guest_post(&g, msg, sizeof(msg));
		CU_ASSERT_EQUAL(guest_count(&g, "message_wrong_version"), refused + 1);
		guest_next(&g, &m);
	}
	guest_end(&g);
}

static void disconnected_guests_get_no_answers(void)
{
	struct vmbus_msg_close_reserved close = { .h.type = to_le32(VMBUS_MSG_CLOSE_RESERVED_CHANNEL),
						  .relid = to_le32(9), .target_vp = to_le32(2), .target_sint = to_le32(2) };
	union any_message m;
	struct guest g;

	guest_boot(&g);
	guest_post_empty(&g, VMBUS_MSG_REQUESTOFFERS);
	guest_post_relid(&g, VMBUS_MSG_CLOSECHANNEL, 1);
	guest_post_gpadl(&g, 1, 1, 1, 1);
	CU_ASSERT_EQUAL(guest_count(&g, "message_disconnected"), 3);
	guest_quiet(&g);
	/* … but for these two */
	guest_post(&g, &close, sizeof(close));
	CU_ASSERT_EQUAL(guest_take(&g, 2, &m, NULL), VMBUS_MSG_CLOSE_RESERVED_RESPONSE);
	CU_ASSERT_EQUAL(le32_get(m.relid.relid), 9);
	close.target_sint = to_le32(3);
	guest_post(&g, &close, sizeof(close));
	close.target_sint = to_le32(2);
	close.target_vp = to_le32(GUEST_VPS);
	guest_post(&g, &close, sizeof(close));
	CU_ASSERT_EQUAL(guest_count(&g, "reserved_refused"), 2);
	guest_quiet(&g);
	guest_post_empty(&g, VMBUS_MSG_UNLOAD);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_UNLOAD_RESPONSE);
	guest_end(&g);
}

static void sockets_are_refused(void)
{
	struct vmbus_msg_tl_connect c = { .h.type = to_le32(VMBUS_MSG_TL_CONNECT_REQUEST), .endpoint = { 1 }, .service = { 2 } };
	union any_message m;
	struct guest g;

	guest_boot(&g);
	guest_connect(&g, VMBUS_VERSION_4_0);
	guest_post(&g, &c, sizeof(c));
	guest_quiet(&g);			/* no answer exists yet */
	guest_connect(&g, VMBUS_VERSION_4_1);
	guest_post(&g, &c, sizeof(c));
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_TL_CONNECT_RESULT);
	CU_ASSERT_EQUAL(m.tl.endpoint[0], 1);
	CU_ASSERT_EQUAL(m.tl.service[0], 2);
	CU_ASSERT_EQUAL(le32_get(m.tl.status), VMBUS_STATUS_REFUSED);
	guest_end(&g);
}

/* ---- versions ---- */

static void versions_are_exact(void)
{
	static const struct { uint32_t version; uint32_t bytes; uint32_t word; } rows[] = {
		{ 0x0000000d, 16, 0x0000000d }, { 0x00010001, 16, 0x00010001 }, { 0x00020004, 16, 0x00020004 },
		{ 0x00030000, 16, 0x00030000 }, { 0x00040000, 16, 0x00040000 }, { 0x00040001, 16, 0x00040001 },
		{ 0x00050000, 16, 1 }, { 0x00050001, 16, 1 }, { 0x00050002, 16, 1 }, { 0x00050003, 16, 1 },
		{ 0x00060000, 20, 1 },
		/* refused */
		{ 0, 16, 0 }, { 0x0000000c, 16, 0 }, { 0x00010000, 16, 0 }, { 0x00020003, 16, 0 }, { 0x00030001, 16, 0 },
		{ 0x00040002, 16, 0 }, { 0x00050004, 16, 0 }, { 0x00060001, 16, 0 }, { 0xffffffff, 16, 0 },
	};
	struct guest g;

	guest_boot(&g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t zero[8] = { 0 };
		union any_message m;
		uint32_t bytes = 0;

		guest_contact(&g, rows[i].version);
		CU_ASSERT_EQUAL(guest_take(&g, 0, &m, &bytes), VMBUS_MSG_VERSION_RESPONSE);
		CU_ASSERT_EQUAL(bytes, rows[i].bytes);
		CU_ASSERT_EQUAL(m.version.supported, rows[i].word != 0);
		CU_ASSERT_EQUAL(m.version.connection_state, 0);
		CU_ASSERT_EQUAL(le32_get(m.version.version_or_connection), rows[i].word);
		if (!rows[i].word)
			CU_ASSERT_EQUAL(memcmp(m.bytes + 8, zero, 8), 0);
		CU_ASSERT_EQUAL(vmbus_version(g.bus), rows[i].word ? rows[i].version : 0);
	}
	CU_ASSERT_EQUAL(guest_count(&g, "contact_refused"), 9);
	guest_end(&g);
}

static void contact_is_answered_where_it_says(void)
{
	static const struct { uint32_t version, vp; int answered, accepted; } rows[] = {
		{ VMBUS_VERSION_5_3, 2, 2, 1 },
		{ VMBUS_VERSION_3_0, 1, 1, 1 },
		{ VMBUS_VERSION_2_4, 2, 0, 1 },			/* the field is not honoured yet */
		{ 0x00050009, 2, 2, 0 },			/* refusals too */
		{ VMBUS_VERSION_5_3, GUEST_VPS, 0, 0 },		/* no such processor */
		{ VMBUS_VERSION_4_0, 0xffffffff, 0, 0 },
	};
	struct guest g;

	guest_boot(&g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_msg_initiate_contact c = contact(rows[i].version);
		union any_message m;

		c.target_vp = to_le32(rows[i].vp);
		CU_ASSERT_EQUAL(guest_post_to(&g, 4, &c, sizeof(c)), 0);
		CU_ASSERT_EQUAL(guest_take(&g, (uint32_t)rows[i].answered, &m, NULL), VMBUS_MSG_VERSION_RESPONSE);
		CU_ASSERT_EQUAL(m.version.supported, rows[i].accepted);
		if (!rows[i].accepted)
			continue;
		guest_post_empty(&g, VMBUS_MSG_REQUESTOFFERS);
		CU_ASSERT_EQUAL(guest_take(&g, (uint32_t)rows[i].answered, &m, NULL), VMBUS_MSG_ALLOFFERS_DELIVERED);
		guest_post_empty(&g, VMBUS_MSG_UNLOAD);
		CU_ASSERT_EQUAL(guest_take(&g, (uint32_t)rows[i].answered, &m, NULL), VMBUS_MSG_UNLOAD_RESPONSE);
	}
	guest_quiet(&g);
	guest_end(&g);
}

static void multiclient_fields_count_on_their_connection(void)
{
	static const struct { const char *what; uint32_t connection, version; uint8_t sint, vtl; int supported; } rows[] = {
		{ "SINT 3", 4, VMBUS_VERSION_5_0, 3, 0, 0 },
		{ "SINT 0", 4, VMBUS_VERSION_6_0, 0, 0, 0 },
		{ "VTL 2", 4, VMBUS_VERSION_5_1, 2, 2, 0 },
		{ "no VTL before 5.1", 4, VMBUS_VERSION_5_0, 2, 2, 1 },
		{ "not on connection 1", 1, VMBUS_VERSION_5_3, 9, 9, 1 },
		{ "an interrupt page before 5.0", 4, VMBUS_VERSION_4_1, 0x34, 0x12, 1 },
		{ "Linux", 4, VMBUS_VERSION_5_3, 2, 0, 1 },
	};
	struct guest g;

	guest_boot(&g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_msg_initiate_contact c = contact(rows[i].version);
		union any_message m;

		c.u.multiclient.sint = rows[i].sint;
		c.u.multiclient.vtl = rows[i].vtl;
		CU_ASSERT_EQUAL(guest_post_to(&g, rows[i].connection, &c, sizeof(c)), 0);
		CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
		if (m.version.supported != rows[i].supported)
			printf("%s\n", rows[i].what);
		CU_ASSERT_EQUAL(m.version.supported, rows[i].supported);
	}
	guest_end(&g);
}

static void half_a_pair_of_monitor_pages_fails(void)
{
	static const struct { uint32_t version; uint64_t to_guest, to_host; int supported, state; } rows[] = {
		{ VMBUS_VERSION_5_3, 0x1000, 0, 1, 2 },
		{ VMBUS_VERSION_2_4, 0, 0x1000, 1, 2 },
		{ VMBUS_VERSION_1_1, 0, 0x1000, 0, 0 },		/* has no failure states */
		{ VMBUS_VERSION_2_4, 0x1000, 0x2000, 1, 0 },
		{ VMBUS_VERSION_2_4, 0, 0, 1, 0 },
	};
	struct guest g;

	guest_boot(&g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_msg_initiate_contact c = contact(rows[i].version);
		union any_message m;

		c.monitor_page_to_guest = to_le64(rows[i].to_guest);
		c.monitor_page_to_host = to_le64(rows[i].to_host);
		CU_ASSERT_EQUAL(guest_post_to(&g, 4, &c, sizeof(c)), 0);
		CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
		CU_ASSERT_EQUAL(m.version.supported, rows[i].supported);
		CU_ASSERT_EQUAL(m.version.connection_state, rows[i].state);
		CU_ASSERT_EQUAL(vmbus_version(g.bus) != 0, rows[i].supported && !rows[i].state);
	}
	guest_end(&g);
}

static void features_are_masked_not_refused(void)
{
	struct vmbus_msg_initiate_contact c = contact(VMBUS_VERSION_6_0);
	uint8_t with_id[56] = { 0 };
	union any_message m;
	struct guest g;

	guest_boot(&g);
	c.u.multiclient.features = to_le32(0xffffffff);
	CU_ASSERT_EQUAL(guest_post_to(&g, 4, &c, sizeof(c)), 0);	/* says client id, brings none */
	CU_ASSERT_EQUAL(guest_count(&g, "message_short"), 1);
	guest_quiet(&g);
	memcpy(with_id, &c, sizeof(c));
	CU_ASSERT_EQUAL(guest_post_to(&g, 4, with_id, sizeof(with_id)), 0);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(m.version.supported, 1);
	CU_ASSERT_EQUAL(le32_get(m.version.features), VMBUS_FEATURE_MODIFY_CONNECTION | VMBUS_FEATURE_CLIENT_ID |
						      VMBUS_FEATURE_PAUSE_RESUME);
	c = contact(VMBUS_VERSION_5_3);
	c.u.multiclient.features = to_le32(0xffffffff);		/* junk before 6.0 */
	CU_ASSERT_EQUAL(guest_post_to(&g, 4, &c, sizeof(c)), 0);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(m.version.supported, 1);
	guest_end(&g);
}

static void connect_6_0(struct guest *g, uint32_t features)
{
	uint8_t msg[56] = { 0 };
	struct vmbus_msg_initiate_contact c = contact(VMBUS_VERSION_6_0);
	union any_message m;

	c.u.multiclient.features = to_le32(features);
	memcpy(msg, &c, sizeof(c));
	CU_ASSERT_EQUAL(guest_post_to(g, 4, msg, sizeof(msg)), 0);
	CU_ASSERT_EQUAL(guest_next(g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(le32_get(m.version.features), features);
}

static void monitor_pages_may_change_in_6_0(void)
{
	struct vmbus_msg_modify_connection c = { .h.type = to_le32(VMBUS_MSG_MODIFY_CONNECTION),
						 .monitor_page_to_guest = to_le64(0x1000) };
	union any_message m;
	struct guest g;
	uint32_t bytes;

	guest_boot(&g);
	connect_6_0(&g, VMBUS_FEATURE_MODIFY_CONNECTION);
	guest_post(&g, &c, sizeof(c));
	CU_ASSERT_EQUAL(guest_take(&g, 0, &m, &bytes), VMBUS_MSG_MODIFY_CONNECTION_RESPONSE);
	CU_ASSERT_EQUAL(bytes, 9);
	CU_ASSERT_EQUAL(m.modified_connection.connection_state, 2);
	c.monitor_page_to_host = to_le64(0x2000);
	guest_post(&g, &c, sizeof(c));
	CU_ASSERT_EQUAL(guest_take(&g, 0, &m, &bytes), VMBUS_MSG_MODIFY_CONNECTION_RESPONSE);
	CU_ASSERT_EQUAL(m.modified_connection.connection_state, 0);
	guest_end(&g);
}

static void paused_guests_get_their_messages_later(void)
{
	union any_message m;
	struct guest g;
	uint32_t relid;
	struct test_device d;

	guest_boot(&g);
	connect_6_0(&g, VMBUS_FEATURE_PAUSE_RESUME);
	CU_ASSERT_EQUAL(guest_offers(&g, &relid), 0);
	guest_post_empty(&g, VMBUS_MSG_PAUSE);
	device_add(&d, &g, 1);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_PAUSE_RESPONSE);
	guest_quiet(&g);
	guest_post_gpadl(&g, 1, 7, 1, 1);
	guest_quiet(&g);
	guest_post_empty(&g, VMBUS_MSG_RESUME);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_OFFERCHANNEL);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_GPADL_CREATED);
	/* a new connection is not paused */
	guest_post_empty(&g, VMBUS_MSG_PAUSE);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_PAUSE_RESPONSE);
	guest_connect(&g, VMBUS_VERSION_5_3);
	vmbus_device_destroy(d.dev);
	guest_end(&g);
}

/* ---- slots ---- */

static void messages_queue_in_order(void)
{
	struct guest g;
	union any_message m;
	struct test_device d[5];
	uint32_t *type;

	guest_boot(&g);
	guest_connect(&g, VMBUS_VERSION_5_3);
	for (unsigned i = 0; i < 5; i++)
		device_add(&d[i], &g, (uint8_t)(i + 1));
	memset(g.interrupts, 0, sizeof(g.interrupts));
	guest_post_empty(&g, VMBUS_MSG_REQUESTOFFERS);
	CU_ASSERT_EQUAL(g.interrupts[0], 1);		/* one in the slot, the others wait for EOM */
	vmbus_synic_eom(g.bus, 0);			/* written at any time */
	CU_ASSERT_EQUAL(g.interrupts[0], 1);
	/* The guest clears the type, and would see "pending"; if it does not write EOM nothing moves. */
	type = slot_type(&g, 0);
	CU_ASSERT_EQUAL(((struct vmbus_synic_slot *)(void *)type)->flags & 1, 1);
	for (uint32_t i = 1; i <= 5; i++) {
		CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_OFFERCHANNEL);
		CU_ASSERT_EQUAL(le32_get(m.offer.relid), i);
		CU_ASSERT_EQUAL(m.offer.instance[0], i);
	}
	CU_ASSERT_EQUAL(g.interrupts[0], 6);
	CU_ASSERT_EQUAL(((struct vmbus_synic_slot *)(void *)type)->flags & 1, 0);	/* the last one */
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_ALLOFFERS_DELIVERED);
	guest_quiet(&g);
	for (unsigned i = 0; i < 5; i++)
		vmbus_device_destroy(d[i].dev);
	guest_end(&g);
}

static void foreign_message_in_the_slot_is_waited_for(void)
{
	union any_message m;
	struct guest g;

	guest_boot(&g);
	*slot_type(&g, 0) = 0x80000010;		/* a timer's */
	guest_contact(&g, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(*slot_type(&g, 0), 0x80000010);
	CU_ASSERT_EQUAL(g.ram[GUEST_SIMP + 0x205] & 1, 1);
	*slot_type(&g, 0) = 0;
	vmbus_synic_eom(g.bus, 0);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	guest_end(&g);
}

/* Nothing is lost while any of what a delivery needs is missing; it comes when the last of it does. */
static void messages_wait_for_the_synic(void)
{
	union any_message m;
	struct guest g;

	guest_start(&g);
	vmbus_set_guest_os_id(g.bus, 1);
	guest_contact(&g, VMBUS_VERSION_5_3);
	vmbus_synic_set_simp(g.bus, 0, GUEST_SIMP | 1);
	CU_ASSERT_EQUAL(*slot_type(&g, 0), 0);
	vmbus_synic_set_scontrol(g.bus, 0, 1);
	CU_ASSERT_EQUAL(*slot_type(&g, 0), 0);		/* masked after reset */
	vmbus_synic_set_simp(g.bus, 0, GUEST_SIMP);
	vmbus_synic_set_sint2(g.bus, 0, 0xf3);
	CU_ASSERT_EQUAL(*slot_type(&g, 0), 0);		/* page disabled */
	vmbus_synic_set_simp(g.bus, 0, ((uint64_t)GUEST_PAGES * 4096) | 1);
	CU_ASSERT_EQUAL(g.interrupts[0], 0);		/* page not in memory */
	guest_hole(&g, GUEST_SIMP, 4096);
	vmbus_synic_set_simp(g.bus, 0, GUEST_SIMP | 1);
	CU_ASSERT_EQUAL(g.interrupts[0], 0);		/* not yet */
	guest_fill(&g);
	CU_ASSERT_EQUAL(g.interrupts[0], 1);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	/* polling: no interrupt, masked or not */
	vmbus_synic_set_sint2(g.bus, 0, 1 << 16 | 1 << 18);
	guest_contact(&g, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(g.interrupts[0], 1);
	guest_end(&g);
}

static void guest_that_takes_no_answers_is_held_back(void)
{
	union any_message m;
	struct guest g;
	struct test_device d;
	unsigned accepted = 0;
	uint32_t relid;

	guest_boot(&g);
	device_add(&d, &g, 1);
	guest_connect(&g, VMBUS_VERSION_5_3);
	guest_offers(&g, &relid);
	for (unsigned i = 0; i < 100; i++) {
		struct vmbus_msg_modify c = { .h.type = to_le32(VMBUS_MSG_MODIFYCHANNEL), .relid = to_le32(relid) };

		accepted += guest_post_to(&g, 1, &c, sizeof(c)) == VMBUS_HV_SUCCESS;
	}
	CU_ASSERT_EQUAL(accepted, 17);			/* one in the slot, 16 queued */
	CU_ASSERT_EQUAL(g.status, VMBUS_HV_INSUFFICIENT_BUFFERS);
	CU_ASSERT_EQUAL(guest_count(&g, "post_no_buffers"), 83);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_MODIFYCHANNEL_RESPONSE);
	guest_post_empty(&g, VMBUS_MSG_REQUESTOFFERS);	/* room for one */
	/* A crashed guest says goodbye all the same, and need not wade through old answers. */
	guest_post_empty(&g, VMBUS_MSG_UNLOAD);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_MODIFYCHANNEL_RESPONSE);	/* was in the slot */
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_UNLOAD_RESPONSE);
	guest_quiet(&g);
	/* nor does a storm of contacts grow the queue */
	for (unsigned i = 0; i < 1000; i++)
		guest_contact(&g, 0x12345);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	guest_quiet(&g);
	vmbus_device_destroy(d.dev);
	guest_end(&g);
}

/* ---- end of a connection ---- */

static void unload_lets_everything_go_first(void)
{
	union any_message m;
	struct test_device d;
	struct guest g;
	uint32_t relid = 0;

	for (int late = 0; late < 2; late++) {
		guest_boot(&g);
		device_add(&d, &g, 1);
		d.late_close = late;
		guest_connect(&g, VMBUS_VERSION_5_3);
		CU_ASSERT_EQUAL(guest_offers(&g, &relid), 1);
		guest_open(&g, relid, 0);
		CU_ASSERT_EQUAL(g.mapped, 2);
		guest_post_empty(&g, VMBUS_MSG_UNLOAD);
		CU_ASSERT_EQUAL(d.closes, 1);
		if (late) {
			guest_quiet(&g);		/* the device still uses the guest's memory */
			CU_ASSERT_EQUAL(g.mapped, 2);
			CU_ASSERT_EQUAL(vmbus_signal_event(g.bus, 0x2000 | relid, 0), VMBUS_HV_SUCCESS);
			CU_ASSERT_EQUAL(d.doorbells, 0);
			vmbus_channel_signal(device_channel(&d));
			CU_ASSERT_FALSE(guest_flag(&g, 0, relid));
			vmbus_channel_closed(device_channel(&d));
		}
		CU_ASSERT_EQUAL(g.mapped, 0);
		CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_UNLOAD_RESPONSE);
		CU_ASSERT_EQUAL(vmbus_version(g.bus), 0);
		CU_ASSERT_EQUAL(vmbus_channel_id(device_channel(&d)), 0);
		guest_quiet(&g);
		vmbus_device_destroy(d.dev);
		guest_end(&g);
	}
}

/* iPXE: proves 3.0, disconnects, connects with the oldest; then a kernel comes without unload. */
static void reconnects_with_other_versions(void)
{
	static const uint32_t order[] = { VMBUS_VERSION_3_0, VMBUS_VERSION_0_13, VMBUS_VERSION_5_3, VMBUS_VERSION_2_4,
					  VMBUS_VERSION_6_0, VMBUS_VERSION_1_1 };
	union any_message m;
	struct test_device d[3];
	struct guest g;
	uint32_t relid;

	guest_boot(&g);
	for (unsigned i = 0; i < 3; i++)
		device_add(&d[i], &g, (uint8_t)(3 - i));
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		guest_connect(&g, order[i]);
		CU_ASSERT_EQUAL(guest_offers(&g, &relid), 3);
		for (unsigned n = 0; n < 3; n++)	/* by instance, the same ids each time */
			CU_ASSERT_EQUAL(vmbus_channel_id(device_channel(&d[n])), 3 - n);
		guest_open(&g, 2, 0);
		if (i % 2)
			continue;			/* crash */
		guest_post_empty(&g, VMBUS_MSG_UNLOAD);
		CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_UNLOAD_RESPONSE);
	}
	CU_ASSERT_EQUAL(d[1].opens, 6);
	CU_ASSERT_EQUAL(d[1].closes, 5);
	for (unsigned i = 0; i < 3; i++)
		vmbus_device_destroy(d[i].dev);
	guest_end(&g);
}

static void newest_contact_wins_while_devices_close(void)
{
	union any_message m;
	struct test_device d;
	struct guest g;
	uint32_t relid;

	guest_boot(&g);
	device_add(&d, &g, 1);
	d.late_close = true;
	guest_connect(&g, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(guest_offers(&g, &relid), 1);
	guest_open(&g, relid, 0);
	guest_contact(&g, VMBUS_VERSION_5_3);
	guest_post_empty(&g, VMBUS_MSG_UNLOAD);
	guest_contact(&g, VMBUS_VERSION_4_1);
	guest_contact(&g, VMBUS_VERSION_4_0);
	guest_post_empty(&g, VMBUS_MSG_REQUESTOFFERS);	/* not connected */
	guest_quiet(&g);
	CU_ASSERT_EQUAL(d.closes, 1);
	vmbus_channel_closed(device_channel(&d));
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(le32_get(m.version.version_or_connection), VMBUS_VERSION_4_0);
	guest_quiet(&g);
	CU_ASSERT_EQUAL(guest_offers(&g, &relid), 1);
	d.late_close = false;
	vmbus_device_destroy(d.dev);
	guest_end(&g);
}

static void reset_is_silent_and_whole(void)
{
	struct test_device d;
	struct guest g;
	uint32_t relid = 0;

	for (int late = 0; late < 2; late++) {
		guest_boot(&g);
		device_add(&d, &g, 1);
		d.late_close = late;
		vmbus_reset(g.bus);			/* without a connection */
		guest_synic(&g);
		guest_connect(&g, VMBUS_VERSION_5_3);
		CU_ASSERT_EQUAL(guest_offers(&g, &relid), 1);
		guest_open(&g, relid, 0);
		guest_post_gpadl(&g, relid, 99, 1, 1);	/* an answer in the slot … */
		guest_post_gpadl(&g, relid, 98, 1, 1);	/* … and one in the queue */
		memset(g.interrupts, 0, sizeof(g.interrupts));
		vmbus_reset(g.bus);
		if (late)
			vmbus_channel_closed(device_channel(&d));
		CU_ASSERT_EQUAL(d.closes, 1);
		CU_ASSERT_EQUAL(g.mapped, 0);
		*slot_type(&g, 0) = 0;
		vmbus_synic_eom(g.bus, 0);
		guest_quiet(&g);
		CU_ASSERT_EQUAL(g.interrupts[0], 0);
		CU_ASSERT_EQUAL(vmbus_guest_os_id(g.bus), 0);
		CU_ASSERT_EQUAL(vmbus_post_message(g.bus, GUEST_POST), VMBUS_HV_ACCESS_DENIED);
		guest_synic(&g);
		guest_connect(&g, VMBUS_VERSION_5_3);	/* the next boot finds the same offer */
		CU_ASSERT_EQUAL(guest_offers(&g, &relid), 1);
		d.late_close = false;
		vmbus_device_destroy(d.dev);
		guest_end(&g);
	}
}

static void creation_checks_its_processors(void)
{
	struct vmbus *bus = NULL;
	struct guest g = { 0 };

	CU_ASSERT_EQUAL(vmbus_create("vm", 0, &guest_platform, &g, &bus), -EINVAL);
	CU_ASSERT_EQUAL(vmbus_create("vm", VMBUS_MAX_VPS + 1, &guest_platform, &g, &bus), -EINVAL);
	CU_ASSERT_PTR_NULL(bus);
	vmbus_destroy(NULL);
}

static const struct hv_test tests[] = {
	{ "a post says what is wrong", post_says_what_is_wrong },
	{ "a signal says what is wrong", signal_says_what_is_wrong },
	{ "messages have a least length", messages_have_a_least_length },
	{ "messages begin with a version", messages_begin_with_a_version },
	{ "disconnected guests get no answers but two", disconnected_guests_get_no_answers },
	{ "sockets are refused", sockets_are_refused },
	{ "versions are exact", versions_are_exact },
	{ "a contact is answered where it says", contact_is_answered_where_it_says },
	{ "multiclient fields count on their connection", multiclient_fields_count_on_their_connection },
	{ "half a pair of monitor pages fails", half_a_pair_of_monitor_pages_fails },
	{ "features are masked, not refused", features_are_masked_not_refused },
	{ "monitor pages may change in 6.0", monitor_pages_may_change_in_6_0 },
	{ "paused guests get their messages later", paused_guests_get_their_messages_later },
	{ "messages queue in order", messages_queue_in_order },
	{ "a foreign message in the slot is waited for", foreign_message_in_the_slot_is_waited_for },
	{ "messages wait for the SynIC", messages_wait_for_the_synic },
	{ "a guest that takes no answers is held back", guest_that_takes_no_answers_is_held_back },
	{ "unload lets everything go first", unload_lets_everything_go_first },
	{ "reconnects with other versions", reconnects_with_other_versions },
	{ "newest contact wins while devices close", newest_contact_wins_while_devices_close },
	{ "reset is silent and whole", reset_is_silent_and_whole },
	{ "creation checks its processors", creation_checks_its_processors },
};

HV_TEST_MAIN("vmbus/connection", tests)
