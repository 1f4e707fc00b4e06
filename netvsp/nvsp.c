/* SPDX-License-Identifier: MIT */
/*
 * NVSP: version, configuration, buffers, and their end; the states' picture is at enum netvsp_state.
 *
 * A message that breaks the protocol stops the channel (netvsp_fail()): a guest that reopens it starts afresh. A buffer that
 * is no good is answered with a failure and leaves no trace. Requests that did not ask for an answer get none: the
 * guest would take it for another one's.
 */
#include <errno.h>

#include "netvsp/internal.h"

static void reply(struct netvsp_channel *c, const struct vmbus_packet *pkt, const void *payload, uint32_t bytes)
{
	if (pkt->wants_completion)
		netvsp_channel_reply(c, pkt->transaction_id, payload, bytes);
}

static bool known_version(uint32_t version)
{
	switch (version) {
	case NVSP_VERSION_1:
	case NVSP_VERSION_2:
	case NVSP_VERSION_4:
	case NVSP_VERSION_5:
	case NVSP_VERSION_6:
	case NVSP_VERSION_6_1:
		return true;
	default:
		return false;
	}
}

/* All that a guest has to say before frames may flow. */
static bool configured(const struct netvsp_session *s)
{
	return s->have_version && s->have_receive && (s->have_config || s->version < NVSP_VERSION_2);
}

static void wrong_state(struct netvsp *nic)
{
	netvsp_fail(nic, NETVSP_C_NVSP_WRONG_STATE, "an NVSP message that its state has no use for");
}

/* For the messages that are welcome once, while the session is set up. */
static bool setting_up(struct netvsp *nic, bool have)
{
	if (nic->session.state == NETVSP_INIT && !have)
		return true;
	wrong_state(nic);
	return false;
}

/* ---- one function per message: its fixed part has been copied ---- */

static void on_init(struct netvsp_channel *c, const struct vmbus_packet *pkt, const struct nvsp_init *m)
{
	struct netvsp_session *s = &c->nic->session;
	const uint32_t version = le32_get(m->version);
	const bool good = known_version(version);
	struct nvsp_init_complete answer = {
		.type = to_le32(NVSP_INIT_COMPLETE),
		.deprecated_version = to_le32(version == NVSP_VERSION_1 ? NVSP_VERSION_1 : NVSP_INIT_COMPLETE_VERSION),
		.max_mdl_chain = to_le32(NVSP_INIT_MDL_CHAIN),
		.status = to_le32(good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAILURE),
	};

	if (s->state != NETVSP_VERSION) {
		wrong_state(c->nic);
		return;
	}
	reply(c, pkt, &answer, sizeof(answer));	/* in the size of all versions: none is agreed yet */
	if (!good) {
		netvsp_count(c->nic, NETVSP_C_NVSP_BAD_VERSION);
		return;
	}
	s->version = version;
	netvsp_set_state(c->nic, NETVSP_INIT);
}

static void on_ndis_version(struct netvsp_channel *c, const struct vmbus_packet *pkt, const struct nvsp_ndis_version *m)
{
	struct netvsp_session *s = &c->nic->session;

	if (!setting_up(c->nic, s->have_version))
		return;
	s->ndis_major = le32_get(m->major);
	s->ndis_minor = le32_get(m->minor);
	s->have_version = true;
	reply(c, pkt, NULL, 0);
}

/* FreeBSD says 1500 where 1514 is meant: too small a value is 1514, and so is nonsense. */
static uint32_t agreed_frame_bytes(const struct netvsp *nic, uint32_t wanted)
{
	if (wanted < NVSP_FRAME_MIN_BYTES || wanted > NVSP_FRAME_MAX_BYTES)
		wanted = NVSP_FRAME_MIN_BYTES;
	return wanted < nic->max_frame_bytes ? wanted : nic->max_frame_bytes;
}

static void on_ndis_config(struct netvsp_channel *c, const struct vmbus_packet *pkt, const struct nvsp_ndis_config *m)
{
	struct netvsp *nic = c->nic;
	struct netvsp_session *s = &nic->session;

	if (!setting_up(nic, s->have_config))
		return;
	s->frame_bytes = agreed_frame_bytes(nic, le32_get(m->frame_bytes));
	s->capabilities = le64_get(m->capabilities);
	s->have_config = true;
	nic->nic.max_frame_bytes = s->frame_bytes;
	nic->nic.caps = s->capabilities & NVSP_CAP_8021Q ? VSWITCH_CAN_VLAN : 0;
	reply(c, pkt, NULL, 0);
}

