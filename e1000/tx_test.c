/* SPDX-License-Identifier: MIT */
/* Transmit without segmentation: descriptors, checksums, tags, completion. */
#include "base/test.h"
#include "e1000/test_chip.h"

static struct chip_sent *sent(struct chip *chip, unsigned n)
{
	if (n >= chip->num_sent)
		abort();
	return &chip->sent[n];
}

static uint64_t at(uint32_t off)
{
	return CHIP_BASE + off;
}

static void one_legacy_frame(void)
{
	struct chip *chip = chip_new();
	uint8_t *f = chip_frame(chip, 1514);
	uint32_t a, b;

	chip_tx_start(chip, 16);
	a = chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 1514, 0xaa0000f0);
	b = chip_tx_put(chip, at(CHIP_TX_DATA), E1000_TXD_CMD_EOP | E1000_TXD_CMD_IFCS | E1000_TXD_CMD_RPS | 100, 0);
	CU_ASSERT(!chip->num_sent);
	chip_tx_kick(chip);
	CU_ASSERT_FATAL(chip->num_sent == 2);
	CU_ASSERT(sent(chip, 0)->len == 1514 && !memcmp(sent(chip, 0)->bytes, f, 1514));
	CU_ASSERT(!sent(chip, 0)->offload.flags && !sent(chip, 0)->offload.gso);
	CU_ASSERT(sent(chip, 1)->len == 100);
	CU_ASSERT(chip->sends == 1);
	/* status alone is written, and only for who asked; RPS is nothing here */
	CU_ASSERT(le32_get(chip_tx_desc(chip, a)->upper) == 0xaa0000f1);
	CU_ASSERT(!chip_tx_done(chip, b));
	CU_ASSERT(chip_read(chip, E1000_TDH) == 2);
	CU_ASSERT(chip_read(chip, E1000_ICR) == (E1000_INT_TXDW | E1000_INT_TXQE));
	CU_ASSERT(chip_read(chip, E1000_GPTC) == 2 && chip_read(chip, E1000_TPT) == 2);
	CU_ASSERT(chip_read(chip, E1000_GOTCL) == 1518 + 104 && chip_read(chip, E1000_GOTCH) == 0);
	CU_ASSERT(chip_read(chip, E1000_PTC64 + 20) == 1 && chip_read(chip, E1000_PTC64 + 4) == 1);
	chip_free(chip);
}

static void nothing_goes_before_it_may(void)
{
	struct chip *chip = chip_new();

	chip_frame(chip, 60);
	chip_tx_start(chip, 16);
	chip_write(chip, E1000_TCTL, E1000_TCTL_PSP);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 60, 0);
	chip_tx_kick(chip);
	CU_ASSERT(!chip->num_sent);
	chip_write(chip, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);	/* Linux does so when the link is up */
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 1);
	e1000_core_set_bus_master(&chip->core, false);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 60, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 1);
	e1000_core_set_bus_master(&chip->core, true);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 2);
	/* without a link descriptors are done and frames are not sent */
	e1000_core_set_wire(&chip->core, false);
	CU_ASSERT(chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 60, 0) == 2);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 2 && chip_tx_done(chip, 2));
	CU_ASSERT(chip_count(chip, E1000_C_TX_NO_LINK) == 1);
	chip_free(chip);
}

static void pieces_make_a_frame(void)
{
	struct chip *chip = chip_new();
	uint8_t *f = chip_frame(chip, 3000);
	uint32_t off = 0, last = 0;

	chip_tx_start(chip, 256);
	/* 150 pieces of 20 bytes with an empty one in between: more than are kept as pieces */
	for (unsigned i = 0; i < 150; i++) {
		chip_tx_put(chip, 0, CHIP_DATA | 0, 0);
		last = chip_tx_put(chip, at(CHIP_TX_DATA + off),
				   CHIP_DATA | 20 | (i == 149 ? E1000_TXD_CMD_EOP | E1000_TXD_CMD_RS : 0u), 0);
		off += 20;
		if (i % 40 == 0)	/* the driver is interrupted now and then */
			chip_tx_kick(chip);
		if (last > 250)
			break;
	}
	CU_ASSERT_FATAL(chip->num_sent == 0);
	chip_tx_put(chip, at(CHIP_TX_DATA + off), CHIP_LAST | CHIP_DATA | 50, 0);
	chip_tx_kick(chip);
	CU_ASSERT_FATAL(chip->num_sent == 1);
	CU_ASSERT(sent(chip, 0)->len == off + 50 && !memcmp(sent(chip, 0)->bytes, f, off + 50));
	chip_free(chip);
}

