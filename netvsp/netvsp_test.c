/* SPDX-License-Identifier: MIT */
/*
 * Two guests on two real buses, their devices on one real switch and one real loop: from the offer to frames and back to
 * nothing. The guests' side is the client of vmbus/ and a few NVSP messages.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/test.h"
#include "netvsp/netvsp.h"
#include "netvsp/nvsp_wire.h"
#include "netvsp/rndis_wire.h"
#include "vmbus/bridge_wire.h"
#include "vmbus/vmbus_client.h"
#include "vmbus/vmbus_wire.h"

enum {
	VM_PAGES = 8192,
	RECEIVE_PAGES = 1024,
	SEND_PAGES = 255,
	RING_PAGES = 32,
	SECTIONS = SEND_PAGES * 4096 / NVSP_SEND_SECTION_BYTES,
	FRAME = 300,
};

/* ---- a guest ---- */

struct vm {
	struct vmbus *bus;
	struct netvsp *nic;
	uint8_t mac[6];
	int fd;
	uint8_t *ram;
	uint64_t next_page;
	unsigned interrupts, handled;
	uint64_t gone, gone_bytes;

	struct vmbus_client *client;
	struct vmbus_client_channel *ch;
	bool opened, closed, rescinded, torndown;
	uint32_t created;
	uint64_t receive_gpa, send_gpa;
	uint32_t receive_handle, send_handle, slot_bytes;
	uint32_t free_section[SECTIONS], free_sections;
	uint32_t control_page;
	/* what came */
	uint32_t nvsp_status;		/* of the last NVSP answer */
	uint32_t rndis_type, rndis_status;
	unsigned answers, control, frames, bad, sent_ok, sent_failed;
	uint32_t next_seen;		/* the sequence number that must come next */
	uint8_t packet[16384];
};

static void *vm_gpa(void *opaque, uint64_t gpa, uint64_t size, bool write)
{
	struct vm *vm = opaque;

	(void)write;
	if (gpa > VM_PAGES * 4096ull || size > VM_PAGES * 4096ull - gpa)
		return NULL;
	if (vm->gone_bytes && gpa < vm->gone + vm->gone_bytes && gpa + size > vm->gone)
		return NULL;
	return vm->ram + gpa;
}

static int vm_map_pages(void *opaque, const uint64_t *pfns, size_t n, void **out)
{
	struct vm *vm = opaque;
	uint8_t *p = mmap(NULL, n * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < n; i++)
		if (p == MAP_FAILED || !vm_gpa(vm, pfns[i] * 4096, 4096, true) ||
		    mmap(p + i * 4096, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vm->fd,
			 (off_t)(pfns[i] * 4096)) == MAP_FAILED)
			return -EFAULT;
	*out = p;
	return 0;
}

static void vm_unmap_pages(void *opaque, void *base, size_t n)
{
	(void)opaque;
	munmap(base, n * 4096);
}

static void vm_interrupt(void *opaque, uint32_t vp)
{
	struct vm *vm = opaque;

	(void)vp;
	vm->interrupts++;
}

static const struct vmbus_platform_ops platform = { vm_gpa, vm_map_pages, vm_unmap_pages, vm_interrupt };

static int vm_alloc(void *opaque, size_t n, uint64_t *gpa, void **host)
{
	struct vm *vm = opaque;

	if (vm->next_page + n > VM_PAGES)
		return -ENOMEM;
	*gpa = vm->next_page * 4096;
	*host = vm->ram + *gpa;
	memset(*host, 0, n * 4096);
	vm->next_page += n;
	return 0;
}

static void vm_free(void *opaque, uint64_t gpa, void *host, size_t n)
{
	(void)opaque;
	(void)gpa;
	memset(host, 0xee, n * 4096);
}

static int vm_map_ring(void *opaque, uint64_t gpa, uint32_t pages, void **base)
{
	uint64_t pfns[2 * RING_PAGES];

	for (uint32_t i = 0; i < 2 * pages - 1; i++)
		pfns[i] = gpa / 4096 + (i < pages ? i : i - pages + 1);
	return vm_map_pages(opaque, pfns, 2 * pages - 1, base);
}