static void buffer_refused(struct netvsp *nic, enum netvsp_counter_id why, const char *what)
{
	netvsp_count(nic, why);
	hv_log_limited(&nic->log_limit, HV_LOG_WARNING, "%s: %s", nic->name, what);
}

/* Gets the receive buffer and cuts it up; false, nothing held: refused. */
static bool take_receive_buffer(struct netvsp_channel *c, const struct nvsp_send_buffer *m)
{
	struct netvsp *nic = c->nic;
	int ret = netvsp_buffer_get(&nic->receive, c->ch, le32_get(m->gpadl), le16_get(m->id));

	if (ret) {
		buffer_refused(nic, NETVSP_C_BUFFER_BAD_GPADL, "the receive buffer's GPADL is no good");
		return false;
	}
	ret = netvsp_slots_create(&nic->slots, nic->receive.bytes, nic->session.frame_bytes);
	if (!ret)
		return true;
	netvsp_buffer_put(&nic->receive);
	if (ret == -ENOSPC)
		buffer_refused(nic, NETVSP_C_BUFFER_TOO_SMALL, "the receive buffer is too small");
	else
		buffer_refused(nic, NETVSP_C_BUFFER_NO_MEMORY, "no memory for the receive buffer's table");
	return false;
}

static void on_receive_buffer(struct netvsp_channel *c, const struct vmbus_packet *pkt, const struct nvsp_send_buffer *m)
{
	struct netvsp *nic = c->nic;
	struct netvsp_session *s = &nic->session;
	struct nvsp_receive_buffer_complete answer = {
		.type = to_le32(NVSP_SEND_RECEIVE_BUFFER_COMPLETE), .status = to_le32(NVSP_STATUS_FAILURE),
	};

	if (!setting_up(nic, s->have_receive))
		return;
	if (s->version >= NVSP_VERSION_2 && !s->have_config) {
		wrong_state(nic);	/* the frames' size is not known yet */
		return;
	}
	if (take_receive_buffer(c, m)) {
		s->have_receive = true;
		answer.status = to_le32(NVSP_STATUS_SUCCESS);
		answer.sections = to_le32(1);
		answer.section = (struct nvsp_receive_section){
			.sub_allocation_bytes = to_le32(nic->slots.slot_bytes),
			.sub_allocations = to_le32(nic->slots.count),
			.end_offset = to_le32(nic->slots.slot_bytes * nic->slots.count),
		};
	}
	reply(c, pkt, &answer, sizeof(answer));
}

static void on_send_buffer(struct netvsp_channel *c, const struct vmbus_packet *pkt, const struct nvsp_send_buffer *m)
{
	struct netvsp *nic = c->nic;
	struct netvsp_session *s = &nic->session;
	struct nvsp_send_buffer_complete answer = {
		.type = to_le32(NVSP_SEND_SEND_BUFFER_COMPLETE), .status = to_le32(NVSP_STATUS_FAILURE),
	};

	if (!setting_up(nic, s->have_send))
		return;
	if (netvsp_buffer_get(&nic->send, c->ch, le32_get(m->gpadl), le16_get(m->id))) {
		buffer_refused(nic, NETVSP_C_BUFFER_BAD_GPADL, "the send buffer's GPADL is no good");
	} else if (nic->send.bytes < NVSP_SEND_SECTION_BYTES) {
		netvsp_buffer_put(&nic->send);
		buffer_refused(nic, NETVSP_C_BUFFER_TOO_SMALL, "the send buffer is too small");
	} else {
		s->have_send = true;
		answer.status = to_le32(NVSP_STATUS_SUCCESS);
		answer.section_bytes = to_le32(NVSP_SEND_SECTION_BYTES);
	}
	reply(c, pkt, &answer, sizeof(answer));
	if (s->have_send && configured(s))
		netvsp_set_state(nic, NETVSP_READY);
}

