/* SPDX-License-Identifier: MIT */
/*
 * Asking programs outside whether a port or a NIC may be created. Creating does not wait, so it is asked
 * before: the question goes out, its answer is kept until the creation comes for it.
 *
 *	ASKED --the program answers, its time is over, it is gone--> ANSWERED --port and NIC are created, or nobody comes--> freed
 *
 * All questions of a place have the same time to be answered, so they are answered by deadline in the
 * order of the list.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vswitch/extension_remote.h"

enum {
	QUESTIONS_MAX = 256,		/* our policy: of one place, answered ones included */
	KEPT_MS = 5000,			/* our policy: an answer, for the one who asked */
};

struct question {
	TAILQ_ENTRY(question) link;
	uint32_t id;
	uint32_t what;			/* enum remote_ask_what that are not created yet */
	uint32_t refused;		/* … that may not be */
	bool answered;
	uint64_t deadline_ns;		/* for the answer, then for its use */
	uint32_t mtu;			/* 0: as it is */
	char port[VSWITCH_PORT_NAME_BYTES];
	uint8_t mac[6];
	char reason[VSWITCH_REFUSAL_BYTES];
};

static void arm(struct vswitch_remote *r)
{
	uint64_t first_ns = UINT64_MAX;
	const struct question *q;

	TAILQ_FOREACH(q, &r->questions, link)
		if (q->deadline_ns < first_ns)
			first_ns = q->deadline_ns;
	if (TAILQ_EMPTY(&r->questions))
		hv_timer_cancel(&r->ask_timer);
	else if (hv_timer_arm(r->loop, &r->ask_timer, first_ns))
		hv_log(HV_LOG_ERROR, "switch \"%s\": extension %s: out of memory", r->e->sw->name, r->e->name);
}

static void forget(struct vswitch_remote *r, struct question *q)
{
	TAILQ_REMOVE(&r->questions, q, link);
	r->num_questions--;
	free(q);
	arm(r);
}

static struct question *find(struct vswitch_remote *r, const char *port, uint32_t what)
{
	struct question *q;

	TAILQ_FOREACH(q, &r->questions, link)
		if (q->what & what && !strcmp(q->port, port))
			return q;
	return NULL;
}

/* ---- answers ---- */

static void set_answer(struct vswitch_remote *r, struct question *q, uint32_t refused, const char *reason)
{
	q->answered = true;
	q->refused = refused;
	q->deadline_ns = hv_now_ns() + KEPT_MS * REMOTE_NS_PER_MS;
	snprintf(q->reason, sizeof(q->reason), "%s", reason);
	stack_answered(r->e->sw);
}

/* The place's policy answers. */
static void answer_for_it(struct vswitch_remote *r, struct question *q, const char *why)
{
	r->stats.unanswered++;
	set_answer(r, q, r->config.fail_open ? 0 : q->what, why);
}

void remote_answer_all(struct vswitch_remote *r, const char *why)
{
	struct question *q;

	TAILQ_FOREACH(q, &r->questions, link)
		if (!q->answered)
			answer_for_it(r, q, why);
	arm(r);
}

void remote_forget_all(struct vswitch_remote *r)
{
	if (TAILQ_EMPTY(&r->questions))
		return;
	while (!TAILQ_EMPTY(&r->questions))
		forget(r, TAILQ_FIRST(&r->questions));
	stack_answered(r->e->sw);
}

void remote_ask_timer(struct hv_timer *t)
{
	struct vswitch_remote *r = hv_container_of(t, struct vswitch_remote, ask_timer);
	const uint64_t now_ns = hv_now_ns();
	struct question *q, *next;

	for (q = TAILQ_FIRST(&r->questions); q; q = next) {
		next = TAILQ_NEXT(q, link);
		if (q->deadline_ns > now_ns)
			continue;
		if (q->answered)
			forget(r, q);
		else
			answer_for_it(r, q, "its program did not answer in time");
	}
	arm(r);
}

bool remote_take_answer(struct vswitch_remote *r, const struct remote_answer *a)
{
	char reason[VSWITCH_REFUSAL_BYTES];
	struct question *q;

	if (a->type != REMOTE_ANSWER || a->refused & ~(uint32_t)(REMOTE_ASK_PORT | REMOTE_ASK_NIC))
		return false;
	TAILQ_FOREACH(q, &r->questions, link)
		if (q->id == a->id)
			break;
	if (!q || q->answered)		/* late: that is no breach */
		return true;
	remote_text(reason, sizeof(reason), a->reason, sizeof(a->reason));
	q->mtu = a->mtu;
	set_answer(r, q, a->refused & q->what, reason);
	arm(r);
	return true;
}

/* ---- questions ---- */

/* Whether its program, or the last one that was there, wants a say. */
static bool has_say(const struct vswitch_remote *r, uint32_t what)
{
	return r->wants & (what & REMOTE_ASK_PORT ? REMOTE_WANTS_PORTS : 0u) ||
	       r->wants & (what & REMOTE_ASK_NIC ? REMOTE_WANTS_NICS : 0u);
}

