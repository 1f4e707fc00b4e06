/* SPDX-License-Identifier: MIT */
/*
 * Segmentation: the manual's example, what the chip makes against what the switch makes of the same frame, irregular frames,
 * bounds.
 */
#include "base/test.h"
#include "e1000/test_chip.h"

static const struct e1000_tx_context ordinary = {
	.ipcss = 14, .ipcso = 24, .ipcse = 33, .tucss = 34, .tucso = 50, .hdrlen = 54, .mss = 1460, .paylen = 4000,
	.tcp = true, .ip = true,
};
enum {
	BOTH = E1000_TXD_POPTS_IXSM | E1000_TXD_POPTS_TXSM,
	TSE = E1000_TXD_CMD_TSE,
};

static uint64_t at(uint32_t off)
{
	return CHIP_BASE + off;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static uint16_t sum_of(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The prototype: id 100, sequence 1000, flags PSH|ACK|FIN; the pseudo-header's sum without length. */
static uint8_t *v4_tcp(struct chip *chip, uint32_t payload)
{
	static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 100, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
	uint8_t *f = chip_frame(chip, 54 + payload);
	uint16_t sum;

	f[12] = 0x08;
	f[13] = 0;
	memcpy(f + 14, ip, 20);
	memset(f + 34, 0, 20);
	f[34] = 0x12;
	f[36] = 0x34;
	f[40] = 1000 >> 8;
	f[41] = 1000 & 0xff;
	f[46] = 0x50;
	f[47] = 0x19;
	sum = sum_of(f + 26, 8, 6);
	f[50] = (uint8_t)(sum >> 8);
	f[51] = (uint8_t)sum;
	return f;
}

static uint8_t *v6_tcp(struct chip *chip, uint32_t payload, bool udp)
{
	uint8_t *f = chip_frame(chip, 74 + payload);
	uint16_t sum;

	f[12] = 0x86;
	f[13] = 0xdd;
	memset(f + 14, 0, 60);
	f[14] = 0x60;
	f[20] = udp ? 17 : 6;
	f[21] = 64;
	f[22] = 0xfd;
	f[37] = 1;
	f[38] = 0xfd;
	f[53] = 2;
	f[54] = 0x12;
	f[57] = 0x34;
	sum = sum_of(f + 22, 32, f[20]);
	if (udp) {
		f[60] = (uint8_t)(sum >> 8);
		f[61] = (uint8_t)sum;
	} else {
		f[66] = 0x50;
		f[67] = 0x18;
		f[70] = (uint8_t)(sum >> 8);
		f[71] = (uint8_t)sum;
	}
	return f;
}

/* A frame of that many bytes in that many data descriptors, kicked off. Index of the last. */
static uint32_t send_tso(struct chip *chip, const struct e1000_tx_context *x, uint32_t bytes, uint32_t per_desc,
			 uint32_t popts, uint32_t command, uint32_t tci)
{
	uint32_t off = 0, last = 0;

	chip_context(chip, x, TSE | E1000_TXD_CMD_RS);
	while (off < bytes) {
		const uint32_t n = bytes - off < per_desc ? bytes - off : per_desc;
		const bool end = off + n == bytes;

		last = chip_tx_put(chip, at(CHIP_TX_DATA + off), CHIP_DATA | TSE | command | n |
				   (end ? E1000_TXD_CMD_EOP | E1000_TXD_CMD_RS : 0u), popts | tci << 16);
		off += n;
	}
	chip_tx_kick(chip);
	return last;
}

/* The frames that the chip itself makes: loopback forces it to, and they come back by the receiver. */
static struct chip *chip_in_loopback(void)
{
	struct chip *chip = chip_new();

	chip_rx_start(chip, 256, 255, E1000_RCTL_UPE | E1000_RCTL_SECRC | E1000_RCTL_LPE | 3u << E1000_RCTL_LBM_SHIFT);
	chip_tx_start(chip, 256);
	return chip;
}

static void check_example(const uint8_t *f, unsigned k, const uint8_t *payload)
{
	static const struct {
		uint32_t n, total, id, seq;
		uint8_t flags;
	} want[3] = { { 1460, 1500, 100, 1000, 0x10 }, { 1460, 1500, 101, 2460, 0x10 }, { 1080, 1120, 102, 3920, 0x19 } };

	CU_ASSERT(be16(f + 16) == want[k].total);
	CU_ASSERT(be16(f + 18) == want[k].id);
	CU_ASSERT(be32(f + 38) == want[k].seq);
	CU_ASSERT(f[47] == want[k].flags);
	CU_ASSERT(sum_of(f + 14, 20, 0) == 0xffff);
	CU_ASSERT(sum_of(f + 34, 20 + want[k].n, 6 + 20 + want[k].n + sum_of(f + 26, 8, 0)) == 0xffff);
	CU_ASSERT(!memcmp(f + 54, payload + 1460 * k, want[k].n));
}

static void the_manuals_example(void)
{
	struct chip *chip = chip_in_loopback();
	const uint8_t *f = v4_tcp(chip, 4000);
	uint32_t last;

	last = send_tso(chip, &ordinary, 4054, 1300, BOTH, 0, 0);
	CU_ASSERT(chip_tx_done(chip, 0) && chip_tx_done(chip, last));
	CU_ASSERT(chip_read(chip, E1000_RDH) == 3);
	for (unsigned k = 0; k < 3; k++) {
		CU_ASSERT(le16_get(chip_rx_desc(chip, k)->length) == (k < 2 ? 1514 : 1134));
		check_example(chip_rx_buffer(chip, k), k, f + 54);
	}
	CU_ASSERT(chip_read(chip, E1000_TSCTC) == 1 && chip_read(chip, E1000_TSCTFC) == 0);
	CU_ASSERT(chip_read(chip, E1000_GPTC) == 3);
	CU_ASSERT(chip_read(chip, E1000_GOTCL) == 1518 + 1518 + 1138);
	chip_free(chip);
}

static void whole_to_the_switch(void)
{
	struct chip *chip = chip_new();
	uint8_t *f = v4_tcp(chip, 4000);
	const struct chip_sent *s = &chip->sent[0];

	chip_tx_start(chip, 64);
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	send_tso(chip, &ordinary, 4054, 1300, BOTH, E1000_TXD_CMD_VLE, 7);
	CU_ASSERT_FATAL(chip->num_sent == 1);
	CU_ASSERT(s->len == 4054 && s->offload.gso == VSWITCH_GSO_TCPV4 && s->offload.gso_size == 1460);
	CU_ASSERT(s->offload.flags == VSWITCH_VLAN && s->offload.vlan_tci == 7);
	CU_ASSERT(!memcmp(s->bytes, f, 4054));
	CU_ASSERT(chip_read(chip, E1000_TSCTC) == 1 && chip_read(chip, E1000_GPTC) == 3);
	CU_ASSERT(chip_read(chip, E1000_GOTCL) == 1518 + 1518 + 1138 + 3 * 4);
	CU_ASSERT(chip_count(chip, E1000_C_TX_TSO) == 1 && !chip_count(chip, E1000_C_TX_COPIED));
	chip_free(chip);
}

/* ---- the switch as a twin ---- */

struct catcher {
	struct vswitch_nic nic;
	unsigned n;
	uint32_t len[256];
	uint8_t bytes[256][2048];
};

static void catch(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct catcher *t = opaque;

	for (unsigned i = 0; i < n && t->n < 256; i++, t->n++) {
		t->len[t->n] = frames[i]->len;
		vswitch_frame_copy(frames[i], 0, t->bytes[t->n], frames[i]->len < 2048 ? frames[i]->len : 2048);
	}
}

static const struct vswitch_nic_ops catch_ops = { .deliver = catch };
static const struct vswitch_nic_ops null_ops = { .deliver = catch };

/* Sends what the chip has sent through a switch to a NIC that takes nothing unfinished. */
static void through_a_switch(struct chip *chip, struct catcher *to)
{
	static const struct vswitch_config config = { .name = "twin" };
	struct vswitch_nic from = { .kind = VSWITCH_NIC_EMULATED, .max_frame_bytes = 65535, .ops = &null_ops };
	struct vswitch_port *a, *b;
	struct vswitch *sw;

	memset(to, 0, sizeof(*to));
	to->nic = (struct vswitch_nic){ .kind = VSWITCH_NIC_EMULATED, .max_frame_bytes = 9000, .ops = &catch_ops, .opaque = to };
	memcpy(from.mac, chip_mac, 6);
	memcpy(to->nic.mac, chip_peer, 6);
	if (vswitch_create(NULL, &config, &sw) || vswitch_port_create(sw, "a", &a) || vswitch_port_create(sw, "b", &b) ||
	    vswitch_port_connect(a, &from) || vswitch_port_connect(b, &to->nic))
		abort();
	for (unsigned i = 0; i < chip->num_sent; i++) {
		struct chip_sent *s = &chip->sent[i];
		struct vswitch_frame f = { .len = s->len, .head_bytes = s->head_bytes, .offload = s->offload }, *p = &f;
		struct iovec rest = { s->bytes + s->head_bytes, s->len - s->head_bytes };

		memcpy(f.head, s->bytes, s->head_bytes);
		f.segs = &rest;
		f.nsegs = s->len > s->head_bytes;
		vswitch_port_input(a, &p, 1);
	}
	vswitch_port_destroy(a);
	vswitch_port_destroy(b);
	vswitch_destroy(sw);
}

struct twin_case {
	const char *what;
	bool v6, udp;
	uint32_t payload, mss, per_desc;
};

static struct e1000_tx_context context_of(const struct twin_case *k)
{
	struct e1000_tx_context x = ordinary;

	x.mss = (uint16_t)k->mss;
	x.paylen = k->payload;
	if (k->v6) {
		x.ip = false;
		x.ipcso = x.ipcse = 0;
		x.tcp = !k->udp;
		x.tucss = 54;
		x.tucso = k->udp ? 60 : 70;
		x.hdrlen = k->udp ? 62 : 74;
	}
	return x;
}

static void prepare(struct chip *chip, const struct twin_case *k)
{
	if (k->v6)
		v6_tcp(chip, k->payload, k->udp);
	else
		v4_tcp(chip, k->payload);
}

static void chip_and_switch_agree(void)
{
	static const struct twin_case cases[] = {
		{ "the example", false, false, 4000, 1460, 1300 },
		{ "one segment", false, false, 1000, 1460, 1000 },
		{ "an exact multiple", false, false, 4 * 1460, 1460, 4096 },
		{ "single bytes", false, false, 50, 1, 7 },
		{ "64 KiB", false, false, 65480, 1460, 16384 },
		{ "beyond 64 KiB", false, false, 120000, 1460, 16384 },
		{ "a megabyte's start in one descriptor", false, false, 200000, 1400, 1 << 19 },
		{ "IPv6", true, false, 5000, 1440, 999 },
		{ "IPv6, large", true, false, 100000, 1440, 4096 },
		{ "IPv6 UDP", true, true, 5000, 1448, 5062 },
	};
	struct catcher *got = calloc(1, sizeof(*got));

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct twin_case *k = &cases[i];
		const struct e1000_tx_context x = context_of(k);
		struct chip *a = chip_in_loopback(), *b = chip_new();
		unsigned n = 0;

		prepare(a, k);
		prepare(b, k);
		send_tso(a, &x, x.hdrlen + k->payload, k->per_desc, k->v6 ? E1000_TXD_POPTS_TXSM : BOTH, 0, 0);
		chip_tx_start(b, 256);
		send_tso(b, &x, x.hdrlen + k->payload, k->per_desc, k->v6 ? E1000_TXD_POPTS_TXSM : BOTH, 0, 0);
		CU_ASSERT(chip_count(a, E1000_C_TX_TSO_SOFT) == 1 && chip_count(b, E1000_C_TX_TSO) == 1);
		through_a_switch(b, got);
		while (n < 255 && chip_rx_desc(a, n)->status & E1000_RXD_DD)
			n++;
		CU_ASSERT(n == (k->payload + k->mss - 1) / k->mss);
		if (n != got->n)
			CU_FAIL(k->what);
		for (unsigned s = 0; s < n && s < got->n; s++)
			if (le16_get(chip_rx_desc(a, s)->length) != (got->len[s] < 60 ? 60 : got->len[s]) ||
			    memcmp(chip_rx_buffer(a, s), got->bytes[s], got->len[s])) {
				CU_FAIL(k->what);
				break;
			}
		CU_ASSERT(chip_read(a, E1000_GPTC) == chip_read(b, E1000_GPTC));
		CU_ASSERT(chip_read(a, E1000_TSCTC) == 1 && chip_read(b, E1000_TSCTC) == 1);
		chip_free(a);
		chip_free(b);
	}
	free(got);
}

static void udp_lengths(void)
{
	const struct twin_case k = { "", true, true, 3000, 1448, 5000 };
	const struct e1000_tx_context x = context_of(&k);
	struct chip *chip = chip_in_loopback();

	prepare(chip, &k);
	send_tso(chip, &x, 62 + 3000, 5000, E1000_TXD_POPTS_TXSM, 0, 0);
	CU_ASSERT(be16(chip_rx_buffer(chip, 0) + 58) == 1456 && be16(chip_rx_buffer(chip, 0) + 18) == 1456);
	CU_ASSERT(be16(chip_rx_buffer(chip, 2) + 58) == 8 + 104);
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *f = chip_rx_buffer(chip, i);
		const uint16_t n = be16(f + 58);

		CU_ASSERT(sum_of(f + 54, n, 17u + n + sum_of(f + 22, 32, 0)) == 0xffff);
	}
	chip_free(chip);
}

