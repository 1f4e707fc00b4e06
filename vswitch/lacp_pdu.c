/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "vswitch/internal.h"
#include "vswitch/lacp.h"

static void read_side(const struct lacp_info *i, struct vswitch_lacp_side *out)
{
	out->system_priority = get_be16(i->system_priority);
	memcpy(out->system, i->system, sizeof(out->system));
	out->key = get_be16(i->key);
	out->port_priority = get_be16(i->port_priority);
	out->port = get_be16(i->port);
	out->state = i->state;
}

static void write_side(const struct vswitch_lacp_side *s, uint8_t type, struct lacp_info *out)
{
	out->type = type;
	out->length = sizeof(*out);
	put_be16(out->system_priority, s->system_priority);
	memcpy(out->system, s->system, sizeof(out->system));
	put_be16(out->key, s->key);
	put_be16(out->port_priority, s->port_priority);
	put_be16(out->port, s->port);
	out->state = s->state;
}

/* A later version begins in the same way (6.4.2.3); what follows the two sides is nothing to us. */
bool lacp_parse(const uint8_t *bytes, size_t n, struct vswitch_lacp_side *actor, struct vswitch_lacp_side *partner)
{
	struct lacpdu pdu;

	if (n < offsetof(struct lacpdu, collector_type))
		return false;
	memcpy(&pdu, bytes, offsetof(struct lacpdu, collector_type));
	if (pdu.subtype != SLOW_LACP || pdu.version < LACP_VERSION)
		return false;
	if (pdu.actor.type != LACP_TLV_ACTOR || pdu.actor.length != sizeof(pdu.actor) ||
	    pdu.partner.type != LACP_TLV_PARTNER || pdu.partner.length != sizeof(pdu.partner))
		return false;
	read_side(&pdu.actor, actor);
	read_side(&pdu.partner, partner);
	return true;
}

void lacp_build(const struct vswitch_lacp_side *actor, const struct vswitch_lacp_side *partner, struct lacpdu *out)
{
	*out = (struct lacpdu){
		.subtype = SLOW_LACP,
		.version = LACP_VERSION,
		.collector_type = LACP_TLV_COLLECTOR,
		.collector_length = 16,
	};
	write_side(actor, LACP_TLV_ACTOR, &out->actor);
	write_side(partner, LACP_TLV_PARTNER, &out->partner);
}

bool lacp_marker_response(const uint8_t *bytes, size_t n, struct marker_pdu *out)
{
	struct marker_pdu pdu = { 0 };

	if (n < offsetof(struct marker_pdu, pad))
		return false;
	memcpy(&pdu, bytes, offsetof(struct marker_pdu, pad));
	if (pdu.subtype != SLOW_MARKER || pdu.type != MARKER_TLV_INFORMATION || pdu.length != 16)
		return false;
	pdu.type = MARKER_TLV_RESPONSE;
	*out = pdu;
	return true;
}
