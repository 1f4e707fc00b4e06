/* SPDX-License-Identifier: MIT */
#include "softguest/e1000_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/loop.h"
#include "e1000/e1000_hw.h"
#include "vfio-user/vfio_user_client.h"

enum {
	DEFAULT_TIMEOUT_MS = 5000,
	DEFAULT_RING = 256, MAX_RING = 4096,
	MEMORY_BASE = 1 << 20,		/* beyond what a PC's firmware has */
	RAM_SLACK = 2 << 20,
	LARGE_BYTES = 65536 + 256,	/* a frame with an offload */
	LARGE_SLOTS = 16,
	LARGE_PIECE = 4096,		/* bytes of it in one descriptor, as Linux */
	RS_EVERY = 32,			/* descriptors between two whose write-back we wait for */
	RDT_EVERY = 16,			/* descriptors that are lent at once, as Linux */
	IO_BAR = 1,
	LINK_POLL_NS = 1000000,
};

struct soft_e1000 {
	struct soft_e1000_opts o;
	struct vfuc *c;
	struct vfuc_ram ram;
	uint8_t mac[6];
	uint32_t ring;			/* descriptors */
	uint32_t buffer_bytes;
	uint64_t memory;		/* next guest address to give out */
	struct e1000_tx_desc *tx;	/* in guest RAM, as the following */
	struct e1000_rx_desc *rx;
	uint64_t tx_at, rx_at;		/* guest addresses of the rings, … */
	uint64_t tx_data, rx_data, large;	/* … of their buffers, and of those for large frames */
	uint32_t tx_tail, tx_clean, tx_told;	/* next to fill, oldest not taken back, as TDT says */
	bool rs[MAX_RING];		/* descriptors with RS */
	uint32_t large_of[LARGE_SLOTS];	/* 1 + last descriptor that uses it; 0: free */
	uint32_t rx_next, rx_lent;	/* next to look at, as RDT says */
	struct soft_e1000_stats stats;
};

uint32_t soft_e1000_read(struct soft_e1000 *n, uint32_t offset)
{
	uint64_t v = 0;

	n->stats.reads++;
	if (vfuc_bar_read(n->c, 0, offset, 4, &v))
		return 0;
	return (uint32_t)v;
}

void soft_e1000_write(struct soft_e1000 *n, uint32_t offset, uint32_t value)
{
	n->stats.writes++;
	vfuc_bar_write(n->c, 0, offset, 4, value);
}

static void *host(struct soft_e1000 *n, uint64_t address)
{
	return n->ram.base + address;
}

static uint64_t take_memory(struct soft_e1000 *n, uint64_t bytes)
{
	uint64_t at = n->memory;

	n->memory += (bytes + 4095) & ~4095ull;
	return at;
}

/* ---- the chip ---- */

/* Through the I/O BAR, as Linux does it on these chips. */
static int reset(struct soft_e1000 *n)
{
	uint32_t ctrl;
	int ret;

	soft_e1000_write(n, E1000_IMC, 0xffffffff);
	soft_e1000_write(n, E1000_RCTL, 0);
	soft_e1000_write(n, E1000_TCTL, E1000_TCTL_PSP);
	ctrl = soft_e1000_read(n, E1000_CTRL);
	ret = vfuc_bar_write(n->c, IO_BAR, E1000_IOADDR, 4, E1000_CTRL);
	if (!ret)
		ret = vfuc_bar_write(n->c, IO_BAR, E1000_IODATA, 4, ctrl | E1000_CTRL_RST);
	soft_e1000_write(n, E1000_IMC, 0xffffffff);
	soft_e1000_read(n, E1000_ICR);
	return ret;
}

static int read_mac(struct soft_e1000 *n)
{
	for (uint32_t word = 0; word < 3; word++) {
		uint32_t v;

		soft_e1000_write(n, E1000_EERD, word << 8 | E1000_EERD_START);
		v = soft_e1000_read(n, E1000_EERD);
		if (!(v & E1000_EERD_DONE))
			return -EIO;
		n->mac[2 * word] = (uint8_t)(v >> 16);
		n->mac[2 * word + 1] = (uint8_t)(v >> 24);
	}
	return 0;
}

