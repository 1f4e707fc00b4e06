/* SPDX-License-Identifier: MIT */
/*
 * The whole NIC: a client that behaves like QEMU on its socket, a switch with a neighbour on the other side, on a loop that runs in
 * a thread while the test plays the driver.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/test.h"
#include "e1000/device.h"
#include "vfio-user/vfio_user_client.h"
#include "vfio-user/vfio_user_wire.h"

enum { RAM_BYTES = 64 << 20, TX_RING = 0x100000, RX_RING = 0x110000, TX_DATA = 0x200000, RX_DATA = 0x300000 };

static const uint8_t mac[6] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 };
static const uint8_t peer[6] = { 0x00, 0x15, 0x5d, 0x0a, 0x0b, 0x0c };

struct world {
	char dir[64], path[96];
	struct hv_loop *loop;
	pthread_t thread;
	struct vswitch *sw;
	struct vswitch_port *port, *other, *neighbour_port;
	struct vswitch_nic neighbour;
	struct e1000 *nic;
	struct vfuc *c;
	struct vfuc_ram ram;
	atomic_uint got;
	uint8_t last[2048];
	uint32_t last_len;
};

/* ---- running things on the loop's thread ---- */

struct errand {
	struct hv_work work;
	void (*run)(struct world *w, void *arg);
	struct world *w;
	void *arg;
	atomic_bool done;
};

static void run_errand(struct hv_work *work)
{
	struct errand *e = hv_container_of(work, struct errand, work);

	e->run(e->w, e->arg);
	atomic_store(&e->done, true);
}

static void on_loop(struct world *w, void (*run)(struct world *w, void *arg), void *arg)
{
	struct errand e = { .work.run = run_errand, .run = run, .w = w, .arg = arg };

	hv_loop_post(w->loop, &e.work);
	while (!atomic_load(&e.done))
		usleep(200);
}

static void *run_loop(void *arg)
{
	hv_loop_run(((struct world *)arg)->loop);
	return NULL;
}

/* ---- the neighbour ---- */

static void neighbour_deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct world *w = opaque;

	for (unsigned i = 0; i < n; i++) {
		w->last_len = frames[i]->len < sizeof(w->last) ? frames[i]->len : sizeof(w->last);
		vswitch_frame_copy(frames[i], 0, w->last, w->last_len);
		atomic_fetch_add(&w->got, 1);
	}
}

static const struct vswitch_nic_ops neighbour_ops = { .deliver = neighbour_deliver };

/* ---- the world ---- */

