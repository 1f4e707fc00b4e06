/* SPDX-License-Identifier: MIT */
/* Steps that send: rings, legacy descriptors, data descriptors with checksums. */
#include <string.h>

#include "e1000/e1000_hw.h"
#include "tests/twin.h"

enum {
	MIN_FRAME = 60,		/* shorter ones are padded by the chip (TCTL.PSP), not by QEMU */
	TCI_MASK = 0xfffe,	/* no VLAN 4095: it is reserved (802.1Q), and our switch drops it */
	COMMON = E1000_TXD_CMD_IFCS,
};

/* Outside and inside never use each other's addresses as a source: the switch between our NIC and the wire learns them. */
void twin_make_frame(struct twin_run *r, uint32_t len, uint8_t *out)
{
	static const uint8_t guest[5] = { 0x02, 0xaa, 0, 0, 0 }, outside[5] = { 0x02, 0xbb, 0, 0, 0 };
	uint32_t v = (uint32_t)twin_random(&r->random);

	twin_fill(&r->random, out, len);
	switch (v % 8) {
	case 0:
		memset(out, 0xff, 6);
		break;
	case 1:
		out[0] = 0x33;		/* a group, but none of those that no bridge forwards */
		break;
	default:
		memcpy(out, outside, 5);
	}
	memcpy(out + 6, guest, 5);
	out[12] = 0x88;
	out[13] = 0xb5;
	if (v >> 8 & 1)
		out[12] = 0x08, out[13] = 0;	/* what claims to be IPv4 and is not */
	if ((v >> 9 & 7) == 0)
		out[12] = 0x81, out[13] = 0, out[15] &= TCI_MASK & 0xff;	/* tagged by the driver */
}

unsigned twin_tx_room(const struct twin_run *r)
{
	uint32_t head = r->ours->ops->read(r->ours, E1000_TDH);

	return r->tx.size ? (head + r->tx.size - r->tx.tail - 1) % r->tx.size : 0;
}

uint32_t twin_tx_data(struct twin_run *r, const void *bytes, uint32_t n)
{
	uint32_t gap = twin_between(&r->random, 0, 70), at;

	if (r->tx.data + gap + n > TWIN_TX_DATA_BYTES)
		r->tx.data = 0;
	at = TWIN_TX_DATA + r->tx.data + gap;
	r->tx.data += gap + n;
	memcpy(r->ours->ram + at, bytes, n);
	memcpy(r->other->ram + at, bytes, n);
	return at;
}

void twin_tx_desc(struct twin_run *r, uint64_t buffer, uint32_t lower, uint32_t upper)
{
	struct e1000_tx_desc d = { to_le64(buffer), to_le32(lower), to_le32(upper) };

	twin_store(r, r->tx.base + r->tx.tail * (uint32_t)sizeof(d), &d, sizeof(d));
	r->tx.tail = (r->tx.tail + 1) % r->tx.size;
}

/* What any descriptor may have or not. */
static uint32_t whims(struct twin_run *r)
{
	return (twin_chance(&r->random, 30) ? E1000_TXD_CMD_RS : 0) | (twin_chance(&r->random, 30) ? E1000_TXD_CMD_IDE : 0);
}

void twin_tx_split(struct twin_run *r, const uint8_t *bytes, uint32_t n, unsigned parts, uint32_t all, uint32_t last,
		   uint32_t upper)
{
	while (n) {
		uint32_t take = parts <= 1 ? n : twin_between(&r->random, 1, n);
		uint32_t lower = take | all | COMMON | whims(r);

		if (take == n)
			lower |= last | E1000_TXD_CMD_EOP;
		twin_tx_desc(r, twin_tx_data(r, bytes, take), lower, upper);
		bytes += take;
		n -= take;
		parts--;
	}
}

