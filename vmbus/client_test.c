/* SPDX-License-Identifier: MIT */
/* The guest side against the host side, both here: what one says the other understands. */
#include "vmbus/vmbus_client.h"

#include "vmbus/bridge_wire.h"
#include "vmbus/test_guest.h"

enum { FIRST_FREE_PAGE = 0x400, MAX_BLOCKS = 64 };

/* A guest whose VMBus is driven by the client instead of by hand. */
struct soft {
	struct guest g;
	struct vmbus_client *c;
	unsigned handled[GUEST_VPS];	/* interrupts that were taken */
	uint64_t next_page;
	unsigned blocks, rings;		/* allocations that live */
	uint16_t refuse;		/* status of the next posts */
	unsigned refusals;		/* how many of them */
	/* what the callbacks said */
	uint32_t version;
	unsigned connects, offers, delivered, rescinds, opened, closed, created, torndown, modified, unloads, events;
	uint32_t status, handle;
	struct vmbus_client_channel *last;
	struct vmbus_client_channel *offered[16];
};

static int soft_alloc(void *opaque, size_t n, uint64_t *gpa, void **host)
{
	struct soft *s = opaque;

	if (s->next_page + n > GUEST_PAGES)
		return -ENOMEM;
	*gpa = s->next_page * VMBUS_PAGE_BYTES;
	*host = s->g.ram + *gpa;
	s->next_page += n;
	s->blocks++;
	return 0;
}

static void soft_free(void *opaque, uint64_t gpa, void *host, size_t n)
{
	struct soft *s = opaque;

	memset(host, 0xff, n * VMBUS_PAGE_BYTES);	/* the guest uses it for something else */
	(void)gpa;
	s->blocks--;
}

static int soft_map_ring(void *opaque, uint64_t gpa, uint32_t pages, void **base)
{
	struct soft *s = opaque;
	uint64_t pfns[2048];

	for (uint32_t i = 0; i < 2 * pages - 1; i++)
		pfns[i] = gpa / VMBUS_PAGE_BYTES + (i < pages ? i : i - pages + 1);
	s->rings++;
	return guest_map_pages(&s->g, pfns, 2 * (size_t)pages - 1, base);
}

static void soft_unmap_ring(void *opaque, void *base, uint32_t pages)
{
	struct soft *s = opaque;

	s->rings--;
	guest_unmap_pages(&s->g, base, 2 * (size_t)pages - 1);
}

static void soft_write_vp(void *opaque, uint32_t vp, uint32_t reg, uint64_t value)
{
	struct soft *s = opaque;

	switch (reg) {
	case HVNET_BRIDGE_VP_SCONTROL: vmbus_synic_set_scontrol(s->g.bus, vp, value); break;
	case HVNET_BRIDGE_VP_SINT2: vmbus_synic_set_sint2(s->g.bus, vp, value); break;
	case HVNET_BRIDGE_VP_SIMP: vmbus_synic_set_simp(s->g.bus, vp, value); break;
	case HVNET_BRIDGE_VP_SIEFP: vmbus_synic_set_siefp(s->g.bus, vp, value); break;
	case HVNET_BRIDGE_VP_EOM: vmbus_synic_eom(s->g.bus, vp); break;
	default: CU_FAIL("unknown register");
	}
}

static uint16_t soft_post(void *opaque, uint64_t gpa)
{
	struct soft *s = opaque;

	if (s->refusals) {
		s->refusals--;
		return s->refuse;
	}
	return vmbus_post_message(s->g.bus, gpa);
}

static void soft_signal(void *opaque, uint32_t connection_id)
{
	struct soft *s = opaque;

	CU_ASSERT_EQUAL(vmbus_signal_event(s->g.bus, connection_id, 0), VMBUS_HV_SUCCESS);
}

static void on_connected(void *opaque, uint32_t version)
{
	struct soft *s = opaque;

	s->connects++;
	s->version = version;
	if (version)
		vmbus_client_request_offers(s->c);
}

static void on_offered(void *opaque, struct vmbus_client_channel *ch)
{
	struct soft *s = opaque;

	s->offered[s->offers++ % 16] = ch;
}

static void on_delivered(void *opaque)
{
	((struct soft *)opaque)->delivered++;
}

static void on_rescinded(void *opaque, struct vmbus_client_channel *ch)
{
	struct soft *s = opaque;

	s->rescinds++;
	s->last = ch;
}

