/* SPDX-License-Identifier: MIT */
/*
 * What a hostile guest may try: known failures of other implementations, each a test. The guest loses its frame or its queue, a
 * counter says which, nothing else happens. AddressSanitizer and the bounds of test_chip.h's chip_run() watch.
 */
#include "base/test.h"
#include "e1000/test_chip.h"

enum { PLAIN = E1000_RCTL_BAM | E1000_RCTL_SECRC };

static uint64_t at(uint32_t off)
{
	return CHIP_BASE + off;
}

/* Beyond the ring, ring of nothing (CVE-2016-1981, bhyve's divisions). */
static void indices_beyond_the_ring(void)
{
	static const uint32_t values[] = { 0, 7, 8, 9, 255, 0x7fff, 0xffff };
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	for (unsigned size = 0; size <= 16; size += 8)
		for (unsigned h = 0; h < 7; h++)
			for (unsigned t = 0; t < 7; t++) {
				struct chip *chip = chip_new();

				chip_tx_start(chip, 8);
				chip_rx_start(chip, 8, 0, PLAIN);
				chip_write(chip, E1000_TDLEN, size * 16);
				chip_write(chip, E1000_RDLEN, size * 16);
				chip_write(chip, E1000_TDH, values[h]);
				chip_write(chip, E1000_TDT, values[t]);
				chip_write(chip, E1000_RDH, values[h]);
				chip_write(chip, E1000_RDT, values[t]);
				chip_run(chip);
				for (unsigned i = 0; i < 20; i++)
					chip_receive(chip, f, sizeof(f));
				chip_run(chip);
				CU_ASSERT(chip_read(chip, E1000_TDT) == values[t] && chip_read(chip, E1000_RDT) == values[t]);
				if (values[h] != values[t] && (values[h] >= size || values[t] >= size))
					CU_ASSERT(chip_count(chip, E1000_C_TX_RING_BAD) == 1);
				CU_ASSERT(chip_count(chip, E1000_C_RX_RING_BAD) ==
					  (values[h] >= size || values[t] >= size ? 20 : 0));
				chip_free(chip);
			}
}

/* A header longer than all data, in many pieces (CVE-2015-6815, CVE-2019-5609). */
static void headers_that_never_come(void)
{
	static const uint8_t lens[] = { 54, 200, 240, 241, 255, 0 };

	for (unsigned i = 0; i < sizeof(lens); i++) {
		const struct e1000_tx_context x = { .ipcss = 14, .ipcso = 24, .tucss = 34, .tucso = 50, .hdrlen = lens[i],
						    .mss = 1460, .paylen = 4000, .tcp = true, .ip = true };
		struct chip *chip = chip_new();
		uint32_t last = 0;

		chip_tx_start(chip, 128);
		chip_context(chip, &x, E1000_TXD_CMD_TSE);
		for (unsigned k = 0; k < 50; k++)
			last = chip_tx_put(chip, at(CHIP_TX_DATA + k), CHIP_DATA | E1000_TXD_CMD_TSE | 1 |
					   (k == 49 ? E1000_TXD_CMD_EOP | E1000_TXD_CMD_RS : 0u), 0x300);
		chip_tx_kick(chip);
		CU_ASSERT(!chip->num_sent && chip_tx_done(chip, last));
		CU_ASSERT(chip_count(chip, E1000_C_TX_TSO_BAD) == 1 && chip_read(chip, E1000_TSCTFC) == 1);
		chip_free(chip);
	}
}

