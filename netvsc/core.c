/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The session with the host: NVSP's handshake, the way back, and in which order goals become
 * messages. RNDIS messages themselves are in core_rndis.c. At most one request is outstanding at a
 * time, as in Linux' driver, so an answer is recognised by the state alone (and RNDIS answers by
 * their request id too).
 */
#include "netvsc/core.h"

static const char *const state_names[] = {
	[NETVSC_CLOSED] = "closed",
	[NETVSC_VERSION] = "version",
	[NETVSC_CONFIG] = "config",
	[NETVSC_NDIS_VERSION] = "ndis-version",
	[NETVSC_RECEIVE_MAP] = "receive-map",
	[NETVSC_RECEIVE] = "receive",
	[NETVSC_SEND_MAP] = "send-map",
	[NETVSC_SEND] = "send",
	[NETVSC_INITIALIZE] = "initialize",
	[NETVSC_QUERIES] = "queries",
	[NETVSC_RUNNING] = "running",
	[NETVSC_CLOSING_FILTER] = "closing-filter",
	[NETVSC_DRAIN] = "drain",
	[NETVSC_HALT] = "halt",
	[NETVSC_REVOKE_RECEIVE] = "revoke-receive",
	[NETVSC_REVOKE_SEND] = "revoke-send",
	[NETVSC_FAILED] = "failed",
};

static const char *const error_names[NETVSC_ERRORS] = {
	[NETVSC_OK] = "no error",
	[NETVSC_ERR_VERSION] = "the host takes none of our NVSP versions",
	[NETVSC_ERR_SHORT] = "an answer is too short",
	[NETVSC_ERR_UNEXPECTED] = "an answer to something that was not asked",
	[NETVSC_ERR_RECEIVE_REFUSED] = "receive buffer refused",
	[NETVSC_ERR_RECEIVE_LAYOUT] = "receive buffer divided impossibly",
	[NETVSC_ERR_SEND_REFUSED] = "send buffer refused",
	[NETVSC_ERR_SEND_LAYOUT] = "send buffer divided impossibly",
	[NETVSC_ERR_INITIALIZE] = "RNDIS not initialised",
	[NETVSC_ERR_MAC] = "no usable MAC address",
	[NETVSC_ERR_CONTROL_REFUSED] = "a control message was refused",
};

static const char *const stat_names[NETVSC_STATS] = {
	[NETVSC_RX_FRAMES] = "rx_frames",
	[NETVSC_RX_BYTES] = "rx_bytes",
	[NETVSC_RX_CONTROL] = "rx_control",
	[NETVSC_RX_BAD_PACKET] = "rx_bad_packet",
	[NETVSC_RX_BAD_RANGE] = "rx_bad_range",
	[NETVSC_RX_BAD_MESSAGE] = "rx_bad_message",
	[NETVSC_RX_BAD_INFO] = "rx_bad_info",
	[NETVSC_RX_BAD_SIZE] = "rx_bad_size",
	[NETVSC_TX_FRAMES] = "tx_frames",
	[NETVSC_TX_BYTES] = "tx_bytes",
	[NETVSC_TX_MESSAGES] = "tx_messages",
	[NETVSC_TX_FAILED] = "tx_failed",
	[NETVSC_TX_BAD_COMPLETION] = "tx_bad_completion",
	[NETVSC_BAD_ANSWER] = "bad_answer",
	[NETVSC_LINK_CHANGES] = "link_changes",
};

const char *netvsc_stat_name(enum netvsc_stat s)
{
	return stat_names[s];
}

const char *netvsc_error_name(enum netvsc_error e)
{
	return error_names[e];
}

const char *netvsc_state_name(enum netvsc_state s)
{
	return state_names[s];
}

void netvsc_set_state(struct netvsc *n, enum netvsc_state state)
{
	n->state = state;
	n->awaited = NETVSC_AWAIT_NOTHING;
}

void netvsc_fail(struct netvsc *n, enum netvsc_error error)
{
	n->error = error;
	netvsc_set_state(n, NETVSC_FAILED);
	netvsc_request_done(n);
}

/* Proposals, newest first; there is no version 3. */
static const uint32_t versions[] = {
	NVSP_VERSION_6_1, NVSP_VERSION_6, NVSP_VERSION_5, NVSP_VERSION_4, NVSP_VERSION_2, NVSP_VERSION_1,
};

