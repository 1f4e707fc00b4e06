/* SPDX-License-Identifier: MIT */
/*
 * Example of a forwarding extension: a static table of flows. The first row that matches a frame says where it goes.
 *
 *	config: ROWS, or file=PATH with ROWS in it; a row ends with a line or ';', '#' begins a comment
 *	row: [FIELD=VALUE …] -> ACTION …
 *	field: in=PLACE src=MAC dst=MAC type=NUMBER vlan=NUMBER proto=NUMBER ip-src=ADDRESS[/BITS] ip-dst=ADDRESS[/BITS]
 *	       port-src=NUMBER port-dst=NUMBER
 *	action: native | drop | PLACE | keep-tag | keep-priority (of the destinations after it)
 *
 * PLACE is the name of a port of the switch, or PORT/MEMBER, a member of the team that is behind it, 1 … 32 (0: in: any; to: as
 * the team chooses). What follows the last slash is a member if it is a number. Who is not there gets nothing. What no row matches is
 * forwarded natively. ADDRESS is IPv4 or IPv6.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "extensions/example.h"

enum {
	MAX_TEXT = 1 << 20,		/* our policy: of a file */
	MAX_TO = 8,			/* our policy: destinations of a row */
	NO_PORT = 0,
};

enum field {
	FIELD_IN = 1,
	FIELD_SRC = 2,
	FIELD_DST = 4,
	FIELD_TYPE = 8,
	FIELD_VLAN = 16,
	FIELD_PROTO = 32,
	FIELD_IP_SRC = 64,
	FIELD_IP_DST = 128,
	FIELD_PORT_SRC = 256,
	FIELD_PORT_DST = 512,
};

/* A port by its name; its number comes and goes with it. */
struct name {
	char text[VSWITCH_PORT_NAME_BYTES];
	uint32_t port;			/* NO_PORT: not there */
};

struct prefix {
	uint8_t address[16];
	uint8_t bytes, bits;		/* 4 or 16 */
};

struct key {
	uint8_t src[6], dst[6];
	uint16_t type, vlan;
	uint8_t proto;
	uint8_t ip_bytes;		/* 4, 16; 0: no IP */
	uint8_t ip_src[16], ip_dst[16];
	bool has_ports;
	uint16_t port_src, port_dst;
};

enum verdict { VERDICT_NATIVE, VERDICT_DROP, VERDICT_TO };

struct row {
	unsigned fields;		/* enum field: those that must match */
	struct name in;
	uint8_t in_member;		/* 0: any */
	struct key key;
	struct prefix ip_src, ip_dst;
	enum verdict verdict;
	unsigned num_to;
	struct { struct name to; uint8_t member, preserve; } to[MAX_TO];
	char text[VSWITCH_REFUSAL_BYTES];	/* for reports */
};

struct table {
	struct vswitch_extension *self;
	const struct vswitch_ext_services *s;
	struct row *rows;		/* owned */
	unsigned num_rows;
};

/* What of a frame is compared. */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void take_ports(struct key *k, const uint8_t *p, const uint8_t *end)
{
	const bool known = k->proto == 6 || k->proto == 17 || k->proto == 132;	/* TCP, UDP, SCTP */

	if (!known || end - p < 4)
		return;
	k->has_ports = true;
	k->port_src = be16(p);
	k->port_dst = be16(p + 2);
}

/* Only a first fragment has ports; IPv6 extension headers are not looked through. */
static void take_ip(struct key *k, const uint8_t *p, const uint8_t *end)
{
	if (k->type == 0x0800 && end - p >= 20 && p[0] >> 4 == 4 && (p[0] & 15) >= 5) {
		k->ip_bytes = 4;
		k->proto = p[9];
		memcpy(k->ip_src, p + 12, 4);
		memcpy(k->ip_dst, p + 16, 4);
		if (!(be16(p + 6) & 0x1fff) && end - p >= 4 * (p[0] & 15))
			take_ports(k, p + 4 * (p[0] & 15), end);
	} else if (k->type == 0x86dd && end - p >= 40 && p[0] >> 4 == 6) {
		k->ip_bytes = 16;
		k->proto = p[6];
		memcpy(k->ip_src, p + 8, 16);
		memcpy(k->ip_dst, p + 24, 16);
		take_ports(k, p + 40, end);
	}
}