/* What is out of the ordinary is cut here, and right. */
static void unusual_contexts_are_cut_here(void)
{
	struct chip *chip = chip_new();
	struct e1000_tx_context x = ordinary;

	chip_tx_start(chip, 64);
	v4_tcp(chip, 4000);
	send_tso(chip, &x, 4054, 1300, E1000_TXD_POPTS_TXSM, 0, 0);	/* without the IP checksum */
	CU_ASSERT(chip->num_sent == 3 && !chip->sent[0].bytes[24] && !chip->sent[0].offload.gso);
	x.tucse = 1000;
	send_tso(chip, &x, 4054, 1300, BOTH, 0, 0);
	CU_ASSERT(chip->num_sent == 6);
	CU_ASSERT(sum_of(chip->sent[3].bytes + 34, 1000 - 33, 6 + 1480 + sum_of(chip->sent[3].bytes + 26, 8, 0)) == 0xffff);
	x = ordinary;
	x.hdrlen = 154;		/* payload that is taken for header */
	x.paylen = 3900;
	send_tso(chip, &x, 4054, 1300, BOTH, 0, 0);
	CU_ASSERT(chip->num_sent == 9 && be16(chip->sent[6].bytes + 16) == 154 - 14 + 1460);
	CU_ASSERT(!memcmp(chip->sent[6].bytes + 54, chip->sent[7].bytes + 54, 100));
	v4_tcp(chip, 4000)[24] = 0x11;		/* the IP checksum's field counts */
	send_tso(chip, &ordinary, 4054, 1300, BOTH, 0, 0);
	CU_ASSERT(chip->num_sent == 12 && sum_of(chip->sent[9].bytes + 14, 20, 0x1100) == 0xffff);
	v4_tcp(chip, 4000);
	chip->num_sent = 9;
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	chip_write(chip, E1000_VET, 0x9100);
	send_tso(chip, &ordinary, 4054, 1300, BOTH, E1000_TXD_CMD_VLE, 0x123);
	CU_ASSERT(chip->num_sent == 12 && chip->sent[9].len == 1518);
	CU_ASSERT(!memcmp(chip->sent[11].bytes + 12, "\x91\x00\x01\x23\x08\x00", 6));
	CU_ASSERT(chip_count(chip, E1000_C_TX_TSO_SOFT) == 5);
	CU_ASSERT(chip_read(chip, E1000_TSCTC) == 5);
	chip_free(chip);
}

