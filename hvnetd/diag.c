/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a test sends frames of its own at the adapter's port, on the way that the guest's frames go, and looks on
 * with two captures: of the answers, where they are handed to the port's NIC, and of all on the switch that are dropped on the way.
 * So whatever the guest sends and gets is not touched; it gets the answers, too, and ignores them as not its own.
 *
 *	PREPARING --there is a port--> SOLICITING --answered, there is a source--> ECHOING --enough--> answered
 *	    any state --client, port or switch gone, guest coming--> refused
 *
 * While the guest does not run, its adapter has no port. Then the test makes one as the adapter would, with its policies and a NIC
 * that only takes answers, for the time of the test.
 */
#include "hvnetd/diag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "hvnetd/diag_frame.h"
#include "hvnetd/diag_watch.h"
#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

enum {
	SOLICITATIONS = 3,		/* RFC 4861, 10: MAX_MULTICAST_SOLICIT; Linux asks as often by ARP */
	DROPS_MAX = 16,			/* our policy: different ones in an answer */
	COUNT = 3, TIMEOUT_MS = 500,	/* our policy: unless told */
	ANSWERS_BYTES = VSWITCH_CAPTURE_RING_MIN,
	DROPS_BYTES = 8 << 20,		/* our policy: 4096 ports need 3 MB for their names */
	STAND_IN_FRAME_BYTES = 1514,
	ASK_NS = 10000000,		/* our policy: how often it is looked whether extensions have answered */
};

enum diag_state {
	DIAG_PREPARING,			/* extensions are asked for a port, its policies are on their way */
	DIAG_SOLICITING,
	DIAG_ECHOING,
};

struct drop {
	enum diag_kind kind;
	bool from_nic;
	char port[VSWITCH_PORT_NAME_BYTES], reason[32], rule[DIAG_TEXT_BYTES];
	uint64_t count;
};

struct diag {
	TAILQ_ENTRY(diag) link;
	struct hvnetd *d;		/* borrowed: outlives all tests */
	struct rpc_call *call;		/* until it is answered */
	const struct control_client *client;	/* borrowed: the test goes with it */
	const struct adapter *a;	/* borrowed: says before it moves or goes */
	const struct fixed_port *fixed;	/* … as well; whose port it is, of a test for a guest that does not run; NULL: none */
	struct vswitch *sw;		/* … as well */
	struct vswitch_port *port;	/* the adapter's, or owned */
	bool stands_in;			/* nic is on the port */
	bool owns_port;
	struct vswitch_nic nic;
	json_t *settings;		/* owned; the adapter's, of a test for a guest that does not run */
	struct acl_walk walk;
	struct diag_watch answers, drops;
	struct hv_timer timer;
	enum diag_state state;
	struct diag_question q;
	unsigned count;			/* questions that are wanted */
	uint64_t timeout_ns;		/* for each */
	uint64_t deadline_ns, end_ns;	/* of the last question; of all */
	uint8_t mac[6];			/* of the target */
	bool resolved;
	unsigned solicited;
	unsigned sent, received;	/* questions of the kind that counts: echoes with a source, else solicitations */
	uint64_t copies;		/* of solicitations: so many ports were to get one */
	uint64_t sent_ns[DIAG_COUNT_MAX], trip_ns[DIAG_COUNT_MAX];	/* CLOCK_REALTIME, as captures; 0: no answer */
	struct drop dropped[DROPS_MAX];
	unsigned num_dropped;
};

static uint64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- the end ---- */

static void diag_free(struct diag *g)
{
	hv_timer_cancel(&g->timer);
	diag_watch_end(&g->answers);
	diag_watch_end(&g->drops);
	if (g->stands_in)
		vswitch_port_disconnect(g->port);
	if (g->owns_port)
		vswitch_port_destroy(g->port);
	json_decref(g->settings);
	free(g);
}

/* Answers with a result (taken) or, without, with the call's error. */
static void diag_end(struct diag *g, json_t *result)
{
	struct rpc_call *call = g->call;

	TAILQ_REMOVE(&g->d->diags, g, link);
	diag_free(g);
	rpc_answer(call, result);
}