/* Memory given back before the frame is complete must have been read by then. */
static void early_write_back_means_read(void)
{
	struct chip *chip = chip_new();
	uint8_t *f = chip_frame(chip, 400), copy[400];
	uint32_t first;

	memcpy(copy, f, 400);
	chip_tx_start(chip, 16);
	first = chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | E1000_TXD_CMD_RS | 200, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip_tx_done(chip, first));
	memset(f, 0x55, 200);
	chip_tx_put(chip, at(CHIP_TX_DATA + 200), CHIP_DATA | CHIP_LAST | 200, 0);
	chip_tx_kick(chip);
	CU_ASSERT_FATAL(chip->num_sent == 1);
	CU_ASSERT(!memcmp(sent(chip, 0)->bytes, copy, 400));
	chip_free(chip);
}


static bool done_at_send;

static void look_at_send(struct chip *chip)
{
	for (uint32_t i = 0; i < 100; i++)
		done_at_send |= chip_tx_done(chip, i);

}

static void written_back_after_sending(void)
{
	struct chip *chip = chip_new();

	chip_frame(chip, 1000);
	chip_tx_start(chip, 128);
	chip->on_send = look_at_send;
	done_at_send = false;
	for (unsigned i = 0; i < 20; i++)
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 1000, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->sends == 1 && chip->num_sent == 20 && !done_at_send);
	CU_ASSERT(chip_tx_done(chip, 0) && chip_tx_done(chip, 19));
	chip_free(chip);
}

/* Long frames that are made here, until there is no room for another: none is written back before it has gone. */
enum { LONG_PIECES = 40, LONG_FRAMES = 10, LONG_BYTES = 400 };
static unsigned done_too_early;

static void look_at_long_frames(struct chip *chip)
{
	for (uint32_t i = chip->num_sent * LONG_PIECES; i < LONG_FRAMES * LONG_PIECES; i++)
		done_too_early += chip_tx_done(chip, 1 + i);
}

static void long_frames_wait_for_their_turn(void)
{
	const struct e1000_tx_context x = { .tucss = 34, .tucso = 50, .tucse = 1000 };
	struct chip *chip = chip_new();

	chip_frame(chip, LONG_PIECES * LONG_BYTES);
	chip_tx_start(chip, 512);
	chip->on_send = look_at_long_frames;
	done_too_early = 0;
	chip_context(chip, &x, 0);
	for (unsigned i = 0; i < LONG_FRAMES * LONG_PIECES; i++)
		chip_tx_put(chip, at(CHIP_TX_DATA + i % LONG_PIECES * LONG_BYTES), CHIP_DATA | LONG_BYTES |
			    (i % 6 ? 0u : E1000_TXD_CMD_RS) | (i % LONG_PIECES == LONG_PIECES - 1 ? E1000_TXD_CMD_EOP : 0u),
			    E1000_TXD_POPTS_TXSM);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == LONG_FRAMES && chip->sends > 1);
	CU_ASSERT(!done_too_early);
	for (unsigned i = 0; i < LONG_FRAMES * LONG_PIECES; i++)
		CU_ASSERT(chip_tx_done(chip, 1 + i) == !(i % 6));
	chip_free(chip);
}

/* Frames of more pieces than are kept, one after another: each keeps its own copied bytes until it has gone. */
static void copied_frames_keep_apart(void)
{
	static const struct {
		unsigned pieces, bytes;
	} shapes[] = { { 100, 160 }, { 200, 80 }, { 65, 200 }, { 70, 100 }, { 300, 54 } };

	for (unsigned k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
		const uint32_t len = shapes[k].pieces * shapes[k].bytes;
		struct chip *chip = chip_new();
		unsigned n;

		chip_tx_start(chip, 8192);
		for (n = 0; n < 20; n++) {
			uint8_t *f = chip->ram + CHIP_TX_DATA + 16384 * n;

			memcpy(f, chip_frame(chip, 14), 14);
			for (uint32_t i = 14; i < len; i++)
				f[i] = (uint8_t)(i * 3 + n * 11 + (i >> 8));
			for (unsigned i = 0; i < shapes[k].pieces; i++)
				chip_tx_put(chip, at(CHIP_TX_DATA + 16384 * n + i * shapes[k].bytes), CHIP_DATA | shapes[k].bytes |
					    (i == shapes[k].pieces - 1 ? E1000_TXD_CMD_EOP : 0u), 0);
		}
		chip_tx_kick(chip);
		CU_ASSERT_FATAL(chip->num_sent == n);
		for (unsigned i = 0; i < n; i++)
			CU_ASSERT(sent(chip, i)->len == len &&
				  !memcmp(sent(chip, i)->bytes, chip->ram + CHIP_TX_DATA + 16384 * i, len));
		chip_free(chip);
	}
}

