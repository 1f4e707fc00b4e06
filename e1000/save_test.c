/* SPDX-License-Identifier: MIT */
/* Save and restore: the same bytes at any point, the same behaviour afterwards, damage refused. */
#include <errno.h>

#include "base/test.h"
#include "e1000/test_chip.h"

enum { PLAIN = E1000_RCTL_BAM | E1000_RCTL_SECRC };

struct blob {
	uint8_t *bytes;
	size_t n;
};

static struct blob save(struct chip *chip)
{
	struct blob b = { NULL, 0 };

	CU_ASSERT_FATAL(!e1000_core_save(&chip->core, &b.bytes, &b.n));
	return b;
}

/* A device like chip in the state of the blob, with memory of its own. */
static struct chip *fresh(const struct chip *chip, const struct blob *b)
{
	struct chip *copy = chip_new_with(chip->core.model, 0);

	copy->tx_tail = chip->tx_tail;
	copy->tx_size = chip->tx_size;
	copy->now = chip->now + 12345678;	/* time passes meanwhile */
	CU_ASSERT_FATAL(!e1000_core_restore(&copy->core, b->bytes, b->n));
	copy->edges = 0;
	return copy;
}

/* … and with chip's memory. */
static struct chip *restored(const struct chip *chip, const struct blob *b)
{
	struct chip *copy = fresh(chip, b);

	memcpy(copy->ram, chip->ram, CHIP_RAM_BYTES);
	return copy;
}

static bool same(const struct blob *a, const struct blob *b)
{
	return a->n == b->n && !memcmp(a->bytes, b->bytes, a->n);
}

static uint32_t seed;

static uint32_t random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8 | seed << 24;
}

/* One step of a life that reaches every part of the state. */
static void live(struct chip *chip)
{
	static const struct e1000_tx_context x = { .ipcss = 14, .ipcso = 24, .ipcse = 33, .tucss = 34, .tucso = 50, .hdrlen = 54,
						   .mss = 3, .paylen = 5000, .tcp = true, .ip = true };
	const uint32_t r = random32();
	uint8_t f[1514];

	switch (r % 14) {
	case 0:
		chip_write(chip, e1000_reg_rows[(r >> 8) % e1000_num_reg_rows].offset, random32());
		break;
	case 1:
		chip_tx_start(chip, 64);
		break;
	case 2:
		chip_rx_start(chip, 64, r >> 8 & 63, PLAIN);
		break;
	case 3:
		chip_write(chip, E1000_EECD, r >> 8 & 0x47);
		break;
	case 4:
		chip_write(chip, E1000_MDIC, (r & 0x01ffffff) >> 5 | 1u << 21 | 1u << (26 + (r & 1)));
		break;
	case 5:
		chip_write(chip, E1000_ITR, r >> 8 & 0xff);
		chip_write(chip, E1000_IMS, 0xff);
		chip_write(chip, E1000_ICS, r >> 16);
		break;
	case 6:
		chip_write(chip, E1000_TIDV, 50);
		chip_write(chip, E1000_RDTR, 50);
		chip_write(chip, E1000_RADV, 80);
		break;
	case 7:
		chip_pass(chip, r >> 16);
		break;
	case 8:
	case 9:
		chip_inbound(f, sizeof(f));
		f[30] = (uint8_t)r;
		chip_receive(chip, f, 60 + (r >> 8) % 1400);
		break;
	case 10:
		if (!chip->tx_size)
			break;
		chip_frame(chip, 1600);
		chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_DATA | (r & 0x100 ? CHIP_LAST : 0u) | E1000_TXD_CMD_IDE |
			    (r >> 16 & 0x3ff), 0);
		chip_write(chip, E1000_TDT, chip->tx_tail);
		e1000_core_poll(&chip->core);
		break;
	case 11:
		if (!chip->tx_size)
			break;
		chip_frame(chip, 6000);
		chip_context(chip, &x, E1000_TXD_CMD_TSE);
		chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_DATA | E1000_TXD_CMD_TSE | (r & 0x100 ? CHIP_LAST : 0u) | 4000, 0x300);
		chip_write(chip, E1000_TDT, chip->tx_tail);
		e1000_core_poll(&chip->core);
		break;
	case 12:
		e1000_core_io_write(&chip->core, 0, 4, r);
		break;
	default:
		chip_read(chip, e1000_reg_rows[(r >> 8) % e1000_num_reg_rows].offset);
		break;
	}
}

