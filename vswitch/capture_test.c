/* SPDX-License-Identifier: MIT */
/*
 * What a capture shows of the frames that pass a switch, read back by the tests' own reader of pcapng.
 */
#include <errno.h>

#include "vswitch/test_extension.h"
#include "vswitch/test_capture.h"	/* last: its variables have short names */

static void points_and_directions(void)
{
	static const struct {
		const char *port;
		unsigned points, directions, n;
		const char *names[3];
		uint32_t flags[3];
	} rows[] = {
		{ "p1", VSWITCH_CAPTURE_INGRESS, 3, 1, { "p1" }, { 1 } },
		{ "p1", VSWITCH_CAPTURE_ACCEPTED, 3, 1, { "p1 accepted" }, { 1 } },
		{ "p1", VSWITCH_CAPTURE_EGRESS, 3, 0, { "p1" }, { 0 } },
		{ "p2", VSWITCH_CAPTURE_EGRESS, 3, 1, { "p2" }, { 2 } },
		{ "p2", VSWITCH_CAPTURE_EGRESS, VSWITCH_CAPTURE_IN, 0, { NULL }, { 0 } },
		{ "p9", 15, 3, 0, { NULL }, { 0 } },
		{ NULL, VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS, 3, 2, { "p1", "p2" }, { 1, 2 } },
		{ NULL, VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS, VSWITCH_CAPTURE_OUT, 1, { "p2" }, { 2 } },
		{ NULL, 15, 3, 3, { "p1", "p1 accepted", "p2" }, { 1, 1, 2 } },
		{ NULL, 15, VSWITCH_CAPTURE_IN, 2, { "p1", "p1 accepted" }, { 1, 1 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vswitch_capture_config c = all();
		struct tap t;

		begin();
		c.port = rows[i].port;
		c.points = rows[i].points;
		c.directions = rows[i].directions;
		c.application = "test";
		tap_start(&t, &c);
		send_plain(A, 1, 2, 300);
		CU_ASSERT_EQUAL(nics[B].num_got, 1);
		tap_stop(&t);
		CU_ASSERT_STRING_EQUAL(shown->application, "test");
		if (shown->num_packets != rows[i].n)
			printf("row %zu: %u packets\n", i, shown->num_packets);
		CU_ASSERT_EQUAL(shown->num_packets, rows[i].n);
		for (unsigned p = 0; p < rows[i].n; p++) {
			expect(p, rows[i].names[p], rows[i].flags[p], 300, "");
			CU_ASSERT_EQUAL(shown->packets[p].captured, 300);
			CU_ASSERT_EQUAL(memcmp(shown->packets[p].data, frame->bytes, 300), 0);
		}
		tap_free(&t);
		end();
	}
}

static void drop_in_all(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			struct vswitch_ext_writer *w)
{
	(void)w;
	for (uint32_t i = 0; i < b->n; i++)
		CU_ASSERT_EQUAL(r->s->drop(v, i, "not today"), 0);
}

static void drop_out_all(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	drop_in_all(r, b, v, NULL);
}

static void drops_say_why(void)
{
	struct vswitch_capture_config c = all();
	struct recorder guard;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_DROPPED;
	tap_start(&t, &c);
	send_plain(A, 7, 2, 60);				/* 0 */
	send_plain(A, 1, 1, 60);				/* 1 */
	make(1, 2, 60);
	frame->f.len = 13;				/* 2 */
	test_send(&nics[A], frame);
	send_plain(A, 1, 2, 1515);				/* 3: at B */
	recorder_put(sw, &guard, "guard", VSWITCH_EXT_FILTER);
	guard.on_ingress = drop_in_all;
	send_plain(B, 2, 1, 60);				/* 4 */
	guard.on_ingress = NULL;
	guard.on_egress = drop_out_all;
	send_plain(B, 2, 1, 60);				/* 5: at A */
	vswitch_extension_detach(guard.e);
	vswitch_port_set_link(nics[A].port, false);
	send_plain(A, 1, 2, 60);				/* 6 */
	vswitch_port_set_link(nics[A].port, true);
	nics[B].room = 0;
	send_plain(A, 1, 2, 62);				/* 7: B's NIC has no buffer for it */
	nics[B].room = 1;
	send_plain(A, 1, 2, 60);				/* passes */
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 8);
	expect(0, "p1 dropped", 1, 60, "dropped: spoofed-source");
	expect(1, "p1 dropped", 1, 60, "dropped: same-port");
	expect(2, "p1 dropped", 1, 13, "dropped: bad-frame");
	expect(3, "p2 dropped", 2, 1515, "dropped: too-big");
	expect(4, "p2 dropped", 1, 60, "dropped: extension (guard: not today)");
	expect(5, "p1 dropped", 2, 60, "dropped: extension (guard: not today)");
	expect(6, "p1 dropped", 1, 60, "dropped: port-down");
	expect(7, "p2 dropped", 2, 62, "dropped: no-buffer");
	tap_free(&t);
	end();
}

static void drops_by_direction(void)
{
	struct vswitch_capture_config c = all();
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_DROPPED;
	c.directions = VSWITCH_CAPTURE_OUT;
	tap_start(&t, &c);
	send_plain(A, 7, 2, 60);
	send_plain(A, 1, 2, 1515);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 1);
	expect(0, "p2 dropped", 2, 1515, "dropped: too-big");
	tap_free(&t);
	end();
}

