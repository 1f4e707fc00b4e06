/* SPDX-License-Identifier: MIT */
/*
 * Liveness: whatever happened before, once the transmitter is on, memory and bus are there and nobody asks for a pause, the
 * ring drains; and frames that wait are delivered once there are descriptors.
 *
 * The core is polled as the loop does it: after a kick, until a poll has found nothing. So a kick that is missing is seen, and
 * what the end of a round needs is done alone and in any order, with no write that would kick by the way.
 */
#include "base/test.h"
#include "e1000/test_chip.h"

enum {
	RING = 128, ROUNDS = 500, STEPS = 40,
	TURNS = 20000,		/* far more than the longest frame of a megabyte takes */
	PLAIN = E1000_RCTL_BAM | E1000_RCTL_SECRC,
	MS = 1000000,
};

struct life {
	struct chip *chip;
	uint64_t random;
	unsigned kicks;		/* seen */
	bool polled;		/* the poller is not parked */
	bool in_hole;		/* the ring is where memory vanishes */
};

static uint32_t roll(struct life *l, uint32_t sides)
{
	l->random = l->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(l->random >> 33) % sides;
}

/* ---- the loop ---- */

static bool turn(struct life *l)
{
	const unsigned kicks = l->chip->kicks;

	if (kicks != l->kicks)
		l->polled = true;
	l->kicks = kicks;
	if (l->polled)
		l->polled = e1000_core_poll(&l->chip->core) || l->chip->kicks != kicks;
	return l->polled;
}

static void turns(struct life *l, unsigned n)
{
	while (n-- && turn(l))
		;
}

static uint32_t reg(const struct life *l, uint32_t offset)
{
	return e1000_reg(&l->chip->core, offset);
}

/* ---- the driver ---- */

static struct e1000_tx_desc *ring(struct life *l)
{
	return (struct e1000_tx_desc *)(void *)(l->chip->ram + (l->in_hole ? CHIP_HOLE : CHIP_TX_RING));
}

static void begin_ring(struct life *l)
{
	struct chip *chip = l->chip;

	chip->tx_size = RING;
	chip->tx_tail = 0;
	l->in_hole = !roll(l, 3);
	memset(ring(l), 0, 16 * RING);
	chip_write(chip, E1000_TDLEN, RING * 16);
	chip_write(chip, E1000_TDBAH, (uint32_t)(CHIP_BASE >> 32));
	chip_write(chip, E1000_TDBAL, (uint32_t)CHIP_BASE + (l->in_hole ? CHIP_HOLE : CHIP_TX_RING));
	chip_write(chip, E1000_TDT, 0);
	chip_write(chip, E1000_TDH, 0);
}

static uint32_t room(const struct life *l)
{
	const uint32_t used = (l->chip->tx_tail + RING - reg(l, E1000_TDH)) % RING;

	return RING - 1 - used;
}

static void add(struct life *l, uint64_t address, uint32_t lower, uint32_t upper)
{
	ring(l)[l->chip->tx_tail] = (struct e1000_tx_desc){ to_le64(address), to_le32(lower), to_le32(upper) };
	l->chip->tx_tail = (l->chip->tx_tail + 1) % RING;
}

static void add_large(struct life *l)
{
	static const uint16_t sizes[] = { 1, 100, 1460, 8000 };
	const uint32_t bytes = roll(l, 4) ? roll(l, 60000) : roll(l, 1 << 19), mss = sizes[roll(l, 4)];
	const uint64_t offsets = 14 | 24 << 8 | 33 << 16 | 34ull << 32 | 50ull << 40;

	add(l, offsets, E1000_TXD_CMD_DEXT | E1000_TXD_CMD_TSE | E1000_TXD_CMD_TCP | E1000_TXD_CMD_IP | bytes, 54 << 8 | mss << 16);
	/* half of them are no ordinary ones, and cut by the chip */
	add(l, CHIP_BASE + CHIP_TX_DATA, CHIP_DATA | E1000_TXD_CMD_TSE | CHIP_LAST | (54 + bytes),
	    roll(l, 2) ? E1000_TXD_POPTS_IXSM | E1000_TXD_POPTS_TXSM : E1000_TXD_POPTS_IXSM);
}