static void take_key(struct key *k, const struct vswitch_frame *f)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->dst, f->head, 6);
	memcpy(k->src, f->head + 6, 6);
	k->type = be16(f->head + 12);
	k->vlan = f->offload.flags & VSWITCH_VLAN ? f->offload.vlan_tci & 0xfff : f->vlan;
	take_ip(k, f->head + 14, f->head + f->head_bytes);
}

/* Matching. */

static bool inside(const struct prefix *p, const uint8_t *address, uint8_t bytes)
{
	uint8_t whole = p->bits / 8, rest = p->bits % 8;

	if (p->bytes != bytes || memcmp(p->address, address, whole))
		return false;
	return !rest || !((p->address[whole] ^ address[whole]) >> (8 - rest));
}

static bool matches(const struct row *r, uint32_t in, uint8_t member, const struct key *k)
{
	const unsigned f = r->fields;

	return (!(f & FIELD_IN) || (in && r->in.port == in && (!r->in_member || r->in_member == member))) &&
	       (!(f & FIELD_SRC) || !memcmp(r->key.src, k->src, 6)) &&
	       (!(f & FIELD_DST) || !memcmp(r->key.dst, k->dst, 6)) &&
	       (!(f & FIELD_TYPE) || r->key.type == k->type) &&
	       (!(f & FIELD_VLAN) || r->key.vlan == k->vlan) &&
	       (!(f & FIELD_PROTO) || (k->ip_bytes && r->key.proto == k->proto)) &&
	       (!(f & FIELD_IP_SRC) || inside(&r->ip_src, k->ip_src, k->ip_bytes)) &&
	       (!(f & FIELD_IP_DST) || inside(&r->ip_dst, k->ip_dst, k->ip_bytes)) &&
	       (!(f & FIELD_PORT_SRC) || (k->has_ports && r->key.port_src == k->port_src)) &&
	       (!(f & FIELD_PORT_DST) || (k->has_ports && r->key.port_dst == k->port_dst));
}

static void direct(struct table *t, const struct row *r, uint32_t i, struct vswitch_ext_verdicts *v,
		   struct vswitch_ext_writer *w)
{
	unsigned sent = 0;

	for (unsigned k = 0; k < r->num_to; k++) {
		const struct vswitch_ext_destination d = {
			.port = r->to[k].to.port,
			.index = r->to[k].member,
			.preserve = r->to[k].preserve,
		};

		if (d.port != NO_PORT && !t->s->direct(w, i, &d))
			sent++;
	}
	if (!sent)
		(void)t->s->drop(v, i, "nobody is there to send it to");
}

static void ingress(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		    struct vswitch_ext_writer *w)
{
	struct table *t = instance;
	struct row *r;
	struct key k;

	for (uint32_t i = 0; i < b->n; i++) {
		if (!(b->present & 1u << i))
			continue;
		take_key(&k, b->frames[i]);
		for (r = t->rows; r < t->rows + t->num_rows && !matches(r, b->port, b->frames[i]->member, &k); r++)
			;
		if (r == t->rows + t->num_rows || r->verdict == VERDICT_NATIVE)
			continue;
		if (r->verdict == VERDICT_DROP)
			(void)t->s->drop(v, i, r->text);
		else
			direct(t, r, i, v, w);
	}
}

/* Ports come and go. */

static void set_name(struct name *n, const struct vswitch_port_info *port, bool there)
{
	if (!strcmp(n->text, port->name))
		n->port = there ? port->id : NO_PORT;
}

static void set_names(struct table *t, const struct vswitch_port_info *port, bool there)
{
	for (struct row *r = t->rows; r < t->rows + t->num_rows; r++) {
		set_name(&r->in, port, there);
		for (unsigned k = 0; k < r->num_to; k++)
			set_name(&r->to[k].to, port, there);
	}
}

static int port_create(void *instance, const struct vswitch_port_info *port, char *refusal)
{
	(void)refusal;
	if (!port->validation)
		set_names(instance, port, true);
	return VSWITCH_EXT_PASS;
}

static void port_gone(void *instance, const struct vswitch_port_info *port)
{
	if (!port->validation)
		set_names(instance, port, false);
}