static struct question *question_new(struct vswitch_remote *r, const struct remote_ask *ask)
{
	struct question *q = r->num_questions < QUESTIONS_MAX ? calloc(1, sizeof(*q)) : NULL;

	if (!q)
		return NULL;
	q->id = ++r->last_question;
	q->what = ask->what;
	q->deadline_ns = hv_now_ns() + r->config.answer_ms * REMOTE_NS_PER_MS;
	snprintf(q->port, sizeof(q->port), "%s", ask->port.name);
	memcpy(q->mac, ask->nic.current_mac, 6);
	TAILQ_INSERT_TAIL(&r->questions, q, link);
	r->num_questions++;
	return q;
}

/* Asks one place. True: its answer is still to come. */
static bool ask_one(struct vswitch_extension *e, struct remote_ask *ask)
{
	struct vswitch_remote *r = e->instance;
	struct remote_event ev = { .type = REMOTE_ASK };
	struct question *q = find(r, ask->port.name, ask->what);

	if (q && (q->what != ask->what || memcmp(q->mac, ask->nic.current_mac, 6) != 0)) {	/* about something else */
		forget(r, q);
		q = NULL;
	}
	if (q)
		return !q->answered;
	if (!r->stats.attached || !has_say(r, ask->what))
		return false;
	q = question_new(r, ask);
	if (!q)
		return false;
	ask->id = q->id;
	ev.ask = *ask;
	r->stats.questions++;
	remote_send_event(r, &ev);	/* it may be the last straw: then there is an answer */
	arm(r);
	return !q->answered;
}

/* What the program is shown of a port that there is not yet: a number that no other has had. */
static void describe_port(struct vswitch *sw, const struct vswitch_port_config *c, struct vswitch_port_info *out)
{
	*out = (struct vswitch_port_info){ .id = ++sw->last_port_id, .type = (uint8_t)c->type, .state = VSWITCH_PORT_UNKNOWN };
	snprintf(out->name, sizeof(out->name), "%s", c->name);
	snprintf(out->friendly_name, sizeof(out->friendly_name), "%s", c->friendly_name ? c->friendly_name : c->name);
}

static void describe_nic(const struct vswitch_port_info *port, const struct vswitch_nic_config *c, struct vswitch_nic_info *out)
{
	*out = (struct vswitch_nic_info){
		.port = port->id, .kind = (uint8_t)c->kind, .state = VSWITCH_NIC_UNKNOWN, .initializing = c->initializing,
		.mtu = c->mtu, .interface = c->interface, .numa_node = c->numa_node,
	};
	memcpy(out->permanent_mac, c->mac, 6);
	memcpy(out->vm_mac, c->mac, 6);
	memcpy(out->current_mac, c->mac, 6);
	snprintf(out->name, sizeof(out->name), "%s", c->name ? c->name : port->name);
	snprintf(out->friendly_name, sizeof(out->friendly_name), "%s", c->friendly_name ? c->friendly_name : port->friendly_name);
	snprintf(out->vm_name, sizeof(out->vm_name), "%s", c->vm_name ? c->vm_name : "");
	snprintf(out->vm_id, sizeof(out->vm_id), "%s", c->vm_id ? c->vm_id : "");
}

static bool anybody(const struct vswitch *sw)
{
	const struct vswitch_extension *e;

	FOR_EACH_ENABLED(e, sw->stack)
		if (e->remote)
			return true;
	return false;
}

int vswitch_ask(struct vswitch *sw, const struct vswitch_port_config *port, const struct vswitch_port *on,
		const struct vswitch_nic_config *nic)
{
	struct remote_ask ask = { .what = (port ? REMOTE_ASK_PORT : 0u) | (nic ? REMOTE_ASK_NIC : 0u) };
	struct vswitch_extension *e;
	bool later = false;

	if (!anybody(sw))
		return 0;
	if (port)
		describe_port(sw, port, &ask.port);
	else
		vswitch_port_info(on, &ask.port);
	if (nic)
		describe_nic(&ask.port, nic, &ask.nic);
	FOR_EACH_ENABLED(e, sw->stack)
		if (e->remote)
			later |= ask_one(e, &ask);
	return later ? -EAGAIN : 0;
}

bool remote_refuses(struct vswitch_remote *r, enum remote_ask_what what, const char *port, uint32_t *mtu, char *refusal)
{
	struct question *q = find(r, port, what);
	bool no = !r->config.fail_open && has_say(r, what);

	if (!q || !q->answered) {
		if (no)
			snprintf(refusal, VSWITCH_REFUSAL_BYTES, "%s", r->stats.attached ? "its program was not asked" :
											     "its program is not there");
		return no;
	}
	no = q->refused & what;
	if (no)
		snprintf(refusal, VSWITCH_REFUSAL_BYTES, "%s", q->reason);
	if (mtu && q->mtu && q->mtu < *mtu)
		*mtu = q->mtu;
	q->what &= ~(uint32_t)what;
	if (no || !q->what)
		forget(r, q);
	return no;
}