static void add_frame(struct life *l)
{
	const unsigned pieces = 1 + roll(l, 3);

	if (!roll(l, 8)) {
		add_large(l);
		return;
	}
	for (unsigned i = 0; i < pieces; i++)
		add(l, roll(l, 40) ? CHIP_BASE + CHIP_TX_DATA : CHIP_NOWHERE,
		    CHIP_DATA | (i == pieces - 1 ? CHIP_LAST : 0u) | (roll(l, 2) ? E1000_TXD_CMD_IDE : 0u) | (30 + roll(l, 400)), 0);
}

static void send(struct life *l)
{
	unsigned n = 1 + roll(l, roll(l, 3) ? 3 : 40);

	if (!reg(l, E1000_TDLEN) || reg(l, E1000_TDLEN) != RING * 16)
		begin_ring(l);
	for (; n && room(l) > 4; n--)
		add_frame(l);
	chip_write(l->chip, E1000_TDT, l->chip->tx_tail);
}

static void phy(struct life *l, unsigned number, uint32_t value)
{
	chip_write(l->chip, E1000_MDIC, value | number << 16 | E1000_PHY_ADDRESS << 21 | E1000_MDIC_OP_WRITE << 26);
}

/* What Linux does between its tests: everything off, the chip reset through either door. */
static void reset(struct life *l)
{
	if (roll(l, 2)) {
		chip_write(l->chip, E1000_TCTL, E1000_TCTL_PSP);
		turns(l, roll(l, 3));
	}
	if (roll(l, 2)) {
		e1000_core_io_write(&l->chip->core, E1000_IOADDR, 4, E1000_CTRL);
		e1000_core_io_write(&l->chip->core, E1000_IODATA, 4, E1000_CTRL_RST);
	} else {
		chip_write(l->chip, E1000_CTRL, E1000_CTRL_RST | (roll(l, 2) ? E1000_CTRL_PHY_RST : 0u));
	}
	if (!roll(l, 4))
		return;
	begin_ring(l);
	if (roll(l, 2))
		chip_write(l->chip, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

static void save_and_restore(struct life *l)
{
	uint8_t *blob = NULL;
	size_t bytes = 0;

	CU_ASSERT_FATAL(!e1000_core_save(&l->chip->core, &blob, &bytes));
	CU_ASSERT_FATAL(!e1000_core_restore(&l->chip->core, blob, bytes));
	free(blob);
}

static void receive(struct life *l)
{
	uint8_t f[1514];

	chip_inbound(f, sizeof(f));
	for (unsigned n = roll(l, 20); n; n--)
		chip_receive(l->chip, f, 60 + roll(l, 1400));
}

static void step(struct life *l)
{
	struct chip *chip = l->chip;

	switch (roll(l, 18)) {
	case 0:
	case 1:
	case 2:
	case 3:
		send(l);
		break;
	case 4:
		chip->pause = true;
		break;
	case 5:		/* the switch's bound, or the receiver has room */
		chip->pause = false;
		e1000_core_resume(&chip->core);
		break;
	case 6:
		chip_write(chip, E1000_TCTL, E1000_TCTL_PSP | (roll(l, 3) ? E1000_TCTL_EN : 0u));
		break;
	case 7:
		reset(l);
		break;
	case 8:
		e1000_core_set_wire(&chip->core, roll(l, 2));
		break;
	case 9:
		phy(l, E1000_PHY_BMCR, roll(l, 3) ? 0x1340 : roll(l, 2) ? 0x1940 : 0x4140);
		break;
	case 10:
		e1000_core_set_bus_master(&chip->core, roll(l, 3));
		break;
	case 11:
		chip->hole = roll(l, 2);
		e1000_core_memory_changed(&chip->core);
		break;
	case 12:
		chip_rx_start(chip, RING, roll(l, RING), PLAIN | (roll(l, 6) ? 0u : 3u << E1000_RCTL_LBM_SHIFT));
		break;
	case 13:
		receive(l);
		break;
	case 14:	/* a tail or a head out of nowhere */
		chip_write(chip, roll(l, 2) ? E1000_TDT : E1000_TDH, roll(l, 2 * RING));
		chip->tx_tail = reg(l, E1000_TDT) % RING;
		break;
	case 15:
		chip_pass(chip, roll(l, 20 * MS));
		break;
	case 16:
		save_and_restore(l);
		break;
	default:
		turns(l, roll(l, 30));
		break;
	}
	if (!roll(l, 3))
		turns(l, 1 + roll(l, 5));
}

/* ---- the end of a round ---- */

static void mend_bus(struct life *l)
{
	if (!l->chip->core.bus_master)
		e1000_core_set_bus_master(&l->chip->core, true);
}

static void mend_memory(struct life *l)
{
	if (!l->chip->hole)
		return;
	l->chip->hole = false;
	e1000_core_memory_changed(&l->chip->core);
}

static void mend_pause(struct life *l)
{
	l->chip->pause = false;
	if (l->chip->core.tx.paused)
		e1000_core_resume(&l->chip->core);
}

static void mend_ring(struct life *l)
{
	const uint32_t size = reg(l, E1000_TDLEN) / 16;

	if (!size || reg(l, E1000_TDH) >= size || reg(l, E1000_TDT) >= size)
		begin_ring(l);
}

static void mend_tctl(struct life *l)
{
	if (!(reg(l, E1000_TCTL) & E1000_TCTL_EN))
		chip_write(l->chip, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

static void mend_link(struct life *l)
{
	e1000_core_set_wire(&l->chip->core, true);
	if (reg(l, E1000_RCTL) & 3u << E1000_RCTL_LBM_SHIFT)
		chip_write(l->chip, E1000_RCTL, 0);
	if (!l->chip->core.link_up || e1000_phy_loopback(&l->chip->core))
		phy(l, E1000_PHY_BMCR, 0x1340);
	chip_pass(l->chip, 20 * MS);
}

/* All that stands in the way goes, in any order. */
static void mend(struct life *l)
{
	void (*const ways[])(struct life *l) = { mend_bus, mend_memory, mend_pause, mend_ring, mend_tctl, mend_link };
	const unsigned n = sizeof(ways) / sizeof(ways[0]), first = roll(l, n), by = roll(l, 2) ? 1 : n - 1;

	for (unsigned i = 0; i < n; i++) {
		ways[(first + i * by) % n](l);
		if (roll(l, 2))
			turns(l, roll(l, 4));
	}
}

static bool drained(const struct life *l)
{
	return reg(l, E1000_TDH) == reg(l, E1000_TDT) && !e1000_rx_can_drain(&l->chip->core);
}

static void the_ring_always_drains(void)
{
	struct life l = { .chip = chip_new_with(E1000_82540EM, 65536), .random = 1 };

	chip_frame(l.chip, 1 << 16);
	for (unsigned round = 0; round < ROUNDS; round++) {
		l.random = round;
		for (unsigned i = 1 + roll(&l, STEPS); i; i--)
			step(&l);
		mend(&l);
		turns(&l, TURNS);
		if (!drained(&l)) {
			fprintf(stderr, "round %u: TDH %x TDT %x TCTL %x paused %d stuck %d partial %d\n", round, reg(&l, E1000_TDH),
				reg(&l, E1000_TDT), reg(&l, E1000_TCTL), l.chip->core.tx.paused, l.chip->core.tx.stuck,
				l.chip->core.tx.partial);
			CU_FAIL_FATAL("the ring does not drain");
		}
	}
	chip_free(l.chip);
}

static const struct hv_test tests[] = {
	{ "the ring always drains", the_ring_always_drains },
};
HV_TEST_MAIN("e1000/liveness", tests)