static void vm_unmap_ring(void *opaque, void *base, uint32_t pages)
{
	vm_unmap_pages(opaque, base, 2 * pages - 1);
}

static void vm_write_vp(void *opaque, uint32_t vp, uint32_t reg, uint64_t value)
{
	struct vm *vm = opaque;

	switch (reg) {
	case HVNET_BRIDGE_VP_SCONTROL:
		vmbus_synic_set_scontrol(vm->bus, vp, value);
		break;
	case HVNET_BRIDGE_VP_SINT2:
		vmbus_synic_set_sint2(vm->bus, vp, value);
		break;
	case HVNET_BRIDGE_VP_SIMP:
		vmbus_synic_set_simp(vm->bus, vp, value);
		break;
	case HVNET_BRIDGE_VP_SIEFP:
		vmbus_synic_set_siefp(vm->bus, vp, value);
		break;
	case HVNET_BRIDGE_VP_EOM:
		vmbus_synic_eom(vm->bus, vp);
		break;
	}
}

static uint16_t vm_post(void *opaque, uint64_t gpa)
{
	return vmbus_post_message(((struct vm *)opaque)->bus, gpa);
}

static void vm_signal(void *opaque, uint32_t connection_id)
{
	CU_ASSERT_EQUAL(vmbus_signal_event(((struct vm *)opaque)->bus, connection_id, 0), 0);
}

static void on_connected(void *opaque, uint32_t version)
{
	struct vm *vm = opaque;

	if (version)
		vmbus_client_request_offers(vm->client);
}

static void on_offered(void *opaque, struct vmbus_client_channel *ch)
{
	((struct vm *)opaque)->ch = ch;
}

static void on_opened(void *opaque, struct vmbus_client_channel *ch, uint32_t status)
{
	(void)ch;
	((struct vm *)opaque)->opened = !status;
}

static void on_closed(void *opaque, struct vmbus_client_channel *ch)
{
	(void)ch;
	((struct vm *)opaque)->closed = true;
}

static void on_rescinded(void *opaque, struct vmbus_client_channel *ch)
{
	struct vm *vm = opaque;

	vm->rescinded = true;
	vm->ch = NULL;
	vmbus_client_release(ch);
}

static void on_created(void *opaque, struct vmbus_client_channel *ch, uint32_t handle, uint32_t status)
{
	(void)ch;
	((struct vm *)opaque)->created = status ? 0 : handle;
}

static void on_torndown(void *opaque, struct vmbus_client_channel *ch, uint32_t handle)
{
	(void)ch;
	(void)handle;
	((struct vm *)opaque)->torndown = true;
}

static const struct vmbus_client_ops client_ops = {
	.alloc_pages = vm_alloc, .free_pages = vm_free, .map_ring = vm_map_ring, .unmap_ring = vm_unmap_ring,
	.write_vp = vm_write_vp, .post_message = vm_post, .signal_event = vm_signal,
	.connected = on_connected, .offered = on_offered, .opened = on_opened, .closed = on_closed,
	.rescinded = on_rescinded, .gpadl_created = on_created, .gpadl_torndown = on_torndown,
};

static uint32_t u32_at(const void *p, uint32_t off)
{
	le32 v;

	memcpy(&v, (const uint8_t *)p + off, sizeof(v));
	return le32_get(v);
}

/* ---- the guest's driver ---- */

static void take_frame(struct vm *vm, const uint8_t *m, uint32_t bytes)
{
	const uint8_t *frame = m + 8 + u32_at(m, 8);
	uint32_t sequence = u32_at(frame, 14);

	vm->frames++;
	if (bytes < 256 + FRAME || u32_at(m, 12) != FRAME || sequence != vm->next_seen)
		vm->bad++;
	for (uint32_t i = 18; i < FRAME; i++)
		vm->bad += frame[i] != (uint8_t)(sequence + i);
	vm->next_seen = sequence + 1;
}