static void the_ring_wraps(void)
{
	struct chip *chip = chip_new();

	chip_tx_start(chip, 8);
	for (unsigned i = 0; i < 100; i++) {
		uint8_t *f = chip_frame(chip, 64);

		f[20] = (uint8_t)i;
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 64, 0);
		if (i % 3 == 2)
			f[20] = (uint8_t)i;
		chip_tx_kick(chip);
		CU_ASSERT_FATAL(chip->num_sent == i + 1);
		CU_ASSERT(sent(chip, i)->bytes[20] == i);
		CU_ASSERT(chip_read(chip, E1000_TDH) == (i + 1) % 8);
	}
	chip_free(chip);
}

static void a_pause_is_kept(void)
{
	struct chip *chip = chip_new();

	chip_frame(chip, 64);
	chip_tx_start(chip, 256);
	chip->pause = true;
	for (unsigned i = 0; i < 200; i++)
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 64, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 32);
	CU_ASSERT(chip_read(chip, E1000_TDH) == 32);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 32);
	chip->pause = false;
	e1000_core_resume(&chip->core);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 200);
	chip_free(chip);
}

static void lengths(void)
{
	static const struct {
		uint32_t len, lower, want;	/* want 0: dropped */
	} cases[] = {
		{ 13, E1000_TXD_CMD_IFCS, 0 },
		{ 14, E1000_TXD_CMD_IFCS, 60 },		/* padded */
		{ 59, E1000_TXD_CMD_IFCS, 60 },
		{ 60, E1000_TXD_CMD_IFCS, 60 },
		{ 128, E1000_TXD_CMD_IFCS, 128 },
		{ 129, E1000_TXD_CMD_IFCS, 129 },
		{ 16384, E1000_TXD_CMD_IFCS, 16384 },
		{ 16385, E1000_TXD_CMD_IFCS, 0 },
		{ 17, 0, 0 },				/* ends in an FCS of its own */
		{ 104, 0, 100 },
		{ 16388, 0, 16384 },
		{ 16389, 0, 0 },
		{ 3, 0, 0 },
	};
	struct chip *chip = chip_new();
	unsigned n = 0;

	chip_tx_start(chip, 16);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *f = chip_frame(chip, 20000);
		const uint32_t d = chip_tx_put(chip, at(CHIP_TX_DATA), E1000_TXD_CMD_EOP | E1000_TXD_CMD_RS |
					       cases[i].lower | cases[i].len, 0);

		chip_tx_kick(chip);
		CU_ASSERT(chip_tx_done(chip, d));
		n += !!cases[i].want;
		CU_ASSERT_FATAL(chip->num_sent == n);
		if (cases[i].want) {
			const uint32_t same = cases[i].want < cases[i].len ? cases[i].want : cases[i].len;

			CU_ASSERT(sent(chip, n - 1)->len == cases[i].want);
			CU_ASSERT(!memcmp(sent(chip, n - 1)->bytes, f, same));
			for (uint32_t k = same; k < cases[i].want; k++)
				CU_ASSERT(!sent(chip, n - 1)->bytes[k]);
		}
	}
	CU_ASSERT(chip_count(chip, E1000_C_TX_TOO_SHORT) == 3);
	CU_ASSERT(chip_count(chip, E1000_C_TX_TOO_LONG) == 2);
	chip_write(chip, E1000_TCTL, E1000_TCTL_EN);	/* without PSP */
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 20, 0);
	chip_tx_kick(chip);
	CU_ASSERT(sent(chip, n)->len == 20);
	chip_free(chip);
}

/* ---- checksums ---- */