static void mad_frames(void)
{
	struct tap t;
	struct vswitch_capture_config c = all();

	begin();
	tap_start(&t, &c);
	make(1, 2, 300);
	frame->f.head_bytes = 3;
	test_send(&nics[A], frame);
	make(1, 2, 300);
	frame->f.head_bytes = 60000;
	test_send(&nics[A], frame);
	make(1, 2, 300);
	frame->f.len = UINT32_MAX;
	test_send(&nics[A], frame);
	make(1, 2, 300);
	frame->f.nsegs = 0;		/* promises more than it has */
	frame->f.offload.flags = 0;
	test_nic_clear(&nics[B]);
	vswitch_port_set_link(nics[A].port, false);
	test_send(&nics[A], frame);
	vswitch_port_set_link(nics[A].port, true);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 7);
	CU_ASSERT_EQUAL(shown->packets[0].captured, 3);
	CU_ASSERT_EQUAL(shown->packets[2].captured, VSWITCH_HEAD_BYTES);
	CU_ASSERT_EQUAL(shown->packets[4].len, UINT32_MAX);
	CU_ASSERT_EQUAL(shown->packets[4].captured, VSWITCH_HEAD_BYTES);
	expect(6, "p1 dropped", 1, 300, "dropped: port-down");
	CU_ASSERT_EQUAL(shown->packets[6].data[299], 0);
	tap_free(&t);
	end();
}

static void bad_configurations(void)
{
	struct vswitch_capture_config good = all(), c;
	struct tap t;

	begin();
#define REFUSED(field, value) do { \
		c = good; \
		c.field = value; \
		CU_ASSERT_EQUAL(tap_start_bytes(&t, &c, VSWITCH_CAPTURE_RING_MIN), -EINVAL); \
	} while (0)
	REFUSED(points, 0);
	REFUSED(points, 16);
	REFUSED(directions, 0);
	REFUSED(directions, 4);
	REFUSED(vlan, -2);
	REFUSED(vlan, 4095);
	REFUSED(port, "0123456789012345678901234567890123456789012345678901234567890123");
	CU_ASSERT_EQUAL(tap_start_bytes(&t, &good, VSWITCH_CAPTURE_RING_MIN / 2), -EINVAL);
	CU_ASSERT_EQUAL(tap_start_bytes(&t, &good, VSWITCH_CAPTURE_RING_MIN + 4096), -EINVAL);
	end();
}

static void tags_are_in_the_bytes(void)
{
	static const uint8_t tag[6] = { 0x81, 0x00, 0x20, 0x05, 0x08, 0x00 };
	struct vswitch_capture_config c = all();
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_ACCEPTED | VSWITCH_CAPTURE_EGRESS;
	nics[B].nic.caps = VSWITCH_CAN_VLAN;
	tap_start(&t, &c);
	make_tagged(0x2005);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(nics[B].got[0].len, 80);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 3);
	for (unsigned p = 0; p < 3; p++) {
		CU_ASSERT_EQUAL(shown->packets[p].len, 84);
		CU_ASSERT_EQUAL(memcmp(shown->packets[p].data, frame->bytes, 12), 0);
		CU_ASSERT_EQUAL(memcmp(shown->packets[p].data + 12, tag, 6), 0);
		CU_ASSERT_EQUAL(memcmp(shown->packets[p].data + 18, frame->bytes + 14, 66), 0);
	}
	tap_free(&t);
	end();
}

