/* SPDX-License-Identifier: MIT */
/* Running a script on both twins, and what its steps have in common: the accesses, and the comparisons. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "e1000/e1000_hw.h"
#include "tests/twin.h"

const uint8_t twin_mac[6] = { 0x02, 0x68, 0x76, 0x00, 0x00, 0x01 };

#define MS 1000000ull

/* ---- numbers (splitmix64) ---- */

uint64_t twin_random(struct twin_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t twin_between(struct twin_random *r, uint32_t low, uint32_t high)
{
	return low + (uint32_t)(twin_random(r) % ((uint64_t)high - low + 1));
}

bool twin_chance(struct twin_random *r, unsigned percent)
{
	return twin_between(r, 1, 100) <= percent;
}

void twin_fill(struct twin_random *r, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = twin_random(r);

		memcpy(bytes + i, &v, n - i < 8 ? n - i : 8);
	}
}

/* ---- twins ---- */

void twin_destroy(struct twin *t)
{
	if (t)
		t->ops->destroy(t);
}

void twin_wire_add(struct twin_wire *w, const uint8_t *bytes, uint32_t len)
{
	if (w->num == TWIN_WIRE_FRAMES || len > sizeof(w->bytes) - w->used)
		return;		/* the other one has them, or neither */
	memcpy(w->bytes + w->used, bytes, len);
	w->frame[w->num].at = w->used;
	w->frame[w->num++].len = len;
	w->used += len;
}

void twin_wire_clear(struct twin_wire *w)
{
	w->num = 0;
	w->used = 0;
}

/* ---- accesses ---- */

void twin_differ(struct twin_run *r, const char *format, ...)
{
	va_list ap;

	if (r->failed)
		return;
	r->failed = true;
	va_start(ap, format);
	vsnprintf(r->why, sizeof(r->why), format, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 3))) trace(const struct twin_run *r, const char *format, ...)
{
	va_list ap;

	if (!r->trace)
		return;
	va_start(ap, format);
	fputs("    ", stdout);
	vprintf(format, ap);
	va_end(ap);
}

void twin_write(struct twin_run *r, uint32_t offset, uint32_t value)
{
	trace(r, "write %05x = %08x\n", offset, value);
	r->ours->ops->write(r->ours, offset, value);
	r->other->ops->write(r->other, offset, value);
}

uint32_t twin_read(struct twin_run *r, uint32_t offset, uint32_t mask)
{
	uint32_t a = r->ours->ops->read(r->ours, offset), b = r->other->ops->read(r->other, offset);

	trace(r, "read  %05x : %08x %08x, mask %08x\n", offset, a, b, mask);
	if ((a ^ b) & mask)
		twin_differ(r, "register %05x reads %08x, the other's %08x (compared: %08x)", offset, a, b, mask);
	return a;
}

uint32_t twin_read_but(struct twin_run *r, uint32_t offset, uint32_t hidden, enum twin_rule rule)
{
	if (!r->rules)
		return twin_read(r, offset, 0xffffffff);
	r->used[rule]++;
	return twin_read(r, offset, ~hidden);
}

void twin_store(struct twin_run *r, uint32_t address, const void *bytes, size_t n)
{
	if (n == sizeof(struct e1000_tx_desc)) {
		const struct e1000_tx_desc *d = bytes;

		trace(r, "desc  %08x : %016llx %08x %08x\n", address, (unsigned long long)le64_get(d->buffer),
		      le32_get(d->lower), le32_get(d->upper));
	}
	memcpy(r->ours->ram + address, bytes, n);
	memcpy(r->other->ram + address, bytes, n);
}

void twin_same_memory(struct twin_run *r, uint32_t address, size_t n, const char *what)
{
	const uint8_t *a = r->ours->ram + address, *b = r->other->ram + address;
	size_t i = 0;

	if (!memcmp(a, b, n))
		return;
	while (a[i] == b[i])
		i++;
	twin_differ(r, "%s differs in memory: byte %zu of %zu at %x is %02x, the other's %02x", what, i, n, address, a[i], b[i]);
}