static void take_received(struct vm *vm, const struct vmbus_packet *pkt)
{
	const struct nvsp_rndis_packet_complete done = {
		to_le32(NVSP_SEND_RNDIS_PACKET_COMPLETE), to_le32(NVSP_STATUS_SUCCESS),
	};
	const uint8_t *buffer = vm->ram + vm->receive_gpa;
	uint16_t set;
	uint32_t n;

	if (!vmbus_transfer_parse(pkt, &set, &n) || set != NVSP_RECEIVE_BUFFER_ID) {
		vm->bad++;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct vmbus_transfer_range r = vmbus_transfer_range(pkt, i);
		const uint8_t *m = buffer + r.offset;

		if (u32_at(m, 0) == RNDIS_PACKET) {
			take_frame(vm, m, r.bytes);
			continue;
		}
		vm->control++;
		vm->rndis_type = u32_at(m, 0);
		vm->rndis_status = u32_at(m, vm->rndis_type == RNDIS_INDICATE_STATUS ? 8 : 12);
	}
	if (vmbus_ring_write(vmbus_client_out(vm->ch), VMBUS_PKT_COMPLETION, false, pkt->transaction_id, &done,
			     sizeof(done)))
		vm->bad++;
}

static void take_completion(struct vm *vm, const struct vmbus_packet *pkt)
{
	if (pkt->payload_bytes && u32_at(pkt->payload, 0) == NVSP_SEND_RNDIS_PACKET_COMPLETE) {
		if (u32_at(pkt->payload, 4) == NVSP_STATUS_SUCCESS)
			vm->sent_ok++;
		else
			vm->sent_failed++;
		if (pkt->transaction_id >= 1000)
			vm->free_section[vm->free_sections++] = (uint32_t)pkt->transaction_id - 1000;
		return;
	}
	vm->answers++;
	vm->nvsp_status = 0;
	if (pkt->payload_bytes) {
		const uint32_t type = u32_at(pkt->payload, 0);

		vm->nvsp_status = u32_at(pkt->payload, type == NVSP_INIT_COMPLETE ? 12 : 4);
		if (type == NVSP_SEND_RECEIVE_BUFFER_COMPLETE)
			vm->slot_bytes = u32_at(pkt->payload, 16);
	}
}

static void publish(struct vm *vm)
{
	if (vmbus_ring_publish(vmbus_client_out(vm->ch)))
		vmbus_client_signal(vm->ch);
}

static void receive(struct vm *vm)
{
	struct vmbus_packet pkt;

	if (!vm->ch || !vmbus_client_channel_is_open(vm->ch))
		return;
	while (vmbus_ring_next(vmbus_client_in(vm->ch), vm->packet, sizeof(vm->packet), &pkt) == 1) {
		if (pkt.type == VMBUS_PKT_COMPLETION)
			take_completion(vm, &pkt);
		else
			take_received(vm, &pkt);
	}
	publish(vm);
	if (vmbus_ring_release(vmbus_client_in(vm->ch)))
		vmbus_client_signal(vm->ch);
}

/* ---- the world ---- */

static struct {
	struct hv_loop *loop;
	struct vswitch *sw;
	struct vswitch_port *port[2];
	struct vm vm[2];
} w;

/* Until nothing happens any more: interrupts taken, rings read, pollers asleep. */
static void settle(void)
{
	for (unsigned quiet = 0, i = 0; quiet < 4 && i < 10000; i++) {
		quiet++;
		for (unsigned k = 0; k < 2; k++) {
			struct vm *vm = &w.vm[k];
			const unsigned before = vm->frames + vm->answers + vm->control + vm->sent_ok;

			if (vm->handled != vm->interrupts) {
				vm->handled = vm->interrupts;
				if (vm->client)
					vmbus_client_interrupt(vm->client, 0);
				quiet = 0;
			}
			receive(vm);
			if (vm->frames + vm->answers + vm->control + vm->sent_ok != before)
				quiet = 0;
		}
		hv_loop_run_once(w.loop, 0);
	}
}

static void nvsp(struct vm *vm, const void *m, uint32_t bytes, bool wants_completion)
{
	CU_ASSERT_EQUAL(vmbus_ring_write(vmbus_client_out(vm->ch), VMBUS_PKT_DATA_INBAND, wants_completion, 1, m, bytes), 0);
	publish(vm);
	settle();
}

