/* SPDX-License-Identifier: MIT */
/* A NIC's life: channel, buffers, the core's control part. The data path is in data.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "softguest/internal.h"
#include "vmbus/vmbus_wire.h"

enum {
	DEFAULT_RING_PAGES = 65,
	DEFAULT_RECEIVE_BYTES = 4 << 20,
	DEFAULT_SEND_BYTES = 255 * PAGE_BYTES,
	DEFAULT_DIRECT_SLOTS = 16,
	MAX_SEND_BYTES = 4 << 20,	/* however a host divides it, its sections have 16-bit numbers */
	VERSION_4_0 = 0x40000,		/* from here on buffers are taken back after the close */
};

struct softguest_nic *sg_nic_create(struct softguest *g, struct vmbus_client_channel *ch)
{
	struct softguest_nic *nic = calloc(1, sizeof(*nic));

	if (!nic)
		return NULL;
	nic->g = g;
	nic->ch = ch;
	nic->batch_slot = NETVSC_NO_SLOT;
	return nic;
}

static void free_memory(struct softguest_nic *nic)
{
	sg_pages_free(nic->g, &nic->control);
	sg_pages_free(nic->g, &nic->receive);
	sg_pages_free(nic->g, &nic->send);
	sg_pages_free(nic->g, &nic->direct);
	free(nic->slots);
	free(nic->owed);
	nic->slots = NULL;
	nic->owed = NULL;
	nic->tx.nslots = 0;
}

void sg_nic_destroy(struct softguest_nic *nic)
{
	sg_data_stop(nic);
	free_memory(nic);
	free(nic);
}