/* The newest version that is older than version; 0: none. */
static uint32_t older_version(uint32_t version)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i] < version)
			return versions[i];
	return 0;
}

void netvsc_start(struct netvsc *n, const struct netvsc_config *config)
{
	struct netvsc_config c = *config;
	uint32_t filter = n->filter;
	struct netvsc_stats stats = n->stats;

	if (!c.max_version || c.max_version > NVSP_VERSION_6_1)
		c.max_version = NVSP_VERSION_6_1;
	if (!c.mtu)
		c.mtu = NETVSC_MTU_DEFAULT;
	memset(n, 0, sizeof(*n));
	n->config = c;
	n->stats = stats;
	n->filter = filter;	/* filter_set is 0, as every session begins */
	n->mtu = c.mtu;
	n->max_messages = 1;
	n->align = 8;
	n->version = older_version(c.max_version + 1);
	netvsc_set_state(n, NETVSC_VERSION);
}

void netvsc_abort(struct netvsc *n)
{
	netvsc_set_state(n, NETVSC_CLOSED);
	netvsc_request_done(n);
}

void netvsc_set_filter(struct netvsc *n, uint32_t filter)
{
	n->filter = filter;
}

void netvsc_stop(struct netvsc *n)
{
	switch (n->state) {
	case NETVSC_RUNNING:
		netvsc_request_done(n);
		/*
		 * An answer that is still outstanding comes to nobody: answers are told apart by
		 * their id.
		 */
		if (n->awaited == NETVSC_AWAIT_FILTER)
			n->filter_set = ~0u;
		netvsc_set_state(n, NETVSC_CLOSING_FILTER);
		break;
	case NETVSC_INITIALIZE:
	case NETVSC_QUERIES:
		netvsc_set_state(n, NETVSC_HALT);
		break;
	case NETVSC_RECEIVE:
	case NETVSC_SEND_MAP:
	case NETVSC_SEND:
		/*
		 * A buffer's registration may or may not have arrived; revoking what is not there
		 * hurts nobody.
		 */
		netvsc_set_state(n, NETVSC_REVOKE_RECEIVE);
		break;
	case NETVSC_VERSION:
	case NETVSC_CONFIG:
	case NETVSC_NDIS_VERSION:
	case NETVSC_RECEIVE_MAP:
		netvsc_set_state(n, NETVSC_CLOSED);
		break;
	case NETVSC_CLOSED:
	case NETVSC_CLOSING_FILTER:
	case NETVSC_DRAIN:
	case NETVSC_HALT:
	case NETVSC_REVOKE_RECEIVE:
	case NETVSC_REVOKE_SEND:
	case NETVSC_FAILED:
		break;
	}
}

void netvsc_drained(struct netvsc *n)
{
	if (n->state == NETVSC_DRAIN)
		netvsc_set_state(n, NETVSC_HALT);
}

/* ---- messages that leave ---- */

static enum netvsc_do send_message(struct netvsc *n, struct netvsc_out *out, const void *message, size_t bytes,
				   bool wants_completion)
{
	memset(out->message, 0, sizeof(out->message));
	memcpy(out->message, message, bytes);
	out->message_bytes = NETVSC_MESSAGE_BYTES;
	out->wants_completion = wants_completion;
	if (wants_completion)
		n->awaited = NETVSC_AWAIT_NVSP;
	return NETVSC_DO_SEND;
}

static enum netvsc_do send_init(struct netvsc *n, struct netvsc_out *out)
{
	struct nvsp_init m = {
		.type = to_le32(NVSP_INIT),
		.version = to_le32(n->version),
		.version2 = to_le32(n->version),
	};

	return send_message(n, out, &m, sizeof(m), true);
}

static enum netvsc_do send_config(struct netvsc *n, struct netvsc_out *out)
{
	struct nvsp_ndis_config m = {
		.type = to_le32(NVSP_SEND_NDIS_CONFIG),
		.frame_bytes = to_le32(n->config.mtu + 14),
		/*
		 * Teaming stands for link-speed updates too. No VF or RSC: nothing here takes them
		 * over.
		 */
		.capabilities = to_le64(n->version >= NVSP_VERSION_5 ? NVSP_CAP_8021Q | NVSP_CAP_TEAMING :
				       NVSP_CAP_8021Q),
	};