/* What comes out in the end: metadata made good, as the switch does. */
static const uint8_t *finished(struct chip_sent *s)
{
	const struct vswitch_offload *o = &s->offload;

	if (o->flags & VSWITCH_CSUM_PARTIAL)
		CU_ASSERT_FATAL(e1000_insert_checksum(s->bytes, s->len, o->csum_start, 0,
						      (uint32_t)o->csum_start + o->csum_offset, true));
	return s->bytes;
}

static uint16_t slow_sum(const uint8_t *p, uint32_t from, uint32_t to)
{
	uint32_t sum = 0;

	for (uint32_t i = from; i <= to; i += 2)
		sum += (uint32_t)p[i] << 8 | (i + 1 <= to ? p[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void legacy_checksum(void)
{
	static const uint8_t starts[] = { 0, 13, 14, 34, 35, 99, 100, 255 }, offsets[] = { 0, 10, 50, 97, 98, 99, 255 };
	struct chip *chip = chip_new();
	unsigned n = 0;

	chip_tx_start(chip, 16);
	for (unsigned i = 0; i < sizeof(starts); i++)
		for (unsigned k = 0; k < sizeof(offsets); k++, n++) {
			const uint8_t css = starts[i], cso = offsets[k];
			uint8_t want[100];

			memcpy(want, chip_frame(chip, 100), 100);
			if (css < 100 && cso + 2 <= 100) {
				const uint16_t sum = slow_sum(want, css, 99);

				want[cso] = (uint8_t)(sum >> 8);
				want[cso + 1] = (uint8_t)sum;
			}
			chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | E1000_TXD_CMD_IC | (uint32_t)cso << 16 | 100,
				    (uint32_t)css << 8);
			chip_tx_kick(chip);
			CU_ASSERT_FATAL(chip->num_sent == n + 1);
			CU_ASSERT(!memcmp(finished(sent(chip, n)), want, 100));
		}
	CU_ASSERT(chip_count(chip, E1000_C_TX_CSUM_SKIPPED) > 10);
	CU_ASSERT(chip_count(chip, E1000_C_TX_COPIED) < n);	/* and some need no copy */
	chip_free(chip);
}

/* An IPv4 TCP frame as Linux gives it: pseudo-header sum in the field, IP checksum left 0. */
static void tcp_frame(struct chip *chip, uint32_t len)
{
	uint8_t *f = chip_frame(chip, len);
	static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 100, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };

	f[12] = 0x08;
	f[13] = 0x00;
	memcpy(f + 14, ip, sizeof(ip));
	f[16] = (uint8_t)((len - 14) >> 8);
	f[17] = (uint8_t)(len - 14);
	f[46] = 0x50;
	f[50] = 0x12;
	f[51] = 0x34;
}

static void data_checksums(void)
{
	const struct e1000_tx_context x = { .ipcss = 14, .ipcso = 24, .ipcse = 33, .tucss = 34, .tucso = 50, .tcp = true, .ip = true };
	struct chip *chip = chip_new();
	uint8_t want[700];
	uint16_t sum;

	tcp_frame(chip, 700);
	memcpy(want, chip->ram + CHIP_TX_DATA, 700);
	chip_tx_start(chip, 16);
	chip_context(chip, &x, 0);
	/* POPTS count in the first descriptor */
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | 54, E1000_TXD_POPTS_IXSM | E1000_TXD_POPTS_TXSM);
	chip_tx_put(chip, at(CHIP_TX_DATA + 54), CHIP_DATA | CHIP_LAST | 646, 0);
	chip_tx_kick(chip);
	CU_ASSERT_FATAL(chip->num_sent == 1);
	CU_ASSERT(sent(chip, 0)->offload.flags == VSWITCH_CSUM_PARTIAL);
	CU_ASSERT(sent(chip, 0)->offload.csum_start == 34 && sent(chip, 0)->offload.csum_offset == 16);
	sum = slow_sum(want, 14, 33);
	want[24] = (uint8_t)(sum >> 8);
	want[25] = (uint8_t)sum;
	CU_ASSERT(!memcmp(sent(chip, 0)->bytes, want, 700));	/* the other one is still to be made */
	sum = slow_sum(want, 34, 699);
	want[50] = (uint8_t)(sum >> 8);
	want[51] = (uint8_t)sum;
	CU_ASSERT(!memcmp(finished(sent(chip, 0)), want, 700));
	/* the context stays, and the options of later descriptors don't count */
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | 54, E1000_TXD_POPTS_TXSM);
	chip_tx_put(chip, at(CHIP_TX_DATA + 54), CHIP_DATA | CHIP_LAST | 646, E1000_TXD_POPTS_IXSM);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 700, 0);
	chip_tx_kick(chip);
	CU_ASSERT_FATAL(chip->num_sent == 3);
	CU_ASSERT(sent(chip, 1)->offload.flags == VSWITCH_CSUM_PARTIAL && !sent(chip, 1)->bytes[24]);
	CU_ASSERT(!sent(chip, 2)->offload.flags);
	chip_free(chip);
}