static void world_begin(struct world *w, enum e1000_model model, bool msi)
{
	const struct vswitch_config config = { .name = "sw" };
	const char *tmp = getenv("TMPDIR");
	struct e1000_desc desc = { .name = "e0", .model = model, .msi = msi };

	memset(w, 0, sizeof(*w));
	desc.socket_path = w->path;
	hv_log_set_level(HV_LOG_ERROR - 1);
	snprintf(w->dir, sizeof(w->dir), "%s/e1000-test-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(w->dir))
		abort();
	snprintf(w->path, sizeof(w->path), "%s/s", w->dir);
	memcpy(desc.mac, mac, 6);
	w->neighbour = (struct vswitch_nic){ .kind = VSWITCH_NIC_EMULATED, .max_frame_bytes = 16000, .ops = &neighbour_ops, .opaque = w };
	memcpy(w->neighbour.mac, peer, 6);
	if (hv_loop_create(&w->loop) || vswitch_create(w->loop, &config, &w->sw) ||
	    vswitch_port_create(w->sw, "a", &w->port) || vswitch_port_create(w->sw, "b", &w->other) ||
	    vswitch_port_create(w->sw, "n", &w->neighbour_port) ||
	    vswitch_port_connect(w->neighbour_port, &w->neighbour))
		abort();
	CU_ASSERT_FATAL(!e1000_create(w->loop, w->port, &desc, &w->nic));
	if (pthread_create(&w->thread, NULL, run_loop, w))
		abort();
	CU_ASSERT_FATAL(!vfuc_ram_create(RAM_BYTES, &w->ram) && !vfuc_connect(w->path, NULL, &w->c));
	CU_ASSERT_FATAL(!vfuc_attach(w->c, &w->ram) && !vfuc_enable_device(w->c));
}

static void world_end(struct world *w)
{
	vfuc_close(w->c);
	hv_loop_stop(w->loop);
	pthread_join(w->thread, NULL);
	e1000_destroy(w->nic);
	e1000_destroy(NULL);
	vswitch_port_destroy(w->port);
	vswitch_port_destroy(w->other);
	vswitch_port_destroy(w->neighbour_port);
	vswitch_destroy(w->sw);
	hv_loop_destroy(w->loop);
	vfuc_ram_destroy(&w->ram);
	CU_ASSERT(access(w->path, F_OK));	/* the socket is gone */
	CU_ASSERT(!rmdir(w->dir));
}

static uint32_t get(struct world *w, uint32_t reg)
{
	uint64_t v = 0;

	CU_ASSERT(!vfuc_bar_read(w->c, 0, reg, 4, &v));
	return (uint32_t)v;
}

static void put(struct world *w, uint32_t reg, uint32_t value)
{
	CU_ASSERT(!vfuc_bar_write(w->c, 0, reg, 4, value));
}

static bool wait_for(struct world *w, uint32_t reg, uint32_t mask, uint32_t want)
{
	for (unsigned ms = 0; ms < 5000; ms++, usleep(1000))
		if ((get(w, reg) & mask) == want)
			return true;
	return false;
}

static void driver_begin(struct world *w)
{
	struct e1000_rx_desc *rx = (void *)(w->ram.base + RX_RING);

	CU_ASSERT(wait_for(w, E1000_STATUS, E1000_STATUS_LU, E1000_STATUS_LU));
	for (unsigned i = 0; i < 256; i++)
		rx[i] = (struct e1000_rx_desc){ .buffer = to_le64(RX_DATA + 2048 * i) };
	put(w, E1000_RDBAL, RX_RING);
	put(w, E1000_RDLEN, 4096);
	put(w, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_BAM | E1000_RCTL_SECRC);
	put(w, E1000_RDT, 255);
	put(w, E1000_TDBAL, TX_RING);
	put(w, E1000_TDLEN, 4096);
	put(w, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
	get(w, E1000_ICR);
}

static void driver_send(struct world *w, uint32_t index)
{
	struct e1000_tx_desc *tx = (void *)(w->ram.base + TX_RING);
	uint8_t *f = w->ram.base + TX_DATA;

	memset(f, (int)index, 1000);
	memcpy(f, peer, 6);
	memcpy(f + 6, mac, 6);
	f[12] = 0x88;
	f[13] = 0xb5;
	tx[index] = (struct e1000_tx_desc){ to_le64(TX_DATA), to_le32(0x0b000000 | 1000), to_le32(0) };
	put(w, E1000_TDT, index + 1);
}

static void neighbour_sends(struct world *w, void *arg)
{
	const unsigned n = *(unsigned *)arg;

	for (unsigned i = 0; i < n; i++) {
		struct vswitch_frame f = { .len = 100, .head_bytes = 100 }, *p = &f;

		memcpy(f.head, mac, 6);
		memcpy(f.head + 6, peer, 6);
		f.head[12] = 0x88;
		f.head[13] = 0xb5;
		f.head[20] = (uint8_t)i;
		vswitch_port_input(w->neighbour_port, &p, 1);
	}
}

/* ---- tests ---- */

static void attaches(void)
{
	static const uint16_t ids[] = { 0x100e, 0x100f, 0x100c };
	struct world w;
	uint32_t v;

	for (unsigned m = 0; m < 3; m++) {
		world_begin(&w, (enum e1000_model)m, false);
		CU_ASSERT(!vfuc_config_read(w.c, 0, 4, &v) && v == (0x8086u | (uint32_t)ids[m] << 16));
		CU_ASSERT(!vfuc_config_read(w.c, 8, 4, &v) && v >> 8 == 0x020000);
		CU_ASSERT(vfuc_bar_bytes(w.c, 0) == 0x20000 && vfuc_bar_bytes(w.c, 1) == 64);
		CU_ASSERT(vfuc_find_cap(w.c, 1) == 0x40);
		CU_ASSERT(vfuc_find_cap(w.c, 7) == (m ? 0xe4u : 0u));	/* where Intel's drivers look */
		CU_ASSERT(!vfuc_find_cap(w.c, 5));
		CU_ASSERT(wait_for(&w, E1000_STATUS, E1000_STATUS_LU, E1000_STATUS_LU));
		world_end(&w);
	}
}

static void frames_pass(void)
{
	struct e1000_rx_desc *rx;
	struct world w;
	unsigned n = 20;

	world_begin(&w, E1000_82540EM, false);
	rx = (void *)(w.ram.base + RX_RING);
	driver_begin(&w);
	put(&w, E1000_IMS, 0x9d);
	driver_send(&w, 0);
	CU_ASSERT(vfuc_intx_take(w.c, 2000));
	CU_ASSERT(get(&w, E1000_ICR) & E1000_INT_TXDW);
	CU_ASSERT(!vfuc_intx_take(w.c, 20));		/* once */
	CU_ASSERT(atomic_load(&w.got) == 1 && w.last_len == 1000 && !memcmp(w.last, w.ram.base + TX_DATA, 1000));
	on_loop(&w, neighbour_sends, &n);
	CU_ASSERT(vfuc_intx_take(w.c, 2000));
	CU_ASSERT(get(&w, E1000_ICR) & E1000_INT_RXT0);
	CU_ASSERT(get(&w, E1000_RDH) == n);
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT(rx[i].status & E1000_RXD_EOP && w.ram.base[RX_DATA + 2048 * i + 20] == i);
	world_end(&w);
}

static void msi(void)
{
	struct world w;

	world_begin(&w, E1000_82545EM, true);
	CU_ASSERT(vfuc_find_cap(w.c, 5) && vfuc_find_cap(w.c, 7) == 0xe4);
	driver_begin(&w);
	CU_ASSERT(!vfuc_msi_enable(w.c, 1));
	put(&w, E1000_IMS, 0x9d);
	driver_send(&w, 0);
	CU_ASSERT(vfuc_fd_count(vfuc_msi_fd(w.c, 0), 2000) == 1);
	put(&w, E1000_ICS, 4);			/* another cause while it is high */
	get(&w, E1000_STATUS);
	CU_ASSERT(vfuc_fd_count(vfuc_msi_fd(w.c, 0), 20) == 0);
	get(&w, E1000_ICR);
	put(&w, E1000_ICS, 4);
	CU_ASSERT(vfuc_fd_count(vfuc_msi_fd(w.c, 0), 2000) == 1);
	get(&w, E1000_ICR);
	world_end(&w);
}

/* A cause is pending while MSI or bus mastering comes and goes. */
static void msi_of_what_is_pending(void)
{
	struct world w;

	world_begin(&w, E1000_82545EM, true);
	/* The link's own cause comes when it likes: before the test's. */
	for (unsigned i = 0; i < 200 && !(get(&w, E1000_STATUS) & E1000_STATUS_LU); i++)
		usleep(1000);
	get(&w, E1000_ICR);
	put(&w, E1000_IMS, E1000_INT_LSC);
	put(&w, E1000_ICS, E1000_INT_LSC);
	CU_ASSERT(vfuc_intx_take(w.c, 2000));
	CU_ASSERT(!vfuc_msi_enable(w.c, 1));
	/* Enabling takes several steps; after each a message may go for what is pending. */
	CU_ASSERT(vfuc_fd_count(vfuc_msi_fd(w.c, 0), 2000) >= 1);
	get(&w, E1000_ICR);
	vfuc_fd_count(vfuc_msi_fd(w.c, 0), 20);
	CU_ASSERT(!vfuc_config_write(w.c, 4, 2, 3));	/* without bus mastering */
	put(&w, E1000_ICS, E1000_INT_LSC);
	get(&w, E1000_STATUS);
	CU_ASSERT(vfuc_fd_count(vfuc_msi_fd(w.c, 0), 20) == 0);
	CU_ASSERT(!vfuc_config_write(w.c, 4, 2, 7));
	CU_ASSERT(vfuc_fd_count(vfuc_msi_fd(w.c, 0), 2000) >= 1);
	CU_ASSERT(!vfuc_config_write(w.c, 4, 2, 5));	/* nothing that matters to a message */
	get(&w, E1000_STATUS);
	CU_ASSERT(vfuc_fd_count(vfuc_msi_fd(w.c, 0), 20) == 0);
	CU_ASSERT(!vfuc_intx_take(w.c, 20));
	CU_ASSERT(!vfuc_msi_disable(w.c));
	CU_ASSERT(vfuc_intx_take(w.c, 2000));		/* still asserted */
	CU_ASSERT(get(&w, E1000_ICR) & E1000_INT_LSC);
	world_end(&w);
}

static void sleep_and_wake(void)
{
	struct world w;
	unsigned pm;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	put(&w, E1000_IMS, E1000_INT_LSC);
	pm = vfuc_find_cap(w.c, 1);
	CU_ASSERT(!vfuc_config_write(w.c, pm + 4, 2, 3));
	driver_send(&w, 0);
	put(&w, E1000_ICS, E1000_INT_LSC);
	usleep(20000);
	CU_ASSERT(get(&w, E1000_TDH) == 0 && !atomic_load(&w.got));
	CU_ASSERT(!vfuc_intx_take(w.c, 20));
	CU_ASSERT(!vfuc_config_write(w.c, pm + 4, 2, 0));
	CU_ASSERT(get(&w, E1000_TDLEN) == 0 && get(&w, E1000_IMS) == 0);
	CU_ASSERT(!vfuc_enable_device(w.c));
	driver_begin(&w);
	driver_send(&w, 0);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1) && atomic_load(&w.got) == 1);
	world_end(&w);
}