void twin_tx_tag(struct twin_run *r, uint32_t *lower, uint32_t *upper)
{
	if (!twin_chance(&r->random, 30))
		return;
	*lower |= E1000_TXD_CMD_VLE;
	*upper |= ((uint32_t)twin_random(&r->random) & TCI_MASK) << 16;
	r->tags_out |= r->ctrl & E1000_CTRL_VME;
}

void twin_tx_go(struct twin_run *r, const struct twin_sent *sent)
{
	twin_write(r, E1000_TDT, r->tx.tail);
	twin_settle(r);
	if (twin_read(r, E1000_TDH, 0xffffffff) != r->tx.tail)
		twin_differ(r, "TDH does not reach TDT");
	twin_read(r, E1000_TDT, 0xffffffff);
	twin_same_wire(r, sent);
	twin_same_interrupts(r, 0);
	/* after that: what is written back may be late, with IDE */
	twin_same_memory(r, r->tx.base, r->tx.size * sizeof(struct e1000_tx_desc), "transmit ring");
}

/* A ring somewhere, with both pointers somewhere in it. */
static void make_ring(struct twin_run *r, uint32_t size)
{
	static const uint8_t zero[TWIN_MAX_RING * sizeof(struct e1000_tx_desc)];
	uint32_t tctl = E1000_TCTL_EN | E1000_TCTL_PSP | ((uint32_t)twin_random(&r->random) & 0x3ffff0);

	r->tx.base = TWIN_TX_RING + 16 * twin_between(&r->random, 0, 255);
	r->tx.size = size;
	r->tx.tail = twin_between(&r->random, 0, size - 1);
	twin_store(r, r->tx.base, zero, size * sizeof(struct e1000_tx_desc));
	twin_write(r, E1000_TCTL, 0);
	twin_write(r, E1000_TDBAH, 0);
	twin_write(r, E1000_TDBAL, r->tx.base);
	twin_write(r, E1000_TDLEN, size * (uint32_t)sizeof(struct e1000_tx_desc));
	twin_write(r, E1000_TDH, r->tx.tail);
	twin_write(r, E1000_TDT, r->tx.tail);
	twin_read(r, E1000_TDLEN, 0xffffffff);
	twin_read(r, E1000_TDBAL, 0xffffffff);
	twin_write(r, E1000_TCTL, tctl);
	twin_read(r, E1000_TCTL, 0xffffffff);
	/* QEMU finds the ring empty whenever it looks, and says so. */
	twin_same_interrupts(r, E1000_INT_TXQE);
}

void twin_step_tx_setup(struct twin_run *r)
{
	make_ring(r, 8 * twin_between(&r->random, 1, twin_chance(&r->random, 50) ? 3 : TWIN_MAX_RING / 8));
}

void twin_tx_ready(struct twin_run *r, unsigned room)
{
	if (r->tx.size <= room || twin_tx_room(r) < room)
		make_ring(r, TWIN_MAX_RING);
}

static uint32_t frame_bytes(struct twin_run *r)
{
	switch (twin_between(&r->random, 0, 3)) {
	case 0:
		return twin_between(&r->random, MIN_FRAME, 130);
	case 1:
		return twin_between(&r->random, 1400, 1530);
	case 2:
		return twin_between(&r->random, MIN_FRAME, 9000);
	default:
		return twin_between(&r->random, MIN_FRAME, 1514);
	}
}

/* Sometimes the frames are there before the transmitter is on. */
static void pause_tx(struct twin_run *r, bool on)
{
	twin_write(r, E1000_TCTL, on ? E1000_TCTL_EN | E1000_TCTL_PSP : E1000_TCTL_PSP);
}