static void refuse(struct diag *g, const char *why)
{
	rpc_fail(&g->call->err, RPC_STATE, "adapter", "the test from adapter %s has ended: %s", g->a->o.key, why);
	diag_end(g, NULL);
}

/* All tests that need what goes: a client, a fixed port or a switch. */
static void refuse_those(struct hvnetd *d, const void *what, const char *why)
{
	struct diag *g, *next;

	for (g = TAILQ_FIRST(&d->diags); g; g = next) {
		next = TAILQ_NEXT(g, link);
		if (g->client == what || g->fixed == what || g->sw == what)
			refuse(g, why);
	}
}

void diag_client_gone(struct hvnetd *d, const struct control_client *client)
{
	refuse_those(d, client, "its client is gone");
}

void diag_port_goes(const struct fixed_port *p)
{
	refuse_those(p->o.d, p, "its port goes");
}

void diag_switch_goes(struct hvnetd *d, const struct vswitch *sw)
{
	refuse_those(d, sw, "its switch goes");
}

void diag_adapter_moves(const struct adapter *a)
{
	struct hvnetd *d = a->o.d;
	struct diag *g, *next;

	for (g = TAILQ_FIRST(&d->diags); g; g = next) {
		next = TAILQ_NEXT(g, link);
		if (g->a == a)
			refuse(g, g->settings ? "its guest comes, or the adapter goes" : "the adapter leaves its port");
	}
}

/* ---- the result ---- */

static bool is_answer(enum diag_kind kind)
{
	return kind == DIAG_ADVERTISEMENT || kind == DIAG_ECHO_REPLY;
}

/* Solicitations go to everybody: that some did not get them says nothing about the target, that nobody did says all. */
static bool nobody_got_solicitations(const struct diag *g)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < g->num_dropped; i++)
		if (g->dropped[i].kind == DIAG_SOLICITATION && !g->dropped[i].from_nic)
			n += g->dropped[i].count;
	return n >= g->copies;
}

/* Whether the drop is why there is no answer. That nobody else is there is no rule's doing. */
static bool decides(const struct diag *g, const struct drop *p)
{
	const bool in_question = g->resolved == (p->kind == DIAG_ECHO || p->kind == DIAG_ECHO_REPLY);

	if (g->received || !in_question || !strcmp(p->reason, vswitch_drop_name(VSWITCH_DROP_NO_DESTINATION)))
		return false;
	return is_answer(p->kind) || p->kind == DIAG_ECHO || p->from_nic || nobody_got_solicitations(g);
}

static json_t *show_drop(const struct drop *p, bool decisive)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:I, s:b}", "frame", is_answer(p->kind) ? "answer" : "request", "port", p->port,
			 "direction", p->from_nic ? "from_nic" : "to_nic", "reason", p->reason, "rule", p->rule[0] ? p->rule : NULL,
			 "count", (json_int_t)p->count, "decides", decisive);
}

/* Those that decide come first. */
static json_t *show_drops(const struct diag *g, bool *decided)
{
	json_t *list = json_array();

	*decided = false;
	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < g->num_dropped; i++) {
			const bool decisive = decides(g, &g->dropped[i]);

			*decided |= decisive;
			if (decisive == !pass)
				json_array_append_new(list, show_drop(&g->dropped[i], decisive));
		}
	return list;
}

static json_t *show_trips(const struct diag *g)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < g->sent; i++)
		if (g->trip_ns[i])
			json_array_append_new(list, json_integer((json_int_t)((g->trip_ns[i] + 500) / 1000)));
	return list;
}

static json_t *show(const struct diag *g)
{
	char mac[HVNETD_MAC_TEXT_BYTES];
	bool decided;
	json_t *drops = show_drops(g, &decided), *o;

	mac_format(g->mac, mac);
	o = json_pack("{s:s, s:O, s:s, s:s*, s:s, s:b, s:i, s:i, s:o, s:o}", "adapter", g->a->o.key, "target",
		      json_object_get(g->call->params, "target"), "status", g->received ? "reachable" : decided ? "dropped" : "no_answer",
		      "mac", g->resolved ? mac : NULL, "question",
		      g->q.has_source ? "echo" : g->q.family == AF_INET ? "arp" : "solicitation", "guest", !g->settings, "sent",
		      (int)g->sent, "received", (int)g->received, "round_trips_us", show_trips(g), "drops", drops);
	if (g->q.vlan)
		json_object_set_new(o, "vlan", json_integer(g->q.vlan));
	return o;
}