static void irregular_frames(void)
{
	struct chip *chip = chip_new();
	struct e1000_tx_context x = ordinary;

	chip_tx_start(chip, 64);
	v4_tcp(chip, 4000);
	send_tso(chip, &x, 3054, 1300, BOTH, 0, 0);	/* less than announced */
	CU_ASSERT(chip->num_sent == 1 && chip->sent[0].len == 3054);
	CU_ASSERT(chip_read(chip, E1000_TSCTFC) == 1 && chip_read(chip, E1000_TSCTC) == 0);
	x.paylen = 2000;
	send_tso(chip, &x, 4054, 1300, BOTH, 0, 0);	/* more */
	CU_ASSERT(chip->num_sent == 2 && chip->sent[1].len == 2054);
	CU_ASSERT(chip_read(chip, E1000_TSCTFC) == 1);
	x.paylen = 0;
	send_tso(chip, &x, 54, 1300, BOTH, 0, 0);	/* a header alone */
	CU_ASSERT(chip->num_sent == 3 && chip->sent[2].len == 60);
	CU_ASSERT(be16(chip->sent[2].bytes + 16) == 40 && be16(chip->sent[2].bytes + 18) == 100);
	send_tso(chip, &ordinary, 40, 1300, BOTH, 0, 0);	/* not even that */
	CU_ASSERT(chip->num_sent == 3 && chip_read(chip, E1000_TSCTFC) == 1);
	send_tso(chip, &ordinary, 4054, 9, BOTH, 0, 0);
	CU_ASSERT(chip->num_sent == 3);		/* (the ring was too short: it waits) */
	chip_free(chip);
}