static void control(struct vm *vm, const void *m, uint32_t bytes)
{
	const struct nvsp_rndis_packet head = { to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(1), to_le32(NVSP_NO_SECTION),
						to_le32(0) };
	const uint64_t pfn = vm->control_page;
	void *extra, *payload;

	memcpy(vm->ram + pfn * 4096, m, bytes);
	CU_ASSERT_EQUAL(vmbus_ring_reserve(vmbus_client_out(vm->ch), vmbus_gpa_direct_extra(1), sizeof(head), &extra,
					   &payload), 0);
	vmbus_gpa_direct_write(extra, bytes, 0, &pfn, 1);
	memcpy(payload, &head, sizeof(head));
	vmbus_ring_commit(vmbus_client_out(vm->ch), VMBUS_PKT_DATA_GPA_DIRECT, true, 2);
	publish(vm);
	settle();
}

static uint32_t set_filter(struct vm *vm, uint32_t bits)
{
	const struct {
		struct rndis_request h;
		le32 bits;
	} m = { {
		.type = to_le32(RNDIS_SET), .length = to_le32(sizeof(m)), .request_id = to_le32(9),
		.oid = to_le32(OID_GEN_CURRENT_PACKET_FILTER), .info_length = to_le32(4), .info_offset = to_le32(20),
	}, to_le32(bits) };

	vm->rndis_type = 0;
	control(vm, &m, sizeof(m));
	return vm->rndis_type == RNDIS_SET_COMPLETE ? vm->rndis_status : 0xdead;
}

static uint64_t buffer(struct vm *vm, uint32_t pages, uint32_t *handle)
{
	uint64_t gpa;
	void *host;

	if (vm_alloc(vm, pages, &gpa, &host))
		abort();
	vm->created = 0;
	CU_ASSERT_EQUAL_FATAL(vmbus_client_gpadl_create_contiguous(vm->ch, gpa, pages, handle), 0);
	settle();
	CU_ASSERT_EQUAL_FATAL(vm->created, *handle);
	return gpa;
}

static void driver_up(struct vm *vm)
{
	const struct nvsp_init init = { to_le32(NVSP_INIT), to_le32(NVSP_VERSION_6_1), to_le32(NVSP_VERSION_6_1) };
	const struct nvsp_ndis_config config = {
		.type = to_le32(NVSP_SEND_NDIS_CONFIG), .frame_bytes = to_le32(1514), .capabilities = to_le64(8),
	};
	const struct nvsp_ndis_version ndis = { to_le32(NVSP_SEND_NDIS_VERSION), to_le32(6), to_le32(30) };
	const struct rndis_initialize rndis = { to_le32(RNDIS_INITIALIZE), to_le32(sizeof(rndis)), to_le32(1),
						to_le32(1), to_le32(0), to_le32(0x4000) };
	struct nvsp_send_buffer b = { .type = to_le32(NVSP_SEND_RECEIVE_BUFFER), .id = to_le16(NVSP_RECEIVE_BUFFER_ID) };

	vm->opened = false;
	CU_ASSERT_EQUAL_FATAL(vmbus_client_open(vm->ch, RING_PAGES, RING_PAGES, 0), 0);
	settle();
	CU_ASSERT_TRUE_FATAL(vm->opened);
	nvsp(vm, &init, sizeof(init), true);
	CU_ASSERT_EQUAL_FATAL(vm->nvsp_status, NVSP_STATUS_SUCCESS);
	nvsp(vm, &config, sizeof(config), false);
	nvsp(vm, &ndis, sizeof(ndis), false);
	vm->receive_gpa = buffer(vm, RECEIVE_PAGES, &vm->receive_handle);
	b.gpadl = to_le32(vm->receive_handle);
	nvsp(vm, &b, sizeof(b), true);
	CU_ASSERT_EQUAL_FATAL(vm->nvsp_status, NVSP_STATUS_SUCCESS);
	vm->send_gpa = buffer(vm, SEND_PAGES, &vm->send_handle);
	b = (struct nvsp_send_buffer){ .type = to_le32(NVSP_SEND_SEND_BUFFER), .gpadl = to_le32(vm->send_handle) };
	nvsp(vm, &b, sizeof(b), true);
	CU_ASSERT_EQUAL_FATAL(vm->nvsp_status, NVSP_STATUS_SUCCESS);
	vm->free_sections = 0;
	for (uint32_t i = 0; i < SECTIONS; i++)
		vm->free_section[vm->free_sections++] = i;
	vm->rndis_type = 0;
	control(vm, &rndis, sizeof(rndis));
	CU_ASSERT_EQUAL_FATAL(vm->rndis_type, RNDIS_INITIALIZE_COMPLETE);
	CU_ASSERT_EQUAL(set_filter(vm, 0xd), 0);
	vm->next_seen = 0;
}