/* ---- questions ---- */

static void wait_until(struct diag *g, uint64_t deadline_ns)
{
	if (hv_timer_arm(g->d->worker.loop, &g->timer, deadline_ns))
		hv_log(HV_LOG_ERROR, "hvnetd: out of memory, a test stands still");
}

/*
 * That the port should pause is not ours to heed: it is one frame. What the switch makes of it is done when this returns, but for
 * what extensions keep.
 */
static void send_frame(struct diag *g, struct vswitch_frame *f)
{
	struct vswitch_frame *frames[] = { f };
	const uint64_t now_ns = hv_now_ns();

	g->deadline_ns = now_ns + g->timeout_ns < g->end_ns ? now_ns + g->timeout_ns : g->end_ns;
	vswitch_port_input(g->port, frames, 1);
}

static void solicit(struct diag *g)
{
	struct vswitch_port_stats before, after;
	struct vswitch_frame f;

	diag_make_solicitation(&g->q, &f);
	if (!g->q.has_source)
		g->sent_ns[g->sent++] = wall_ns();
	g->solicited++;
	vswitch_port_stats(g->port, &before);
	send_frame(g, &f);
	vswitch_port_stats(g->port, &after);
	g->copies += after.copies - before.copies;
}

static void echo(struct diag *g)
{
	struct vswitch_frame f;

	g->state = DIAG_ECHOING;
	diag_make_echo(&g->q, g->mac, (uint16_t)g->sent, &f);
	g->sent_ns[g->sent++] = wall_ns();
	send_frame(g, &f);
}

/* The next question; false: that was the last one. */
static bool ask_next(struct diag *g)
{
	if (hv_now_ns() >= g->end_ns || g->sent == g->count)
		return false;
	if (g->q.has_source && g->resolved)
		echo(g);
	else if (!g->q.has_source || g->solicited < SOLICITATIONS)
		solicit(g);
	else
		return false;
	return true;
}

/* ---- answers ---- */

/* Late ones count as well. The clock may be set back meanwhile. */
static void take_trip(struct diag *g, unsigned i, uint64_t time_ns)
{
	if (i >= g->sent || g->trip_ns[i])
		return;
	g->trip_ns[i] = time_ns > g->sent_ns[i] ? time_ns - g->sent_ns[i] : 1;
	g->received++;
}

static void take_answers(struct diag *g)
{
	struct diag_sight sight;
	struct diag_seen seen;

	while (diag_watch_next(&g->answers, &sight)) {
		seen = diag_look_at(sight.frame, sight.bytes);
		if (seen.kind == DIAG_ADVERTISEMENT && !g->resolved) {
			memcpy(g->mac, seen.mac, 6);
			g->resolved = true;
		}
		if (seen.kind == DIAG_ADVERTISEMENT && !g->q.has_source && g->sent)
			take_trip(g, g->sent - 1, sight.time_ns);
		else if (seen.kind == DIAG_ECHO_REPLY)
			take_trip(g, seen.sequence, sight.time_ns);
	}
}

static bool is_same(const struct drop *p, const struct drop *other)
{
	return p->kind == other->kind && p->from_nic == other->from_nic && !strcmp(p->port, other->port) &&
	       !strcmp(p->reason, other->reason) && !strcmp(p->rule, other->rule);
}