static void same_bytes_at_any_point(void)
{
	unsigned with_fifo = 0, with_frame = 0, with_partial = 0, with_timer = 0;

	for (unsigned life = 0; life < 40; life++) {
		struct chip *chip = chip_new_with((enum e1000_model)(life % E1000_MODELS), 0);

		seed = life + 1;
		for (unsigned i = 0; i < 400; i++) {
			live(chip);
			if (i % 7)
				continue;
			struct blob a = save(chip);
			struct chip *copy = fresh(chip, &a);
			struct blob b = save(copy), c;

			if (!same(&a, &b)) {
				CU_FAIL("another state");
			}
			copy->now += 1000000;		/* still nothing has happened */
			c = save(copy);
			CU_ASSERT(same(&a, &c));
			with_fifo += !!chip->core.rx.fifo_frames;
			with_frame += !!chip->core.tx.frame.bytes;
			with_partial += chip->core.tx.partial;
			with_timer += !!chip->deadline;
			free(a.bytes);
			free(b.bytes);
			free(c.bytes);
			chip_free(copy);
		}
		chip_free(chip);
	}
	CU_ASSERT(with_fifo > 20 && with_frame > 20 && with_partial > 20 && with_timer > 20);
}

/* The restored one goes on as the first does: same frames, same registers, same interrupts. */
static void same_life_afterwards(void)
{
	for (unsigned life = 0; life < 20; life++) {
		struct chip *chip = chip_new(), *copy;
		struct blob blob, a, b;
		unsigned sent;
		uint32_t s;

		seed = 1000 + life;
		for (unsigned i = 0; i < 100 + life; i++)
			live(chip);
		blob = save(chip);
		copy = restored(chip, &blob);
		copy->now = chip->now;
		e1000_core_set_bus_master(&copy->core, true);
		CU_ASSERT(copy->line == chip->line && copy->deadline == chip->deadline);
		chip->core.tx.stuck = false;	/* not saved: it would only be tried again */
		e1000_core_memory_changed(&chip->core);
		sent = chip->num_sent;
		s = seed;
		for (unsigned i = 0; i < 200; i++)
			live(chip);
		chip_run(chip);
		seed = s;
		for (unsigned i = 0; i < 200; i++)
			live(copy);
		chip_run(copy);
		CU_ASSERT(chip->num_sent - sent == copy->num_sent);
		CU_ASSERT(copy->line == chip->line && copy->deadline == chip->deadline);
		CU_ASSERT(!memcmp(chip->ram, copy->ram, CHIP_RAM_BYTES));
		a = save(chip);
		b = save(copy);
		CU_ASSERT(same(&a, &b));
		free(blob.bytes);
		free(a.bytes);
		free(b.bytes);
		chip_free(chip);
		chip_free(copy);
	}
}

static void a_partly_sent_frame_goes_on(void)
{
	static const struct e1000_tx_context x = { .ipcss = 14, .ipcso = 24, .tucss = 34, .tucso = 50, .hdrlen = 54, .mss = 10,
						   .paylen = 50000, .tcp = true, .ip = true };
	struct chip *chip = chip_new(), *copy;
	struct blob blob;
	unsigned before;

	chip_frame(chip, 51000);
	chip_tx_start(chip, 64);
	chip_context(chip, &x, E1000_TXD_CMD_TSE);
	chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_DATA | E1000_TXD_CMD_TSE | CHIP_LAST | 50054, 0x300);
	chip_write(chip, E1000_TDT, chip->tx_tail);
	e1000_core_poll(&chip->core);
	e1000_core_poll(&chip->core);
	CU_ASSERT(chip->core.tx.partial);
	blob = save(chip);
	copy = restored(chip, &blob);
	before = chip->num_sent;
	chip_run(copy);
	CU_ASSERT(before + copy->num_sent == 5000 && chip_tx_done(copy, 1));
	CU_ASSERT(copy->sent[(copy->num_sent - 1) % CHIP_SENT_MAX].len == 64);
	free(blob.bytes);
	chip_free(chip);
	chip_free(copy);
}

static void line_and_time_go_on(void)
{
	struct chip *chip = chip_new(), *copy;
	struct blob blob;

	chip_write(chip, E1000_ITR, 1000);		/* 256 µs */
	chip_write(chip, E1000_IMS, 4);
	chip_write(chip, E1000_ICS, 4);
	CU_ASSERT(chip->line);
	blob = save(chip);
	copy = restored(chip, &blob);
	CU_ASSERT(!copy->line);				/* nobody is there yet */
	CU_ASSERT(chip_read(copy, E1000_IMS) == 4);
	CU_ASSERT(copy->line);
	free(blob.bytes);
	chip_free(copy);
	chip_read(chip, E1000_ICR);
	chip_pass(chip, 100000);
	chip_write(chip, E1000_ICS, 4);
	blob = save(chip);
	copy = restored(chip, &blob);
	CU_ASSERT(chip_read(copy, E1000_ICS) == 4 && !copy->line);
	chip_pass(copy, 155000);
	CU_ASSERT(!copy->line);
	chip_pass(copy, 2000);
	CU_ASSERT(copy->line);
	free(blob.bytes);
	chip_free(copy);
	chip_free(chip);
}