/* Ranges that end before the frame does are made here. */
static void odd_ranges(void)
{
	static const struct e1000_tx_context contexts[] = {
		{ .tucss = 34, .tucso = 50, .tucse = 300 },
		{ .tucss = 34, .tucso = 30 },			/* stored before it begins */
		{ .tucss = 34, .tucso = 200 },			/* beyond the copied head */
		{ .tucss = 200, .tucso = 216, .tucse = 0 },
		{ .tucss = 0, .tucso = 6 },
	};
	struct chip *chip = chip_new();

	chip_tx_start(chip, 16);
	for (unsigned i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
		const struct e1000_tx_context *x = &contexts[i];
		uint8_t want[700];
		uint16_t sum;

		tcp_frame(chip, 700);
		memcpy(want, chip->ram + CHIP_TX_DATA, 700);
		sum = slow_sum(want, x->tucss, x->tucse ? x->tucse : 699);
		want[x->tucso] = (uint8_t)(sum >> 8);
		want[x->tucso + 1] = (uint8_t)sum;
		chip_context(chip, x, 0);
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 700, E1000_TXD_POPTS_TXSM);
		chip_tx_kick(chip);
		CU_ASSERT_FATAL(chip->num_sent == i + 1);
		CU_ASSERT(!sent(chip, i)->offload.flags);
		CU_ASSERT(!memcmp(sent(chip, i)->bytes, want, 700));
	}
	chip_free(chip);
}

/* The transport's is made first; if the header's covers it, that shows. */
static void the_order_of_checksums(void)
{
	const struct e1000_tx_context x = { .ipcss = 14, .ipcso = 24, .ipcse = 60, .tucss = 34, .tucso = 50 };
	struct chip *chip = chip_new();
	uint8_t want[700];
	uint16_t sum;

	tcp_frame(chip, 700);
	memcpy(want, chip->ram + CHIP_TX_DATA, 700);
	sum = slow_sum(want, 34, 699);
	want[50] = (uint8_t)(sum >> 8);
	want[51] = (uint8_t)sum;
	sum = slow_sum(want, 14, 60);
	want[24] = (uint8_t)(sum >> 8);
	want[25] = (uint8_t)sum;
	chip_tx_start(chip, 16);
	chip_context(chip, &x, 0);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 700, E1000_TXD_POPTS_TXSM | E1000_TXD_POPTS_IXSM);
	chip_tx_kick(chip);
	CU_ASSERT(!memcmp(finished(sent(chip, 0)), want, 700));
	chip_free(chip);
}

/* The switch takes a tag out of the bytes: a range that begins inside it can't be left to it. */
static void a_range_that_begins_in_a_tag(void)
{
	const struct e1000_tx_context x = { .tucss = 14, .tucso = 30 };
	struct chip *chip = chip_new();
	uint8_t want[700];
	uint16_t sum;

	tcp_frame(chip, 700);
	memcpy(chip->ram + CHIP_TX_DATA + 12, "\x81\x00\x00\x05", 4);
	memcpy(want, chip->ram + CHIP_TX_DATA, 700);
	sum = slow_sum(want, 14, 699);
	want[30] = (uint8_t)(sum >> 8);
	want[31] = (uint8_t)sum;
	chip_tx_start(chip, 16);
	chip_context(chip, &x, 0);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 700, E1000_TXD_POPTS_TXSM);
	chip_tx_kick(chip);
	CU_ASSERT(!sent(chip, 0)->offload.flags && !memcmp(sent(chip, 0)->bytes, want, 700));
	chip_free(chip);
}