static void take_drops(struct diag *g)
{
	struct diag_sight sight;
	unsigned i;

	while (diag_watch_next(&g->drops, &sight)) {
		struct drop drop = { .kind = diag_look_at(sight.frame, sight.bytes).kind, .from_nic = sight.from_nic };

		snprintf(drop.port, sizeof(drop.port), "%s", sight.port);
		snprintf(drop.reason, sizeof(drop.reason), "%s", sight.reason);
		snprintf(drop.rule, sizeof(drop.rule), "%s", sight.rule);
		for (i = 0; i < g->num_dropped && !is_same(&drop, &g->dropped[i]); i++)
			;
		if (drop.from_nic && !is_answer(drop.kind))
			g->deadline_ns = 0;	/* it went nowhere: nobody will answer */
		if (i == DROPS_MAX)
			continue;
		if (i == g->num_dropped)
			g->dropped[g->num_dropped++] = drop;
		g->dropped[i].count++;
	}
}

/* Whether what was asked last is answered. */
static bool is_answered(const struct diag *g)
{
	if (g->state == DIAG_ECHOING || !g->q.has_source)
		return g->sent && g->trip_ns[g->sent - 1];
	return g->resolved;
}

static void go_on(struct diag *g)
{
	take_answers(g);
	take_drops(g);
	while ((is_answered(g) || hv_now_ns() >= g->deadline_ns)) {
		if (!ask_next(g)) {
			take_drops(g);
			hv_log(HV_LOG_DEBUG, "%s: tested, %u of %u answered", g->a->o.key, g->received, g->sent);
			diag_end(g, show(g));
			return;
		}
		take_answers(g);
		take_drops(g);
	}
	wait_until(g, g->deadline_ns);
}

/* From the data path. */
static void wake(void *cookie)
{
	wait_until(cookie, 0);
}

/* ---- beginning ---- */

static int watch(struct diag *g)
{
	char answers[DIAG_FILTER_BYTES], all[2 * DIAG_FILTER_BYTES];
	struct diag_watch_desc desc = {
		.sw = g->sw, .port = vswitch_port_name(g->port), .points = VSWITCH_CAPTURE_EGRESS, .directions = VSWITCH_CAPTURE_OUT,
		.vlan = g->q.vlan ? g->q.vlan : VSWITCH_CAPTURE_VLAN_ANY, .filter = answers, .ring_bytes = ANSWERS_BYTES, .wake = wake,
		.cookie = g,
	};
	int ret;

	diag_answer_filter(&g->q, answers);
	diag_filter(&g->q, all);
	ret = diag_watch_begin(&g->answers, &desc);
	if (ret)
		return ret;
	desc.port = NULL;
	desc.points = VSWITCH_CAPTURE_DROPPED;
	desc.directions = VSWITCH_CAPTURE_IN | VSWITCH_CAPTURE_OUT;
	desc.vlan = VSWITCH_CAPTURE_VLAN_ANY;
	desc.filter = all;
	desc.ring_bytes = DROPS_BYTES;
	return diag_watch_begin(&g->drops, &desc);
}

static int begin(struct diag *g, struct rpc_error *err)
{
	int ret = watch(g);

	if (ret)
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "cannot look on at the switch: %s", strerror(-ret));
	g->state = DIAG_SOLICITING;
	g->end_ns = hv_now_ns() + DIAG_WHOLE_MS * 1000000ull;
	return 0;
}

/* ---- a port in the guest's place ---- */

/* Answers are for us; all else the guest does not get. */
static void stand_in_deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	const struct diag *g = opaque;

	for (unsigned i = 0; i < n; i++)
		if (!is_answer(diag_look_at(frames[i]->head, frames[i]->head_bytes).kind))
			vswitch_port_drop_frames(g->port, VSWITCH_DROP_NOT_READY, &frames[i], 1);
}

static const struct vswitch_nic_ops stand_in_ops = { .deliver = stand_in_deliver };

static int put_nic(struct diag *g)
{
	const struct vswitch_nic_config config = adapter_nic_config(g->a, g->settings);
	int ret;

	g->nic = (struct vswitch_nic){
		.kind = config.kind, .caps = VSWITCH_CAN_VLAN, .max_frame_bytes = STAND_IN_FRAME_BYTES, .ops = &stand_in_ops, .opaque = g,
	};
	memcpy(g->nic.mac, g->q.mac, 6);
	ret = vswitch_nic_create(g->port, 0, &g->nic, &config);
	if (ret)
		return ret;
	g->stands_in = true;
	return vswitch_nic_connect(g->port, 0);
}

