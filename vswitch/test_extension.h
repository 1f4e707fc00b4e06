/* SPDX-License-Identifier: MIT */
/*
 * For tests: an extension that writes down what it is told, as words in one common record, and that
 * can be made to do this and that.
 */
#ifndef HVNET_VSWITCH_TEST_EXTENSION_H
#define HVNET_VSWITCH_TEST_EXTENSION_H

#include "vswitch/test_nic.h"

struct recorder {
	char name[16];
	struct vswitch_ext_module module;
	struct vswitch_extension *e;
	const struct vswitch_ext_services *s;
	const char *refuses;		/* the callback that it refuses; NULL: none */
	const char *refs;		/* "port", "nic": takes a reference of what is created, connected, and keeps it */
	bool returns;			/* gives them back at teardown and disconnect */
	bool lenient;			/* … perhaps without having any */
	bool quiet;			/* writes no frames down */
	bool owns;			/* takes custom policies */
	uint32_t lowers_mtu;
	void (*on_ingress)(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			   struct vswitch_ext_writer *w);
	void (*on_egress)(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v);
	void (*on_complete)(struct recorder *r, const struct vswitch_ext_batch *b);
	void (*on_timer)(struct recorder *r);
	void (*on_nic)(struct recorder *r, const char *what, const struct vswitch_nic_info *nic);
	void (*on_deactivate)(struct recorder *r);
	uint64_t held[64];
	unsigned num_held;
	unsigned seen_in, seen_out, completed, delivered;
};

static char record[8192];

static inline void record_clear(void)
{
	record[0] = '\0';
}

/* What was noted since it was asked last. */
static inline void record_is(const char *words)
{
	CU_ASSERT_STRING_EQUAL(record, words);
	if (strcmp(record, words))
		printf("\n  want: %s\n  got:  %s\n", words, record);
	record_clear();
}

static inline void note(const struct recorder *r, const char *what, unsigned n)
{
	char word[64];

	snprintf(word, sizeof(word), "%s%s:%s%u", record[0] ? " " : "", r->name, what, n);
	if (strlen(record) + strlen(word) < sizeof(record))
		strcat(record, word);
}

static inline int answer(struct recorder *r, const char *what, char *refusal)
{
	if (!r->refuses || strcmp(r->refuses, what))
		return 0;
	snprintf(refusal, VSWITCH_REFUSAL_BYTES, "%s says no", r->name);
	return -EACCES;
}

static inline int r_attach(struct vswitch_extension *e, const struct vswitch_ext_services *s, const char *config,
			   char *refusal, void **instance)
{
	struct recorder *r;

	/* The only way to a recorder of the test's that the interface leaves open. */
	if (sscanf(config, "%p", (void **)&r) != 1)
		return -EINVAL;
	r->e = e;
	r->s = s;
	*instance = r;
	return answer(r, "attach", refusal);
}

static inline void r_activate(void *o) { note(o, "activate", 0); }

static inline void r_deactivate(void *o)
{
	struct recorder *r = o;

	note(o, "deactivate", 0);
	if (r->on_deactivate)
		r->on_deactivate(r);
}

static inline int r_port_create(void *o, const struct vswitch_port_info *p, char *refusal)
{
	note(o, p->validation ? "validation" : "port_create", p->id);
	return answer(o, "port_create", refusal);
}

static inline void r_port_updated(void *o, const struct vswitch_port_info *p) { note(o, "port_updated", p->id); }

static inline void r_port_teardown(void *o, const struct vswitch_port_info *p)
{
	struct recorder *r = o;

	note(o, "port_teardown", p->id);
	if (r->refs && !strcmp(r->refs, "port") && r->returns)
		CU_ASSERT_EQUAL(r->s->port_unref(r->e, p->id), 0);
}

static inline void r_port_delete(void *o, const struct vswitch_port_info *p) { note(o, "port_delete", p->id); }

static inline int r_nic_create(void *o, const struct vswitch_nic_info *nic, uint32_t *mtu, char *refusal)
{
	struct recorder *r = o;

	note(o, "nic_create", nic->index);
	if (r->lowers_mtu)
		*mtu = r->lowers_mtu;
	if (r->refs && !strcmp(r->refs, "port"))
		CU_ASSERT_EQUAL(r->s->port_ref(r->e, nic->port), 0);
	return answer(r, "nic_create", refusal);
}

static inline void r_nic(struct recorder *r, const char *what, const struct vswitch_nic_info *nic)
{
	note(r, what, nic->index);
	if (r->on_nic)
		r->on_nic(r, what, nic);
}

static inline void r_nic_connect(void *o, const struct vswitch_nic_info *nic)
{
	struct recorder *r = o;

	if (r->refs && !strcmp(r->refs, "nic"))
		CU_ASSERT_EQUAL(r->s->nic_ref(r->e, nic->port, nic->index), 0);
	r_nic(r, "nic_connect", nic);
}

static inline void r_nic_disconnect(void *o, const struct vswitch_nic_info *nic)
{
	struct recorder *r = o;

	if (r->refs && !strcmp(r->refs, "nic") && r->returns)
		CU_ASSERT(!r->s->nic_unref(r->e, nic->port, nic->index) || r->lenient);
	r_nic(r, "nic_disconnect", nic);
}

static inline void r_nic_updated(void *o, const struct vswitch_nic_info *nic) { r_nic(o, "nic_updated", nic); }
static inline void r_nic_delete(void *o, const struct vswitch_nic_info *nic) { r_nic(o, "nic_delete", nic); }

