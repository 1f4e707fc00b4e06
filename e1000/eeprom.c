/* SPDX-License-Identifier: MIT */
/*
 * The EEPROM: a 93C46 of 64 words behind four pins of EECD, and its shortcut EERD.
 *
 *                  CS up             DI = 1 at a clock        8 bits
 * DESELECTED ---------------> READY --------------------> COMMAND --+--> READ: a bit a clock, word after word
 *     ^                                                             +--> DATA --16 bits--> DONE
 *     +------------- CS down, from anywhere: what is complete takes effect  +--> DONE
 *
 * A clock is a rising edge of SK while CS is high. Zeros before the start bit are tolerated: NetBSD sends one.
 * Contents belong to this device; nothing of the host's is ever written.
 */
#include "e1000/internal.h"

enum eeprom_state {
	EEPROM_DESELECTED,
	EEPROM_READY,
	EEPROM_COMMAND,
	EEPROM_READ,
	EEPROM_DATA,
	EEPROM_DONE,
	EEPROM_STATES
};

enum {
	COMMAND_BITS = 8,		/* 2 of opcode, 6 of address */
	OP_EXTENDED = 0, OP_WRITE = 1, OP_READ = 2, OP_ERASE = 3,
	EXT_DISABLE = 0, EXT_WRITE_ALL = 1, EXT_ERASE_ALL = 2, EXT_ENABLE = 3,	/* the address' upper two bits */
};
static_assert((int)EEPROM_STATES == (int)E1000_EEPROM_STATES, "what save.c checks against");

static const struct {
	uint16_t device, subsystem;
} identity[E1000_MODELS] = {
	[E1000_82540EM] = { 0x100e, 0x001e },
	[E1000_82545EM] = { 0x100f, 0x1001 },
	[E1000_82544GC] = { 0x100c, 0x1004 },
};

uint16_t e1000_device_id(enum e1000_model model)
{
	return identity[model].device;
}

uint16_t e1000_subsystem_id(enum e1000_model model)
{
	return identity[model].subsystem;
}

static void seal(uint16_t *word)
{
	uint16_t sum = 0;

	for (unsigned i = 0; i < E1000_EEPROM_CHECKSUM; i++)
		sum = (uint16_t)(sum + word[i]);
	word[E1000_EEPROM_CHECKSUM] = (uint16_t)(E1000_EEPROM_SUM - sum);
}

void e1000_eeprom_init(struct e1000_core *c)
{
	uint16_t *w = c->eeprom.word;

	memset(w, 0xff, sizeof(c->eeprom.word));
	for (unsigned i = 0; i < 3; i++)
		w[i] = (uint16_t)(c->mac_address[2 * i] | c->mac_address[2 * i + 1] << 8);
	w[0x03] = 0;		/* compatibility */
	w[0x05] = 0;		/* version of the image */
	w[0x0a] = 0x640b;	/* initialization control 1; 15:14 = 01 is the signature */
	w[0x0b] = identity[c->model].subsystem;
	w[0x0c] = 0x8086;
	w[0x0d] = identity[c->model].device;
	w[0x0e] = 0x8086;
	w[0x0f] = 0x3040;	/* initialization control 2: full flow control */
	w[0x20] = 0;		/* pins */
	w[0x23] = w[0x24] = 0;	/* initialization control 3: no wake-up (bit 10) */
	w[0x2f] = 0x0602;	/* LEDs */
	seal(w);
	c->eeprom.writable = false;
	e1000_eeprom_idle(&c->eeprom);
}

void e1000_eeprom_idle(struct e1000_eeprom *e)
{
	e->state = EEPROM_DESELECTED;
	e->opcode = e->address = e->bits = 0;
	e->shift = 0;
	e->commit = false;
	e->out = true;
}

void e1000_eeprom_load(struct e1000_core *c)
{
	const uint16_t *w = c->eeprom.word;

	e1000_reg_set(c, E1000_RAL, w[0] | (uint32_t)w[1] << 16);
	e1000_reg_set(c, E1000_RAH, w[2] | E1000_RAH_AV);
}

/* ---- the pins ---- */

static void fill(struct e1000_eeprom *e, uint16_t value)
{
	for (unsigned i = 0; i < E1000_EEPROM_WORDS; i++)
		e->word[i] = value;
}