static void invalid_contexts_cost_the_frame(void)
{
	static const struct {
		const char *what;
		struct e1000_tx_context x;
	} cases[] = {	/* IPCSS, IPCSO, TUCSS, TUCSO, HDRLEN, IPCSE, TUCSE, MSS, PAYLEN, TCP, IP */
		{ "MSS 0", { 14, 24, 34, 50, 54, 33, 0, 0, 4000, true, true } },
		{ "header of 0", { 14, 24, 34, 50, 0, 33, 0, 1460, 4000, true, true } },
		{ "header of 241", { 14, 24, 34, 50, 241, 33, 0, 1460, 3000, true, true } },
		{ "header of 255", { 14, 24, 34, 50, 255, 33, 0, 1460, 3000, true, true } },
		{ "header ends in TCP", { 14, 24, 34, 40, 47, 33, 0, 1460, 3000, true, true } },
		{ "TUCSO at the end", { 14, 24, 34, 53, 54, 33, 0, 1460, 4000, true, true } },
		{ "TUCSO beyond", { 14, 24, 34, 255, 54, 33, 0, 1460, 4000, true, true } },
		{ "TUCSS beyond", { 14, 24, 60, 50, 54, 33, 0, 1460, 4000, true, true } },
		{ "IPCSS beyond", { 50, 24, 34, 50, 54, 33, 0, 1460, 4000, true, true } },
		{ "IPCSO beyond", { 14, 53, 34, 50, 54, 33, 0, 1460, 4000, true, true } },
		{ "IPv6 too short", { 15, 24, 34, 50, 54, 33, 0, 1460, 4000, true, false } },
		{ "frames too long", { 14, 24, 34, 50, 54, 33, 0, 16384, 4000, true, true } },
		{ "UDP too short", { 14, 24, 47, 50, 54, 33, 0, 1460, 4000, false, true } },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct e1000_tx_context *c = &cases[i].x;
		struct chip *chip = chip_new();
		uint32_t last;

		v4_tcp(chip, 4000);
		chip_tx_start(chip, 64);
		last = send_tso(chip, c, 4054, 1300, BOTH, 0, 0);
		if (chip->num_sent || chip_count(chip, E1000_C_TX_TSO_BAD) != 1 || chip_read(chip, E1000_TSCTFC) != 1 ||
		    !chip_tx_done(chip, last))
			CU_FAIL(cases[i].what);
		send_tso(chip, &ordinary, 4054, 1300, BOTH, 0, 0);
		CU_ASSERT(chip->num_sent == 1);
		chip_free(chip);
	}
}