static void zero_is_stored_as_ones(void)
{
	const struct e1000_tx_context x = { .tucss = 40, .tucso = 48, .tucse = 49 };
	struct chip *chip = chip_new();
	uint8_t *f = chip_frame(chip, 100);

	memset(f + 40, 0, 10);
	f[40] = f[41] = 0xff;		/* sums to ffff, whose complement is 0 */
	chip_tx_start(chip, 16);
	chip_context(chip, &x, 0);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 100, E1000_TXD_POPTS_TXSM);
	chip_tx_kick(chip);
	CU_ASSERT(sent(chip, 0)->bytes[48] == 0xff && sent(chip, 0)->bytes[49] == 0xff);
	chip_free(chip);
}

/* ---- tags ---- */

static void tags(void)
{
	struct chip *chip = chip_new();
	const uint8_t *f = chip_frame(chip, 100);

	chip_tx_start(chip, 16);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | E1000_TXD_CMD_VLE | 100, 0xa0050000);
	chip_tx_kick(chip);
	CU_ASSERT(!sent(chip, 0)->offload.flags);	/* VME is off */
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	/* VLE and the tag count in the last descriptor */
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | 50, 0x12340000);
	chip_tx_put(chip, at(CHIP_TX_DATA + 50), CHIP_DATA | CHIP_LAST | E1000_TXD_CMD_VLE | 50, 0xa0050000);
	chip_read(chip, E1000_GOTCH);
	chip_tx_kick(chip);
	CU_ASSERT(sent(chip, 1)->offload.flags == VSWITCH_VLAN && sent(chip, 1)->offload.vlan_tci == 0xa005);
	CU_ASSERT(sent(chip, 1)->len == 100);
	CU_ASSERT(chip_read(chip, E1000_GOTCL) == 108);
	/* another type can't be said so: it goes into the bytes */
	chip_write(chip, E1000_VET, 0x88a8);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | E1000_TXD_CMD_VLE | 100, 0xa0050000);
	chip_tx_kick(chip);
	CU_ASSERT(!sent(chip, 2)->offload.flags && sent(chip, 2)->len == 104);
	CU_ASSERT(!memcmp(sent(chip, 2)->bytes, f, 12) && !memcmp(sent(chip, 2)->bytes + 16, f + 12, 88));
	CU_ASSERT(!memcmp(sent(chip, 2)->bytes + 12, "\x88\xa8\xa0\x05", 4));
	chip_free(chip);
}

/* ---- a guest's mistakes ---- */

static void bad_frames_cost_themselves(void)
{
	static const struct {
		const char *what;
		uint32_t lower[4];	/* in a row; all with 100 bytes */
		enum e1000_counter_id why;
	} cases[] = {
		{ "legacy, then data", { E1000_TXD_CMD_IFCS, CHIP_DATA | CHIP_LAST }, E1000_C_TX_MIXED },
		{ "data, then legacy", { CHIP_DATA, CHIP_LAST }, E1000_C_TX_MIXED },
		{ "a context inside", { CHIP_DATA, E1000_TXD_CMD_DEXT, CHIP_DATA | CHIP_LAST }, E1000_C_TX_CONTEXT },
		{ "a reserved type", { E1000_TXD_CMD_DEXT | 2u << 20 | CHIP_LAST }, E1000_C_TX_TYPE },
		{ "a reserved type inside", { CHIP_DATA, E1000_TXD_CMD_DEXT | 15u << 20, CHIP_DATA | CHIP_LAST }, E1000_C_TX_TYPE },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chip *chip = chip_new();
		uint32_t last = 0;

		chip_frame(chip, 400);
		chip_tx_start(chip, 16);
		for (unsigned k = 0; k < 4 && cases[i].lower[k]; k++)
			last = chip_tx_put(chip, at(CHIP_TX_DATA), cases[i].lower[k] | 100, 0);
		chip_tx_kick(chip);
		if (chip->num_sent || chip_count(chip, cases[i].why) != 1 || !chip_tx_done(chip, last))
			CU_FAIL(cases[i].what);
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 100, 0);
		chip_tx_kick(chip);
		CU_ASSERT(chip->num_sent == 1);		/* the next one is none the worse */
		chip_free(chip);
	}
}