/* Linux' way to reset, awaited, through the I/O BAR. */
static void reset_by_io(void)
{
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	CU_ASSERT(!vfuc_bar_write(w.c, 1, 0, 4, 0) && !vfuc_bar_write(w.c, 1, 4, 4, E1000_CTRL_RST));
	CU_ASSERT(get(&w, E1000_RDLEN) == 0 && get(&w, E1000_CTRL) == 0xa49);
	CU_ASSERT(!vfuc_reset(w.c) && !vfuc_enable_device(w.c));
	driver_begin(&w);
	driver_send(&w, 0);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1) && atomic_load(&w.got) == 1);
	world_end(&w);
}

static void set_link(struct world *w, void *arg)
{
	e1000_set_link(w->nic, *(bool *)arg);
}

static void set_port_link(struct world *w, void *arg)
{
	vswitch_port_set_link(w->port, *(bool *)arg);
}

static void set_port(struct world *w, void *arg)
{
	CU_ASSERT(!e1000_set_port(w->nic, arg));
}

static void look(struct world *w, void *arg)
{
	e1000_status(w->nic, arg);
}

static void the_cable(void)
{
	void (*const ways[])(struct world *w, void *arg) = { set_link, set_port_link };
	bool up;
	struct e1000_status s;
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	put(&w, E1000_IMS, E1000_INT_LSC);
	for (unsigned i = 0; i < 2; i++) {
		up = false;
		on_loop(&w, ways[i], &up);
		CU_ASSERT(vfuc_intx_take(w.c, 2000) && get(&w, E1000_ICR) & E1000_INT_LSC);
		CU_ASSERT(!(get(&w, E1000_STATUS) & E1000_STATUS_LU));
		on_loop(&w, look, &s);
		CU_ASSERT(!s.link_up && !s.speed_mbps && s.attached && s.receiving);
		up = true;
		on_loop(&w, ways[i], &up);
		CU_ASSERT(vfuc_intx_take(w.c, 2000) && get(&w, E1000_ICR) & E1000_INT_LSC);
		CU_ASSERT(get(&w, E1000_STATUS) & E1000_STATUS_LU);
	}
	/* to another port: out for long enough to be noticed */
	on_loop(&w, set_port, w.other);
	CU_ASSERT(vfuc_intx_take(w.c, 2000) && get(&w, E1000_ICR) & E1000_INT_LSC);
	usleep(100000);
	CU_ASSERT(!(get(&w, E1000_STATUS) & E1000_STATUS_LU));
	CU_ASSERT(wait_for(&w, E1000_STATUS, E1000_STATUS_LU, E1000_STATUS_LU));
	driver_send(&w, 0);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1) && atomic_load(&w.got) == 1);
	on_loop(&w, set_port, NULL);
	CU_ASSERT(!(get(&w, E1000_STATUS) & E1000_STATUS_LU));
	driver_send(&w, 1);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 2) && atomic_load(&w.got) == 1);
	on_loop(&w, look, &s);
	CU_ASSERT(s.model == E1000_82540EM && s.receive_ring == 256 && s.receive_free == 255 && s.max_frame_bytes == 1518);
	CU_ASSERT(!memcmp(s.station, mac, 6));
	world_end(&w);
}