/* Both buffers' end. A guest that gives one back is on its way out, also in the middle of setting up. */
static void on_revoke(struct netvsp_channel *c, const struct vmbus_packet *pkt, const struct nvsp_revoke_buffer *m)
{
	const bool receive = le32_get(m->type) == NVSP_REVOKE_RECEIVE_BUFFER;
	struct netvsp *nic = c->nic;

	if (nic->session.state == NETVSP_VERSION) {
		wrong_state(nic);
		return;
	}
	if (le16_get(m->id) != (receive ? nic->receive.id : nic->send.id))
		netvsp_count(nic, NETVSP_C_REVOKE_BAD_ID);	/* not touching a buffer is always safe */
	if (receive)
		netvsp_revoke_receive(nic);
	else
		netvsp_revoke_send(nic);
	reply(c, pkt, NULL, 0);
}

/* There is no VF. The completion is empty: Linux accepts no other. */
static void on_switch_data_path(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	if (c->nic->session.state != NETVSP_READY)
		wrong_state(c->nic);
	else
		reply(c, pkt, NULL, 0);
}

static void on_oid_query_ex(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	const struct nvsp_oid_query_ex_complete answer = {
		.type = to_le32(NVSP_OID_QUERY_EX_COMPLETE), .status = to_le32(RNDIS_STATUS_NOT_SUPPORTED),
	};

	if (c->nic->session.state != NETVSP_READY)
		wrong_state(c->nic);
	else
		reply(c, pkt, &answer, sizeof(answer));
}

/* A device has NETVSP_QUEUES channels, the primary is one of them; compared so that no wish can wrap. */
static void on_subchannel(struct netvsp_channel *c, const struct vmbus_packet *pkt,
			  const struct nvsp_subchannel_request *m)
{
	const bool good = le32_get(m->operation) == NVSP_SUBCHANNEL_ALLOCATE && le32_get(m->count) < NETVSP_QUEUES;
	const struct nvsp_subchannel_complete answer = {
		.type = to_le32(NVSP_SUBCHANNEL),
		.status = to_le32(good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAILURE),
	};

	if (c->nic->session.state != NETVSP_READY) {
		wrong_state(c->nic);
		return;
	}
	if (!good)
		netvsp_count(c->nic, NETVSP_C_SUBCHANNEL_REFUSED);
	reply(c, pkt, &answer, sizeof(answer));
}

/* ---- dispatch ---- */

union message {
	struct nvsp_header header;
	struct nvsp_init init;
	struct nvsp_ndis_version ndis_version;
	struct nvsp_ndis_config ndis_config;
	struct nvsp_send_buffer buffer;
	struct nvsp_revoke_buffer revoke;
	struct nvsp_switch_data_path switch_data_path;
	struct nvsp_oid_query_ex oid_query_ex;
	struct nvsp_subchannel_request subchannel;
};

/* What a guest may send: the bytes we read of it, and since which version. */
static const struct rule {
	uint32_t type, bytes, since;
} rules[] = {
	{ NVSP_INIT, offsetof(struct nvsp_init, version2), 0 },
	{ NVSP_SEND_NDIS_VERSION, sizeof(struct nvsp_ndis_version), NVSP_VERSION_1 },
	{ NVSP_SEND_RECEIVE_BUFFER, offsetof(struct nvsp_send_buffer, reserved), NVSP_VERSION_1 },
	{ NVSP_REVOKE_RECEIVE_BUFFER, sizeof(struct nvsp_revoke_buffer), NVSP_VERSION_1 },
	{ NVSP_SEND_SEND_BUFFER, offsetof(struct nvsp_send_buffer, reserved), NVSP_VERSION_1 },
	{ NVSP_REVOKE_SEND_BUFFER, sizeof(struct nvsp_revoke_buffer), NVSP_VERSION_1 },
	{ NVSP_SEND_NDIS_CONFIG, sizeof(struct nvsp_ndis_config), NVSP_VERSION_2 },
	{ NVSP_SWITCH_DATA_PATH, sizeof(struct nvsp_switch_data_path), NVSP_VERSION_4 },
	{ NVSP_OID_QUERY_EX, sizeof(struct nvsp_oid_query_ex), NVSP_VERSION_5 },
	{ NVSP_SUBCHANNEL, sizeof(struct nvsp_subchannel_request), NVSP_VERSION_5 },
};