static void on_opened(void *opaque, struct vmbus_client_channel *ch, uint32_t status)
{
	struct soft *s = opaque;

	s->opened++;
	s->status = status;
	s->last = ch;
}

static void on_closed(void *opaque, struct vmbus_client_channel *ch)
{
	struct soft *s = opaque;

	s->closed++;
	s->last = ch;
}

static void on_created(void *opaque, struct vmbus_client_channel *ch, uint32_t handle, uint32_t status)
{
	struct soft *s = opaque;

	(void)ch;
	s->created++;
	s->handle = handle;
	s->status = status;
}

static void on_torndown(void *opaque, struct vmbus_client_channel *ch, uint32_t handle)
{
	struct soft *s = opaque;

	(void)ch;
	s->torndown++;
	s->handle = handle;
}

static void on_modified(void *opaque, struct vmbus_client_channel *ch, uint32_t status)
{
	struct soft *s = opaque;

	(void)ch;
	s->modified++;
	s->status = status;
}

static void on_unloaded(void *opaque)
{
	((struct soft *)opaque)->unloads++;
}

static void on_event(void *opaque, struct vmbus_client_channel *ch)
{
	struct soft *s = opaque;

	s->events++;
	s->last = ch;
}

static const struct vmbus_client_ops soft_ops = {
	.alloc_pages = soft_alloc, .free_pages = soft_free, .map_ring = soft_map_ring, .unmap_ring = soft_unmap_ring,
	.write_vp = soft_write_vp, .post_message = soft_post, .signal_event = soft_signal,
	.connected = on_connected, .offered = on_offered, .offers_delivered = on_delivered, .rescinded = on_rescinded,
	.opened = on_opened, .closed = on_closed, .gpadl_created = on_created, .gpadl_torndown = on_torndown,
	.modified = on_modified, .unloaded = on_unloaded, .event = on_event,
};

/* Takes every interrupt until there are no more. */
static void pump(struct soft *s)
{
	bool any = true;

	while (any) {
		any = false;
		for (uint32_t vp = 0; vp < GUEST_VPS; vp++)
			if (s->handled[vp] != s->g.interrupts[vp]) {
				s->handled[vp] = s->g.interrupts[vp];
				vmbus_client_interrupt(s->c, vp);
				any = true;
			}
	}
}

static void soft_start(struct soft *s)
{
	memset(s, 0, sizeof(*s));
	guest_start(&s->g);
	vmbus_set_guest_os_id(s->g.bus, 1);
	s->next_page = FIRST_FREE_PAGE;
	CU_ASSERT_EQUAL_FATAL(vmbus_client_create(GUEST_VPS, &soft_ops, s, &s->c), 0);
}

static void soft_connect(struct soft *s, const uint32_t *version)
{
	vmbus_client_connect(s->c, version, 1);
	pump(s);
}

static void soft_end(struct soft *s)
{
	vmbus_client_destroy(s->c);
	CU_ASSERT_EQUAL(s->blocks, 0);
	CU_ASSERT_EQUAL(s->rings, 0);
	guest_end(&s->g);
}

static struct vmbus_client_channel *soft_open(struct soft *s, uint32_t vp)
{
	struct vmbus_client_channel *ch = s->offered[0];

	CU_ASSERT_EQUAL(vmbus_client_open(ch, 3, 4, vp), 0);
	CU_ASSERT_EQUAL(vmbus_client_open(ch, 3, 4, vp), -EBUSY);
	pump(s);
	CU_ASSERT_TRUE(vmbus_client_channel_is_open(ch));
	CU_ASSERT_EQUAL(s->status, VMBUS_STATUS_SUCCESS);
	return ch;
}

/* ---- tests ---- */

static void negotiates_downwards(void)
{
	static const uint32_t order[] = { 0x00070000, 0x00060001, VMBUS_VERSION_4_1, VMBUS_VERSION_3_0 };
	struct soft s;

	soft_start(&s);
	vmbus_client_connect(s.c, NULL, 0);
	pump(&s);
	CU_ASSERT_EQUAL(s.version, VMBUS_VERSION_6_0);
	CU_ASSERT_EQUAL(s.delivered, 1);
	vmbus_client_connect(s.c, order, 4);		/* without unload */
	pump(&s);
	CU_ASSERT_EQUAL(s.version, VMBUS_VERSION_4_1);
	CU_ASSERT_EQUAL(vmbus_client_version(s.c), VMBUS_VERSION_4_1);
	/* a host of before 5.0 has no connection 4 */
	s.refuse = VMBUS_HV_INVALID_CONNECTION_ID;
	s.refusals = 2;
	vmbus_client_connect(s.c, order, 4);
	pump(&s);
	CU_ASSERT_EQUAL(s.version, VMBUS_VERSION_4_1);
	vmbus_client_connect(s.c, order, 2);
	pump(&s);
	CU_ASSERT_EQUAL(s.version, 0);
	CU_ASSERT_EQUAL(s.connects, 4);
	vmbus_client_unload(s.c);
	pump(&s);
	CU_ASSERT_EQUAL(s.unloads, 1);
	soft_end(&s);
}