static void move_with_a_queue(struct world *w, void *arg)
{
	struct vswitch_port_stats s;
	unsigned n = 300;

	(void)arg;
	neighbour_sends(w, &n);
	CU_ASSERT(w->nic->congested);
	w->nic->core.tx.paused = true;		/* by somebody on the old switch */
	CU_ASSERT(!e1000_set_port(w->nic, w->other));
	CU_ASSERT(!w->nic->core.tx.paused && !w->nic->congested);
	vswitch_port_stats(w->port, &s);	/* its loss, and not the other's */
	CU_ASSERT(s.out_dropped[VSWITCH_DROP_NOT_READY] == 45 && s.out_frames == 255);
	vswitch_port_stats(w->other, &s);
	CU_ASSERT(!s.out_dropped[VSWITCH_DROP_NOT_READY]);
}

static void what_waits_stays_with_its_port(void)
{
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	on_loop(&w, move_with_a_queue, NULL);
	world_end(&w);
}

static void down_and_up_in_a_pause(struct world *w, void *arg)
{
	struct e1000_tx_desc *tx = (void *)(w->ram.base + TX_RING);

	(void)arg;
	vswitch_port_set_congested(w->neighbour_port, true);
	tx[0] = (struct e1000_tx_desc){ to_le64(TX_DATA), to_le32(0x0b000000 | 1000), to_le32(0) };
	e1000_core_write(&w->nic->core, E1000_TDT, 4, 1);
	e1000_core_poll(&w->nic->core);
	CU_ASSERT(w->nic->core.tx.paused);
	vswitch_port_set_link(w->port, false);
	vswitch_port_set_congested(w->neighbour_port, false);
	vswitch_port_set_link(w->port, true);
}