void twin_send(struct twin_run *r, const uint8_t *frame, uint32_t len)
{
	trace(r, "frame %u bytes to %02x:%02x:%02x:%02x:%02x:%02x, type %02x%02x\n", len, frame[0], frame[1], frame[2], frame[3],
	      frame[4], frame[5], frame[12], frame[13]);
	r->ours->ops->send(r->ours, frame, len);
	r->other->ops->send(r->other, frame, len);
	r->sent_to_it++;
}

void twin_pass(struct twin_run *r, uint64_t ns)
{
	trace(r, "time  %llu ns\n", (unsigned long long)ns);
	r->ours->ops->step(r->ours, ns);
	r->other->ops->step(r->other, ns);
}

void twin_settle(struct twin_run *r)
{
	r->ours->ops->settle(r->ours);
	r->other->ops->settle(r->other);
	if (r->ours->dead)
		twin_differ(r, "%s does not come to an end, or is not the same after save and restore", r->ours->name);
	if (r->other->dead)
		twin_differ(r, "%s is gone, or is not the same after save and restore", r->other->name);
}

/* ---- comparisons ---- */

/* The line is high exactly if an unmasked cause is set, once no timer holds it back any more. */
static void check_line(struct twin_run *r, struct twin *t)
{
	uint32_t active = t->ops->read(t, E1000_ICS) & r->ims;

	if (t->ops->irq(t) != (active != 0))
		twin_differ(r, "%s: the interrupt line is %s with causes %08x unmasked", t->name,
			    active ? "low" : "high", active);
}

void twin_same_interrupts(struct twin_run *r, uint32_t hidden)
{
	static const struct { uint32_t bit; enum twin_rule rule; } known[] = {
		{ E1000_INT_RXDMT0, TWIN_RULE_RXDMT0 }, { E1000_INT_TXQE, TWIN_RULE_TXQE },
	};
	uint32_t a, b;

	twin_pass(r, 70 * MS);		/* the longest ITR and delays together */
	twin_settle(r);
	check_line(r, r->ours);
	check_line(r, r->other);
	a = r->ours->ops->read(r->ours, E1000_ICR);
	b = r->other->ops->read(r->other, E1000_ICR);
	trace(r, "causes %08x %08x\n", a, b);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (r->rules && known[i].bit & (hidden | E1000_INT_RXDMT0)) {
			r->used[known[i].rule] += ((a ^ b) & known[i].bit) != 0;
			a &= ~known[i].bit;
			b &= ~known[i].bit;
		}
	if (a != b)
		twin_differ(r, "causes %08x, the other's %08x", a, b);
	if (r->ours->ops->irq(r->ours) || r->other->ops->irq(r->other))
		twin_differ(r, "the interrupt line stays high when ICR has been read");
}

/* What QEMU made of a frame, corrected by the rules. */
static void correct(struct twin_run *r, const uint8_t *a, uint8_t *b, uint32_t len, const struct twin_sent *sent)
{
	uint32_t at = sent->tso6_offset;

	if (!r->rules)
		return;
	if (at && len >= at + 6) {
		uint32_t v = (uint32_t)(b[at + 4] << 8 | b[at + 5]) - 40;

		b[at + 4] = (uint8_t)(v >> 8);
		b[at + 5] = (uint8_t)v;
		r->used[TWIN_RULE_TSO6]++;
	}
	for (unsigned tag = 0; tag <= 4; tag += 4) {
		at = sent->ip_sum_offset + tag;
		if (!sent->ip_sum_offset || len < at + 2 || a[at] || a[at + 1] || b[at] != 0xff || b[at + 1] != 0xff)
			continue;
		b[at] = b[at + 1] = 0;
		r->used[TWIN_RULE_IP_SUM_ZERO]++;
	}
}

void twin_count(struct twin_traffic *t, const uint8_t *destination, uint32_t bytes_with_fcs)
{
	static const uint32_t limits[] = { 64, 127, 255, 511, 1023 };
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	unsigned k = 0;

	while (k < 5 && bytes_with_fcs > limits[k])
		k++;
	t->sizes[k]++;
	t->frames++;
	t->octets += bytes_with_fcs;
	if (!memcmp(destination, broadcast, 6))
		t->broadcasts++;
	else
		t->multicasts += destination[0] & 1;
}