/* A million segments of one byte: no poll makes more than its share, and the rest waits with its descriptor. */
static void work_is_bounded(void)
{
	struct chip *chip = chip_new();
	struct e1000_tx_context x = ordinary;
	unsigned polls = 0;
	uint32_t last;

	x.mss = 1;
	x.paylen = 100000;
	x.tucse = 53;			/* not ordinary */
	v4_tcp(chip, 100000);
	chip_tx_start(chip, 64);
	chip_context(chip, &x, TSE);
	last = chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | TSE | CHIP_LAST | 100054, BOTH);
	chip_write(chip, E1000_TDT, chip->tx_tail);
	while (!chip_tx_done(chip, last)) {
		const unsigned before = chip->num_sent;

		CU_ASSERT_FATAL(e1000_core_poll(&chip->core));
		CU_ASSERT(chip->num_sent - before <= E1000_TX_POLL_FRAMES);
		CU_ASSERT(chip_read(chip, E1000_TDH) == (chip_tx_done(chip, last) ? 2 : 1));
		polls++;
	}
	CU_ASSERT(chip->num_sent == 100000 && polls >= 100000 / E1000_TX_POLL_FRAMES);
	CU_ASSERT(be32(chip->sent[(100000 - 1) % CHIP_SENT_MAX].bytes + 38) == 1000 + 99999);
	CU_ASSERT(chip_read(chip, E1000_TSCTC) == 1);
	chip_free(chip);
}