/* Contexts that shrink or grow in mid-frame, with loopback on (CVE-2021-20257, CVE-2018-3294). */
static void contexts_in_mid_frame(void)
{
	for (unsigned looped = 0; looped < 2; looped++)
		for (unsigned grows = 0; grows < 2; grows++) {
			struct e1000_tx_context x = { .ipcss = 14, .ipcso = 24, .tucss = 34, .tucso = 50, .hdrlen = 54,
						      .mss = 1460, .paylen = 4000, .tcp = true, .ip = true };
			struct chip *chip = chip_new();
			uint32_t last;

			chip_rx_start(chip, 256, 255, PLAIN | E1000_RCTL_UPE | (looped ? 3u << E1000_RCTL_LBM_SHIFT : 0));
			chip_tx_start(chip, 64);
			chip_context(chip, &x, E1000_TXD_CMD_TSE);
			chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | E1000_TXD_CMD_TSE | 3000, 0x300);
			chip_tx_kick(chip);
			x.hdrlen = grows ? 240 : 34;
			x.mss = grows ? 16000 : 1;
			x.paylen = grows ? 0xfffff : 1;
			chip_context(chip, &x, E1000_TXD_CMD_TSE);
			last = chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | E1000_TXD_CMD_TSE | CHIP_LAST | 0xffff, 0x300);
			chip_tx_kick(chip);
			CU_ASSERT(chip_tx_done(chip, last) && chip_count(chip, E1000_C_TX_CONTEXT) == 1);
			CU_ASSERT(chip->num_sent == (looped ? 0 : 2));	/* what was whole before, has gone */
			chip_free(chip);
		}
}

/* All starts, offsets and ends on the shortest frames, with tags or without (VirtualBox 2019, CVE-2022-23087). */
static void checksum_ranges(void)
{
	static const uint8_t values[] = { 0, 1, 12, 13, 14, 15, 33, 50, 58, 59, 60, 254, 255 };
	static const uint16_t ends[] = { 0, 1, 13, 14, 59, 60, 255, 0xffff };
	static const uint32_t lens[] = { 1, 13, 14, 15, 59, 60, 61 };
	struct chip *chip = chip_new();

	chip_tx_start(chip, 8);
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	for (unsigned i = 0; i < 13; i++)
		for (unsigned k = 0; k < 13; k++)
			for (unsigned e = 0; e < 8; e++)
				for (unsigned l = 0; l < 7; l++) {
					const struct e1000_tx_context x = {
						.tucss = values[i], .tucso = values[k], .tucse = ends[e],
						.ipcss = values[k], .ipcso = values[i], .ipcse = ends[7 - e],
					};

					chip_frame(chip, 64);
					chip_write(chip, E1000_VET, l & 1 ? 0x8100 : 0x9100);
					chip_context(chip, &x, 0);
					chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | lens[l] |
						    (e & 1 ? E1000_TXD_CMD_VLE : 0u), 0x300);
					chip_tx_kick(chip);
				}
	CU_ASSERT(chip->num_sent == 13u * 13 * 8 * 5);
	CU_ASSERT(chip_count(chip, E1000_C_TX_CSUM_SKIPPED) > 1000);
	chip_free(chip);
}

/* The same for segmentation: whatever the context, nothing is read or written outside. */
static void segmentation_contexts(void)
{
	static const uint8_t values[] = { 0, 14, 34, 50, 53, 54, 200, 255 };
	static const uint8_t lens[] = { 0, 14, 54, 55, 240, 241, 255 };
	struct chip *chip = chip_new();
	unsigned good;

	chip_tx_start(chip, 8);
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	for (unsigned v = 0; v < 8 * 8 * 8 * 7; v++) {
		struct e1000_tx_context x = {
			.tucss = values[v & 7], .tucso = values[v >> 3 & 7], .ipcss = values[v >> 6 & 7], .hdrlen = lens[v / 512],
			.ipcso = values[v >> 4 & 7], .mss = v % 5 ? 700 : 0, .paylen = 1500, .tcp = v % 3, .ip = v % 2,
			.ipcse = (uint16_t)(v * 7), .tucse = (uint16_t)(v % 4 ? 0 : v * 5),
		};

		chip_frame(chip, 2000);
		chip_context(chip, &x, E1000_TXD_CMD_TSE);
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | E1000_TXD_CMD_TSE | CHIP_LAST |
			    (v & 32 ? E1000_TXD_CMD_VLE : 0u) | 1700, 0x300);
		chip_tx_kick(chip);
	}
	good = 8 * 8 * 8 * 7 - (unsigned)chip_count(chip, E1000_C_TX_TSO_BAD);
	CU_ASSERT(good > 100 && chip_count(chip, E1000_C_TX_TSO_BAD) > 1000);
	CU_ASSERT(chip->num_sent >= good);
	chip_free(chip);
}