void twin_step_tx_legacy(struct twin_run *r)
{
	static uint8_t frame[TWIN_MAX_FRAME];
	const bool late = twin_chance(&r->random, 15);
	unsigned frames = twin_between(&r->random, 1, 6);
	struct twin_sent sent = { 0 };

	twin_tx_ready(r, 6 * 4);
	if (late) {
		pause_tx(r, false);
		twin_same_interrupts(r, E1000_INT_TXQE);
	}
	while (frames--) {
		uint32_t len = frame_bytes(r), lower = 0, upper = 0;

		twin_make_frame(r, len, frame);
		twin_tx_tag(r, &lower, &upper);
		twin_tx_split(r, frame, len, twin_between(&r->random, 1, 4), lower, E1000_TXD_CMD_RS, upper);
	}
	if (late) {
		twin_write(r, E1000_TDT, r->tx.tail);
		twin_settle(r);
		twin_same_wire(r, &sent);	/* nothing */
		twin_read(r, E1000_TDH, 0xffffffff);
		twin_read_but(r, E1000_ICS, E1000_INT_TXQE, TWIN_RULE_TXQE);
		pause_tx(r, true);
	}
	twin_tx_go(r, &sent);
}

/* A context for checksums; TXSM from tucss to tucse at tucso, IXSM likewise. */
static void checksum_context(struct twin_run *r, const uint32_t ip[3], const uint32_t tu[3])
{
	const uint64_t setup = ip[0] | ip[1] << 8 | ip[2] << 16 | (uint64_t)(tu[0] | tu[1] << 8 | tu[2] << 16) << 32;
	const uint32_t kind = (uint32_t)twin_random(&r->random) & (E1000_TXD_CMD_TCP | E1000_TXD_CMD_IP);

	twin_tx_desc(r, setup, E1000_TXD_CMD_DEXT | kind | whims(r), 0);
}

/* A range of a frame and a place in it: start, where the sum goes, last byte (0: the frame's end). */
static void choose_range(struct twin_run *r, uint32_t low, uint32_t len, uint32_t out[3])
{
	uint32_t limit = len - 2 < 200 ? len - 2 : 200;

	out[0] = twin_between(&r->random, low, limit);
	out[2] = twin_chance(&r->random, 50) ? 0 : twin_between(&r->random, out[0] + 1, len - 1);
	limit = (out[2] ? out[2] : len - 1) - 1;
	out[1] = twin_between(&r->random, out[0], limit < 254 ? limit : 254);
}

void twin_step_tx_checksum(struct twin_run *r)
{
	static uint8_t frame[TWIN_MAX_FRAME];
	unsigned frames = twin_between(&r->random, 1, 5);
	struct twin_sent sent = { 0 };
	uint32_t ip[3] = { 14, 24, 33 }, tu[3] = { 34, 50, 0 };

	twin_tx_ready(r, 5 * 5);
	for (unsigned i = 0; i < frames; i++) {
		uint32_t len = frame_bytes(r), lower = E1000_TXD_CMD_DEXT | E1000_TXD_DTYP_DATA, upper = 0;

		twin_make_frame(r, len, frame);
		if (!i) {	/* one context for all; so the ranges must lie in the shortest */
			choose_range(r, 14, MIN_FRAME, tu);
			choose_range(r, 14, MIN_FRAME, ip);
			/* independent, as any protocol's are: QEMU's and the chip's order is the same, but the switch does one of them */
			if (ip[1] + 1 >= tu[0] || (ip[2] ? ip[2] : len) >= tu[0])
				memcpy(ip, (uint32_t[3]){ 14, 24, 33 }, sizeof(ip)), tu[0] = 34, tu[1] = 50;
			if (tu[2] && tu[2] < 52)
				tu[2] = 0;
			sent.ip_sum_offset = ip[1];
			checksum_context(r, ip, tu);
		}
		upper |= twin_chance(&r->random, 70) ? E1000_TXD_POPTS_TXSM : 0;
		upper |= twin_chance(&r->random, 40) ? E1000_TXD_POPTS_IXSM : 0;
		twin_tx_tag(r, &lower, &upper);
		twin_tx_split(r, frame, len, twin_between(&r->random, 1, 4), lower, E1000_TXD_CMD_RS, upper);
	}
	twin_tx_go(r, &sent);
}