/* The switch forgets who waits when its port goes down. */
static void a_pause_ends_with_the_port(void)
{
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	memcpy(w.ram.base + TX_DATA, peer, 6);
	memcpy(w.ram.base + TX_DATA + 6, mac, 6);
	on_loop(&w, down_and_up_in_a_pause, NULL);
	CU_ASSERT(wait_for(&w, E1000_STATUS, E1000_STATUS_LU, E1000_STATUS_LU));
	driver_send(&w, 1);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 2) && atomic_load(&w.got) == 2);
	world_end(&w);
}

static void not_even_tried(struct world *w, void *arg)
{
	(void)arg;
	CU_ASSERT(!w->nic->core.counter[E1000_C_TX_RING_DMA]);
}

/* The guest switches bus mastering off, and on again. */
static void bus_mastering(void)
{
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	CU_ASSERT(!vfuc_config_write(w.c, 4, 2, 3));
	driver_send(&w, 0);
	usleep(20000);
	CU_ASSERT(get(&w, E1000_TDH) == 0 && !atomic_load(&w.got));
	on_loop(&w, not_even_tried, NULL);
	CU_ASSERT(!vfuc_config_write(w.c, 4, 2, 7));
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1) && atomic_load(&w.got) == 1);
	world_end(&w);
}