/* RX into nothing, into the ring itself, and ring bases everywhere (CVE-2020-15859, CVE-2023-3019). */
static void rings_and_buffers_anywhere(void)
{
	static const uint64_t places[] = { 0, 0x10, 0xfebc0000, CHIP_BASE - 8, CHIP_BASE + CHIP_RAM_BYTES - 16,
					   CHIP_BASE + CHIP_HOLE - 16, UINT64_MAX - 0xf, UINT64_MAX - 0xffff, CHIP_NOWHERE };
	uint8_t f[9000];

	chip_inbound(f, sizeof(f));
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct chip *chip = chip_new();

		chip->hole = true;
		chip_rx_start(chip, 128, 127, PLAIN | E1000_RCTL_LPE);
		chip_tx_start(chip, 128);
		for (unsigned k = 0; k < 128; k++) {
			chip_rx_desc(chip, k)->buffer = to_le64(places[i] + k % 3);
			*chip_tx_desc(chip, k) = (struct e1000_tx_desc){ to_le64(places[i] + k % 3),
									 to_le32(CHIP_LAST | 2000), to_le32(0) };
		}
		for (unsigned k = 0; k < 40; k++)
			chip_receive(chip, f, sizeof(f));
		chip_write(chip, E1000_TDT, 100);
		chip_run(chip);
		chip_write(chip, E1000_RDBAL, (uint32_t)places[i]);
		chip_write(chip, E1000_RDBAH, (uint32_t)(places[i] >> 32));
		chip_write(chip, E1000_TDBAL, (uint32_t)places[i]);
		chip_write(chip, E1000_TDBAH, (uint32_t)(places[i] >> 32));
		chip_write(chip, E1000_TDT, 127);
		for (unsigned k = 0; k < 40; k++)
			chip_receive(chip, f, sizeof(f));
		chip_run(chip);
		CU_ASSERT(chip_count(chip, E1000_C_RX_DMA) + chip_count(chip, E1000_C_RX_RING_DMA) +
			  chip_count(chip, E1000_C_RX_EMPTY_BUFFERS) + chip->core.rx.fifo_frames +
			  chip_count(chip, E1000_C_RX_MISSED) > 0);
		chip_free(chip);
	}
}

/* The ring's own memory as buffer: descriptors that change under our hands count as they were copied. */
static void buffers_in_the_ring(void)
{
	struct chip *chip = chip_new();
	uint8_t f[2000];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 128, 127, PLAIN | 3u << 16);	/* buffers of 256 bytes */
	for (unsigned k = 0; k < 128; k++)
		chip_rx_desc(chip, k)->buffer = to_le64(at(CHIP_RX_RING));
	for (unsigned i = 0; i < 100; i++)
		chip_receive(chip, f, 1500);
	chip_run(chip);
	CU_ASSERT(chip_read(chip, E1000_RDH) < 128);
	chip_tx_start(chip, 128);
	for (unsigned k = 0; k < 128; k++)
		*chip_tx_desc(chip, k) = (struct e1000_tx_desc){ to_le64(at(CHIP_TX_RING)), to_le32(CHIP_LAST | 2000), to_le32(0) };
	chip_write(chip, E1000_TDT, 100);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 100);
	chip_free(chip);
}

/* A ring full of descriptors without buffers (CVE-2020-28916). */
static void no_buffer_at_all(void)
{
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 65528, 65527, PLAIN);
	memset(chip->ram + CHIP_RX_RING, 0, 65528 * 16);
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROP_NO_BUFFER);
	CU_ASSERT(chip_read(chip, E1000_RDH) == E1000_RX_DESCS);	/* a frame passes over so many, no more */
	CU_ASSERT(chip_count(chip, E1000_C_RX_EMPTY_BUFFERS) == 1);
	for (unsigned i = 0; i < 1000; i++)
		chip_receive(chip, f, 100);
	CU_ASSERT(chip_read(chip, E1000_RDH) == 65527);
	chip_free(chip);
}