static void frames_without_a_port_are_nobodys_loss(void)
{
	struct chip *chip = chip_new(), *copy;
	struct blob blob;
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 64, 0, PLAIN);
	for (unsigned i = 0; i < 3; i++)
		chip_receive(chip, f, 100);
	blob = save(chip);
	copy = restored(chip, &blob);
	chip_receive(copy, f, 100);
	CU_ASSERT(copy->core.rx.fifo_frames == 4);
	chip_write(copy, E1000_CTRL, E1000_CTRL_RST);
	CU_ASSERT(copy->lost == 1);	/* of four, one came from this port */
	free(blob.bytes);
	chip_free(copy);
	chip_free(chip);
}

static void seal(uint8_t *bytes, size_t n)
{
	const le32 crc = to_le32(e1000_crc32(0, bytes, n - 4));

	memcpy(bytes + n - 4, &crc, 4);
}

static void damage_is_refused(void)
{
	struct chip *chip = chip_new(), *other = chip_new_with(E1000_82545EM, 0);
	struct blob blob, before, after;
	unsigned refused = 0;

	chip_rx_start(chip, 64, 0, PLAIN);
	blob = save(chip);
	before = save(chip);
	for (size_t i = 0; i < blob.n; i += 3) {	/* a flipped bit anywhere */
		blob.bytes[i] ^= (uint8_t)(1u << i % 8);
		CU_ASSERT(e1000_core_restore(&chip->core, blob.bytes, blob.n) == -EBADMSG);
		blob.bytes[i] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t n = 0; n < blob.n; n += 101)	/* cut anywhere */
		CU_ASSERT(e1000_core_restore(&chip->core, blob.bytes, n) == -EBADMSG);
	CU_ASSERT(e1000_core_restore(&other->core, blob.bytes, blob.n) == -EBADMSG);
	after = save(chip);
	CU_ASSERT(same(&before, &after));		/* as before */
	free(after.bytes);
	/* with a right check sum each value is still looked at; what is taken must be fit to live with */
	for (size_t i = 0; i < blob.n - 4; i += i < 200 || i > blob.n - 1200 ? 1 : 11) {
		struct chip *victim = chip_new();

		blob.bytes[i] ^= 0xff;
		seal(blob.bytes, blob.n);
		if (e1000_core_restore(&victim->core, blob.bytes, blob.n)) {
			refused++;
		} else {
			seed = (uint32_t)i;
			for (unsigned k = 0; k < 30; k++)
				live(victim);
			chip_run(victim);
		}
		chip_free(victim);
		blob.bytes[i] ^= 0xff;
	}
	CU_ASSERT(refused > 150);
	/* the rest of a descriptor without a frame that it is part of */
	chip->core.tx.partial = true;
	CU_ASSERT(e1000_core_save(&chip->core, &after.bytes, &after.n) == -EIO);
	CU_ASSERT(chip_count(chip, E1000_C_RESTORE_REFUSED) > 100);
	free(blob.bytes);
	free(before.bytes);
	chip_free(chip);
	chip_free(other);
}

/* The cable belongs to the host: it is as it is, whatever the state says. */
static void the_cable_is_not_restored(void)
{
	for (unsigned out_before = 0; out_before < 2; out_before++)
		for (unsigned out_now = 0; out_now < 2; out_now++) {
			struct chip *chip = chip_new(), *copy;
			struct blob a, b;

			e1000_core_set_wire(&chip->core, !out_before);
			chip_pass(chip, 20000000);
			chip_read(chip, E1000_ICR);
			a = save(chip);
			copy = chip_new_with(chip->core.model, 0);
			e1000_core_set_wire(&copy->core, !out_now);
			CU_ASSERT(!e1000_core_restore(&copy->core, a.bytes, a.n));
			b = save(copy);
			CU_ASSERT(same(&a, &b));
			chip_read(copy, E1000_STATUS);
			chip_pass(copy, 20000000);
			CU_ASSERT(!!(chip_read(copy, E1000_STATUS) & E1000_STATUS_LU) == !out_now);
			CU_ASSERT(chip_read(copy, E1000_ICR) == (out_before != out_now ? E1000_INT_LSC : 0u));
			free(a.bytes);
			free(b.bytes);
			chip_free(copy);
			chip_free(chip);
		}
}

static const struct hv_test tests[] = {
	{ "the same bytes at any point", same_bytes_at_any_point },
	{ "the same life afterwards", same_life_afterwards },
	{ "a partly sent frame goes on", a_partly_sent_frame_goes_on },
	{ "line and time go on", line_and_time_go_on },
	{ "frames without a port are nobody's loss", frames_without_a_port_are_nobodys_loss },
	{ "damage is refused", damage_is_refused },
	{ "the cable is not restored", the_cable_is_not_restored },
};
HV_TEST_MAIN("e1000/save-and-restore", tests)