static void snaps(void)
{
	static const uint32_t snap[] = { 1, 13, 15, 16, 17, 128, 300, 400, 0 };

	for (size_t i = 0; i < sizeof(snap) / sizeof(snap[0]); i++) {
		uint32_t kept = snap[i] && snap[i] < 304 ? snap[i] : 304;
		struct vswitch_capture_config c = all();
		uint8_t wire[304];
		struct tap t;

		begin();
		c.points = VSWITCH_CAPTURE_INGRESS;
		c.snap_bytes = snap[i];
		tap_start(&t, &c);
		make(1, 2, 300);
		frame->f.offload.flags |= VSWITCH_VLAN;
		frame->f.offload.vlan_tci = 9;
		memcpy(wire, frame->bytes, 12);
		memcpy(wire + 12, "\x81\x00\x00\x09", 4);
		memcpy(wire + 16, frame->bytes + 12, 288);
		test_send(&nics[A], frame);
		tap_stop(&t);
		CU_ASSERT_EQUAL_FATAL(shown->num_packets, 1);
		CU_ASSERT_EQUAL(shown->packets[0].len, 304);
		CU_ASSERT_EQUAL(shown->packets[0].captured, kept);
		CU_ASSERT_EQUAL(memcmp(shown->packets[0].data, wire, kept), 0);
		CU_ASSERT_EQUAL(shown->interfaces[0].snap, snap[i]);
		tap_free(&t);
		end();
	}
}

/* A TCP segment of 3000 bytes for a NIC that takes none. */
static void make_gso(void)
{
	make_udp(1, 2, 80, 3054);
	frame->bytes[23] = 6;
	frame->bytes[46] = 5 << 4;
	test_frame_set(frame, 3054);
	frame->f.offload = (struct vswitch_offload){ .flags = VSWITCH_CSUM_PARTIAL | VSWITCH_HASH, .gso = VSWITCH_GSO_TCPV4,
						    .gso_size = 1400, .csum_start = 34, .csum_offset = 16,
						    .header_bytes = 54, .hash = 0x12345678 };
}

static void offloads_are_described(void)
{
	struct vswitch_capture_config c = all();
	const struct read_packet *p;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS;
	tap_start(&t, &c);
	make_gso();
	test_send(&nics[A], frame);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 4);
	expect(0, "p1", 1, 3054, "transport checksum to be filled in; to be cut into TCP segments of 1400 bytes");
	expect(1, "p2", 2, 1454, "");
	expect(3, "p2", 2, 254, "");
	p = &shown->packets[0];
	CU_ASSERT_FATAL(p->has_custom && p->custom_bytes == 24);
	CU_ASSERT_EQUAL(test_u32(p->custom), 32473);
	CU_ASSERT_EQUAL(memcmp(p->custom + 4, "hvnv", 4), 0);
	CU_ASSERT_EQUAL(p->custom[8], VSWITCH_CSUM_PARTIAL | VSWITCH_HASH);
	CU_ASSERT_EQUAL(p->custom[9], VSWITCH_GSO_TCPV4);
	CU_ASSERT_EQUAL(test_u16(p->custom + 10), 1400);
	CU_ASSERT_EQUAL(test_u16(p->custom + 12), 34);
	CU_ASSERT_EQUAL(test_u16(p->custom + 14), 16);
	CU_ASSERT_EQUAL(test_u16(p->custom + 16), 54);
	CU_ASSERT_EQUAL(test_u32(p->custom + 20), 0x12345678);
	tap_free(&t);
	end();
}

static void segments_that_are_dropped(void)
{
	struct vswitch_capture_config c = all();
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_DROPPED;
	nics[B].nic.max_frame_bytes = 1000;
	tap_start(&t, &c);
	make_gso();
	test_send(&nics[A], frame);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 1);
	expect(0, "p2 dropped", 2, 3054, "dropped: too-big; transport checksum to be filled in; to be cut into TCP segments of "
	       "1400 bytes");
	tap_free(&t);
	end();
}

static void two_at_once(void)
{
	struct vswitch_capture_config one = all(), two = all();
	struct tap t1, t2;

	begin();
	one.port = "p1";
	one.points = VSWITCH_CAPTURE_INGRESS;
	two.points = VSWITCH_CAPTURE_EGRESS;
	two.snap_bytes = 20;
	tap_start(&t1, &one);
	tap_start(&t2, &two);
	CU_ASSERT_EQUAL(nics[A].port->watch, VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS);
	CU_ASSERT_EQUAL(nics[B].port->watch, VSWITCH_CAPTURE_EGRESS);
	send_plain(A, 1, 2, 60);
	send_plain(B, 2, 1, 70);
	tap_stop(&t1);
	CU_ASSERT_EQUAL(shown->num_packets, 1);
	expect(0, "p1", 1, 60, "");
	tap_free(&t1);
	CU_ASSERT_EQUAL(nics[A].port->watch, VSWITCH_CAPTURE_EGRESS);
	send_plain(A, 1, 2, 80);
	tap_stop(&t2);
	CU_ASSERT_EQUAL(shown->num_packets, 3);
	expect(0, "p2", 2, 60, "");
	expect(1, "p1", 2, 70, "");
	expect(2, "p2", 2, 80, "");
	CU_ASSERT_EQUAL(shown->packets[2].captured, 20);
	tap_free(&t2);
	end();
}