	netvsc_set_state(n, NETVSC_NDIS_VERSION);
	return send_message(n, out, &m, sizeof(m), false);
}

static enum netvsc_do send_ndis_version(struct netvsc *n, struct netvsc_out *out)
{
	struct nvsp_ndis_version m = {
		.type = to_le32(NVSP_SEND_NDIS_VERSION),
		.major = to_le32(6),
		.minor = to_le32(n->version >= NVSP_VERSION_5 ? 30 : 1),
	};

	netvsc_set_state(n, NETVSC_RECEIVE_MAP);
	return send_message(n, out, &m, sizeof(m), false);
}

static enum netvsc_do send_buffer(struct netvsc *n, struct netvsc_out *out, uint32_t type, uint32_t handle,
				  uint16_t id)
{
	struct nvsp_send_buffer m = {
		.type = to_le32(type),
		.gpadl = to_le32(handle),
		.id = to_le16(id),
	};

	return send_message(n, out, &m, sizeof(m), true);
}

static enum netvsc_do send_revoke(struct netvsc *n, struct netvsc_out *out, uint32_t type, uint16_t id)
{
	struct nvsp_revoke_buffer m = { .type = to_le32(type), .id = to_le16(id) };

	/* Without a completion, as Linux: the channel is closed next, and the ring keeps the order. */
	return send_message(n, out, &m, sizeof(m), false);
}

static enum netvsc_do send_control(struct netvsc *n, struct netvsc_out *out, enum netvsc_await awaited)
{
	struct nvsp_rndis_packet m = {
		.type = to_le32(NVSP_SEND_RNDIS_PACKET),
		.channel_type = to_le32(NVSP_CHANNEL_CONTROL),
		.section = to_le32(NVSP_NO_SECTION),
	};

	send_message(n, out, &m, sizeof(m), true);
	n->awaited = awaited;
	n->control_busy = true;
	return NETVSC_DO_CONTROL;
}

static enum netvsc_do next_running(struct netvsc *n, struct netvsc_out *out)
{
	if (n->filter != n->filter_set) {
		netvsc_build_filter(n, out, n->filter);
		return send_control(n, out, NETVSC_AWAIT_FILTER);
	}
	if (n->req_state == NETVSC_REQUEST_QUEUED) {
		n->req_state = NETVSC_REQUEST_SENT;
		netvsc_build_request(n, out);
		return send_control(n, out, NETVSC_AWAIT_CALLER);
	}
	return NETVSC_DO_NOTHING;
}

static enum netvsc_do next_closing(struct netvsc *n, struct netvsc_out *out)
{
	if (n->filter_set == 0) {
		netvsc_set_state(n, NETVSC_DRAIN);
		return NETVSC_DO_DRAIN;
	}
	netvsc_build_filter(n, out, 0);		/* the goal stays, for the next session */
	return send_control(n, out, NETVSC_AWAIT_FILTER);
}

enum netvsc_do netvsc_next(struct netvsc *n, struct netvsc_out *out)
{
	if (n->awaited != NETVSC_AWAIT_NOTHING || n->control_busy)
		return NETVSC_DO_NOTHING;
	switch (n->state) {
	case NETVSC_CLOSED:
	case NETVSC_FAILED:
		return NETVSC_DO_NOTHING;
	case NETVSC_VERSION:
		return send_init(n, out);
	case NETVSC_CONFIG:
		return send_config(n, out);
	case NETVSC_NDIS_VERSION:
		return send_ndis_version(n, out);
	case NETVSC_RECEIVE_MAP:
		return NETVSC_DO_MAP_RECEIVE;
	case NETVSC_RECEIVE:
		return send_buffer(n, out, NVSP_SEND_RECEIVE_BUFFER, n->receive_handle, NVSP_RECEIVE_BUFFER_ID);
	case NETVSC_SEND_MAP:
		return NETVSC_DO_MAP_SEND;
	case NETVSC_SEND:
		return send_buffer(n, out, NVSP_SEND_SEND_BUFFER, n->send_handle, NVSP_SEND_BUFFER_ID);
	case NETVSC_INITIALIZE:
		netvsc_build_initialize(n, out);
		return send_control(n, out, NETVSC_AWAIT_RNDIS);
	case NETVSC_QUERIES:
		netvsc_build_start_query(n, out);
		return send_control(n, out, NETVSC_AWAIT_RNDIS);
	case NETVSC_RUNNING:
		return next_running(n, out);
	case NETVSC_CLOSING_FILTER:
		return next_closing(n, out);
	case NETVSC_DRAIN:
		return NETVSC_DO_DRAIN;
	case NETVSC_HALT:
		netvsc_build_halt(n, out);
		return send_control(n, out, NETVSC_AWAIT_HALT);
	case NETVSC_REVOKE_RECEIVE:
		netvsc_set_state(n, n->send_handle ? NETVSC_REVOKE_SEND : NETVSC_CLOSED);
		return send_revoke(n, out, NVSP_REVOKE_RECEIVE_BUFFER, NVSP_RECEIVE_BUFFER_ID);
	case NETVSC_REVOKE_SEND:
		netvsc_set_state(n, NETVSC_CLOSED);
		return send_revoke(n, out, NVSP_REVOKE_SEND_BUFFER, NVSP_SEND_BUFFER_ID);
	}
	return NETVSC_DO_NOTHING;
}