/* The frame's context is what it was when the frame began. */
static void a_new_context_changes_nothing_begun(void)
{
	struct chip *chip = chip_new();
	struct e1000_tx_context small = ordinary;

	small.hdrlen = 54;
	small.mss = 10;
	small.paylen = 100;
	v4_tcp(chip, 4000);
	chip_tx_start(chip, 64);
	chip_context(chip, &ordinary, TSE);
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | TSE | 3000, BOTH);
	chip_context(chip, &small, TSE);
	chip_tx_put(chip, at(CHIP_TX_DATA + 3000), CHIP_DATA | TSE | CHIP_LAST | 1054, BOTH);
	chip_tx_kick(chip);
	CU_ASSERT(!chip->num_sent && chip_count(chip, E1000_C_TX_CONTEXT) == 1);
	/* and it was not taken over either */
	chip_tx_put(chip, at(CHIP_TX_DATA), CHIP_DATA | TSE | CHIP_LAST | 4054, BOTH);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 1 && chip->sent[0].offload.gso_size == 1460);
	chip_free(chip);
}

static const struct hv_test tests[] = {
	{ "the manual's example", the_manuals_example },
	{ "an ordinary frame goes to the switch whole", whole_to_the_switch },
	{ "chip and switch cut alike", chip_and_switch_agree },
	{ "UDP lengths", udp_lengths },
	{ "unusual contexts are cut here", unusual_contexts_are_cut_here },
	{ "irregular frames", irregular_frames },
	{ "an invalid context costs the frame", invalid_contexts_cost_the_frame },
	{ "work is bounded", work_is_bounded },
	{ "a new context changes nothing begun", a_new_context_changes_nothing_begun },
};
HV_TEST_MAIN("e1000/segmentation", tests)