/* A megabyte in one descriptor, and 65527 descriptors without an end. */
static void endless_frames(void)
{
	struct chip *chip = chip_new();
	uint32_t last;

	chip_tx_start(chip, 65528);
	last = chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 0xfffff, 0);
	chip_tx_kick(chip);
	CU_ASSERT(!chip->num_sent && chip_tx_done(chip, last) && chip_count(chip, E1000_C_TX_TOO_LONG) == 1);
	for (unsigned i = 0; i < 65526; i++)
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | E1000_TXD_CMD_RS | (i & 1), 0);
	chip_write(chip, E1000_TDT, chip->tx_tail);
	for (unsigned polls = 1; e1000_core_poll(&chip->core); polls++)
		CU_ASSERT_FATAL(chip_read(chip, E1000_TDH) <= 1 + polls * E1000_TX_POLL_DESCS);
	CU_ASSERT(!chip->num_sent && chip_read(chip, E1000_TDH) == 65527);
	last = chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 10, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip_tx_done(chip, last) && chip_count(chip, E1000_C_TX_TOO_LONG) == 2);
	/* the same as a segmented frame: everything beyond PAYLEN is thrown away */
	chip_context(chip, &(struct e1000_tx_context){ .ipcss = 14, .ipcso = 24, .ipcse = 33, .tucss = 34, .tucso = 50,
		     .hdrlen = 54, .mss = 1, .paylen = 2, .tcp = true, .ip = true }, E1000_TXD_CMD_TSE);
	for (unsigned i = 0; i < 60000; i++)
		chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | E1000_TXD_CMD_TSE | 0xfffff, 0x300);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | E1000_TXD_CMD_TSE | CHIP_LAST, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 2 && chip_read(chip, E1000_TSCTFC) == 1);
	chip_free(chip);
}

/* Frames longer than what LPE allows never reach a driver in parts (CVE-2012-6075, CVE-2009-4536). */
static void long_frames_never_come_in_parts(void)
{
	struct chip *chip = chip_new();
	uint8_t *f = calloc(1, 65536);

	chip_inbound(f, 65535);
	chip_rx_start(chip, 256, 255, PLAIN);
	for (uint32_t len = 1519; len < 65536; len += 997)
		CU_ASSERT(chip_receive(chip, f, len) == VSWITCH_DROP_TOO_BIG);
	CU_ASSERT(chip_read(chip, E1000_RDH) == 0);
	/* the reserved buffer size is a small one */
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | PLAIN | E1000_RCTL_LPE | E1000_RCTL_BSEX);
	CU_ASSERT(chip_receive(chip, f, 16000) == VSWITCH_DROPS);
	CU_ASSERT(chip_read(chip, E1000_RDH) == 8 && le16_get(chip_rx_desc(chip, 0)->length) == 2048);
	free(f);
	chip_free(chip);
}

/* Loopback in every phase, resets and switches of size in between (CVE-2021-3416, CVE-2019-5515). */
static void loops_and_resets_at_random(void)
{
	struct chip *chip = chip_new();
	uint32_t seed = 1;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t f[1600];

		seed = seed * 1664525 + 1013904223;
		switch (seed >> 24 & 15) {
		case 0:
			e1000_core_io_write(&chip->core, 0, 4, 0);
			e1000_core_io_write(&chip->core, 4, 4, E1000_CTRL_RST);
			break;
		case 1:
			chip_tx_start(chip, 64);
			break;
		case 2:
			chip_rx_start(chip, 64, 60, E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM |
				      (seed & 1 ? 3u << E1000_RCTL_LBM_SHIFT : 0));
			break;
		case 3:
			chip_write(chip, E1000_RCTL, seed);
			break;
		case 4:
			chip_write(chip, E1000_RDT, seed >> 8 & 63);
			break;
		case 5:
			chip_write(chip, E1000_TCTL, seed);
			break;
		case 6:
			e1000_core_set_bus_master(&chip->core, seed & 0x300);
			break;
		case 7:
			chip->hole = seed & 1;
			e1000_core_memory_changed(&chip->core);
			break;
		case 8:
			chip_write(chip, E1000_MDIC, (seed & 0x7000 ? 0x1140 : seed & 0xffff) | 1u << 21 | 1u << 26);
			break;
		case 9:
			chip_pass(chip, seed >> 8);
			break;
		case 10:
			chip->pause = seed & 1;
			e1000_core_resume(&chip->core);
			break;
		case 11:
		case 12:
			chip_inbound(f, sizeof(f));
			chip_receive(chip, f, 14 + seed % 1586);
			break;
		default:
			if (!chip->tx_size)
				break;
			chip_frame(chip, 1600);
			chip_tx_put(chip, at(seed & 0x400 ? CHIP_TX_DATA : CHIP_HOLE - 100), CHIP_LAST | (seed >> 8 & 0x7ff), 0);
			chip_write(chip, E1000_TDT, chip->tx_tail);
			for (unsigned n = 0; n < 3; n++)
				e1000_core_poll(&chip->core);
			break;
		}
	}
	CU_ASSERT(chip_count(chip, E1000_C_LOOPED) > 100 && chip->num_sent > 100);
	CU_ASSERT(chip_count(chip, E1000_C_TX_DMA) > 0);
	chip_free(chip);
}