static void message(struct soft *s, struct vmbus_client_channel *ch, struct test_device *d)
{
	_Alignas(8) uint8_t buf[256];
	struct vmbus_channel *host = device_channel(d);
	struct vmbus_packet pkt;
	unsigned events = s->events, doorbells = d->doorbells;

	CU_ASSERT_EQUAL(vmbus_ring_write(vmbus_client_out(ch), 6, true, 42, "to host", 8), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(vmbus_client_out(ch)));
	vmbus_client_signal(ch);
	CU_ASSERT_EQUAL(d->doorbells, doorbells + 1);
	CU_ASSERT_EQUAL(vmbus_ring_next(vmbus_channel_in(host), buf, sizeof(buf), &pkt), 1);
	CU_ASSERT_EQUAL(pkt.transaction_id, 42);
	CU_ASSERT_EQUAL(memcmp(pkt.payload, "to host", 8), 0);
	CU_ASSERT_FALSE(vmbus_ring_release(vmbus_channel_in(host)));

	CU_ASSERT_EQUAL(vmbus_ring_write(vmbus_channel_out(host), 11, false, 42, "to guest", 8), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(vmbus_channel_out(host)));
	vmbus_channel_signal(host);
	pump(s);
	CU_ASSERT_EQUAL(s->events, events + 1);
	CU_ASSERT_EQUAL(vmbus_ring_next(vmbus_client_in(ch), buf, sizeof(buf), &pkt), 1);
	CU_ASSERT_EQUAL(memcmp(pkt.payload, "to guest", 8), 0);
	CU_ASSERT_FALSE(vmbus_ring_release(vmbus_client_in(ch)));
}

static void opens_talks_and_closes_in_every_version(void)
{
	static const uint32_t all[] = { 0xd, 0x10001, 0x20004, 0x30000, 0x40000, 0x40001, 0x50000, 0x50001, 0x50002,
					0x50003, 0x60000 };
	struct vmbus_client_channel *ch;
	struct test_device d;
	struct soft s;

	soft_start(&s);
	device_add(&d, &s.g, 7);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		s.offers = 0;
		soft_connect(&s, &all[i]);
		CU_ASSERT_EQUAL(s.version, all[i]);
		CU_ASSERT_EQUAL(s.offers, 1);
		ch = soft_open(&s, 2);
		CU_ASSERT_EQUAL(vmbus_client_channel_instance(ch)[15], 7);
		CU_ASSERT_EQUAL(vmbus_client_channel_type(ch)[0], 0x63);
		CU_ASSERT_EQUAL(vmbus_client_channel_index(ch), 0);
		CU_ASSERT_EQUAL(vmbus_client_channel_vp(ch), 2);
		message(&s, ch, &d);
		message(&s, ch, &d);
		s.closed = 0;
		vmbus_client_close(ch);
		pump(&s);
		CU_ASSERT_EQUAL(s.closed, 1);
		CU_ASSERT_EQUAL(s.rings, 0);
		CU_ASSERT_EQUAL(d.closes, 2 * i + 1);
		ch = soft_open(&s, 0);			/* again, on the same offer, and crash */
	}
	vmbus_device_destroy(d.dev);
	soft_end(&s);
}