static const struct rule *find_rule(uint32_t type)
{
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

/* Copies a message's fields; NULL: it is none, and the channel has failed. */
static const struct rule *read_message(struct netvsp *nic, const struct vmbus_packet *pkt, union message *m)
{
	struct rd r = { pkt->payload, pkt->payload_bytes };
	const struct rule *rule;

	*m = (union message){ 0 };
	if (r.left < sizeof(m->header)) {
		netvsp_fail(nic, NETVSP_C_NVSP_SHORT, "an NVSP message without a type");
		return NULL;
	}
	memcpy(&m->header, r.p, sizeof(m->header));
	rule = find_rule(le32_get(m->header.type));
	if (!rule) {
		netvsp_fail(nic, NETVSP_C_NVSP_UNKNOWN_TYPE, "an NVSP message of an unknown type");
		return NULL;
	}
	/* before a version is agreed on it is the state that decides */
	if (nic->session.state != NETVSP_VERSION && rule->since > nic->session.version) {
		netvsp_fail(nic, NETVSP_C_NVSP_ABOVE_VERSION, "an NVSP message of a newer version");
		return NULL;
	}
	if (!rd_copy(&r, m, rule->bytes)) {
		netvsp_fail(nic, NETVSP_C_NVSP_SHORT, "an NVSP message is too short");
		return NULL;
	}
	return rule;
}

/* After a REVOKE only the other one is of interest; the rest is answered if it asks for it, and ignored. */
static bool after_revoke(struct netvsp_channel *c, const struct vmbus_packet *pkt, uint32_t type)
{
	if (c->nic->session.state != NETVSP_REVOKED || type == NVSP_REVOKE_RECEIVE_BUFFER ||
	    type == NVSP_REVOKE_SEND_BUFFER)
		return false;
	netvsp_count(c->nic, NETVSP_C_NVSP_AFTER_REVOKE);
	reply(c, pkt, NULL, 0);
	return true;
}

void netvsp_nvsp_message(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	const struct rule *rule;
	union message m;

	rule = read_message(c->nic, pkt, &m);
	if (!rule || after_revoke(c, pkt, rule->type))
		return;
	switch (rule->type) {
	case NVSP_INIT:
		on_init(c, pkt, &m.init);
		break;
	case NVSP_SEND_NDIS_VERSION:
		on_ndis_version(c, pkt, &m.ndis_version);
		break;
	case NVSP_SEND_NDIS_CONFIG:
		on_ndis_config(c, pkt, &m.ndis_config);
		break;
	case NVSP_SEND_RECEIVE_BUFFER:
		on_receive_buffer(c, pkt, &m.buffer);
		break;
	case NVSP_SEND_SEND_BUFFER:
		on_send_buffer(c, pkt, &m.buffer);
		break;
	case NVSP_REVOKE_RECEIVE_BUFFER:
	case NVSP_REVOKE_SEND_BUFFER:
		on_revoke(c, pkt, &m.revoke);
		break;
	case NVSP_SWITCH_DATA_PATH:
		on_switch_data_path(c, pkt);
		break;
	case NVSP_OID_QUERY_EX:
		on_oid_query_ex(c, pkt);
		break;
	case NVSP_SUBCHANNEL:
		on_subchannel(c, pkt, &m.subchannel);
		break;
	}
}

bool netvsp_nvsp_packet_allowed(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	const struct nvsp_rndis_packet_complete failure = {
		.type = to_le32(NVSP_SEND_RNDIS_PACKET_COMPLETE), .status = to_le32(NVSP_STATUS_FAILURE),
	};
	struct netvsp *nic = c->nic;

	if (nic->session.state == NETVSP_READY)
		return true;
	if (nic->session.state == NETVSP_INIT && configured(&nic->session)) {
		netvsp_set_state(nic, NETVSP_READY);	/* iPXE and others have no send buffer */
		return true;
	}
	if (nic->session.state == NETVSP_REVOKED) {
		netvsp_count(nic, NETVSP_C_NVSP_AFTER_REVOKE);
		reply(c, pkt, &failure, sizeof(failure));
	} else {
		wrong_state(nic);
	}
	return false;
}
