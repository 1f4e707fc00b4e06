/* SPDX-License-Identifier: MIT */
/*
 * The registers: one row each says what a plain store and load does, what a reset leaves, and who is called. Unknown
 * offsets read as zero and ignore writes, as do registers that the model doesn't have.
 *
 * Registers are 32 bits wide. A 64-bit access is two, low half first; a narrower read is the whole register's read with
 * its side effects; a narrower write reaches plain storage only.
 */
#include <pthread.h>

#include "e1000/internal.h"

#define NOT_ON_82544 (1u << E1000_82544GC)

#define REG(at, text, r, w, initial, read, write, ...) \
	{ .offset = (at), .name = (text), .readable = (r), .writable = (w), .reset = (initial), .on_read = (read), \
	  .on_write = (write), ##__VA_ARGS__ }
#define STAT(at, text) { .offset = (at), .name = (text), .readable = 0xffffffff, .on_read = e1000_stat_read }
#define PAIR(at, text) \
	{ .offset = (at), .name = text "L", .readable = 0xffffffff, .on_read = e1000_pair_low_read }, \
	{ .offset = (at) + 4, .name = text "H", .readable = 0xffffffff, .on_read = e1000_pair_high_read }

const struct e1000_reg_row e1000_reg_rows[] = {
	/* offset           name        readable    writable    reset       on_read   on_write */
	/* general: 13.4.1 … */
	REG(E1000_CTRL,       "CTRL",     0xdbfc1be9, 0xdbfc1be9, 0x00000a49, NULL, e1000_ctrl_write),
	REG(E1000_STATUS,     "STATUS",   0x0000ffff, 0,          0x00000083, e1000_status_read, NULL),
	REG(E1000_EECD,       "EECD",     0x000003ff, 0x00000077, 0x00000110, e1000_eecd_read, e1000_eecd_write),
	REG(E1000_EERD,       "EERD",     0xffffff10, 0x0000ff01, 0,          NULL, e1000_eerd_write),
	REG(E1000_CTRL_EXT,   "CTRL_EXT", 0x00c2cfff, 0x00c2cfff, 0,          NULL, e1000_ctrl_ext_write),
	REG(E1000_FLA,        "FLA",      0,          0,          0,          NULL, NULL),
	REG(E1000_MDIC,       "MDIC",     0x7fffffff, 0x2fffffff, 0x10000000, NULL, e1000_mdic_write),
	REG(E1000_FCAL,       "FCAL",     0xffffffff, 0xffffffff, 0x00c28001, NULL, NULL),
	REG(E1000_FCAH,       "FCAH",     0x0000ffff, 0x0000ffff, 0x00000100, NULL, NULL),
	REG(E1000_FCT,        "FCT",      0x0000ffff, 0x0000ffff, 0x00008808, NULL, NULL),
	REG(E1000_VET,        "VET",      0x0000ffff, 0x0000ffff, 0x00008100, NULL, NULL),
	REG(E1000_FCTTV,      "FCTTV",    0x0000ffff, 0x0000ffff, 0,          NULL, NULL),
	REG(E1000_TXCW,       "TXCW",     0xc000ffff, 0xc000ffff, 0,          NULL, NULL),
	REG(E1000_RXCW,       "RXCW",     0,          0,          0,          NULL, NULL),
	REG(E1000_TIPG,       "TIPG",     0x3fffffff, 0x3fffffff, 0x00602008, NULL, NULL),
	REG(E1000_AIT,        "AIT",      0x0000ffff, 0x0000ffff, 0,          NULL, NULL),
	REG(E1000_LEDCTL,     "LEDCTL",   0xcfcfdfcf, 0xcfcfcfcf, 0x07061302, NULL, NULL, .absent = NOT_ON_82544),
	/* the high half is what is left for sending: reset.c */
	REG(E1000_PBA,        "PBA",      0xffff007f, 0x0000007f, 0x00100030, NULL, e1000_pba_write,
	    .keep = E1000_KEEP_RESET),

	/* interrupts: 13.4.17 … */
	REG(E1000_ICR,        "ICR",      0x0001ffff, 0x0001ffff, 0,          e1000_icr_read, e1000_icr_write),
	REG(E1000_ITR,        "ITR",      0x0000ffff, 0x0000ffff, 0,          NULL, e1000_itr_write,
	    .absent = NOT_ON_82544),
	REG(E1000_ICS,        "ICS",      0x0001ffff, 0x0001ffff, 0,          e1000_ics_read, e1000_ics_write),
	REG(E1000_IMS,        "IMS",      0x0001ffff, 0x0001ffff, 0,          NULL, e1000_ims_write),
	REG(E1000_IMC,        "IMC",      0,          0x0001ffff, 0,          NULL, e1000_imc_write),

	/* receive: 13.4.22 … */
	REG(E1000_RCTL,       "RCTL",     0x06dfb3fe, 0x06dfb3fe, 0,          NULL, e1000_rctl_write),
	REG(E1000_FCRTL,      "FCRTL",    0x8000fff8, 0x8000fff8, 0,          NULL, NULL),
	REG(E1000_FCRTH,      "FCRTH",    0x8000fff8, 0x8000fff8, 0,          NULL, NULL),
	REG(E1000_RDFH,       "RDFH",     0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_RDFT,       "RDFT",     0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_RDFHS,      "RDFHS",    0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_RDFTS,      "RDFTS",    0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_RDFPC,      "RDFPC",    0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_RDBAL,      "RDBAL",    0xfffffff0, 0xfffffff0, 0,          NULL, e1000_rx_ring_write),
	REG(E1000_RDBAH,      "RDBAH",    0xffffffff, 0xffffffff, 0,          NULL, e1000_rx_ring_write),
	REG(E1000_RDLEN,      "RDLEN",    0x000fff80, 0x000fff80, 0,          NULL, e1000_rx_ring_write),
	REG(E1000_RDH,        "RDH",      0x0000ffff, 0x0000ffff, 0,          NULL, e1000_rdh_write),
	REG(E1000_RDT,        "RDT",      0x0000ffff, 0x0000ffff, 0,          NULL, e1000_rdt_write),
	REG(E1000_RDTR,       "RDTR",     0x0000ffff, 0x0000ffff, 0,          NULL, e1000_rdtr_write),
	REG(E1000_RXDCTL,     "RXDCTL",   0x013f3f3f, 0x013f3f3f, 0x01010000, NULL, NULL),
	REG(E1000_RADV,       "RADV",     0x0000ffff, 0x0000ffff, 0,          NULL, NULL, .absent = NOT_ON_82544),
	REG(E1000_RSRPD,      "RSRPD",    0x00000fff, 0x00000fff, 0,          NULL, NULL),

	/* transmit: 13.4.33 … */
	REG(E1000_TCTL,       "TCTL",     0x017ffffa, 0x017ffffa, 0,          NULL, e1000_tctl_write),
	REG(E1000_TXDMAC,     "TXDMAC",   0x00000001, 0x00000001, 0,          NULL, NULL),
	REG(E1000_TDFH,       "TDFH",     0x000007ff, 0x000007ff, 0,          NULL, NULL),
	REG(E1000_TDFT,       "TDFT",     0x000007ff, 0x000007ff, 0,          NULL, NULL),
	REG(E1000_TDFHS,      "TDFHS",    0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_TDFTS,      "TDFTS",    0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_TDFPC,      "TDFPC",    0x00001fff, 0x00001fff, 0,          NULL, NULL),
	REG(E1000_TDBAL,      "TDBAL",    0xfffffff0, 0xfffffff0, 0,          NULL, e1000_tx_ring_write),
	REG(E1000_TDBAH,      "TDBAH",    0xffffffff, 0xffffffff, 0,          NULL, e1000_tx_ring_write),
	REG(E1000_TDLEN,      "TDLEN",    0x000fff80, 0x000fff80, 0,          NULL, e1000_tx_ring_write),
	REG(E1000_TDH,        "TDH",      0x0000ffff, 0x0000ffff, 0,          NULL, e1000_tdh_write),
	REG(E1000_TDT,        "TDT",      0x0000ffff, 0x0000ffff, 0,          NULL, e1000_tdt_write),
	REG(E1000_TIDV,       "TIDV",     0x0000ffff, 0x0000ffff, 0,          NULL, NULL),
	REG(E1000_TXDCTL,     "TXDCTL",   0xff3f3f3f, 0xff3f3f3f, 0,          NULL, NULL),
	REG(E1000_TADV,       "TADV",     0x0000ffff, 0x0000ffff, 0,          NULL, NULL, .absent = NOT_ON_82544),
	REG(E1000_TSPMT,      "TSPMT",    0xffffffff, 0xffffffff, 0x01000400, NULL, NULL, .absent = NOT_ON_82544),

	/* filters, wake-up, management: 13.5 … 13.6 */
	REG(E1000_RXCSUM,     "RXCSUM",   0x000007ff, 0x000007ff, 0,          NULL, NULL),
	REG(E1000_MTA,        "MTA",      0xffffffff, 0xffffffff, 0,          NULL, NULL,
	    .count = E1000_NUM_MTA, .stride = 4),
	REG(E1000_RAL,        "RAL",      0xffffffff, 0xffffffff, 0,          NULL, NULL,
	    .count = E1000_NUM_RA, .stride = 8),
	REG(E1000_RAH,        "RAH",      0x8003ffff, 0x8003ffff, 0,          NULL, NULL,
	    .count = E1000_NUM_RA, .stride = 8),
	REG(E1000_VFTA,       "VFTA",     0xffffffff, 0xffffffff, 0,          NULL, NULL,
	    .count = E1000_NUM_VFTA, .stride = 4),
	REG(E1000_WUC,        "WUC",      0x8000000f, 0x8000000f, 0,          NULL, e1000_wuc_write),
	REG(E1000_WUFC,       "WUFC",     0x000f80ff, 0x000f80ff, 0,          NULL, NULL),
	REG(E1000_WUS,        "WUS",      0x000f00ff, 0x000f00ff, 0,          NULL, e1000_wus_write,
	    .keep = E1000_KEEP_RESET),
	REG(E1000_MANC,       "MANC",     0xffffffff, 0xffffffff, 0,          NULL, NULL, .absent = NOT_ON_82544),
	REG(E1000_IPAV,       "IPAV",     0x0001000f, 0x0001000f, 0,          NULL, NULL),
	REG(E1000_IP4AT,      "IP4AT",    0xffffffff, 0xffffffff, 0,          NULL, NULL, .count = 7, .stride = 4),
	REG(E1000_IP6AT,      "IP6AT",    0xffffffff, 0xffffffff, 0,          NULL, NULL, .count = 4, .stride = 4),
	REG(E1000_WUPL,       "WUPL",     0x00000fff, 0,          0,          NULL, NULL, .keep = E1000_KEEP_RESET),
	REG(E1000_WUPM,       "WUPM",     0xffffffff, 0,          0,          NULL, NULL,
	    .count = 32, .stride = 4, .keep = E1000_KEEP_RESET),
	REG(E1000_FFLT,       "FFLT",     0x000007ff, 0x000007ff, 0,          NULL, NULL, .count = 4, .stride = 8),
	REG(E1000_FFMT,       "FFMT",     0x0000000f, 0x0000000f, 0,          NULL, NULL, .count = 128, .stride = 8),
	REG(E1000_FFVT,       "FFVT",     0xffffffff, 0xffffffff, 0,          NULL, NULL, .count = 128, .stride = 8),

	/* statistics: 13.7 */
	STAT(0x4000, "CRCERRS"), STAT(0x4004, "ALGNERRC"), STAT(0x4008, "SYMERRS"), STAT(0x400c, "RXERRC"),
	STAT(0x4010, "MPC"), STAT(0x4014, "SCC"), STAT(0x4018, "ECOL"), STAT(0x401c, "MCC"),
	STAT(0x4020, "LATECOL"), STAT(0x4028, "COLC"), STAT(0x4030, "DC"), STAT(0x4034, "TNCRS"),
	STAT(0x4038, "SEC"), STAT(0x403c, "CEXTERR"), STAT(0x4040, "RLEC"), STAT(0x4048, "XONRXC"),
	STAT(0x404c, "XONTXC"), STAT(0x4050, "XOFFRXC"), STAT(0x4054, "XOFFTXC"), STAT(0x4058, "FCRUC"),
	STAT(0x405c, "PRC64"), STAT(0x4060, "PRC127"), STAT(0x4064, "PRC255"), STAT(0x4068, "PRC511"),
	STAT(0x406c, "PRC1023"), STAT(0x4070, "PRC1522"), STAT(0x4074, "GPRC"), STAT(0x4078, "BPRC"),
	STAT(0x407c, "MPRC"), STAT(0x4080, "GPTC"), PAIR(0x4088, "GORC"), PAIR(0x4090, "GOTC"),
	STAT(0x40a0, "RNBC"), STAT(0x40a4, "RUC"), STAT(0x40a8, "RFC"), STAT(0x40ac, "ROC"),
	STAT(0x40b0, "RJC"), STAT(0x40b4, "MGTPRC"), STAT(0x40b8, "MGTPDC"), STAT(0x40bc, "MGTPTC"),
	PAIR(0x40c0, "TOR"), PAIR(0x40c8, "TOT"), STAT(0x40d0, "TPR"), STAT(0x40d4, "TPT"),
	STAT(0x40d8, "PTC64"), STAT(0x40dc, "PTC127"), STAT(0x40e0, "PTC255"), STAT(0x40e4, "PTC511"),
	STAT(0x40e8, "PTC1023"), STAT(0x40ec, "PTC1522"), STAT(0x40f0, "MPTC"), STAT(0x40f4, "BPTC"),
	STAT(0x40f8, "TSCTC"), STAT(0x40fc, "TSCTFC"),
};
const unsigned e1000_num_reg_rows = sizeof(e1000_reg_rows) / sizeof(e1000_reg_rows[0]);

/* Where the 82542 had them; its successors decode these, too. */
static const struct {
	uint32_t at, real, words;
} aliases[] = {
	{ E1000_CTRL_DUP, E1000_CTRL, 1 },
	{ 0x0040, E1000_RAL, 2 * E1000_NUM_RA }, { 0x0108, E1000_RDTR, 1 }, { 0x0110, E1000_RDBAL, 2 },
	{ 0x0118, E1000_RDLEN, 1 }, { 0x0120, E1000_RDH, 1 }, { 0x0128, E1000_RDT, 1 }, { 0x0160, E1000_FCRTH, 1 },
	{ 0x0168, E1000_FCRTL, 1 }, { 0x0200, E1000_MTA, E1000_NUM_MTA }, { 0x0420, E1000_TDBAL, 2 },
	{ 0x0428, E1000_TDLEN, 1 }, { 0x0430, E1000_TDH, 1 }, { 0x0438, E1000_TDT, 1 }, { 0x0440, E1000_TIDV, 1 },
	{ 0x0600, E1000_VFTA, E1000_NUM_VFTA }, { 0x8000, E1000_RDFH, 1 }, { 0x8008, E1000_RDFT, 1 },
	{ 0x8010, E1000_TDFH, 1 }, { 0x8018, E1000_TDFT, 1 },
};

/* By offset / 4: the row's number and one, and what it stands for. */
static struct {
	uint16_t row, real;
} map[E1000_REGISTERS_END / 4];
static pthread_once_t map_once = PTHREAD_ONCE_INIT;

static void map_init(void)
{
	for (unsigned i = 0; i < e1000_num_reg_rows; i++) {
		const struct e1000_reg_row *r = &e1000_reg_rows[i];

		for (unsigned n = 0; n < (r->count ? r->count : 1u); n++) {
			const uint32_t at = (r->offset + n * r->stride) / 4;

			map[at].row = (uint16_t)(i + 1);
			map[at].real = (uint16_t)at;
		}
	}
	for (unsigned i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		for (unsigned n = 0; n < aliases[i].words; n++)
			map[aliases[i].at / 4 + n] = map[aliases[i].real / 4 + n];
}

const struct e1000_reg_row *e1000_reg_find(enum e1000_model model, uint32_t offset, uint32_t *real)
{
	const struct e1000_reg_row *r;

	pthread_once(&map_once, map_init);
	if (offset >= E1000_REGISTERS_END || (offset & 3) || !map[offset / 4].row)
		return NULL;
	r = &e1000_reg_rows[map[offset / 4].row - 1];
	if (r->absent & 1u << model)
		return NULL;
	*real = map[offset / 4].real * 4u;
	return r;
}

void e1000_regs_reset(struct e1000_core *c, bool power_on)
{
	for (unsigned i = 0; i < e1000_num_reg_rows; i++) {
		const struct e1000_reg_row *r = &e1000_reg_rows[i];

		if (r->keep & E1000_KEEP_RESET && !power_on)
			continue;
		for (unsigned n = 0; n < (r->count ? r->count : 1u); n++)
			e1000_reg_set(c, r->offset + n * r->stride, r->reset);
	}
}

void e1000_reg_store(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const uint32_t mask = e1000_reg_rows[map[offset / 4].row - 1].writable;

	e1000_reg_set(c, offset, (e1000_reg(c, offset) & ~mask) | (value & mask));
}

static uint32_t read32(struct e1000_core *c, uint32_t offset)
{
	uint32_t real = 0;
	const struct e1000_reg_row *r = e1000_reg_find(c->model, offset, &real);

	if (!r) {
		e1000_count(c, E1000_C_REG_UNKNOWN);
		return 0;
	}
	return (r->on_read ? r->on_read(c, real) : e1000_reg(c, real)) & r->readable;
}

static void write32(struct e1000_core *c, uint32_t offset, uint32_t value, uint32_t bytes_mask)
{
	uint32_t real = 0;
	const struct e1000_reg_row *r = e1000_reg_find(c->model, offset, &real);
	uint32_t mask;

	if (!r) {
		e1000_count(c, E1000_C_REG_UNKNOWN);
		return;
	}
	if (r->on_write) {
		if (bytes_mask == 0xffffffff)
			r->on_write(c, real, value);
		else
			e1000_count(c, E1000_C_REG_WIDTH);
		return;
	}
	mask = r->writable & bytes_mask;
	e1000_reg_set(c, real, (e1000_reg(c, real) & ~mask) | (value & mask));
}

uint64_t e1000_core_read(struct e1000_core *c, uint32_t offset, unsigned size_bytes)
{
	uint64_t value;

	e1000_core_thaw(c);
	e1000_count(c, E1000_C_REG_READS);
	if (size_bytes == 8) {
		value = read32(c, offset);
		return value | (uint64_t)read32(c, offset + 4) << 32;
	}
	value = read32(c, offset & ~3u);
	if (size_bytes == 4)
		return value;
	return value >> (offset & 3) * 8 & ((1u << size_bytes * 8) - 1);
}

void e1000_core_write(struct e1000_core *c, uint32_t offset, unsigned size_bytes, uint64_t value)
{
	const unsigned shift = (offset & 3) * 8;

	e1000_core_thaw(c);
	e1000_count(c, E1000_C_REG_WRITES);
	if (size_bytes >= 4) {
		write32(c, offset, (uint32_t)value, 0xffffffff);
		if (size_bytes == 8)
			write32(c, offset + 4, (uint32_t)(value >> 32), 0xffffffff);
		return;
	}
	write32(c, offset & ~3u, (uint32_t)value << shift, ((1u << size_bytes * 8) - 1) << shift);
}