static void activate(void *instance)
{
	struct vswitch_port_info info;
	struct table *t = instance;

	for (uint32_t id = 0; (id = t->s->next_port(t->self, id));)
		if (t->s->port_info(t->self, id, &info) && info.state == VSWITCH_PORT_CREATED && !info.validation)
			set_names(t, &info, true);
}

static void deactivate(void *instance)
{
	struct table *t = instance;

	for (struct row *r = t->rows; r < t->rows + t->num_rows; r++) {
		r->in.port = NO_PORT;
		for (unsigned k = 0; k < r->num_to; k++)
			r->to[k].to.port = NO_PORT;
	}
}

/* Configuration. */

static bool take_number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno && *out <= max;
}

static bool take_mac(const char *text, uint8_t mac[6])
{
	unsigned b[6];
	int n = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &n) != 6 || text[n])
		return false;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

static bool take_prefix(const char *text, struct prefix *p)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits;

	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	p->bytes = inet_pton(AF_INET, address, p->address) == 1 ? 4 : 16;
	if (p->bytes == 16 && inet_pton(AF_INET6, address, p->address) != 1)
		return false;
	bits = 8ul * p->bytes;
	if (slash && !take_number(slash + 1, 8ul * p->bytes, &bits))
		return false;
	p->bits = (uint8_t)bits;
	return true;
}

static bool take_name(const char *text, struct name *n)
{
	if (!*text || strlen(text) >= sizeof(n->text))
		return false;
	strcpy(n->text, text);
	return true;
}

/* The ports of adapters have a slash in their names, too. */
static bool take_place(char *text, struct name *port, uint8_t *member)
{
	char *slash = strrchr(text, '/');
	unsigned long n = 0;

	if (slash && slash[1] && !slash[1 + strspn(slash + 1, "0123456789")]) {
		if (!take_number(slash + 1, VSWITCH_MEMBERS, &n))
			return false;
		*slash = '\0';
	}
	*member = (uint8_t)n;
	return take_name(text, port);
}

static bool take_field(struct row *r, const char *name, char *value)
{
	static const struct { const char *name; enum field field; unsigned long max; } numbers[] = {
		{ "type", FIELD_TYPE, 0xffff }, { "vlan", FIELD_VLAN, 4094 }, { "proto", FIELD_PROTO, 255 },
		{ "port-src", FIELD_PORT_SRC, 0xffff }, { "port-dst", FIELD_PORT_DST, 0xffff },
	};
	unsigned long n;

	if (!strcmp(name, "in"))
		return r->fields |= FIELD_IN, take_place(value, &r->in, &r->in_member);
	if (!strcmp(name, "src"))
		return r->fields |= FIELD_SRC, take_mac(value, r->key.src);
	if (!strcmp(name, "dst"))
		return r->fields |= FIELD_DST, take_mac(value, r->key.dst);
	if (!strcmp(name, "ip-src"))
		return r->fields |= FIELD_IP_SRC, take_prefix(value, &r->ip_src);
	if (!strcmp(name, "ip-dst"))
		return r->fields |= FIELD_IP_DST, take_prefix(value, &r->ip_dst);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name) || !take_number(value, numbers[i].max, &n))
			continue;
		r->fields |= numbers[i].field;
		switch (numbers[i].field) {
		case FIELD_TYPE: r->key.type = (uint16_t)n; break;
		case FIELD_VLAN: r->key.vlan = (uint16_t)n; break;
		case FIELD_PROTO: r->key.proto = (uint8_t)n; break;
		case FIELD_PORT_SRC: r->key.port_src = (uint16_t)n; break;
		default: r->key.port_dst = (uint16_t)n; break;
		}
		return true;
	}
	return false;
}

static bool take_action(struct row *r, char *word, uint8_t *preserve)
{
	if (!strcmp(word, "native"))
		return r->verdict = VERDICT_NATIVE, true;
	if (!strcmp(word, "drop"))
		return r->verdict = VERDICT_DROP, true;
	if (!strcmp(word, "keep-tag"))
		return *preserve |= VSWITCH_PRESERVE_VLAN, true;
	if (!strcmp(word, "keep-priority"))
		return *preserve |= VSWITCH_PRESERVE_PRIORITY, true;
	if (r->num_to == MAX_TO || !take_place(word, &r->to[r->num_to].to, &r->to[r->num_to].member))
		return false;
	r->verdict = VERDICT_TO;
	r->to[r->num_to++].preserve = *preserve;
	return true;
}