static void vm_create(struct vm *vm, uint8_t last, struct vswitch_port *port)
{
	struct netvsp_desc desc = { .name = "vm/nic", .mac = { 0, 0x15, 0x5d, 0, 0, last }, .instance = { last } };

	memset(vm, 0, sizeof(*vm));
	memcpy(vm->mac, desc.mac, 6);
	vm->fd = memfd_create("vm", MFD_CLOEXEC);
	if (vm->fd < 0 || ftruncate(vm->fd, VM_PAGES * 4096))
		abort();
	vm->ram = mmap(NULL, VM_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vm->fd, 0);
	vm->next_page = 16;
	vm->control_page = 8;
	if (vmbus_create("vm", 1, &platform, vm, &vm->bus))
		abort();
	vmbus_set_guest_os_id(vm->bus, 1);
	CU_ASSERT_EQUAL_FATAL(netvsp_create(w.loop, vm->bus, port, &desc, &vm->nic), 0);
	CU_ASSERT_EQUAL_FATAL(vmbus_client_create(1, &client_ops, vm, &vm->client), 0);
	vmbus_client_connect(vm->client, NULL, 0);
	settle();
	CU_ASSERT_PTR_NOT_NULL_FATAL(vm->ch);
}

static void vm_destroy(struct vm *vm)
{
	netvsp_destroy(vm->nic);
	vmbus_client_destroy(vm->client);
	vm->client = NULL;
	vm->ch = NULL;
	vmbus_destroy(vm->bus);
	munmap(vm->ram, VM_PAGES * 4096);
	close(vm->fd);
}

static void begin(void)
{
	const struct vswitch_config config = { .name = "test" };

	hv_log_set_level(HV_LOG_ERROR);
	memset(&w, 0, sizeof(w));
	if (hv_loop_create(&w.loop) || vswitch_create(w.loop, &config, &w.sw) ||
	    vswitch_port_create(w.sw, "one", &w.port[0]) || vswitch_port_create(w.sw, "two", &w.port[1]))
		abort();
	hv_loop_set_spin(w.loop, 0);
	for (unsigned i = 0; i < 2; i++)
		vm_create(&w.vm[i], (uint8_t)(i + 1), w.port[i]);
}

static void end(void)
{
	for (unsigned i = 0; i < 2; i++)
		vm_destroy(&w.vm[i]);
	vswitch_port_destroy(w.port[0]);
	vswitch_port_destroy(w.port[1]);
	vswitch_destroy(w.sw);
	hv_loop_destroy(w.loop);
}