static void fails_to_open_and_tries_again(void)
{
	static const uint32_t v = VMBUS_VERSION_5_3;
	struct test_device d;
	struct soft s;

	soft_start(&s);
	device_add(&d, &s.g, 7);
	soft_connect(&s, &v);
	CU_ASSERT_EQUAL(vmbus_client_open(s.offered[0], 1, 2, 0), -EINVAL);
	d.open_status = -EIO;
	CU_ASSERT_EQUAL(vmbus_client_open(s.offered[0], 2, 2, 0), 0);
	pump(&s);
	CU_ASSERT_EQUAL(s.status, VMBUS_STATUS_FAILED);
	CU_ASSERT_EQUAL(s.opened, 1);
	CU_ASSERT_EQUAL(s.rings, 0);
	CU_ASSERT_EQUAL(s.g.mapped, 0);
	d.open_status = 0;
	soft_open(&s, 0);
	vmbus_client_unload(s.c);
	pump(&s);
	CU_ASSERT_EQUAL(s.unloads, 1);
	CU_ASSERT_EQUAL(s.rings, 0);
	vmbus_device_destroy(d.dev);
	soft_end(&s);
}

static void names_large_buffers(void)
{
	static const uint32_t v = VMBUS_VERSION_5_3;
	uint64_t pfns[8191];
	struct vmbus_client_channel *ch;
	struct test_device d;
	uint32_t handle = 0, other = 0;
	struct soft s;

	soft_start(&s);
	device_add(&d, &s.g, 7);
	soft_connect(&s, &v);
	ch = soft_open(&s, 0);
	for (unsigned i = 0; i < 4096; i++)
		pfns[i] = 4096 + (i * 7 & 4095);
	CU_ASSERT_EQUAL(vmbus_client_gpadl_create(ch, pfns, 4096, &handle), 0);
	pump(&s);
	CU_ASSERT_EQUAL(s.created, 1);
	CU_ASSERT_EQUAL(s.handle, handle);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&d), handle, &d.held), 0);
	CU_ASSERT_EQUAL(vmbus_gpadl_size(d.held), 4096 * 4096);
	for (unsigned i = 0; i < 4096; i++)
		CU_ASSERT_PTR_EQUAL(vmbus_gpadl_pages(d.held)[i], s.g.ram + pfns[i] * 4096);
	CU_ASSERT_EQUAL(vmbus_client_gpadl_create_contiguous(ch, 0x7000, 3, &other), 0);
	pump(&s);
	CU_ASSERT_EQUAL(s.created, 2);
	d.keep_gpadl = true;
	vmbus_client_gpadl_teardown(ch, handle);
	vmbus_client_gpadl_teardown(ch, handle);	/* once is enough */
	pump(&s);
	CU_ASSERT_EQUAL(d.teardowns, 1);
	CU_ASSERT_EQUAL(s.torndown, 0);
	device_put(&d);
	pump(&s);
	CU_ASSERT_EQUAL(s.torndown, 1);
	CU_ASSERT_EQUAL(s.handle, handle);
	CU_ASSERT_EQUAL(vmbus_client_gpadl_create(ch, pfns, 8191, &handle), -EINVAL);
	vmbus_device_destroy(d.dev);
	soft_end(&s);
}

static void moves_interrupts(void)
{
	static const uint32_t v = VMBUS_VERSION_5_3;
	struct vmbus_client_channel *ch;
	struct test_device d;
	struct soft s;

	soft_start(&s);
	device_add(&d, &s.g, 7);
	soft_connect(&s, &v);
	ch = soft_open(&s, 0);
	vmbus_client_modify(ch, 2);
	pump(&s);
	CU_ASSERT_EQUAL(s.modified, 1);
	CU_ASSERT_EQUAL(s.status, VMBUS_STATUS_SUCCESS);
	s.g.interrupts[2] = s.handled[2] = 0;
	message(&s, ch, &d);
	CU_ASSERT_EQUAL(s.g.interrupts[2], 1);
	vmbus_client_modify(ch, GUEST_VPS);
	pump(&s);
	CU_ASSERT_EQUAL(s.status, VMBUS_STATUS_FAILED);
	vmbus_device_destroy(d.dev);
	soft_end(&s);
}

static void loses_and_releases_a_rescinded_channel(void)
{
	static const uint32_t v = VMBUS_VERSION_5_3;
	struct test_device d;
	struct soft s;

	soft_start(&s);
	device_add(&d, &s.g, 7);
	soft_connect(&s, &v);
	soft_open(&s, 0);
	vmbus_device_destroy(d.dev);
	device_add(&d, &s.g, 7);			/* the same one comes back: offered after the release */
	pump(&s);
	CU_ASSERT_EQUAL(s.rescinds, 1);
	CU_ASSERT_EQUAL(s.offers, 1);
	vmbus_client_close(s.last);			/* ignored */
	vmbus_client_release(s.last);
	pump(&s);
	CU_ASSERT_EQUAL(s.offers, 2);
	CU_ASSERT_EQUAL(s.rings, 0);
	s.offered[0] = s.offered[1];
	soft_open(&s, 0);
	vmbus_device_destroy(d.dev);
	soft_end(&s);
}