/* line: without its end. */
static int take_row(struct row *r, const char *line, char *refusal)
{
	const char *text = line;
	char word[128];
	uint8_t preserve = 0;
	unsigned actions = 0;
	bool arrow = false;
	char *equals;

	snprintf(r->text, sizeof(r->text), "%.100s", line + strspn(line, " \t"));
	while (example_word(&text, word, sizeof(word))) {
		equals = strchr(word, '=');
		if (!strcmp(word, "->") && !arrow) {
			arrow = true;
			continue;
		}
		if (!arrow && equals) {
			*equals = '\0';
			if (take_field(r, word, equals + 1))
				continue;
			*equals = '=';
		} else if (arrow && ++actions && take_action(r, word, &preserve)) {
			continue;
		}
		return EXAMPLE_REFUSE(refusal, -EINVAL, "\"%.40s\" in \"%.50s\"", word, r->text);
	}
	if (text[strspn(text, " \t")] || !arrow || !actions)
		return EXAMPLE_REFUSE(refusal, -EINVAL, "\"%.60s\": FIELD=VALUE … -> ACTION … is wanted", r->text);
	return 0;
}

static int take_line(struct table *t, char *line, char *refusal)
{
	struct row *more;

	line[strcspn(line, "#")] = '\0';
	if (!line[strspn(line, " \t")])
		return 0;
	more = realloc(t->rows, (t->num_rows + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	t->rows = more;
	memset(&more[t->num_rows], 0, sizeof(*more));
	return take_row(&more[t->num_rows++], line, refusal);
}

static int take_rows(struct table *t, char *text, char *refusal)
{
	char *line;
	int ret = 0;

	while (!ret && (line = strsep(&text, "\n;")))
		ret = take_line(t, line, refusal);
	return ret;
}

static int take_config(struct table *t, const char *config, char *refusal)
{
	char *text = malloc(MAX_TEXT);
	size_t n = strlen(config);
	FILE *file;
	int ret;

	if (!text)
		return -ENOMEM;
	if (!strncmp(config, "file=", 5)) {
		file = fopen(config + 5, "re");
		if (!file) {
			ret = EXAMPLE_REFUSE(refusal, -errno, "%.80s: %m", config + 5);
			free(text);
			return ret;
		}
		n = fread(text, 1, MAX_TEXT - 1, file);
		fclose(file);
	} else {
		if (n > MAX_TEXT - 1)
			n = MAX_TEXT - 1;
		memcpy(text, config, n);
	}
	text[n] = '\0';
	ret = n == MAX_TEXT - 1 ? EXAMPLE_REFUSE(refusal, -EFBIG, "the table is too long") : take_rows(t, text, refusal);
	free(text);
	return ret;
}

static void detach(void *instance)
{
	struct table *t = instance;

	free(t->rows);
	free(t);
}

static int attach(struct vswitch_extension *self, const struct vswitch_ext_services *services, const char *config,
		  char *refusal, void **instance)
{
	struct table *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return -ENOMEM;
	t->self = self;
	t->s = services;
	ret = take_config(t, config, refusal);
	if (ret)
		detach(t);
	else
		*instance = t;
	return ret;
}

static const struct vswitch_ext_ops ops = {
	.attach = attach,
	.detach = detach,
	.activate = activate,
	.deactivate = deactivate,
	.port_create = port_create,
	.port_teardown = port_gone,
	.port_delete = port_gone,
};
static const struct vswitch_ext_forward_ops frames = { .ingress = ingress };

const struct vswitch_ext_module vswitch_ext_module = {
	.abi = VSWITCH_EXT_ABI,
	.size = sizeof(struct vswitch_ext_module),
	.ops_size = sizeof(struct vswitch_ext_ops),
	.class = VSWITCH_EXT_FORWARD,
	.id = { { 0x5a, 0x1c, 0x0b, 0x57, 0x9d, 0x0e, 0x4c, 0x2f, 0x8b, 0x61, 0x53, 0x0f, 0x9e, 0x27, 0x44, 0x03 } },
	.name = "flow-table",
	.version = "1",
	.vendor = "hvnet",
	.ops = &ops,
	.forward = &frames,
};