void twin_same_wire(struct twin_run *r, const struct twin_sent *sent)
{
	struct twin_wire *a = &r->ours->wire, *b = &r->other->wire;

	trace(r, "on the wire: %u and %u frames\n", a->num, b->num);
	for (unsigned i = 0; i < a->num && i < b->num && !r->failed; i++) {
		uint32_t len = a->frame[i].len, k = 0;
		uint8_t *p = a->bytes + a->frame[i].at, *q = b->bytes + b->frame[i].at;

		if (len != b->frame[i].len) {
			twin_differ(r, "frame %u that was sent has %u bytes, the other's %u", i, len, b->frame[i].len);
			break;
		}
		correct(r, p, q, len, sent);
		while (k < len && p[k] == q[k])
			k++;
		if (k < len)
			twin_differ(r, "frame %u that was sent, byte %u of %u: %02x, the other's %02x", i, k, len, p[k], q[k]);
		twin_count(&r->out, p, len + 4);
	}
	if (a->num != b->num)
		twin_differ(r, "%u frames were sent, by the other %u", a->num, b->num);
	r->frames_sent += a->num;
	twin_wire_clear(a);
	twin_wire_clear(b);
}

/* ---- scripts ---- */

static const struct {
	const char *name;
	void (*run)(struct twin_run *r);
	unsigned weight;
} kinds[] = {
	{ "registers", twin_step_registers, 6 },
	{ "interrupts", twin_step_interrupts, 8 },
	{ "counters", twin_step_counters, 5 },
	{ "EEPROM", twin_step_eeprom, 2 },
	{ "PHY", twin_step_phy, 3 },
	{ "the cable", twin_step_link, 2 },
	{ "transmit ring", twin_step_tx_setup, 5 },
	{ "legacy frames", twin_step_tx_legacy, 12 },
	{ "frames with checksums", twin_step_tx_checksum, 12 },
	{ "large sends", twin_step_tx_tso, 15 },
	{ "receive ring", twin_step_rx_setup, 6 },
	{ "filters", twin_step_rx_filters, 6 },
	{ "frames from the wire", twin_step_rx_frames, 20 },
	{ "a frame that waits", twin_step_rx_wait, 3 },
	{ "loopback", twin_step_loopback, 2 },
	{ "VLAN settings", twin_step_vlan, 4 },
	{ "reset", twin_step_reset, 1 },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const char *twin_step_name(const struct twin_step *s)
{
	return kinds[s->kind].name;
}

void twin_make_script(uint64_t seed, struct twin_step *steps, size_t n)
{
	struct twin_random random = { seed };
	unsigned sum = 0;

	for (unsigned k = 0; k < KINDS; k++)
		sum += kinds[k].weight;
	for (size_t i = 0; i < n; i++) {
		uint32_t v = twin_between(&random, 0, sum - 1);
		uint8_t k = 0;

		while (v >= kinds[k].weight)
			v -= kinds[k++].weight;
		steps[i] = (struct twin_step){ k, twin_random(&random) };
	}
}

/* As a driver finds it: link up, nothing set. */
static void begin(struct twin_run *r)
{
	twin_pass(r, 5000 * MS);
	twin_settle(r);
	twin_known_state(r);
}

void twin_run_script(enum e1000_model model, struct twin *ours, struct twin *other, const struct twin_step *steps, size_t n,
		     bool trace_last, struct twin_result *out)
{
	struct twin_run *r = calloc(1, sizeof(*r));

	*out = (struct twin_result){ 0 };
	if (!r)
		abort();
	r->ours = ours;
	r->other = other;
	r->model = model;
	r->rules = other->has_rules;
	begin(r);
	twin_step_reset_values(r);
	for (size_t i = 0; i < n && !r->failed; i++) {
		r->trace = trace_last && i == n - 1;
		r->random.state = steps[i].seed;
		kinds[steps[i].kind].run(r);
		twin_settle(r);
		out->failed_at = r->failed ? i + 1 : 0;
	}
	if (r->failed && !out->failed_at)
		out->failed_at = n ? 1 : SIZE_MAX;
	memcpy(out->why, r->why, sizeof(out->why));
	memcpy(out->used, r->used, sizeof(out->used));
	out->frames_sent = r->frames_sent;
	out->frames_received = r->frames_received;
	free(r);
}