/* A frame whose bytes lie in two maps, which lie apart. */
static void across_two_maps(void)
{
	enum { SPLIT = 32 << 20, ELSEWHERE = 48 << 20 };
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	CU_ASSERT(!vfuc_unmap(w.c, 1 << 20, RAM_BYTES - (1 << 20)));
	CU_ASSERT(!vfuc_map(w.c, 1 << 20, SPLIT - (1 << 20), VFU_MAP_READ | VFU_MAP_WRITE, w.ram.fd, 1 << 20, w.ram.base + (1 << 20)));
	CU_ASSERT(!vfuc_map(w.c, SPLIT, 8 << 20, VFU_MAP_READ | VFU_MAP_WRITE, w.ram.fd, ELSEWHERE, w.ram.base + ELSEWHERE));
	driver_send(&w, 0);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1) && atomic_load(&w.got) == 1);
	memcpy(w.ram.base + SPLIT - 500, w.ram.base + TX_DATA, 500);
	memcpy(w.ram.base + ELSEWHERE, w.ram.base + TX_DATA + 500, 500);
	((struct e1000_tx_desc *)(void *)(w.ram.base + TX_RING))[1] =
		(struct e1000_tx_desc){ to_le64(SPLIT - 500), to_le32(0x0b000000 | 1000), to_le32(0) };
	put(&w, E1000_TDT, 2);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 2) && atomic_load(&w.got) == 2);
	CU_ASSERT(!memcmp(w.last, w.ram.base + TX_DATA, 1000));
	world_end(&w);
}

static void port_stats(struct world *w, void *arg)
{
	vswitch_port_stats(w->port, arg);
}

/* A receiver without descriptors makes its senders pause, for a while; then drops are counted on both sides. */
static void a_short_receiver(void)
{
	struct vswitch_port_stats s;
	struct world w;
	unsigned n = 10000;
	uint32_t i;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	on_loop(&w, neighbour_sends, &n);
	on_loop(&w, port_stats, &s);
	CU_ASSERT(s.pauses == 1 || s.stalls == 1);
	CU_ASSERT(s.out_dropped[VSWITCH_DROP_NO_BUFFER] > 0);
	CU_ASSERT(s.offered == s.out_frames + s.out_dropped[VSWITCH_DROP_NO_BUFFER]);
	CU_ASSERT(get(&w, E1000_RDH) == 255);
	for (i = 255; get(&w, E1000_RDH) != (i + 255) % 256 || i == 255;) {	/* the queue behind it comes as there is room */
		put(&w, E1000_RDT, i - 1);
		usleep(2000);
		if (get(&w, E1000_RDH) == i - 1)
			break;
	}
	CU_ASSERT(get(&w, E1000_GPRC) > 255);
	/* what was kept is lost with a reset, and counted then */
	CU_ASSERT(!vfuc_reset(w.c));
	get(&w, E1000_STATUS);
	on_loop(&w, port_stats, &s);
	CU_ASSERT(s.offered == s.out_frames + s.out_dropped[VSWITCH_DROP_NO_BUFFER] + s.out_dropped[VSWITCH_DROP_NOT_READY]);
	world_end(&w);
}