/* Puts up to n frames for the other guest into sections; how many there was room for. */
static unsigned send_frames(struct vm *vm, const struct vm *to, uint32_t *sequence, unsigned n)
{
	const struct rndis_packet h = {
		.type = to_le32(RNDIS_PACKET), .length = to_le32(sizeof(h) + FRAME), .data_offset = to_le32(36),
		.data_length = to_le32(FRAME),
	};
	unsigned sent;

	for (sent = 0; sent < n && vm->free_sections; sent++) {
		const uint32_t section = vm->free_section[vm->free_sections - 1];
		uint8_t *m = vm->ram + vm->send_gpa + section * NVSP_SEND_SECTION_BYTES, *frame = m + sizeof(h);
		const struct nvsp_rndis_packet p = { to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(0), to_le32(section),
						     to_le32(sizeof(h) + FRAME) };
		const le32 number = to_le32(*sequence);

		if (vmbus_ring_write(vmbus_client_out(vm->ch), VMBUS_PKT_DATA_INBAND, true, 1000 + section, &p, sizeof(p)))
			break;
		vm->free_sections--;
		memcpy(m, &h, sizeof(h));
		memcpy(frame, to->mac, 6);
		memcpy(frame + 6, vm->mac, 6);
		frame[12] = 0x88;
		frame[13] = 0xb5;
		memcpy(frame + 14, &number, 4);
		for (uint32_t i = 18; i < FRAME; i++)
			frame[i] = (uint8_t)(*sequence + i);
		(*sequence)++;
	}
	publish(vm);
	return sent;
}

/* ---- tests ---- */

static uint64_t counter(const struct vm *vm, const char *name)
{
	const char *each;
	uint64_t v;

	for (unsigned i = 0; netvsp_counter(vm->nic, i, &each, &v); i++)
		if (!strcmp(each, name))
			return v;
	abort();
}

/* Both send all the time and read now and then: all arrives, whole and in order. */
static void frames_cross_in_both_directions_without_loss(void)
{
	uint32_t sequence[2] = { 0, 0 };
	const unsigned total = 20000;
	struct vswitch_port_stats s;

	begin();
	driver_up(&w.vm[0]);
	driver_up(&w.vm[1]);
	for (unsigned i = 0; i < 200000 && w.vm[0].frames + w.vm[1].frames < 2 * total; i++) {
		for (unsigned k = 0; k < 2; k++) {
			send_frames(&w.vm[k], &w.vm[!k], &sequence[k], total - sequence[k]);
			if (i % 7 == k)
				receive(&w.vm[k]);
		}
		hv_loop_run_once(w.loop, 0);
	}
	settle();
	for (unsigned k = 0; k < 2; k++) {
		CU_ASSERT_EQUAL(w.vm[k].frames, total);
		CU_ASSERT_EQUAL(w.vm[k].bad, 0);
		CU_ASSERT_EQUAL(w.vm[k].sent_failed, 0);
		CU_ASSERT_EQUAL(w.vm[k].free_sections, SECTIONS);
		CU_ASSERT_EQUAL(counter(&w.vm[k], "to-host-frames"), total);
		CU_ASSERT_EQUAL(counter(&w.vm[k], "to-guest-frames"), total);
		vswitch_port_stats(w.port[k], &s);
		CU_ASSERT_EQUAL(s.in_frames, total);
		CU_ASSERT_EQUAL(s.out_frames, total);
		for (unsigned d = 0; d < VSWITCH_DROPS; d++)
			CU_ASSERT_EQUAL(s.in_dropped[d] + s.out_dropped[d], 0);
	}
	end();
}

static uint64_t dropped_by(unsigned port)
{
	struct vswitch_port_stats s;
	uint64_t n = 0;

	vswitch_port_stats(w.port[port], &s);
	for (unsigned d = 0; d < VSWITCH_DROPS; d++)
		n += s.out_dropped[d];
	return n;
}

/*
 * One reads nothing for a while: the other is held up. That nothing is lost meanwhile is rx_test's matter, where time stands
 * still; here the switch's patience is real, and this process may be kept waiting longer than that.
 */
static void a_slow_reader_holds_its_sender_up(void)
{
	uint32_t sequence = 0;

	begin();
	driver_up(&w.vm[0]);
	driver_up(&w.vm[1]);
	for (unsigned i = 0; i < 2000000 && w.vm[1].frames + dropped_by(1) < 30000; i++) {
		send_frames(&w.vm[0], &w.vm[1], &sequence, 30000 - sequence);
		receive(&w.vm[0]);
		if (i % 50 == 49)
			receive(&w.vm[1]);
		hv_loop_run_once(w.loop, 0);
	}
	settle();
	CU_ASSERT_EQUAL(w.vm[1].frames + dropped_by(1), 30000);
	CU_ASSERT_EQUAL(w.vm[0].sent_ok, 30000 + 2);	/* and two control requests */
	if (!dropped_by(1))
		CU_ASSERT_EQUAL(w.vm[1].bad, 0);
	CU_ASSERT_TRUE(counter(&w.vm[1], "to-guest-congested") > 0);
	CU_ASSERT_TRUE(counter(&w.vm[0], "to-host-pauses") > 0);
	end();
}