/* Bus mastering or memory goes while work is under way. */
static void memory_goes_under_way(void)
{
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_frame(chip, 100);
	chip_inbound(f, sizeof(f));
	chip_tx_start(chip, 64);
	chip_rx_start(chip, 64, 60, PLAIN);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | 50, 0);
	chip_tx_kick(chip);
	e1000_core_set_bus_master(&chip->core, false);
	chip_tx_put(chip, at(CHIP_TX_DATA + 50), CHIP_DATA | CHIP_LAST | 50, 0);
	chip_tx_kick(chip);
	CU_ASSERT(!chip->num_sent && chip_receive(chip, f, 100) == VSWITCH_DROP_NOT_READY);
	CU_ASSERT(!chip_rx_desc(chip, 0)->status);
	e1000_core_set_bus_master(&chip->core, true);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 1 && chip->sent[0].len == 100);
	chip_tx_put(chip, at(CHIP_HOLE), CHIP_DATA | 50, 0);
	chip_tx_kick(chip);
	chip->hole = true;		/* its bytes were copied by then */
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | CHIP_LAST | 50, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 2);
	chip_free(chip);
}

/* Every register with every kind of value, with DMA on and frames coming. */
static void register_storm(void)
{
	struct chip *chip = chip_new();
	uint32_t seed = 7;
	uint8_t f[1514];

	chip_inbound(f, sizeof(f));
	for (unsigned i = 0; i < 60000; i++) {
		uint32_t value, offset;

		seed = seed * 1664525 + 1013904223;
		offset = e1000_reg_rows[(seed >> 8) % e1000_num_reg_rows].offset;
		seed = seed * 1664525 + 1013904223;
		value = seed >> 28 < 4 ? seed : seed >> 28 < 8 ? 1u << (seed >> 8 & 31) : seed >> 28 < 12 ? 0xffffffff : seed >> 20;
		chip_write(chip, offset, value);
		chip_read(chip, offset);
		if (seed & 0x100)
			chip_receive(chip, f, sizeof(f));
		for (unsigned n = 0; n < 2; n++)
			e1000_core_poll(&chip->core);
		if (!(i & 255))
			chip_pass(chip, 1000000);
	}
	e1000_core_power_on(&chip->core);
	CU_ASSERT(chip_read(chip, E1000_CTRL) == 0xa49);
	chip_free(chip);
}

static const struct hv_test tests[] = {
	{ "indices beyond the ring", indices_beyond_the_ring },
	{ "headers that never come", headers_that_never_come },
	{ "contexts in mid-frame", contexts_in_mid_frame },
	{ "checksum ranges on the shortest frames", checksum_ranges },
	{ "segmentation contexts", segmentation_contexts },
	{ "rings and buffers anywhere", rings_and_buffers_anywhere },
	{ "buffers in the ring", buffers_in_the_ring },
	{ "no buffer at all", no_buffer_at_all },
	{ "endless frames", endless_frames },
	{ "long frames never come in parts", long_frames_never_come_in_parts },
	{ "loops and resets at random", loops_and_resets_at_random },
	{ "memory goes under way", memory_goes_under_way },
	{ "a storm of registers", register_storm },
};
HV_TEST_MAIN("e1000/hostile-guests", tests)