static uint32_t whole_pages(uint32_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

static int alloc_memory(struct softguest_nic *nic)
{
	const struct softguest_nic_opts *o = &nic->opts;
	const uint32_t sections = o->send_bytes / 68;	/* more than any host can make of it */
	int ret = sg_pages_alloc(nic->g, 1, &nic->control);

	if (!ret)
		ret = sg_pages_alloc(nic->g, whole_pages(o->receive_bytes), &nic->receive);
	if (!ret)
		ret = sg_pages_alloc(nic->g, whole_pages(o->send_bytes), &nic->send);
	if (!ret)
		ret = sg_pages_alloc(nic->g, (size_t)o->direct_slots * DIRECT_PAGES, &nic->direct);
	nic->slots = calloc(sections + o->direct_slots, sizeof(*nic->slots));
	/*
	 * Each packet from the host holds at least one sub-allocation, and those have 68 bytes or
	 * more.
	 */
	nic->owed_size = o->receive_bytes / 68 + 1;
	nic->owed = calloc(nic->owed_size, sizeof(*nic->owed));
	if (!ret && (!nic->slots || !nic->owed))
		ret = -ENOMEM;
	return ret;
}

/* ---- the core's wishes ---- */

static void send_message(struct softguest_nic *nic)
{
	const struct netvsc_out *o = &nic->out;
	int ret = vmbus_ring_write(nic->to_host, VMBUS_PKT_DATA_INBAND, o->wants_completion,
				   o->wants_completion ? NETVSC_ID_REQUEST : 0, o->message, o->message_bytes);

	if (ret)
		nic->error = ret;
}

static void send_control(struct softguest_nic *nic)
{
	const struct netvsc_out *o = &nic->out;
	uint64_t pfn = nic->control.gpa / PAGE_BYTES;
	void *extra, *payload;
	int ret = vmbus_ring_reserve(nic->to_host, vmbus_gpa_direct_extra(1), o->message_bytes, &extra, &payload);

	if (ret) {
		nic->error = ret;
		return;
	}
	memcpy(nic->control.host, o->rndis, o->rndis_bytes);
	vmbus_gpa_direct_write(extra, o->rndis_bytes, 0, &pfn, 1);
	memcpy(payload, o->message, o->message_bytes);
	vmbus_ring_commit(nic->to_host, VMBUS_PKT_DATA_GPA_DIRECT, true, NETVSC_ID_CONTROL);
}

static void map(struct softguest_nic *nic, const struct pages *p, uint32_t *handle)
{
	int ret = vmbus_client_gpadl_create_contiguous(nic->ch, p->gpa, p->n, handle);

	if (ret)
		nic->error = ret;
	nic->mapping = !ret;
}

/* Control messages are few; room for one is always kept by waiting for it here. */
static bool has_room(struct softguest_nic *nic)
{
	return vmbus_ring_free(nic->to_host) >= vmbus_packet_space(vmbus_gpa_direct_extra(1), NETVSC_MESSAGE_BYTES);
}

static bool is_drained(struct softguest_nic *nic)
{
	return !nic->tx.busy && !nic->owed_count && vmbus_ring_free(nic->to_host) == nic->to_host->size - 8;
}

static bool drive_once(struct softguest_nic *nic)
{
	switch (netvsc_next(&nic->core, &nic->out)) {
	case NETVSC_DO_NOTHING:
		return false;
	case NETVSC_DO_SEND:
		send_message(nic);
		return true;
	case NETVSC_DO_CONTROL:
		send_control(nic);
		return true;
	case NETVSC_DO_MAP_RECEIVE:
		map(nic, &nic->receive, &nic->receive_handle);
		return false;
	case NETVSC_DO_MAP_SEND:
		map(nic, &nic->send, &nic->send_handle);
		return false;
	case NETVSC_DO_DRAIN:
		if (!is_drained(nic))
			return false;
		netvsc_drained(&nic->core);
		return true;
	}
	return false;
}

void sg_nic_drive(struct softguest_nic *nic)
{
	while (nic->open && !nic->mapping && !nic->error && has_room(nic) && drive_once(nic))
		;
	if (nic->core.state == NETVSC_FAILED && !nic->error)
		nic->error = -EPROTO;
	sg_publish(nic);
}

/* ---- the bus' answers ---- */

void sg_nic_opened(struct softguest_nic *nic, uint32_t status)
{
	nic->opening = false;
	if (status) {
		nic->error = -ECONNREFUSED;
		return;
	}
	nic->error = sg_data_start(nic);
	netvsc_start(&nic->core, &nic->opts.config);
	sg_nic_drive(nic);
}

void sg_nic_closed(struct softguest_nic *nic)
{
	nic->closing = false;
}

void sg_nic_gpadl_created(struct softguest_nic *nic, uint32_t handle, uint32_t status)
{
	nic->mapping = false;
	if (status) {
		nic->error = -ECONNREFUSED;
	} else if (handle == nic->receive_handle) {
		nic->receive_mapped = true;
		netvsc_receive_mapped(&nic->core, handle, nic->receive.host, (uint32_t)nic->receive.n * PAGE_BYTES);
	} else {
		nic->send_mapped = true;
		netvsc_send_mapped(&nic->core, handle, (uint32_t)nic->send.n * PAGE_BYTES);
	}
	sg_nic_drive(nic);
}

void sg_nic_gpadl_torndown(struct softguest_nic *nic, uint32_t handle)
{
	if (handle == nic->receive_handle)
		nic->receive_mapped = false;
	else
		nic->send_mapped = false;
}

/* ---- waiting ---- */

static int nic_run_until(struct softguest_nic *nic, bool (*done)(void *cookie))
{
	int ret = softguest_run_until(nic->g, done, nic, nic->g->timeout_ms);

	return ret ? ret : nic->error;
}

static bool is_running(void *cookie)
{
	const struct softguest_nic *nic = cookie;

	return nic->error || nic->core.state == NETVSC_RUNNING;
}

static bool is_stopped(void *cookie)
{
	const struct softguest_nic *nic = cookie;

	return nic->error || nic->core.state == NETVSC_CLOSED;
}

static bool is_closed(void *cookie)
{
	const struct softguest_nic *nic = cookie;

	return nic->rescinded || !nic->closing;
}

static bool is_unmapped(void *cookie)
{
	const struct softguest_nic *nic = cookie;

	return nic->rescinded || (!nic->receive_mapped && !nic->send_mapped);
}

static bool is_filtered(void *cookie)
{
	const struct softguest_nic *nic = cookie;

	return nic->error || nic->core.filter == nic->core.filter_set;
}

static bool is_requested(void *cookie)
{
	const struct softguest_nic *nic = cookie;

	return nic->error || nic->core.req_state == NETVSC_REQUEST_DONE;
}

/* ---- for the user ---- */

static void fill_defaults(struct softguest_nic_opts *o)
{
	if (!o->ring_pages)
		o->ring_pages = DEFAULT_RING_PAGES;
	if (!o->receive_bytes)
		o->receive_bytes = DEFAULT_RECEIVE_BYTES;
	if (!o->send_bytes)
		o->send_bytes = DEFAULT_SEND_BYTES;
	if (!o->direct_slots)
		o->direct_slots = DEFAULT_DIRECT_SLOTS;
}

int softguest_nic_open(struct softguest_nic *nic, const struct softguest_nic_opts *opts)
{
	int ret;

	if (nic->rescinded)
		return -ENODEV;
	if (nic->control.n)
		return -EBUSY;
	nic->opts = *opts;
	fill_defaults(&nic->opts);
	if (nic->opts.send_bytes > MAX_SEND_BYTES)
		return -EINVAL;
	nic->error = 0;
	netvsc_set_filter(&nic->core, 0);
	ret = alloc_memory(nic);
	if (!ret)
		ret = vmbus_client_open(nic->ch, nic->opts.ring_pages, nic->opts.ring_pages, 0);
	if (ret) {
		free_memory(nic);
		return ret;
	}
	nic->opening = true;
	ret = nic_run_until(nic, is_running);
	if (ret)
		softguest_nic_close(nic);
	return ret;
}

static void teardown_buffers(struct softguest_nic *nic)
{
	if (nic->receive_mapped)
		vmbus_client_gpadl_teardown(nic->ch, nic->receive_handle);
	if (nic->send_mapped)
		vmbus_client_gpadl_teardown(nic->ch, nic->send_handle);
}

/* The channel and the buffers' GPADLs, in the order that the version wants. */
static int close_channel(struct softguest_nic *nic)
{
	bool early = softguest_vmbus_version(nic->g) < VERSION_4_0;
	int ret = 0;

	if (early) {
		teardown_buffers(nic);
		ret = softguest_run_until(nic->g, is_unmapped, nic, nic->g->timeout_ms);
	}
	if (!ret && nic->open && !nic->rescinded) {
		sg_data_stop(nic);
		nic->closing = true;
		vmbus_client_close(nic->ch);
		ret = softguest_run_until(nic->g, is_closed, nic, nic->g->timeout_ms);
	}
	if (!ret && !early && !nic->rescinded) {
		teardown_buffers(nic);
		ret = softguest_run_until(nic->g, is_unmapped, nic, nic->g->timeout_ms);
	}
	return ret;
}

int softguest_nic_close(struct softguest_nic *nic)
{
	int ret = 0;

	if (!nic->rescinded && nic->open && !nic->error) {
		netvsc_stop(&nic->core);
		sg_nic_drive(nic);
		ret = nic_run_until(nic, is_stopped);
	}
	if (!nic->rescinded && !nic->g->error) {
		int closed = close_channel(nic);

		ret = ret ? ret : closed;
	}
	sg_data_stop(nic);
	netvsc_abort(&nic->core);
	/* Memory that the host may still write to is not used again. */
	if (!ret || nic->rescinded)
		free_memory(nic);
	return nic->rescinded ? -ENODEV : ret;
}

int softguest_nic_set_filter(struct softguest_nic *nic, uint32_t filter)
{
	if (!nic->open)
		return -ENETDOWN;
	netvsc_set_filter(&nic->core, filter);
	sg_nic_drive(nic);
	return nic_run_until(nic, is_filtered);
}

int softguest_nic_request(struct softguest_nic *nic, uint32_t oid, const void *set, uint32_t bytes, uint32_t *status)
{
	int ret;

	if (!(set ? netvsc_request_set(&nic->core, oid, set, bytes) : netvsc_request_query(&nic->core, oid)))
		return -EBUSY;
	sg_nic_drive(nic);
	ret = nic_run_until(nic, is_requested);
	if (!ret)
		*status = nic->core.req_status;
	netvsc_request_done(&nic->core);
	return ret;
}

const struct netvsc *softguest_nic_core(const struct softguest_nic *nic)
{
	return &nic->core;
}

const uint8_t *softguest_nic_mac(const struct softguest_nic *nic)
{
	return nic->core.mac;
}

bool softguest_nic_is_open(const struct softguest_nic *nic)
{
	return nic->open && nic->core.state == NETVSC_RUNNING;
}

bool softguest_nic_is_rescinded(const struct softguest_nic *nic)
{
	return nic->rescinded;
}

void softguest_nic_release(struct softguest_nic *nic)
{
	struct softguest *g = nic->g;
	unsigned i = 0;

	while (g->nics[i] != nic)
		i++;
	memmove(&g->nics[i], &g->nics[i + 1], (--g->nnics - i) * sizeof(g->nics[0]));
	vmbus_client_channel_set_user(nic->ch, NULL);
	vmbus_client_release(nic->ch);
	sg_nic_destroy(nic);
}

void softguest_nic_stats(const struct softguest_nic *nic, struct softguest_stats *out)
{
	*out = (struct softguest_stats){
		.core = nic->core.stats,
		.doorbells = nic->doorbells,
		.interrupts = nic->g->interrupts,
		.tx_no_room = nic->tx_no_room,
		.rx_packets = nic->rx_packets,
		.owed_max = nic->owed_max,
	};
	for (unsigned i = 0; i < NETVSC_STATS; i++)
		out->core.n[i] += nic->rx_stats.n[i] + nic->tx_stats.n[i];
}
