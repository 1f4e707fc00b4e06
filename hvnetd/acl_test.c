/* SPDX-License-Identifier: MIT */
/* One ACL after another on a port in use: in pieces, and between any two of them nothing passes that neither list lets through. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

enum { ENTRIES = 400, PROBES = 256, ROUNDS = 20, PIECES_MAX = 1000 };

static struct vswitch *sw;
static struct vswitch_port *guest, *net;
static unsigned delivered;
static uint64_t seed;

static void deliver(void *opaque, const struct vswitch_frame *const *f, unsigned n)
{
	(void)opaque, (void)f;
	delivered += n;
}

static const struct vswitch_nic_ops ops = { .deliver = deliver };
static const struct vswitch_nic guest_nic = {
	.kind = VSWITCH_NIC_SYNTHETIC, .mac = { 2, 0, 0, 0, 0, 1 }, .max_frame_bytes = 1514, .ops = &ops
};
static const struct vswitch_nic net_nic = { .kind = VSWITCH_NIC_EXTERNAL, .max_frame_bytes = 1514, .ops = &ops };

static void begin(void)
{
	const struct vswitch_config config = { .name = "lab" };

	if (vswitch_create(NULL, &config, &sw) || vswitch_port_create(sw, "guest", &guest) || vswitch_port_create(sw, "net", &net) ||
	    vswitch_port_connect(guest, &guest_nic) || vswitch_port_connect(net, &net_nic))
		abort();
	seed = 1;
}

static void end(void)
{
	vswitch_port_destroy(guest);
	vswitch_port_destroy(net);
	vswitch_destroy(sw);
}

static unsigned chance(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* Whether a packet from 10.0.0.i reaches the guest. */
static bool passes(unsigned i)
{
	static const uint8_t head[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 0, 10, 1, 0, 1, 0, 53, 0, 53
	};
	struct vswitch_frame frame = { .len = 60, .head_bytes = 60 }, *batch = &frame;

	memcpy(frame.head, head, sizeof(head));
	frame.head[29] = (uint8_t)i;
	delivered = 0;
	vswitch_port_input(net, &batch, 1);
	return delivered;
}

static void look(bool verdicts[PROBES])
{
	for (unsigned i = 0; i < PROBES; i++)
		verdicts[i] = passes(i);
}

/* Random prefixes, none twice; ids go up from first, with gaps. */
static json_t *make_list(unsigned first, unsigned entries)
{
	json_t *list = json_array(), *seen = json_object();
	unsigned id = first;

	for (unsigned i = 0; i < entries; i++) {
		const unsigned bits = 24 + chance(9);
		char text[32];

		snprintf(text, sizeof(text), "10.0.0.%u/%u", chance(256) & (0xff00u >> (bits - 24) & 0xff), bits);
		id += 1 + chance(3);
		if (json_object_get(seen, text))
			continue;
		json_object_set_new(seen, text, json_true());
		json_array_append_new(list, json_pack("{s:i, s:s, s:s, s:s}", "id", (int)id, "action", chance(2) ? "allow" : "deny",
						      "direction", "in", "remote", text));
	}
	json_decref(seen);
	return list;
}

/* Goes from one list to the other, looking at the port after each piece. The number of pieces. */
static unsigned go(const json_t *to, const json_t *from, unsigned pieces_wanted)
{
	bool before[PROBES], after[PROBES], now[PROBES];
	struct acl_walk walk = { 0 };
	struct rpc_error err = { 0 };
	struct {
		bool verdicts[PROBES];
	} seen[64];
	unsigned pieces = 0;
	int ret;

	look(before);
	do {
		ret = acl_step(guest, to, from, &walk, &err);
		look(now);
		if (pieces < 64)
			memcpy(seen[pieces].verdicts, now, sizeof(now));
		pieces++;
	} while (ret == OBJECT_AGAIN && pieces < pieces_wanted);
	if (ret == OBJECT_AGAIN)
		return pieces;
	CU_ASSERT_EQUAL(ret, 0);
	if (ret)
		printf("%s\n", err.message);
	look(after);
	for (unsigned p = 0; p < pieces && p < 64; p++)
		for (unsigned i = 0; i < PROBES; i++)
			if (seen[p].verdicts[i] && !before[i] && !after[i]) {
				printf("10.0.0.%u passed after piece %u\n", i, p);
				CU_FAIL("a frame that neither list lets through");
			}
	return pieces;
}