void netvsc_receive_mapped(struct netvsc *n, uint32_t handle, const void *receive, uint32_t bytes)
{
	if (n->state != NETVSC_RECEIVE_MAP)
		return;
	n->receive_handle = handle;
	n->receive = receive;
	n->receive_bytes = bytes;
	netvsc_set_state(n, NETVSC_RECEIVE);
}

void netvsc_send_mapped(struct netvsc *n, uint32_t handle, uint32_t bytes)
{
	if (n->state != NETVSC_SEND_MAP)
		return;
	n->send_handle = handle;
	n->send_bytes = bytes;
	netvsc_set_state(n, NETVSC_SEND);
}

/* ---- answers ---- */

/* Only the status counts. A refused version is not an error: the next older one is proposed. */
static void init_answered(struct netvsc *n, struct rd r)
{
	struct nvsp_init_complete m;

	if (!rd_copy(&r, &m, sizeof(m)))
		return netvsc_fail(n, NETVSC_ERR_SHORT);
	if (le32_get(m.status) != NVSP_STATUS_SUCCESS) {
		n->version = older_version(n->version);
		if (!n->version)
			return netvsc_fail(n, NETVSC_ERR_VERSION);
		return netvsc_set_state(n, NETVSC_VERSION);
	}
	netvsc_set_state(n, n->version >= NVSP_VERSION_2 ? NETVSC_CONFIG : NETVSC_NDIS_VERSION);
}

/* The host says how it divides the buffer; what does not fit into the registered memory is refused. */
static void receive_answered(struct netvsc *n, struct rd r)
{
	struct nvsp_receive_buffer_complete m;
	uint32_t bytes, count;

	if (!rd_copy(&r, &m, sizeof(m)))
		return netvsc_fail(n, NETVSC_ERR_SHORT);
	if (le32_get(m.status) != NVSP_STATUS_SUCCESS)
		return netvsc_fail(n, NETVSC_ERR_RECEIVE_REFUSED);
	bytes = le32_get(m.section.sub_allocation_bytes);
	count = le32_get(m.section.sub_allocations);
	/* 68: an RNDIS header, an element and some data, as Linux demands. */
	if (le32_get(m.sections) != 1 || le32_get(m.section.offset) != 0 || bytes < 68 || !count ||
	    (uint64_t)bytes * count > n->receive_bytes)
		return netvsc_fail(n, NETVSC_ERR_RECEIVE_LAYOUT);
	n->sub_bytes = bytes;
	n->sub_count = count;
	/* A host takes an MTU below 1500 for 1500. */
	n->frame_max_bytes = (n->config.mtu > NETVSC_MTU_DEFAULT ? n->config.mtu : NETVSC_MTU_DEFAULT) + 14 + 4;
	netvsc_set_state(n, n->config.no_send_buffer ? NETVSC_INITIALIZE : NETVSC_SEND_MAP);
}