static int stand_in(struct diag *g, struct rpc_error *err)
{
	int ret = put_nic(g);

	if (ret == -ECANCELED)
		return refused_by_extension(g->sw, "nic", err);
	return ret ? rpc_fail(err, ret == -EADDRINUSE || ret == -EBUSY ? RPC_IN_USE : RPC_FAILED, "adapter",
			      "nothing can stand in for the guest of adapter %s: %s", g->a->o.key,
			      ret == -EADDRINUSE ? "its address is on another port" :
			      ret == -EBUSY ? "a test from there is under way" : strerror(-ret)) : 0;
}

/* A port as the adapter would have, without its policies yet. */
static int make_port(struct diag *g, struct rpc_error *err)
{
	char name[VSWITCH_PORT_NAME_BYTES];
	const struct vswitch_port_config config = adapter_port_config(g->a, name);
	int ret = vswitch_port_create_as(g->sw, &config, &g->port);

	if (ret == -ECANCELED)
		return refused_by_extension(g->sw, "port", err);
	if (ret)
		return rpc_fail(err, ret == -EEXIST ? RPC_IN_USE : RPC_FAILED, "adapter", "switch \"%s\": no port %s: %s",
				vswitch_name(g->sw), name, ret == -EEXIST ? "a test from this adapter is under way" : strerror(-ret));
	g->owns_port = true;
	return 0;
}

/* On the port of port.create that the adapter would be on. */
static int take_fixed(struct diag *g, const struct object *o, struct rpc_error *err)
{
	g->fixed = hv_container_of(o, struct fixed_port, o);
	g->port = g->fixed->port;
	if (!g->port || g->fixed->unfinished)
		return rpc_fail(err, RPC_STATE, "adapter", "port %s is not there", o->key);
	return 0;
}

static int find_place(struct diag *g, struct rpc_error *err)
{
	const char *port = json_string_value(json_object_get(g->a->settings, "port"));
	const struct object *fixed = port ? object_find(g->d, OBJECT_PORT, port) : NULL;

	if (adapter_is_attached(g->a))
		return rpc_fail(err, RPC_STATE, "adapter", "adapter %s has no port although its guest is there: %s", g->a->o.key,
				g->a->why[0] ? g->a->why : "it is on its way");
	if (port && !fixed)
		return rpc_fail(err, RPC_STATE, "adapter", "port %s is not there", port);
	g->settings = json_incref(g->a->settings);
	return fixed ? take_fixed(g, fixed, err) : 0;
}

/* A port with a NIC in the guest's place, in pieces: OBJECT_WAITS, OBJECT_AGAIN. */
static int prepare_port(struct diag *g, struct rpc_error *err)
{
	int ret = 0;

	if (!g->owns_port && adapter_ask(g->a, g->settings))
		return OBJECT_WAITS;
	if (!g->port)
		ret = make_port(g, err);
	if (!ret && g->owns_port)
		ret = policy_apply_step(g->port, g->settings, NULL, false, &g->walk, err);
	return ret ? ret : stand_in(g, err);
}

static int prepare(struct diag *g, struct rpc_error *err)
{
	int ret = g->settings ? prepare_port(g, err) : 0;

	return ret ? ret : begin(g, err);
}

static void on_timer(struct hv_timer *t)
{
	struct diag *g = hv_container_of(t, struct diag, timer);
	int ret = g->state == DIAG_PREPARING ? prepare(g, &g->call->err) : 0;

	if (ret == OBJECT_WAITS || ret == OBJECT_AGAIN)
		wait_until(g, ret == OBJECT_AGAIN ? 0 : hv_now_ns() + ASK_NS);
	else if (ret)
		diag_end(g, NULL);
	else
		go_on(g);
}

/* ---- calls ---- */