static int wait_link(struct soft_e1000 *n)
{
	const uint64_t end = hv_now_ns() + n->o.timeout_ms * 1000000ull;

	soft_e1000_write(n, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_FD | (n->o.vlan ? E1000_CTRL_VME : 0));
	while (!(soft_e1000_read(n, E1000_STATUS) & E1000_STATUS_LU)) {
		struct timespec pause = { 0, LINK_POLL_NS };

		if (hv_now_ns() > end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void open_tx(struct soft_e1000 *n)
{
	soft_e1000_write(n, E1000_TDLEN, n->ring * (uint32_t)sizeof(*n->tx));
	soft_e1000_write(n, E1000_TDBAH, (uint32_t)(n->tx_at >> 32));
	soft_e1000_write(n, E1000_TDBAL, (uint32_t)n->tx_at);
	soft_e1000_write(n, E1000_TDT, 0);
	soft_e1000_write(n, E1000_TDH, 0);
	soft_e1000_write(n, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

static uint32_t buffer_size_bits(uint32_t bytes)
{
	switch (bytes) {
	case 4096:
		return E1000_RCTL_BSEX | 3 << E1000_RCTL_BSIZE_SHIFT | E1000_RCTL_LPE;
	case 8192:
		return E1000_RCTL_BSEX | 2 << E1000_RCTL_BSIZE_SHIFT | E1000_RCTL_LPE;
	case 16384:
		return E1000_RCTL_BSEX | 1 << E1000_RCTL_BSIZE_SHIFT | E1000_RCTL_LPE;
	default:
		return 0;
	}
}

static void open_rx(struct soft_e1000 *n)
{
	for (uint32_t i = 0; i < n->ring; i++)
		n->rx[i] = (struct e1000_rx_desc){ .buffer = to_le64(n->rx_data + (uint64_t)i * n->buffer_bytes) };
	soft_e1000_write(n, E1000_RDTR, 0);
	soft_e1000_write(n, E1000_ITR, n->o.itr);
	soft_e1000_write(n, E1000_RDLEN, n->ring * (uint32_t)sizeof(*n->rx));
	soft_e1000_write(n, E1000_RDBAH, (uint32_t)(n->rx_at >> 32));
	soft_e1000_write(n, E1000_RDBAL, (uint32_t)n->rx_at);
	soft_e1000_write(n, E1000_RDT, 0);
	soft_e1000_write(n, E1000_RDH, 0);
	soft_e1000_write(n, E1000_RXCSUM, n->o.rx_checksum ? E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL : 0);
	soft_e1000_write(n, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_BAM | E1000_RCTL_SECRC | buffer_size_bits(n->buffer_bytes) |
			 (n->o.promiscuous ? E1000_RCTL_UPE | E1000_RCTL_MPE : 0));
	n->rx_lent = n->ring - 1;	/* one stays ours: RDH = RDT would mean none (3.2.6) */
	soft_e1000_write(n, E1000_RDT, n->rx_lent);
}

/* ---- life ---- */

static int make_memory(struct soft_e1000 *n)
{
	const uint64_t bytes = MEMORY_BASE + RAM_SLACK + 2ull * n->ring * (16 + n->buffer_bytes) +
			       (uint64_t)LARGE_SLOTS * (LARGE_BYTES + 4096);
	const uint64_t whole = (bytes + (32ull << 20)) & ~((1ull << 20) - 1);	/* the machine's maps want some */
	int ret = vfuc_ram_create(whole, &n->ram);

	if (ret)
		return ret;
	n->memory = MEMORY_BASE;
	n->tx_at = take_memory(n, n->ring * sizeof(*n->tx));
	n->rx_at = take_memory(n, n->ring * sizeof(*n->rx));
	n->tx_data = take_memory(n, (uint64_t)n->ring * n->buffer_bytes);
	n->rx_data = take_memory(n, (uint64_t)n->ring * n->buffer_bytes);
	n->large = take_memory(n, (uint64_t)LARGE_SLOTS * LARGE_BYTES);
	n->tx = host(n, n->tx_at);
	n->rx = host(n, n->rx_at);
	return 0;
}

static int bring_up(struct soft_e1000 *n, const char *socket_path)
{
	struct vfuc_opts opts = { .timeout_ms = n->o.timeout_ms };
	int ret = make_memory(n);

	if (!ret)
		ret = vfuc_connect(socket_path, &opts, &n->c);
	if (!ret)
		ret = vfuc_attach(n->c, &n->ram);
	if (!ret)
		ret = vfuc_enable_device(n->c);
	if (!ret)
		ret = reset(n);
	if (!ret)
		ret = read_mac(n);
	if (!ret)
		ret = wait_link(n);
	if (ret)
		return ret;
	open_tx(n);
	open_rx(n);
	return 0;
}

int soft_e1000_create(const char *socket_path, const struct soft_e1000_opts *opts, struct soft_e1000 **out)
{
	struct soft_e1000 *n = calloc(1, sizeof(*n));
	int ret;

	if (!n)
		return -ENOMEM;
	n->ram.fd = -1;
	n->o = opts ? *opts : (struct soft_e1000_opts){ 0 };
	n->o.timeout_ms = n->o.timeout_ms ? n->o.timeout_ms : DEFAULT_TIMEOUT_MS;
	n->o.max_frame_bytes = n->o.max_frame_bytes ? n->o.max_frame_bytes : E1000_FRAME_NORMAL_BYTES;
	n->ring = n->o.ring ? n->o.ring : DEFAULT_RING;
	for (n->buffer_bytes = 2048; n->buffer_bytes < n->o.max_frame_bytes;)
		n->buffer_bytes *= 2;
	ret = n->ring % 8 || n->ring > MAX_RING || n->buffer_bytes > 16384 ? -EINVAL : bring_up(n, socket_path);
	if (ret)
		soft_e1000_destroy(n);
	else
		*out = n;
	return ret;
}

void soft_e1000_destroy(struct soft_e1000 *n)
{
	if (!n)
		return;
	vfuc_close(n->c);
	if (n->ram.fd >= 0)
		vfuc_ram_destroy(&n->ram);
	free(n);
}

const uint8_t *soft_e1000_mac(const struct soft_e1000 *n)
{
	return n->mac;
}

/* ---- transmit ---- */

static uint32_t after(const struct soft_e1000 *n, uint32_t i)
{
	return i + 1 == n->ring ? 0 : i + 1;
}

static uint32_t before(const struct soft_e1000 *n, uint32_t i)
{
	return (i ? i : n->ring) - 1;
}

static uint32_t tx_room(const struct soft_e1000 *n)
{
	return n->tx_clean > n->tx_tail ? n->tx_clean - n->tx_tail - 1 : n->tx_clean + n->ring - n->tx_tail - 1;
}

/* The status alone: the rest of the descriptor is still the chip's. */
static bool is_done(const struct e1000_tx_desc *d)
{
	return __atomic_load_n(&d->upper.b[0], __ATOMIC_ACQUIRE) & E1000_TXD_STA_DD;
}

/* Takes back all descriptors up to the last one with RS that is done; those between have none. */
static void take_back(struct soft_e1000 *n)
{
	for (uint32_t i = n->tx_clean; i != n->tx_told; i = after(n, i)) {
		if (!n->rs[i])
			continue;
		if (!is_done(&n->tx[i]))
			break;
		n->rs[i] = false;
		for (unsigned k = 0; k < LARGE_SLOTS; k++)
			if (n->large_of[k] == i + 1)
				n->large_of[k] = 0;
		n->tx_clean = after(n, i);
	}
}

static void add_desc(struct soft_e1000 *n, uint64_t buffer, uint32_t lower, uint32_t upper)
{
	const uint32_t i = n->tx_tail;

	if (i % RS_EVERY == RS_EVERY - 1)
		lower |= E1000_TXD_CMD_RS;
	n->rs[i] = lower & E1000_TXD_CMD_RS;
	n->tx[i] = (struct e1000_tx_desc){ to_le64(buffer), to_le32(lower), to_le32(upper) };
	n->tx_tail = after(n, i);
}

uint8_t *soft_e1000_tx(struct soft_e1000 *n, uint32_t bytes)
{
	const uint64_t at = n->tx_data + (uint64_t)n->tx_tail * n->buffer_bytes;

	if (bytes > n->buffer_bytes)
		return NULL;
	if (!tx_room(n)) {
		soft_e1000_flush(n);
		take_back(n);
		if (!tx_room(n))
			return NULL;
	}
	add_desc(n, at, bytes | E1000_TXD_CMD_EOP | E1000_TXD_CMD_IFCS, 0);
	n->stats.sent++;
	return host(n, at);
}

void soft_e1000_flush(struct soft_e1000 *n)
{
	const uint32_t last = before(n, n->tx_tail);

	if (n->tx_told == n->tx_tail)
		return;
	/* What is written back last says that all before is done, too. */
	n->tx[last].lower = to_le32(le32_get(n->tx[last].lower) | E1000_TXD_CMD_RS);
	n->rs[last] = true;
	n->tx_told = n->tx_tail;
	n->stats.doorbells++;
	soft_e1000_write(n, E1000_TDT, n->tx_tail);	/* a system call: it is behind what was stored */
}

static void add_context(struct soft_e1000 *n, uint32_t bytes, const struct soft_e1000_offload *o)
{
	const uint64_t ip = 14 | (uint64_t)24 << 8 | (uint64_t)(o->ipv6 ? 0 : o->csum_start - 1) << 16;
	const uint64_t tu = o->csum_start | (uint64_t)(o->csum_start + o->csum_offset) << 8;
	uint32_t lower = E1000_TXD_CMD_DEXT | E1000_TXD_CMD_TCP, upper = 0;

	if (o->mss) {
		lower |= E1000_TXD_CMD_TSE | (bytes - o->header_bytes) | (o->ipv6 ? 0 : E1000_TXD_CMD_IP);
		upper = (uint32_t)o->header_bytes << 8 | (uint32_t)o->mss << 16;
	}
	add_desc(n, ip | tu << 32, lower, upper);
}

int soft_e1000_tx_offload(struct soft_e1000 *n, const uint8_t *frame, uint32_t bytes, const struct soft_e1000_offload *o)
{
	uint32_t lower = E1000_TXD_CMD_DEXT | E1000_TXD_DTYP_DATA | E1000_TXD_CMD_IFCS, upper = 0;
	unsigned slot = 0;
	uint64_t at;

	if (bytes > LARGE_BYTES || (o->mss && (o->header_bytes >= bytes || o->header_bytes > E1000_TSO_HEADER_MAX)))
		return -EINVAL;
	take_back(n);
	while (slot < LARGE_SLOTS && n->large_of[slot])
		slot++;
	if (slot == LARGE_SLOTS || tx_room(n) < 1 + (bytes + LARGE_PIECE - 1) / LARGE_PIECE) {
		soft_e1000_flush(n);
		return -EAGAIN;
	}
	at = n->large + (uint64_t)slot * LARGE_BYTES;
	memcpy(host(n, at), frame, bytes);
	lower |= (o->mss ? E1000_TXD_CMD_TSE : 0) | (o->tagged ? E1000_TXD_CMD_VLE : 0);
	upper |= (o->csum_start ? E1000_TXD_POPTS_TXSM : 0) | (o->mss && !o->ipv6 ? E1000_TXD_POPTS_IXSM : 0);
	upper |= (uint32_t)o->vlan_tci << 16;
	if (o->csum_start)
		add_context(n, bytes, o);
	for (uint32_t off = 0; off < bytes; off += LARGE_PIECE) {
		const bool last = bytes - off <= LARGE_PIECE;
		const uint32_t piece = last ? bytes - off : LARGE_PIECE;

		if (last)
			n->large_of[slot] = n->tx_tail + 1;
		add_desc(n, at + off, piece | lower | (last ? E1000_TXD_CMD_EOP | E1000_TXD_CMD_RS : 0), upper);
	}
	n->stats.sent++;
	return 0;
}

/* ---- receive ---- */

static void hand_out(struct soft_e1000 *n, uint32_t i, uint8_t status)
{
	const struct e1000_rx_desc *d = &n->rx[i];
	struct soft_e1000_frame f = {
		.data = host(n, n->rx_data + (uint64_t)i * n->buffer_bytes), .bytes = le16_get(d->length), .status = status,
		.errors = d->errors, .vlan_tci = le16_get(d->special),
	};

	n->stats.received++;
	n->stats.received_bytes += f.bytes;
	if (n->o.rx)
		n->o.rx(n->o.opaque, &f);
}

/* All but one of those that were looked at are lent again, sixteen at a time. */
static void lend(struct soft_e1000 *n, bool all)
{
	const uint32_t last = before(n, n->rx_next);
	const uint32_t behind = last >= n->rx_lent ? last - n->rx_lent : last + n->ring - n->rx_lent;

	if (!behind || (!all && behind < RDT_EVERY))
		return;
	n->rx_lent = last;
	soft_e1000_write(n, E1000_RDT, last);
}

unsigned soft_e1000_poll(struct soft_e1000 *n)
{
	unsigned frames = 0;

	take_back(n);
	for (; frames < n->ring; frames++) {	/* at most once round */
		struct e1000_rx_desc *d = &n->rx[n->rx_next];
		uint8_t status = __atomic_load_n(&d->status, __ATOMIC_ACQUIRE);

		if (!(status & E1000_RXD_DD))
			break;
		hand_out(n, n->rx_next, status);
		d->status = 0;
		n->rx_next = after(n, n->rx_next);
		lend(n, false);
	}
	lend(n, frames);
	return frames;
}

uint32_t soft_e1000_wait(struct soft_e1000 *n, int timeout_ms)
{
	uint32_t causes;

	soft_e1000_write(n, E1000_IMS, E1000_INT_TXDW | E1000_INT_LSC | E1000_INT_RXDMT0 | E1000_INT_RXT0);
	if (!vfuc_intx_take(n->c, timeout_ms)) {
		soft_e1000_write(n, E1000_IMC, 0xffffffff);
		return 0;
	}
	causes = soft_e1000_read(n, E1000_ICR);
	soft_e1000_write(n, E1000_IMC, 0xffffffff);
	return causes;
}

void soft_e1000_stats(const struct soft_e1000 *n, struct soft_e1000_stats *out)
{
	*out = n->stats;
}