static void deselect(struct e1000_eeprom *e)
{
	if (e->commit && e->writable) {
		if (e->opcode == OP_WRITE)
			e->word[e->address] = e->shift;
		else if (e->opcode == OP_ERASE)
			e->word[e->address] = 0xffff;
		else
			fill(e, e->address >> 4 == EXT_WRITE_ALL ? e->shift : 0xffff);
	}
	e1000_eeprom_idle(e);
}

static void command(struct e1000_eeprom *e)
{
	e->opcode = (uint8_t)(e->shift >> 6 & 3);
	e->address = (uint8_t)(e->shift & (E1000_EEPROM_WORDS - 1));
	e->bits = 0;
	e->shift = 0;
	e->state = EEPROM_DONE;
	switch (e->opcode) {
	case OP_READ:
		e->state = EEPROM_READ;
		e->shift = e->word[e->address];
		e->out = false;		/* a dummy zero comes before the first bit */
		return;
	case OP_WRITE:
		e->state = EEPROM_DATA;
		return;
	case OP_ERASE:
		e->commit = true;
		return;
	}
	switch (e->address >> 4) {
	case EXT_ENABLE:
	case EXT_DISABLE:
		e->writable = e->address >> 4 == EXT_ENABLE;
		return;
	case EXT_WRITE_ALL:
		e->state = EEPROM_DATA;
		return;
	case EXT_ERASE_ALL:
		e->commit = true;
		return;
	}
}

static void clock_out(struct e1000_eeprom *e)
{
	if (e->bits == 16) {
		e->address = (uint8_t)((e->address + 1) % E1000_EEPROM_WORDS);
		e->shift = e->word[e->address];
		e->bits = 0;
	}
	e->out = e->shift >> 15;
	e->shift = (uint16_t)(e->shift << 1);
	e->bits++;
}

static void clock_in(struct e1000_eeprom *e, bool di, unsigned bits)
{
	e->shift = (uint16_t)(e->shift << 1 | di);
	if (++e->bits < bits)
		return;
	if (e->state == EEPROM_COMMAND) {
		command(e);
	} else {
		e->state = EEPROM_DONE;
		e->commit = true;
		e->out = true;		/* ready: a write takes no time here */
	}
}

static void clock_edge(struct e1000_eeprom *e, bool di)
{
	switch ((enum eeprom_state)e->state) {
	case EEPROM_READY:
		if (di)
			e->state = EEPROM_COMMAND;
		return;
	case EEPROM_COMMAND:
		e->out = false;
		clock_in(e, di, COMMAND_BITS);
		return;
	case EEPROM_READ:
		clock_out(e);
		return;
	case EEPROM_DATA:
		clock_in(e, di, 16);
		return;
	case EEPROM_DESELECTED:
	case EEPROM_DONE:
	case EEPROM_STATES:
		return;
	}
}

void e1000_eecd_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	struct e1000_eeprom *e = &c->eeprom;
	const uint32_t old = e1000_reg(c, offset), rising = value & ~old;

	e1000_reg_store(c, offset, value);
	if (old & ~value & E1000_EECD_CS)
		deselect(e);
	if (rising & E1000_EECD_CS) {
		e1000_eeprom_idle(e);
		e->state = EEPROM_READY;
	}
	if (rising & E1000_EECD_SK && value & E1000_EECD_CS)
		clock_edge(e, value & E1000_EECD_DI);
}

uint32_t e1000_eecd_read(struct e1000_core *c, uint32_t offset)
{
	uint32_t value = e1000_reg(c, offset) | E1000_EECD_PRES;

	/* The bus is free at once. The 82544 has no such handshake. */
	if (value & E1000_EECD_REQ && c->model != E1000_82544GC)
		value |= E1000_EECD_GNT;
	return c->eeprom.out ? value | E1000_EECD_DO : value;
}

/* A word by its number (13.4.4). iPXE takes DONE in bit 1 for another layout, so it is in bit 4 only. */
void e1000_eerd_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const uint32_t address = value >> 8 & 0xff;
	uint32_t result = value & 0xff00;

	if (value & E1000_EERD_START) {
		result |= E1000_EERD_DONE;
		if (address < E1000_EEPROM_WORDS)
			result |= (uint32_t)c->eeprom.word[address] << 16;
	}
	e1000_reg_set(c, offset, result);
}