static void so_many_frames(void)
{
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	struct vswitch_frame *batch[4];
	struct test_frame *f[4];
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS;
	c.max_frames = 3;
	tap_start(&t, &c);
	for (unsigned i = 0; i < 4; i++) {	/* it ends in the middle of a batch */
		f[i] = test_frame_new();
		memcpy(f[i]->bytes, nics[B].nic.mac, 6);
		memcpy(f[i]->bytes + 6, nics[A].nic.mac, 6);
		test_frame_set(f[i], 60);
		batch[i] = &f[i]->f;
	}
	vswitch_port_input(nics[A].port, batch, 4);
	CU_ASSERT_EQUAL(nics[B].num_got, 4);
	CU_ASSERT_EQUAL(t.wakes, 1);
	CU_ASSERT_EQUAL(t.ring->ended, 1);
	CU_ASSERT_EQUAL(nics[A].port->watch, 0);
	vswitch_capture_stats(t.capture, &st);
	CU_ASSERT_TRUE(st.ended);
	CU_ASSERT_EQUAL(st.captured, 3);
	CU_ASSERT_EQUAL(st.captured_bytes, 180);
	send_plain(A, 1, 2, 60);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 3);
	tap_free(&t);
	for (unsigned i = 0; i < 4; i++)
		free(f[i]);
	end();
}

static void ports_that_come_and_go(void)
{
	struct vswitch_capture_config c = all();
	struct test_nic late;
	struct tap t, by_name;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	c.port = "p5";
	tap_start(&by_name, &c);
	test_nic_plug(sw, &late, VSWITCH_NIC_SYNTHETIC, 5, 0);
	make(5, 2, 61);
	test_send(&late, frame);
	test_nic_unplug(&late);
	test_nic_plug(sw, &late, VSWITCH_NIC_SYNTHETIC, 5, 0);
	make(5, 2, 62);
	test_send(&late, frame);
	test_nic_unplug(&late);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_interfaces, 4);	/* p5 once */
	CU_ASSERT_EQUAL(shown->num_packets, 2);
	expect(0, "p5", 1, 61, "");
	expect(1, "p5", 1, 62, "");
	tap_free(&t);
	tap_stop(&by_name);
	CU_ASSERT_EQUAL(shown->num_interfaces, 1);
	CU_ASSERT_EQUAL(shown->num_packets, 2);
	tap_free(&by_name);
	end_anyhow();		/* without the counters of the port that is gone */
}

static void interfaces_are_there_from_the_start(void)
{
	struct vswitch_capture_config c = all();
	struct tap t;
	int i;

	begin();
	tap_start(&t, &c);
	tap_drain(&t);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_interfaces, 9);
	i = test_find_interface(shown, "p9 dropped");
	CU_ASSERT_FATAL(i >= 0);
	CU_ASSERT_STRING_EQUAL(shown->interfaces[i].description,
			       "switch \"test\", port p9: dropped, from its NIC or on the way to it");
	CU_ASSERT(shown->interfaces[i].end_ns >= shown->interfaces[i].start_ns);
	tap_free(&t);
	end();
}

static const struct hv_test tests[] = {
	{ "each point and direction shows its frames", points_and_directions },
	{ "dropped frames come with reason and rule", drops_say_why },
	{ "drops have a direction too", drops_by_direction },
	{ "frames that nobody checked yet do no harm", mad_frames },
	{ "configurations out of range are refused", bad_configurations },
	{ "a tag is in the bytes as on the wire", tags_are_in_the_bytes },
	{ "no more than the snap length is kept", snaps },
	{ "large frames are shown whole, what is beside them in words and as an option", offloads_are_described },
	{ "a large frame that is dropped", segments_that_are_dropped },
	{ "two captures at once", two_at_once },
	{ "it ends after so many frames, in the middle of a batch", so_many_frames },
	{ "ports that come and go keep their interface", ports_that_come_and_go },
	{ "all interfaces are announced at the start", interfaces_are_there_from_the_start },
};

HV_TEST_MAIN("vswitch/capture", tests)