static inline void r_nic_status(void *o, const struct vswitch_nic_info *nic, uint32_t code, const void *data, uint32_t n)
{
	(void)nic;
	note(o, "nic_status", code * 100 + (n ? *(const uint8_t *)data : 0));
}

static inline int r_property_add(void *o, uint32_t port, const struct vswitch_property *p, char *refusal)
{
	struct recorder *r = o;
	int ret = answer(o, "property_add", refusal);

	note(o, "property_add", port);
	return ret ? ret : r->owns && !p->standard ? VSWITCH_EXT_DONE : VSWITCH_EXT_PASS;
}

static inline int r_property_update(void *o, uint32_t port, const struct vswitch_property *p, char *refusal)
{
	struct recorder *r = o;
	int ret = answer(o, "property_update", refusal);

	note(o, "property_update", p->bytes ? *(const uint8_t *)p->data : port);
	return ret ? ret : r->owns && !p->standard ? VSWITCH_EXT_DONE : VSWITCH_EXT_PASS;
}

static inline void r_property_delete(void *o, uint32_t port, const struct vswitch_property *p)
{
	(void)p;
	note(o, "property_delete", port);
}

static inline void r_timer(void *o)
{
	struct recorder *r = o;

	note(o, "timer", 0);
	if (r->on_timer)
		r->on_timer(r);
}

static const struct vswitch_ext_ops recorder_ops = {
	.attach = r_attach,
	.activate = r_activate,
	.deactivate = r_deactivate,
	.port_create = r_port_create,
	.port_updated = r_port_updated,
	.port_teardown = r_port_teardown,
	.port_delete = r_port_delete,
	.nic_create = r_nic_create,
	.nic_connect = r_nic_connect,
	.nic_updated = r_nic_updated,
	.nic_disconnect = r_nic_disconnect,
	.nic_delete = r_nic_delete,
	.nic_status = r_nic_status,
	.property_add = r_property_add,
	.property_update = r_property_update,
	.property_delete = r_property_delete,
	.timer = r_timer,
};

static inline void r_in(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			struct vswitch_ext_writer *w)
{
	r->seen_in += (unsigned)__builtin_popcount(b->present);
	if (!r->quiet)
		note(r, "in", b->present);
	if (r->on_ingress)
		r->on_ingress(r, b, v, w);
}

static inline void r_out(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	r->seen_out += (unsigned)__builtin_popcount(b->present);
	if (!r->quiet)
		note(r, "out", b->present);
	if (r->on_egress)
		r->on_egress(r, b, v);
}

static inline void r_complete(void *o, const struct vswitch_ext_batch *b)
{
	struct recorder *r = o;

	r->completed += (unsigned)__builtin_popcount(b->present);
	r->delivered += (unsigned)__builtin_popcount(b->present & b->delivered);
	if (!r->quiet)
		note(r, "done", b->present);
	if (r->on_complete)
		r->on_complete(r, b);
}

static inline void rc_in(void *o, const struct vswitch_ext_batch *b) { r_in(o, b, NULL, NULL); }
static inline void rc_out(void *o, const struct vswitch_ext_batch *b) { r_out(o, b, NULL); }
static inline void rf_in(void *o, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v) { r_in(o, b, v, NULL); }
static inline void rf_out(void *o, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v) { r_out(o, b, v); }
static inline void rw_in(void *o, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			 struct vswitch_ext_writer *w) { r_in(o, b, v, w); }

static const struct vswitch_ext_capture_ops recorder_capture = { rc_in, rc_out, r_complete };
static const struct vswitch_ext_filter_ops recorder_filter = { rf_in, rf_out, r_complete };
static const struct vswitch_ext_forward_ops recorder_forward = { rw_in, rf_out, r_complete };

static inline void recorder_init(struct recorder *r, const char *name, enum vswitch_ext_class class)
{
	*r = (struct recorder){
		.module = {
			.abi = VSWITCH_EXT_ABI,
			.size = sizeof(r->module),
			.ops_size = sizeof(recorder_ops),
			.class = class,
			.name = "recorder",
			.version = "1",
			.vendor = "test",
			.ops = &recorder_ops,
			.capture = class == VSWITCH_EXT_CAPTURE ? &recorder_capture : NULL,
			.filter = class == VSWITCH_EXT_FILTER ? &recorder_filter : NULL,
			.forward = class == VSWITCH_EXT_FORWARD ? &recorder_forward : NULL,
		},
	};
	snprintf(r->name, sizeof(r->name), "%s", name);
	snprintf((char *)r->module.id.b, 16, "id of %s", name);
}

static inline int recorder_try(struct vswitch *sw, struct recorder *r)
{
	char where[32];
	const struct vswitch_extension_config config = { .name = r->name, .config = where };

	snprintf(where, sizeof(where), "%p", (void *)r);
	return vswitch_extension_attach(sw, &r->module, &config, &r->e);
}

/* Attached and enabled. */
static inline void recorder_put(struct vswitch *sw, struct recorder *r, const char *name, enum vswitch_ext_class class)
{
	recorder_init(r, name, class);
	if (recorder_try(sw, r) || vswitch_extension_enable(r->e))
		abort();
}

static inline struct vswitch_extension_stats recorder_stats(const struct recorder *r)
{
	struct vswitch_extension_stats s;

	vswitch_extension_stats(r->e, &s);
	return s;
}

#endif