static int read_address(struct rpc_call *call, const char *name, int *family, uint8_t out[16])
{
	const char *text = rpc_string(call, name), *why = NULL;

	if (diag_parse_address(text, family, out, &why))
		return 0;
	return rpc_fail(&call->err, RPC_INVALID_PARAMS, name, "\"%s\" must be the IPv4 or IPv6 address of one station; \"%s\" is %s", name,
			text, why);
}

static int read_question(struct rpc_call *call, struct diag *g)
{
	struct diag_question *q = &g->q;
	int family;

	q->has_source = rpc_has(call, "source");
	if (read_address(call, "target", &q->family, q->target) ||
	    (q->has_source && read_address(call, "source", &family, q->source)))
		return -1;
	if (q->has_source && family != q->family)
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "source", "\"source\" and \"target\" are of different families");
	if (!memcmp(q->source, q->target, 16))
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "source", "\"source\" and \"target\" are the same");
	q->vlan = (uint16_t)rpc_integer(call, "vlan", 0);
	g->count = (unsigned)rpc_integer(call, "count", COUNT);
	g->timeout_ns = (uint64_t)rpc_integer(call, "timeout_ms", TIMEOUT_MS) * 1000000;
	if (getrandom(&q->id, sizeof(q->id), GRND_NONBLOCK) != sizeof(q->id))
		q->id = (uint16_t)hv_now_ns();
	return 0;
}

static int find_adapter(struct rpc_call *call, struct diag *g)
{
	const struct object *o = adapter_find(g->d, rpc_string(call, "adapter"), &call->err), *sw;
	const char *name, *link;

	if (!o)
		return -1;
	g->a = hv_container_of(o, struct adapter, o);
	memcpy(g->q.mac, g->a->mac, 6);
	name = json_string_value(json_object_get(g->a->settings, "switch"));
	link = json_string_value(json_object_get(g->a->settings, "link"));
	if (!name)
		return rpc_fail(&call->err, RPC_STATE, "adapter", "adapter %s is on no switch; `hvnetctl adapter connect` puts it on one",
				o->key);
	if (link && !strcmp(link, "down"))
		return rpc_fail(&call->err, RPC_STATE, "adapter", "the link of adapter %s is down; `hvnetctl adapter set %s --link up`",
				o->key, o->key);
	sw = object_find(g->d, OBJECT_SWITCH, name);
	g->sw = sw ? switch_of(sw) : NULL;
	if (!g->sw)
		return rpc_fail(&call->err, RPC_STATE, "adapter", "switch %s is not there", name);
	return 0;
}

/* The port that the adapter has, or one in its place. */
static int find_port(struct diag *g, struct rpc_error *err)
{
	const struct adapter *a = g->a;

	if (!a->port)
		return find_place(g, err);
	if (a->unfinished || adapter_is_moved(a))
		return rpc_fail(err, RPC_STATE, "adapter", "adapter %s is on its way to its port", a->o.key);
	if (!vswitch_port_nic(a->port))
		return rpc_fail(err, RPC_STATE, "adapter", "the driver of adapter %s is not up in its guest: its NIC is %s", a->o.key,
				adapter_nic_state(a));
	g->port = a->port;
	return 0;
}

static int make(struct rpc_call *call, struct diag *g)
{
	const struct diag *other;
	unsigned n = 0;

	TAILQ_FOREACH(other, &g->d->diags, link)
		n++;
	if (n >= DIAGS_MAX)
		return rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "%d tests are under way, the limit", DIAGS_MAX);
	return read_question(call, g) || find_adapter(call, g) || find_port(g, &call->err) ? -1 : 0;
}

bool diag_start(struct hvnetd *d, struct rpc_call *call)
{
	struct diag *g;

	if (strcmp(call->method->name, "diag.test") != 0)
		return false;
	g = calloc(1, sizeof(*g));
	if (!g) {
		rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "out of memory");
		rpc_answer(call, NULL);
		return true;
	}
	g->d = d;
	g->call = call;
	g->client = call->caller;
	g->timer.fire = on_timer;
	if (make(call, g)) {
		diag_free(g);
		rpc_answer(call, NULL);
		return true;
	}
	TAILQ_INSERT_TAIL(&d->diags, g, link);
	wait_until(g, 0);
	return true;
}