static void memory_comes_and_goes(void)
{
	struct world w;
	unsigned n = 5;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	CU_ASSERT(!vfuc_boot_churn(w.c, &w.ram));
	driver_send(&w, 0);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1));
	on_loop(&w, neighbour_sends, &n);
	CU_ASSERT(get(&w, E1000_RDH) == 5);
	/* the client dies in the middle of it; another one finds a fresh device */
	driver_send(&w, 1);
	vfuc_close(w.c);
	CU_ASSERT_FATAL(!vfuc_connect(w.path, NULL, &w.c));
	CU_ASSERT(!vfuc_attach(w.c, &w.ram) && !vfuc_enable_device(w.c));
	CU_ASSERT(get(&w, E1000_RDLEN) == 0);
	driver_begin(&w);
	driver_send(&w, 0);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1));
	world_end(&w);
}

static void save_and_restore(struct world *w, void *arg)
{
	uint8_t *a, *b;
	size_t n, m;

	(void)arg;
	CU_ASSERT_FATAL(!e1000_save(w->nic, &a, &n));
	CU_ASSERT(!e1000_restore(w->nic, a, n));
	CU_ASSERT_FATAL(!e1000_save(w->nic, &b, &m));
	CU_ASSERT(n == m && !memcmp(a, b, n));
	a[n / 2] ^= 1;
	CU_ASSERT(e1000_restore(w->nic, a, n) == -EBADMSG);
	free(a);
	free(b);
}

static void restored_in_place(void)
{
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	driver_begin(&w);
	driver_send(&w, 0);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 1));
	put(&w, E1000_IMS, 0x9d);
	put(&w, E1000_ICS, 4);
	on_loop(&w, save_and_restore, NULL);
	driver_send(&w, 1);
	CU_ASSERT(wait_for(&w, E1000_TDH, 0xffff, 2) && atomic_load(&w.got) == 2);
	CU_ASSERT(get(&w, E1000_ICS) & 4);
	world_end(&w);
}

static void fail_to_create(struct world *w, void *arg)
{
	struct e1000_desc desc = { .name = "e1", .model = E1000_MODELS, .socket_path = w->path };
	struct e1000 *nic = NULL;
	enum e1000_model model;
	const char *name;
	uint64_t value;
	unsigned n = 0;

	(void)arg;
	memcpy(desc.mac, mac, 6);
	CU_ASSERT(e1000_create(w->loop, NULL, &desc, &nic) == -EINVAL);
	desc.model = E1000_82540EM;
	CU_ASSERT(e1000_create(w->loop, NULL, &desc, &nic) == -EADDRINUSE);
	CU_ASSERT(!nic);
	for (unsigned i = 0; i < E1000_MODELS; i++)
		CU_ASSERT(e1000_model_parse(e1000_model_name((enum e1000_model)i), &model) && model == i);
	CU_ASSERT(!e1000_model_parse("82574l", &model));
	while (e1000_counter(w->nic, n, &name, &value)) {
		CU_ASSERT(name && name[0]);
		n++;
	}
	CU_ASSERT(n > E1000_NUM_COUNTERS);
}

static void creation_fails_cleanly(void)
{
	struct world w;

	world_begin(&w, E1000_82540EM, false);
	on_loop(&w, fail_to_create, NULL);
	world_end(&w);
}

static const struct hv_test tests[] = {
	{ "a client attaches", attaches },
	{ "frames pass both ways, with INTx", frames_pass },
	{ "MSI", msi },
	{ "MSI of what is pending", msi_of_what_is_pending },
	{ "asleep it is quiet, and wakes up fresh", sleep_and_wake },
	{ "reset through the I/O BAR", reset_by_io },
	{ "the cable", the_cable },
	{ "what waits stays with its port", what_waits_stays_with_its_port },
	{ "a pause ends with the port", a_pause_ends_with_the_port },
	{ "bus mastering", bus_mastering },
	{ "a frame across two maps", across_two_maps },
	{ "a receiver without descriptors", a_short_receiver },
	{ "memory and clients come and go", memory_comes_and_goes },
	{ "restored in place", restored_in_place },
	{ "creation fails cleanly", creation_fails_cleanly },
};
HV_TEST_MAIN("e1000/NIC", tests)