static void send_answered(struct netvsc *n, struct rd r)
{
	struct nvsp_send_buffer_complete m;
	uint32_t bytes;

	if (!rd_copy(&r, &m, sizeof(m)))
		return netvsc_fail(n, NETVSC_ERR_SHORT);
	if (le32_get(m.status) != NVSP_STATUS_SUCCESS)
		return netvsc_fail(n, NETVSC_ERR_SEND_REFUSED);
	bytes = le32_get(m.section_bytes);
	if (bytes < 68 || bytes > n->send_bytes)
		return netvsc_fail(n, NETVSC_ERR_SEND_LAYOUT);
	n->section_bytes = bytes;
	n->section_count = n->send_bytes / bytes;
	netvsc_set_state(n, NETVSC_INITIALIZE);
}

void netvsc_completed(struct netvsc *n, const void *payload, uint32_t bytes)
{
	struct rd r = { payload, bytes }, all = r;
	struct nvsp_header h;

	if (n->awaited != NETVSC_AWAIT_NVSP || !rd_copy(&r, &h, sizeof(h))) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return;
	}
	switch (n->state) {
	case NETVSC_VERSION:
		if (le32_get(h.type) == NVSP_INIT_COMPLETE)
			return init_answered(n, all);
		break;
	case NETVSC_RECEIVE:
		if (le32_get(h.type) == NVSP_SEND_RECEIVE_BUFFER_COMPLETE)
			return receive_answered(n, all);
		break;
	case NETVSC_SEND:
		if (le32_get(h.type) == NVSP_SEND_SEND_BUFFER_COMPLETE)
			return send_answered(n, all);
		break;
	default:
		break;
	}
	n->stats.n[NETVSC_BAD_ANSWER]++;
	netvsc_fail(n, NETVSC_ERR_UNEXPECTED);
}

void netvsc_control_sent(struct netvsc *n, const void *payload, uint32_t bytes)
{
	struct rd r = { payload, bytes };
	struct nvsp_rndis_packet_complete m;

	if (!n->control_busy || !rd_copy(&r, &m, sizeof(m)) ||
	    le32_get(m.type) != NVSP_SEND_RNDIS_PACKET_COMPLETE) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return;
	}
	n->control_busy = false;
	if (n->awaited == NETVSC_AWAIT_HALT) {
		/* Whatever the host thinks of it: the session ends. */
		netvsc_set_state(n, NETVSC_REVOKE_RECEIVE);
		return;
	}
	/* The answer of a refused message never comes. */
	if (le32_get(m.status) != NVSP_STATUS_SUCCESS &&
	    (n->awaited == NETVSC_AWAIT_RNDIS || n->awaited == NETVSC_AWAIT_FILTER || n->awaited == NETVSC_AWAIT_CALLER))
		netvsc_fail(n, NETVSC_ERR_CONTROL_REFUSED);
}

static void indirection_table(struct netvsc *n, struct rd all)
{
	struct nvsp_indirection_table m;
	struct rd r = all, table;

	if (!rd_copy(&r, &m, sizeof(m)) || le32_get(m.count) != NVSP_INDIRECTION_ENTRIES ||
	    !rd_slice(&all, le32_get(m.offset), NVSP_INDIRECTION_ENTRIES * sizeof(le32), &table)) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return;
	}
	for (unsigned i = 0; i < NVSP_INDIRECTION_ENTRIES; i++) {
		le32 v = to_le32(0);

		rd_copy(&table, &v, sizeof(v));
		n->indirection[i] = le32_get(v);
	}
	n->indirection_valid = true;
}

void netvsc_inband(struct netvsc *n, const void *payload, uint32_t bytes)
{
	struct rd all = { payload, bytes }, r = all;
	struct nvsp_vf_association vf;
	struct nvsp_header h;

	if (!rd_copy(&r, &h, sizeof(h))) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return;
	}
	r = all;
	switch (le32_get(h.type)) {
	case NVSP_SEND_INDIRECTION_TABLE:
		return indirection_table(n, all);
	case NVSP_SEND_VF_ASSOCIATION:
		if (!rd_copy(&r, &vf, sizeof(vf)))
			break;
		n->vf_present = le32_get(vf.allocated) != 0;
		n->vf_serial = le32_get(vf.serial);
		return;
	case NVSP_SWITCH_DATA_PATH:
		return;		/* "now synthetic", which it always was */
	default:
		break;
	}
	n->stats.n[NETVSC_BAD_ANSWER]++;
}
