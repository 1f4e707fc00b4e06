/* SPDX-License-Identifier: MIT */
/*
 * What the entries said about the first fragments of datagrams, for the later ones. The cache is small and a sender can push
 * out what is in it: that makes nothing pass, because a fragment that is not found here has to pass without it.
 */
#include "vswitch/acl_internal.h"

#define FRAGMENT_NS (30 * ACL_NS_PER_S)	/* our policy: Linux, too, reassembles for 30 s */

unsigned acl_fragment_place(const uint8_t source[16], const uint8_t destination[16], uint32_t id)
{
	uint32_t h = id;

	for (unsigned i = 0; i < 16; i++)
		h = (h ^ source[i] ^ (uint32_t)destination[i] << 8) * 0x01000193;	/* FNV's prime */
	return (h ^ h >> 16) % ACL_FRAGMENTS;
}

static struct acl_fragment *slot(struct port_acl *acl, const struct flow *f)
{
	return &acl->fragments[acl_fragment_place(f->source, f->destination, f->fragment_id)];
}

/* Of IPv6 the protocol is not part of a datagram's name: RFC 8200, 4.5. */
static uint8_t protocol_of(const struct flow *f)
{
	return f->version == 4 ? f->protocol : 0;
}

void acl_fragment_remember(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *f, uint16_t vlan,
			   uint64_t now_ns, bool allowed, struct acl_entry *entry)
{
	struct acl_fragment *s = slot(acl, f);

	*s = (struct acl_fragment){
		.generation = acl->generation,
		.expires_ns = now_ns + FRAGMENT_NS,
		.id = f->fragment_id,
		.vlan = vlan,
		.first_bytes = f->payload_bytes,
		.version = f->version,
		.protocol = protocol_of(f),
		.direction = (uint8_t)d,
		.allowed = allowed,
		.entry = entry,
	};
	memcpy(s->source, f->source, 16);
	memcpy(s->destination, f->destination, 16);
}

const struct acl_fragment *acl_fragment_find(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *f,
					     uint16_t vlan, uint64_t now_ns)
{
	const struct acl_fragment *s = slot(acl, f);

	if (s->generation != acl->generation || s->expires_ns <= now_ns || s->id != f->fragment_id || s->vlan != vlan ||
	    s->version != f->version || s->protocol != protocol_of(f) || s->direction != d)
		return NULL;
	return memcmp(s->source, f->source, 16) || memcmp(s->destination, f->destination, 16) ? NULL : s;
}