static void the_device_can_be_reopened_and_taken_back(void)
{
	const struct nvsp_revoke_buffer receive_back = { to_le32(NVSP_REVOKE_RECEIVE_BUFFER),
							 to_le16(NVSP_RECEIVE_BUFFER_ID) };
	const struct nvsp_revoke_buffer send_back = { to_le32(NVSP_REVOKE_SEND_BUFFER), to_le16(NVSP_SEND_BUFFER_ID) };
	struct vm *vm = &w.vm[0];
	struct netvsp_status s;
	uint32_t sequence;

	begin();
	driver_up(&w.vm[1]);
	for (unsigned i = 0; i < 3; i++) {
		sequence = 0;
		driver_up(vm);
		w.vm[1].next_seen = 0;
		send_frames(vm, &w.vm[1], &sequence, 100);
		settle();
		CU_ASSERT_EQUAL(w.vm[1].frames, 100 * (i + 1));
		CU_ASSERT_EQUAL(set_filter(vm, 0), 0);
		nvsp(vm, &receive_back, sizeof(receive_back), false);
		nvsp(vm, &send_back, sizeof(send_back), false);
		vm->closed = false;
		vmbus_client_close(vm->ch);
		settle();
		CU_ASSERT_TRUE(vm->closed);
		for (unsigned k = 0; k < 2; k++) {
			vm->torndown = false;
			vmbus_client_gpadl_teardown(vm->ch, k ? vm->send_handle : vm->receive_handle);
			settle();
			CU_ASSERT_TRUE(vm->torndown);
		}
	}
	/* a guest that takes its buffers back without a word gets them, too */
	driver_up(vm);
	vm->torndown = false;
	vmbus_client_gpadl_teardown(vm->ch, vm->receive_handle);
	settle();
	CU_ASSERT_TRUE(vm->torndown);
	/* the device goes while the channel is open */
	netvsp_destroy(w.vm[1].nic);
	w.vm[1].nic = NULL;
	settle();
	CU_ASSERT_TRUE(w.vm[1].rescinded);
	CU_ASSERT_EQUAL(w.vm[1].bad, 0);
	/* and the guest crashes */
	vmbus_reset(vm->bus);
	settle();
	netvsp_status(vm->nic, &s);
	CU_ASSERT_FALSE(s.open);
	end();
}

static void memory_may_go_and_come_back(void)
{
	struct vm *vm = &w.vm[0];
	uint32_t sequence = 0;

	begin();
	driver_up(vm);
	driver_up(&w.vm[1]);
	vm->gone = vm->send_gpa;
	vm->gone_bytes = 4096;
	vmbus_memory_gone(vm->bus, vm->gone, vm->gone_bytes);
	send_frames(vm, &w.vm[1], &sequence, 20);
	settle();
	CU_ASSERT_EQUAL(w.vm[1].frames, 0);
	vm->gone_bytes = 0;
	vmbus_memory_came(vm->bus, vm->gone, 4096);
	settle();
	CU_ASSERT_EQUAL(w.vm[1].frames, 20);
	CU_ASSERT_EQUAL(w.vm[1].bad, 0);
	end();
}

static const struct hv_test tests[] = {
	{ "frames cross in both directions without loss", frames_cross_in_both_directions_without_loss },
	{ "a slow reader holds its sender up", a_slow_reader_holds_its_sender_up },
	{ "the device can be reopened and taken back", the_device_can_be_reopened_and_taken_back },
	{ "memory may go and come back", memory_may_go_and_come_back },
};

HV_TEST_MAIN("netvsp/netvsp", tests)