/* What the port has is the list, no more and no less. */
static void is_there(const json_t *list)
{
	struct vswitch_acl_entry e;
	struct vswitch_acl_stats stats;
	const json_t *v;
	size_t i;

	vswitch_acl_stats(guest, &stats);
	CU_ASSERT_EQUAL(stats.entries, json_array_size(list));
	json_array_foreach(list, i, v) {
		const bool deny = !strcmp(json_string_value(json_object_get(v, "action")), "deny");

		if (vswitch_acl_get(guest, (uint32_t)json_integer_value(json_object_get(v, "id")), &e))
			CU_FAIL_FATAL("an entry is missing");
		CU_ASSERT_EQUAL(e.simple.action, deny ? VSWITCH_ACL_DENY : VSWITCH_ACL_ALLOW);
	}
}

/* Lists that have nothing in common but addresses, and such that have ids in common, with other addresses. */
static void never_open(void)
{
	json_t *from = NULL, *to;

	begin();
	for (unsigned round = 0; round < ROUNDS; round++) {
		to = make_list(round % 2 ? 1 : 5000, ENTRIES);
		CU_ASSERT_TRUE(go(to, from, PIECES_MAX) > 2);
		is_there(to);
		json_decref(from);
		from = json_deep_copy(to);	/* the ids of every second list are those of the one before it */
		for (size_t i = 0; i < json_array_size(from); i += 2)
			json_object_set_new(json_array_get(from, i), "action", json_string(chance(2) ? "allow" : "deny"));
		go(from, to, PIECES_MAX);
		is_there(from);
		json_decref(to);
	}
	go(NULL, from, PIECES_MAX);
	is_there(NULL);
	json_decref(from);
	end();
}

/* From any place on the way there is a way back. */
static void turns_back(void)
{
	json_t *from, *to;

	begin();
	from = make_list(1, ENTRIES);
	to = make_list(300, ENTRIES);
	go(from, NULL, PIECES_MAX);
	for (unsigned pieces = 1; pieces < 30; pieces++) {
		go(to, from, pieces);
		go(from, to, PIECES_MAX);
		is_there(from);
	}
	json_decref(from);
	json_decref(to);
	end();
}

/* Two entries of one list for the same addresses: refused, and the way back is open. */
static void refused(void)
{
	json_t *from = make_list(1, 50), *to = json_copy(from);
	struct acl_walk walk = { 0 };
	struct rpc_error err = { 0 };
	int ret;

	begin();
	go(from, NULL, PIECES_MAX);
	for (int id = 1000; id < 1002; id++)
		json_array_append_new(to, json_pack("{s:i, s:s, s:s, s:s}", "id", id, "action", "deny", "direction", "in", "remote",
						    "192.0.2.0/24"));
	do
		ret = acl_step(guest, to, from, &walk, &err);
	while (ret == OBJECT_AGAIN);
	CU_ASSERT_EQUAL(ret, -1);
	CU_ASSERT_EQUAL(err.code, RPC_INCOMPATIBLE);
	go(from, to, PIECES_MAX);
	is_there(from);
	json_decref(from);
	json_decref(to);
	end();
}

static const struct hv_test tests[] = {
	{ "nothing passes on the way from one list to another that neither lets through", never_open },
	{ "one can turn back anywhere on the way", turns_back },
	{ "a list that contradicts itself is refused, and leaves nothing", refused },
};

int main(void)
{
	return hv_test_main("hvnetd/acl", tests, sizeof(tests) / sizeof(tests[0]));
}