static void keeps_what_the_host_cannot_take(void)
{
	static const uint32_t v = VMBUS_VERSION_5_3;
	const char *name;
	uint64_t delayed = 0;
	struct test_device d;
	struct soft s;

	soft_start(&s);
	device_add(&d, &s.g, 7);
	soft_connect(&s, &v);
	s.refuse = VMBUS_HV_INSUFFICIENT_BUFFERS;
	s.refusals = 3;
	CU_ASSERT_EQUAL(vmbus_client_open(s.offered[0], 40, 40, 0), 0);	/* three bodies */
	pump(&s);
	CU_ASSERT_EQUAL(s.opened, 0);
	while (vmbus_client_retry(s.c))
		CU_ASSERT_EQUAL(s.opened, 0);
	pump(&s);
	CU_ASSERT_EQUAL(s.opened, 1);
	CU_ASSERT_EQUAL(s.status, VMBUS_STATUS_SUCCESS);
	for (unsigned n = 0; vmbus_client_counter(s.c, n, &name, &delayed) && strcmp(name, "posts_delayed"); n++)
		;
	CU_ASSERT_EQUAL(delayed, 3);
	vmbus_device_destroy(d.dev);
	soft_end(&s);
}

/* A lying host: counted, nothing else. */
static void host_is_not_believed(void)
{
	static const uint32_t v = VMBUS_VERSION_5_3;
	static const struct { const char *lie; uint32_t type, bytes, word; const char *counter; } rows[] = {
		{ "short", 1, 195, 1, "messages_short" },
		{ "short", 10, 19, 1, "messages_short" },
		{ "a guest's message", 5, 240, 1, "messages_unknown" },
		{ "no such message", 99, 240, 1, "messages_unknown" },
		{ "rescinds what it never offered", 2, 12, 9, "relids_unknown" },
		{ "offers 0", 1, 196, 0, "relids_unknown" },
		{ "a second version", 15, 16, 1, "messages_unexpected" },
		{ "tears down what nobody asked for", 12, 12, 9, "messages_unexpected" },
		{ "unloads unasked", 17, 8, 0, "messages_unexpected" },
		{ "relid far out", 6, 20, 0xffffffff, "relids_unknown" },
	};
	struct soft s;

	soft_start(&s);
	soft_connect(&s, &v);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_synic_slot *slot = NULL;
		uint64_t before = 0, after = 0;
		const char *name;
		le32 type = to_le32(rows[i].type), word = to_le32(rows[i].word);

		for (unsigned n = 0; vmbus_client_counter(s.c, n, &name, &before) && strcmp(name, rows[i].counter); n++)
			;
		slot = (struct vmbus_synic_slot *)(void *)(s.g.ram + FIRST_FREE_PAGE * 4096 + 0x200);
		memset(slot, 0, sizeof(*slot));
		memcpy(slot->payload, &type, 4);
		memcpy(slot->payload + 8, &word, 4);
		slot->payload_bytes = (uint8_t)rows[i].bytes;
		slot->type = 1;
		vmbus_client_interrupt(s.c, 0);
		for (unsigned n = 0; vmbus_client_counter(s.c, n, &name, &after) && strcmp(name, rows[i].counter); n++)
			;
		if (after != before + 1)
			printf("%s\n", rows[i].lie);
		CU_ASSERT_EQUAL(after, before + 1);
	}
	CU_ASSERT_EQUAL(s.unloads + s.rescinds + s.offers, 0);
	soft_end(&s);
}

static const struct hv_test tests[] = {
	{ "negotiates downwards", negotiates_downwards },
	{ "opens, talks and closes in every version", opens_talks_and_closes_in_every_version },
	{ "fails to open and tries again", fails_to_open_and_tries_again },
	{ "names large buffers", names_large_buffers },
	{ "moves interrupts", moves_interrupts },
	{ "loses and releases a rescinded channel", loses_and_releases_a_rescinded_channel },
	{ "keeps what the host cannot take", keeps_what_the_host_cannot_take },
	{ "the host is not believed", host_is_not_believed },
};

HV_TEST_MAIN("vmbus/client", tests)