static void a_buffer_that_is_not_there(void)
{
	struct chip *chip = chip_new();
	uint32_t d;

	chip_frame(chip, 400);
	chip_tx_start(chip, 16);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | 100, 0);
	d = chip_tx_put(chip, CHIP_NOWHERE, CHIP_DATA | CHIP_LAST | 100, 0);
	chip_tx_put(chip, at(CHIP_RAM_BYTES - 50), CHIP_LAST | 100, 0);
	chip_tx_put(chip, UINT64_MAX - 10, CHIP_LAST | 100, 0);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 100, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 1 && chip_tx_done(chip, d));
	CU_ASSERT(chip_count(chip, E1000_C_TX_DMA) == 3);
	/* a frame across two maps is one all the same */
	memcpy(chip->ram + CHIP_HOLE - 40, chip->ram + CHIP_TX_DATA, 100);
	chip_tx_put(chip, at(CHIP_HOLE - 40), CHIP_LAST | 100, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 2 && !memcmp(sent(chip, 1)->bytes, chip->ram + CHIP_TX_DATA, 100));
	chip_free(chip);
}

static void a_moved_head_drops_what_was_begun(void)
{
	struct chip *chip = chip_new();

	chip_frame(chip, 400);
	chip_tx_start(chip, 16);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | 100, 0);
	chip_tx_kick(chip);
	chip_write(chip, E1000_TDH, 0);
	CU_ASSERT(chip_count(chip, E1000_C_TX_ABANDONED) == 1);
	chip->tx_tail = 0;
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_LAST | 100, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 1 && sent(chip, 0)->len == 100);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | 100, 0);
	chip_tx_kick(chip);
	chip_write(chip, E1000_TCTL, 0);
	CU_ASSERT(chip_count(chip, E1000_C_TX_ABANDONED) == 2);
	chip_free(chip);
}

static void a_bad_ring_stops_until_it_is_written(void)
{
	struct chip *chip = chip_new();

	chip_frame(chip, 100);
	chip_tx_start(chip, 16);
	for (unsigned i = 0; i < 16; i++)
		*chip_tx_desc(chip, i) = (struct e1000_tx_desc){ to_le64(at(CHIP_TX_DATA)), to_le32(CHIP_LAST | 100), to_le32(0) };
	chip_write(chip, E1000_TDH, 200);
	chip_write(chip, E1000_TDT, 5);
	chip_run(chip);
	CU_ASSERT(!chip->num_sent && chip_count(chip, E1000_C_TX_RING_BAD) == 1);
	chip_run(chip);
	CU_ASSERT(chip_count(chip, E1000_C_TX_RING_BAD) == 1);	/* not again and again */
	chip_write(chip, E1000_TDH, 0);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 5);
	chip_write(chip, E1000_TDT, 0xffff);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 5 && chip_count(chip, E1000_C_TX_RING_BAD) == 2);
	chip_write(chip, E1000_TDLEN, 0);
	chip_run(chip);
	CU_ASSERT(chip_count(chip, E1000_C_TX_RING_BAD) == 3);
	chip_write(chip, E1000_TDLEN, 256);
	chip_write(chip, E1000_TDBAH, 0xdead);
	chip_write(chip, E1000_TDT, 8);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 5 && chip_count(chip, E1000_C_TX_RING_DMA) == 1);
	chip_write(chip, E1000_TDBAH, (uint32_t)(CHIP_BASE >> 32));
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 8);
	chip_free(chip);
}

static const struct hv_test tests[] = {
	{ "a legacy frame", one_legacy_frame },
	{ "nothing goes before it may", nothing_goes_before_it_may },
	{ "pieces make a frame", pieces_make_a_frame },
	{ "an early write-back means that it was read", early_write_back_means_read },
	{ "descriptors are written back after sending", written_back_after_sending },
	{ "long frames wait for their turn", long_frames_wait_for_their_turn },
	{ "copied frames keep apart", copied_frames_keep_apart },
	{ "the ring wraps", the_ring_wraps },
	{ "a pause is kept", a_pause_is_kept },
	{ "lengths, padding, the driver's own FCS", lengths },
	{ "the legacy checksum", legacy_checksum },
	{ "checksums of data descriptors", data_checksums },
	{ "odd ranges are made here", odd_ranges },
	{ "the order of checksums", the_order_of_checksums },
	{ "a range that begins in a tag", a_range_that_begins_in_a_tag },
	{ "a checksum of zero is stored as ones", zero_is_stored_as_ones },
	{ "tags", tags },
	{ "a bad frame costs itself", bad_frames_cost_themselves },
	{ "a buffer that is not there", a_buffer_that_is_not_there },
	{ "a moved head drops what was begun", a_moved_head_drops_what_was_begun },
	{ "a bad ring stops until it is written", a_bad_ring_stops_until_it_is_written },
};
HV_TEST_MAIN("e1000/transmit", tests)
