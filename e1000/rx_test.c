/* SPDX-License-Identifier: MIT */
/* Receive: filters, descriptors, tags, checksums, shortage, loopback. */
#include "base/test.h"
#include "e1000/test_chip.h"

enum { PLAIN = E1000_RCTL_BAM | E1000_RCTL_SECRC };

static uint32_t status_of(struct chip *chip, uint32_t i)
{
	return chip_rx_desc(chip, i)->status;
}

static uint32_t length_of(struct chip *chip, uint32_t i)
{
	return le16_get(chip_rx_desc(chip, i)->length);
}

static void one_frame(void)
{
	struct chip *chip = chip_new();
	uint8_t f[1514];
	le32 fcs;

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 256, 254, E1000_RCTL_BAM);
	CU_ASSERT(chip_receive(chip, f, sizeof(f)) == VSWITCH_DROPS);
	CU_ASSERT(status_of(chip, 0) == (E1000_RXD_DD | E1000_RXD_EOP | E1000_RXD_IXSM));
	CU_ASSERT(length_of(chip, 0) == 1518 && !chip_rx_desc(chip, 0)->errors);
	CU_ASSERT(!memcmp(chip_rx_buffer(chip, 0), f, 1514));
	fcs = to_le32(e1000_crc32(0, f, 1514));
	CU_ASSERT(!memcmp(chip_rx_buffer(chip, 0) + 1514, &fcs, 4));
	CU_ASSERT(chip_rx_buffer(chip, 0)[1518] == 0xee);	/* and not a byte more */
	CU_ASSERT(!status_of(chip, 1) && chip_read(chip, E1000_RDH) == 1);
	CU_ASSERT(chip_read(chip, E1000_ICR) == E1000_INT_RXT0);
	CU_ASSERT(chip_read(chip, E1000_GPRC) == 1 && chip_read(chip, E1000_TPR) == 1);
	CU_ASSERT(chip_read(chip, E1000_GORCL) == 1518 && chip_read(chip, E1000_TORL) == 1518);
	/* a short one is padded, and the driver that strips the FCS sees 60 */
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | PLAIN);
	CU_ASSERT(chip_receive(chip, f, 42) == VSWITCH_DROPS);
	CU_ASSERT(length_of(chip, 1) == 60 && !chip_rx_buffer(chip, 1)[42] && !chip_rx_buffer(chip, 1)[59]);
	CU_ASSERT(chip_rx_buffer(chip, 1)[60] == 0xee);
	CU_ASSERT(chip_read(chip, E1000_PRC64) == 1);
	chip_free(chip);
}

static void nothing_comes_when_off(void)
{
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROP_NOT_READY);
	CU_ASSERT(chip_read(chip, E1000_TPR) == 0);
	chip_rx_start(chip, 64, 60, PLAIN);
	e1000_core_set_bus_master(&chip->core, false);
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROP_NOT_READY);
	e1000_core_set_bus_master(&chip->core, true);
	e1000_core_set_wire(&chip->core, false);
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROP_NOT_READY);
	CU_ASSERT(chip_count(chip, E1000_C_RX_DISABLED) == 2 && chip_count(chip, E1000_C_RX_NO_LINK) == 1);
	CU_ASSERT(chip_read(chip, E1000_RDH) == 0);
	chip_free(chip);
}

/* ---- filters ---- */

static bool passes(struct chip *chip, const uint8_t to[6], bool *pif)
{
	const uint32_t i = chip_read(chip, E1000_RDH);
	uint8_t f[64];

	chip_inbound(f, sizeof(f));
	memcpy(f, to, 6);
	if (chip_receive(chip, f, sizeof(f)) != VSWITCH_DROPS)
		return false;
	if (pif)
		*pif = status_of(chip, i) & E1000_RXD_PIF;
	chip_write(chip, E1000_RDT, i);		/* give it back */
	return true;
}

static void addresses(void)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t group[6] = { 0x01, 0, 0x5e, 0x12, 0x90, 0xbc };	/* the manual's example */
	struct chip *chip = chip_new();
	uint8_t mac[6];
	bool pif = true;

	chip_rx_start(chip, 128, 127, 0);
	CU_ASSERT(passes(chip, chip_mac, &pif) && !pif);
	CU_ASSERT(!passes(chip, chip_peer, NULL));
	CU_ASSERT(!passes(chip, broadcast, NULL) && !passes(chip, group, NULL));
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_BAM);
	CU_ASSERT(passes(chip, broadcast, &pif) && !pif);
	CU_ASSERT(!passes(chip, group, NULL));
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_MPE);
	CU_ASSERT(passes(chip, broadcast, NULL) && passes(chip, group, &pif) && !pif);
	CU_ASSERT(!passes(chip, chip_peer, NULL));
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE);
	CU_ASSERT(passes(chip, chip_peer, &pif) && !pif && !passes(chip, group, NULL));
	/* all sixteen entries work, and only while valid */
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN);
	for (unsigned n = 1; n < 16; n++) {
		memcpy(mac, chip_peer, 6);
		mac[5] = (uint8_t)n;
		chip_write(chip, E1000_RAL + 8 * n, 0x0a5d1500);
		chip_write(chip, E1000_RAL + 8 * n, (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
			   (uint32_t)mac[3] << 24);
		chip_write(chip, E1000_RAH + 8 * n, (uint32_t)mac[4] | (uint32_t)mac[5] << 8);
		CU_ASSERT(!passes(chip, mac, NULL));
		chip_write(chip, E1000_RAH + 8 * n, (uint32_t)mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_AV);
		CU_ASSERT(passes(chip, mac, NULL));
		chip_write(chip, E1000_RAH + 8 * n, (uint32_t)mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_AV | 1 << 16);
		CU_ASSERT(!passes(chip, mac, NULL));	/* for source addresses */
	}
	/* the multicast table: four windows */
	chip_write(chip, E1000_MTA + 4 * 94, 1u << 9);
	CU_ASSERT(passes(chip, group, &pif) && pif);
	chip_write(chip, E1000_MTA + 4 * 94, ~(1u << 9));
	CU_ASSERT(!passes(chip, group, NULL));
	chip_write(chip, E1000_MTA + 4 * 94, 0);
	for (unsigned mo = 1; mo < 4; mo++) {
		static const uint32_t index[4] = { 0, 0x792, 0xf24, 0xc90 };	/* bc90 >> 3, 2, 0 and fff */
		const uint32_t row = index[mo] >> 5, bit = index[mo] & 31;

		chip_write(chip, E1000_RCTL, E1000_RCTL_EN | mo << 12);
		CU_ASSERT(!passes(chip, group, NULL));
		chip_write(chip, E1000_MTA + 4 * row, 1u << bit);
		CU_ASSERT(passes(chip, group, NULL));
		chip_write(chip, E1000_MTA + 4 * row, 0);
	}
	/* it is for multicast alone */
	for (unsigned n = 0; n < 128; n++)
		chip_write(chip, E1000_MTA + 4 * n, 0xffffffff);
	CU_ASSERT(!passes(chip, chip_peer, NULL) && passes(chip, broadcast, &pif) && pif);
	CU_ASSERT(chip_count(chip, E1000_C_RX_FILTERED) > 0);
	chip_free(chip);
}

static void limits(void)
{
	static const struct {
		uint32_t rctl, len;
		bool tagged, passes;
	} cases[] = {
		{ 0, 1518, false, true }, { 0, 1519, false, false },
		{ 0, 1514, true, true }, { 0, 1515, true, false },
		{ E1000_RCTL_SBP, 1519, false, true },
		{ E1000_RCTL_LPE, 9000, false, true },
		{ E1000_RCTL_LPE, 16380, false, true }, { E1000_RCTL_LPE, 16381, false, false },
		{ E1000_RCTL_LPE, 16376, true, true }, { E1000_RCTL_LPE, 16377, true, false },
		{ E1000_RCTL_SBP, 16381, false, false }, { 0, 65535, false, false },
	};
	uint8_t *f = calloc(1, 65536);
	unsigned long_ones = 0;
	struct chip *chip = chip_new();

	chip_inbound(f, 65536);
	chip_rx_start(chip, 256, 250, PLAIN);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct vswitch_offload o = { .flags = cases[i].tagged ? VSWITCH_VLAN : 0, .vlan_tci = 5 };

		chip_write(chip, E1000_RCTL, E1000_RCTL_EN | PLAIN | cases[i].rctl);
		CU_ASSERT((chip_receive_as(chip, f, cases[i].len, &o) == VSWITCH_DROPS) == cases[i].passes);
		long_ones += !cases[i].passes;
	}
	CU_ASSERT(chip_read(chip, E1000_ROC) == long_ones);
	CU_ASSERT(chip_read(chip, E1000_TPR) == sizeof(cases) / sizeof(cases[0]));
	free(f);
	chip_free(chip);
}

/* ---- buffers ---- */

static void frames_over_several_buffers(void)
{
	static const struct {
		uint32_t rctl, bytes;
	} sizes[] = {
		{ 3u << 16, 256 }, { 2u << 16, 512 }, { 1u << 16, 1024 }, { 0, 2048 }, { E1000_RCTL_BSEX, 2048 },
		{ E1000_RCTL_BSEX | 3u << 16, 4096 }, { E1000_RCTL_BSEX | 2u << 16, 8192 }, { E1000_RCTL_BSEX | 1u << 16, 16384 },
	};
	static const uint32_t lens[] = { 60, 255, 256, 257, 512, 1024, 2047, 2048, 2049, 4096, 5000, 8192, 16376, 16380 };
	uint8_t *f = malloc(16384), *got = malloc(17000);

	chip_inbound(f, 16384);
	for (unsigned s = 0; s < 8; s++)
		for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			struct chip *chip = chip_new();
			const uint32_t b = sizes[s].bytes, n = (lens[i] + b - 1) / b;
			uint32_t at = 0;

			chip_rx_start(chip, 128, 127, PLAIN | E1000_RCTL_LPE | sizes[s].rctl);
			CU_ASSERT(e1000_rx_buffer_bytes(&chip->core) == b);
			for (unsigned k = 0; k < 128; k++)	/* apart enough */
				chip_rx_desc(chip, k)->buffer = to_le64(CHIP_BASE + CHIP_RX_DATA + 16384 * k % (3 << 20));
			CU_ASSERT(chip_receive(chip, f, lens[i]) == VSWITCH_DROPS);
			CU_ASSERT(chip_read(chip, E1000_RDH) == n);
			for (unsigned k = 0; k < n; k++) {
				const uint32_t want = k == n - 1 ? lens[i] - b * (n - 1) : b;

				CU_ASSERT(length_of(chip, k) == want);
				CU_ASSERT(!!(status_of(chip, k) & E1000_RXD_EOP) == (k == n - 1));
				CU_ASSERT(status_of(chip, k) & E1000_RXD_DD);
				memcpy(got + at, chip->ram + CHIP_RX_DATA + 16384 * k % (3 << 20), want);
				at += want;
			}
			CU_ASSERT(at == lens[i] && !memcmp(got, f, at));
			chip_free(chip);
		}
	free(f);
	free(got);
}

static void the_manuals_jumbo(void)
{
	struct chip *chip = chip_new();
	uint8_t f[5000];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 64, 63, E1000_RCTL_LPE);
	CU_ASSERT(chip_receive(chip, f, sizeof(f)) == VSWITCH_DROPS);
	CU_ASSERT(length_of(chip, 0) == 2048 && status_of(chip, 0) == E1000_RXD_DD);
	CU_ASSERT(length_of(chip, 1) == 2048 && status_of(chip, 1) == E1000_RXD_DD);
	CU_ASSERT(length_of(chip, 2) == 908 && status_of(chip, 2) & E1000_RXD_EOP);
	chip_free(chip);
}

static void empty_buffers_are_passed_over(void)
{
	struct chip *chip = chip_new();
	uint8_t f[3000];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 256, 255, PLAIN | E1000_RCTL_LPE);
	chip_rx_desc(chip, 0)->buffer = chip_rx_desc(chip, 2)->buffer = to_le64(0);
	CU_ASSERT(chip_receive(chip, f, sizeof(f)) == VSWITCH_DROPS);
	CU_ASSERT(status_of(chip, 0) == E1000_RXD_DD && length_of(chip, 0) == 0);
	CU_ASSERT(status_of(chip, 1) == E1000_RXD_DD && length_of(chip, 1) == 2048);
	CU_ASSERT(status_of(chip, 2) == E1000_RXD_DD && length_of(chip, 2) == 0);
	CU_ASSERT(status_of(chip, 3) & E1000_RXD_EOP && length_of(chip, 3) == 952);
	CU_ASSERT(!memcmp(chip_rx_buffer(chip, 3), f + 2048, 952));
	chip_free(chip);
}

/* ---- tags ---- */

static void tags_in_metadata(void)
{
	const struct vswitch_offload o = { .flags = VSWITCH_VLAN, .vlan_tci = 0x6123 };
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 64, 63, PLAIN);
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROPS);	/* VME off: back into the bytes */
	CU_ASSERT(length_of(chip, 0) == 104 && !(status_of(chip, 0) & E1000_RXD_VP));
	CU_ASSERT(!memcmp(chip_rx_buffer(chip, 0), f, 12) && !memcmp(chip_rx_buffer(chip, 0) + 12, "\x81\x00\x61\x23", 4));
	CU_ASSERT(!memcmp(chip_rx_buffer(chip, 0) + 16, f + 12, 88) && !le16_get(chip_rx_desc(chip, 0)->special));
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROPS);
	CU_ASSERT(length_of(chip, 1) == 100 && status_of(chip, 1) & E1000_RXD_VP);
	CU_ASSERT(le16_get(chip_rx_desc(chip, 1)->special) == 0x6123 && !memcmp(chip_rx_buffer(chip, 1), f, 100));
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROPS);
	CU_ASSERT(!(status_of(chip, 2) & E1000_RXD_VP));
	/* a small one is not padded again: 60 on the wire are 56 without the tag */
	CU_ASSERT(chip_receive_as(chip, f, 50, &o) == VSWITCH_DROPS);
	CU_ASSERT(length_of(chip, 3) == 56);
	chip_read(chip, E1000_TORL);
	CU_ASSERT(chip_read(chip, E1000_TPR) == 4);
	/* another type than VET's is no tag */
	chip_write(chip, E1000_VET, 0x88a8);
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROPS);
	CU_ASSERT(length_of(chip, 4) == 104 && !(status_of(chip, 4) & E1000_RXD_VP));
	memcpy(f + 12, "\x88\xa8\x0f\xff", 4);
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROPS);
	CU_ASSERT(length_of(chip, 5) == 96 && status_of(chip, 5) & E1000_RXD_VP);
	CU_ASSERT(le16_get(chip_rx_desc(chip, 5)->special) == 0x0fff);
	CU_ASSERT(!memcmp(chip_rx_buffer(chip, 5) + 12, f + 16, 84));
	chip_free(chip);
}

static void vlan_filter(void)
{
	struct vswitch_offload o = { .flags = VSWITCH_VLAN, .vlan_tci = 0x2065 };
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 256, 255, PLAIN | E1000_RCTL_VFE);
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROPS);		/* untagged ones pass */
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROP_FILTERED);
	chip_write(chip, E1000_VFTA + 4 * (0x65 >> 5), 1u << (0x65 & 31));
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROPS);
	o.vlan_tci = 0x3065;		/* with CFI */
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROPS);
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | PLAIN | E1000_RCTL_VFE | E1000_RCTL_CFIEN);
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROP_FILTERED);
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | PLAIN | E1000_RCTL_VFE | E1000_RCTL_CFIEN | E1000_RCTL_CFI);
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROPS);
	o.vlan_tci = 0x2066;
	CU_ASSERT(chip_receive_as(chip, f, 100, &o) == VSWITCH_DROP_FILTERED);
	chip_free(chip);
}

/* ---- checksums ---- */

static uint16_t sum_of(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* An IPv4 or IPv6 packet with right checksums behind `link` bytes of link header, in a frame of 200 bytes. */
static void packet(uint8_t f[200], uint32_t link, bool v6, uint8_t protocol)
{
	uint8_t *ip = f + link, *l4 = ip + (v6 ? 40 : 20);
	const uint32_t n = 101, field = protocol == 17 ? 6 : 16;	/* odd, and shorter than the frame */
	uint16_t sum;

	chip_inbound(f, 200);
	memset(ip, 0, v6 ? 40 : 20);
	if (v6) {
		ip[0] = 0x60;
		ip[5] = (uint8_t)n;
		ip[6] = protocol;
		ip[23] = 1;
		ip[39] = 2;
		sum = sum_of(ip + 8, 32, protocol + n);
	} else {
		ip[0] = 0x45;
		ip[3] = (uint8_t)(20 + n);
		ip[8] = 64;
		ip[9] = protocol;
		ip[12] = ip[16] = 10;
		sum = (uint16_t)~sum_of(ip, 20, 0);
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
		sum = sum_of(ip + 12, 8, protocol + n);
	}
	l4[field] = l4[field + 1] = 0;
	sum = (uint16_t)~sum_of(l4, n, sum);
	l4[field] = (uint8_t)(sum >> 8);
	l4[field + 1] = (uint8_t)sum;
	f[12] = v6 ? 0x86 : 0x08;
	f[13] = v6 ? 0xdd : 0x00;
}

static void checksum_offload(void)
{
	enum { IP = E1000_RXCSUM_IPOFL, TU = E1000_RXCSUM_TUOFL, V6 = E1000_RXCSUM_IPV6OFL };
	enum { IXSM = E1000_RXD_IXSM, IPCS = E1000_RXD_IPCS, TCPCS = E1000_RXD_TCPCS };
	enum { IPE = E1000_RXD_IPE, TCPE = E1000_RXD_TCPE };
	static const struct {
		const char *what;
		uint32_t rxcsum;
		bool v6;
		uint8_t protocol;
		int spoil;		/* byte of the IP packet that is inverted; -1: none */
		uint8_t status, errors;
	} cases[] = {
		{ "off", 0, false, 6, -1, IXSM, 0 },
		{ "TCP, both", IP | TU, false, 6, -1, IPCS | TCPCS, 0 },
		{ "TCP, transport alone", TU, false, 6, -1, TCPCS, 0 },
		{ "TCP, IP alone", IP, false, 6, -1, IPCS, 0 },
		{ "UDP", IP | TU, false, 17, -1, IPCS | TCPCS, 0 },
		{ "a bad IP header", IP | TU, false, 6, 8, IPCS | TCPCS, IPE },
		{ "bad TCP", IP | TU, false, 6, 60, IPCS | TCPCS, TCPE },
		{ "bad TCP, not asked for", IP, false, 6, 60, IPCS, 0 },
		{ "ICMP", IP | TU, false, 1, -1, IPCS, 0 },
		{ "a fragment", IP | TU, false, 6, 7, IPCS, IPE },
		{ "IPv6 without its bit", TU, true, 6, -1, IXSM, 0 },
		{ "IPv6 TCP", TU | V6, true, 6, -1, TCPCS, 0 },
		{ "IPv6 UDP", TU | V6, true, 17, -1, TCPCS, 0 },
		{ "IPv6, bad", TU | V6, true, 6, 70, TCPCS, TCPE },
		{ "IPv6, options", TU | V6, true, 0, -1, IXSM, 0 },
		{ "a length beyond the frame", IP | TU, false, 6, 2, IXSM, 0 },
		{ "version 10", IP | TU, false, 6, 0, IXSM, 0 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chip *chip = chip_new();
		uint8_t f[200];

		chip_rx_start(chip, 64, 63, PLAIN);
		packet(f, 14, cases[i].v6, cases[i].protocol);
		if (cases[i].spoil >= 0)
			f[14 + cases[i].spoil] ^= 0xff;
		chip_write(chip, E1000_RXCSUM, cases[i].rxcsum);
		CU_ASSERT(chip_receive(chip, f, 200) == VSWITCH_DROPS);
		if ((status_of(chip, 0) & (IXSM | IPCS | TCPCS)) != cases[i].status ||
		    chip_rx_desc(chip, 0)->errors != cases[i].errors)
			CU_FAIL(cases[i].what);
		chip_free(chip);
	}
}

/* A frame in pieces of odd lengths at odd places. */
static enum vswitch_drop odd_pieces(struct chip *chip, uint8_t f[200])
{
	struct iovec segs[3] = { { f + 77, 1 }, { f + 78, 7 }, { f + 85, 115 } };
	struct vswitch_frame v = { .len = 200, .head_bytes = 77, .nsegs = 3, .segs = segs };
	enum vswitch_drop why;

	memcpy(v.head, f, 77);
	why = e1000_core_receive(&chip->core, &v);
	e1000_core_received(&chip->core);
	return why;
}

static void checksum_corners(void)
{
	const struct vswitch_offload valid = { .flags = VSWITCH_CSUM_VALID };
	struct chip *chip = chip_new();
	uint8_t f[200];

	chip_rx_start(chip, 64, 63, PLAIN);
	chip_write(chip, E1000_RXCSUM, 0x700);
	packet(f, 14, false, 17);
	f[14 + 20 + 6] = f[14 + 20 + 7] = 0;		/* UDP without */
	CU_ASSERT(chip_receive(chip, f, 200) == VSWITCH_DROPS);
	CU_ASSERT(!(status_of(chip, 0) & E1000_RXD_TCPCS) && !chip_rx_desc(chip, 0)->errors);
	packet(f, 22, false, 6);			/* SNAP */
	memcpy(f + 12, "\x00\xb4\xaa\xaa\x03\x00\x00\x00\x08\x00", 10);
	CU_ASSERT(chip_receive(chip, f, 200) == VSWITCH_DROPS);
	CU_ASSERT(status_of(chip, 1) & E1000_RXD_TCPCS && !chip_rx_desc(chip, 1)->errors);
	packet(f, 18, false, 6);			/* a tag in the bytes */
	memcpy(f + 12, "\x81\x00\x00\x05\x08\x00", 6);
	CU_ASSERT(chip_receive(chip, f, 200) == VSWITCH_DROPS);
	CU_ASSERT(status_of(chip, 2) & E1000_RXD_TCPCS && !chip_rx_desc(chip, 2)->errors);
	packet(f, 14, false, 6);
	CU_ASSERT(odd_pieces(chip, f) == VSWITCH_DROPS);
	CU_ASSERT(status_of(chip, 3) & E1000_RXD_TCPCS && !chip_rx_desc(chip, 3)->errors);
	chip_write(chip, E1000_RDH, 3);
	packet(f, 14, false, 6);
	f[100] ^= 1;
	CU_ASSERT(chip_receive_as(chip, f, 200, &valid) == VSWITCH_DROPS);	/* who has it says it is good */
	CU_ASSERT(status_of(chip, 3) & E1000_RXD_TCPCS && !chip_rx_desc(chip, 3)->errors);
	chip_free(chip);
	chip = chip_new_with(E1000_82544GC, 0);		/* knows no IPv6 */
	chip_rx_start(chip, 64, 63, PLAIN);
	chip_write(chip, E1000_RXCSUM, 0x700);
	packet(f, 14, true, 6);
	CU_ASSERT(chip_receive(chip, f, 200) == VSWITCH_DROPS);
	CU_ASSERT(status_of(chip, 0) & E1000_RXD_IXSM);
	chip_free(chip);
}

/* ---- shortage ---- */

static void frames_wait_in_the_fifo(void)
{
	struct chip *chip = chip_new();
	uint8_t f[1000];
	unsigned kept = 0;

	chip_rx_start(chip, 256, 2, PLAIN);
	for (unsigned i = 0; i < 100; i++) {
		chip_inbound(f, sizeof(f));
		f[20] = (uint8_t)i;
		kept += chip_receive(chip, f, sizeof(f)) == VSWITCH_DROPS;
	}
	CU_ASSERT(kept == 2 + 48 * 1024 / 1008);	/* what the 48 KiB hold, with 8 bytes of our own each */
	CU_ASSERT(chip_read(chip, E1000_RNBC) == 98);
	CU_ASSERT(chip_read(chip, E1000_MPC) == 100 - kept);
	CU_ASSERT(chip_read(chip, E1000_ICR) & E1000_INT_RXO);
	CU_ASSERT(chip_read(chip, E1000_GPRC) == 2 && chip_read(chip, E1000_TPR) == 100);
	chip_write(chip, E1000_RDT, 200);
	CU_ASSERT(chip->kicks);
	chip_run(chip);
	CU_ASSERT(chip_read(chip, E1000_GPRC) == kept - 2);
	CU_ASSERT(chip_read(chip, E1000_RDH) == kept);
	for (unsigned i = 0; i < kept; i++) {
		CU_ASSERT(chip_rx_buffer(chip, i)[20] == i);
		CU_ASSERT(!memcmp(chip_rx_buffer(chip, i) + 21, f + 21, 979));
	}
	CU_ASSERT(chip_read(chip, E1000_ICR) & E1000_INT_RXT0);
	CU_ASSERT(!chip->lost);
	/* and again, round the circle */
	for (unsigned i = 0; i < 1000; i++) {
		const uint32_t at = chip_read(chip, E1000_RDH), len = 100 + i % 900;

		chip_write(chip, E1000_RDT, at);
		chip_inbound(f, len);
		f[20] = (uint8_t)i;
		CU_ASSERT(chip_receive(chip, f, len) == VSWITCH_DROPS && chip->core.rx.fifo_frames == 1);
		chip_write(chip, E1000_RDT, (at + 1) % 256);
		chip_run(chip);
		CU_ASSERT(!chip->core.rx.fifo_frames && !memcmp(chip_rx_buffer(chip, at), f, len));
	}
	chip_free(chip);
}

/* What has waited goes before what comes now, though there is room again and nobody has polled yet. */
static void order_is_kept(void)
{
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 256, 0, PLAIN);
	for (unsigned i = 0; i < 10; i++) {
		f[20] = (uint8_t)i;
		if (i == 5)
			chip_write(chip, E1000_RDT, 200);
		CU_ASSERT(chip_receive(chip, f, sizeof(f)) == VSWITCH_DROPS);
	}
	CU_ASSERT(chip_read(chip, E1000_RDH) == 10);
	for (unsigned i = 0; i < 10; i++)
		CU_ASSERT(chip_rx_buffer(chip, i)[20] == i);
	chip_free(chip);
}

static void what_waits_is_lost_with_a_reset(void)
{
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 256, 0, PLAIN);
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT(chip_receive(chip, f, sizeof(f)) == VSWITCH_DROPS);
	chip_write(chip, E1000_CTRL, E1000_CTRL_RST);
	CU_ASSERT(chip->lost == 5 && !chip->core.rx.fifo_frames);
	chip_rx_start(chip, 256, 0, PLAIN);
	CU_ASSERT(chip_receive(chip, f, sizeof(f)) == VSWITCH_DROPS);
	chip_write(chip, E1000_RCTL, PLAIN);		/* or when the receiver is switched off */
	CU_ASSERT(chip->lost == 6 && !chip->core.rx.fifo_frames);
	chip_free(chip);
}

static void threshold_is_an_edge(void)
{
	struct chip *chip = chip_new();
	uint8_t f[100];
	unsigned edges = 0;

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 128, 127, PLAIN | 1u << E1000_RCTL_RDMTS_SHIFT);	/* a quarter */
	for (unsigned i = 0; i < 127; i++) {
		CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROPS);
		if (chip_read(chip, E1000_ICR) & E1000_INT_RXDMT0) {
			edges++;
			CU_ASSERT(i == 127 - 32 - 1);
		}
	}
	CU_ASSERT(edges == 1);
	chip_write(chip, E1000_RDT, 126);
	chip_read(chip, E1000_ICR);
	for (unsigned i = 0; i < 127; i++) {
		chip_receive(chip, f, 100);
		edges += !!(chip_read(chip, E1000_ICR) & E1000_INT_RXDMT0);
	}
	CU_ASSERT(edges == 2);
	chip_free(chip);
}

/* DOS drivers lend all of a ring of eight by letting the tail come round to the head. */
static void small_rings_may_be_lent_whole(void)
{
	struct chip *chip = chip_new();
	uint8_t f[100];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 8, 4, PLAIN);
	CU_ASSERT(e1000_rx_free(&chip->core) == 4);
	chip_write(chip, E1000_RDT, 0);
	CU_ASSERT(e1000_rx_free(&chip->core) == 8);
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROPS && !chip->core.rx.fifo_frames);
	CU_ASSERT(e1000_rx_free(&chip->core) == 0 && chip_read(chip, E1000_RDH) == 0);
	CU_ASSERT(chip_receive(chip, f, 100) == VSWITCH_DROPS && chip->core.rx.fifo_frames == 1);
	/* what is lent while it is off counts as on any other ring, too */
	chip_write(chip, E1000_RCTL, 0);
	chip_write(chip, E1000_RDT, 3);
	chip_write(chip, E1000_RDT, 2);
	CU_ASSERT(e1000_rx_free(&chip->core) == 2);
	chip_write(chip, E1000_RDT, 0);
	/* switched on with head = tail it is empty, as any other */
	chip_write(chip, E1000_RCTL, 0);
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | PLAIN);
	CU_ASSERT(e1000_rx_free(&chip->core) == 0);
	chip_free(chip);
}

/* ---- memory ---- */

static void buffers_that_are_not_there(void)
{
	struct chip *chip = chip_new();
	uint8_t f[3000];

	chip_inbound(f, sizeof(f));
	chip_rx_start(chip, 128, 127, PLAIN | E1000_RCTL_LPE);
	chip_rx_desc(chip, 1)->buffer = to_le64(CHIP_NOWHERE);
	CU_ASSERT(chip_receive(chip, f, 3000) == VSWITCH_DROP_NO_BUFFER);
	CU_ASSERT(chip_rx_buffer(chip, 0)[0] == 0xee);		/* nothing was written */
	CU_ASSERT(status_of(chip, 0) == E1000_RXD_DD && !length_of(chip, 0));
	CU_ASSERT(status_of(chip, 1) & E1000_RXD_EOP && chip_rx_desc(chip, 1)->errors == E1000_RXD_RXE);
	CU_ASSERT(chip_count(chip, E1000_C_RX_DMA) == 1);
	CU_ASSERT(chip_receive(chip, f, 3000) == VSWITCH_DROPS);
	CU_ASSERT(status_of(chip, 3) & E1000_RXD_EOP && length_of(chip, 3) == 952);
	/* a buffer across two maps is one */
	chip_rx_desc(chip, 4)->buffer = to_le64(CHIP_BASE + CHIP_HOLE - 100);
	CU_ASSERT(chip_receive(chip, f, 1000) == VSWITCH_DROPS);
	CU_ASSERT(!memcmp(chip->ram + CHIP_HOLE - 100, f, 1000));
	chip->hole = true;
	chip_rx_desc(chip, 5)->buffer = to_le64(CHIP_BASE + CHIP_HOLE - 100);
	CU_ASSERT(chip_receive(chip, f, 1000) == VSWITCH_DROP_NO_BUFFER);
	chip_write(chip, E1000_RDBAH, 0xdead);
	CU_ASSERT(chip_receive(chip, f, 1000) == VSWITCH_DROP_NO_BUFFER);
	CU_ASSERT(chip_count(chip, E1000_C_RX_RING_DMA) == 1);
	chip_free(chip);
}

/* ---- loopback ---- */

static void loopback_by(struct chip *chip)
{
	uint8_t *f;

	chip_rx_start(chip, 128, 127, E1000_RCTL_BAM | (chip_read(chip, E1000_RCTL) & 3u << E1000_RCTL_LBM_SHIFT));
	chip_tx_start(chip, 128);
	for (unsigned i = 0; i < 64; i++) {
		f = chip_frame(chip, 1024) + 2048 * (i + 1);
		memmove(f, chip_frame(chip, 1024), 1024);
		memcpy(f, chip_mac, 6);
		f[100] = (uint8_t)i;
		chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA + 2048 * (i + 1), CHIP_LAST | 1024, 0);
	}
	chip_tx_kick(chip);
	CU_ASSERT(!chip->num_sent && chip_read(chip, E1000_RDH) == 64);
	for (unsigned i = 0; i < 64; i++)
		CU_ASSERT(length_of(chip, i) == 1028 && !memcmp(chip_rx_buffer(chip, i),
								chip->ram + CHIP_TX_DATA + 2048 * (i + 1), 1024));
	/* the wire is deaf */
	CU_ASSERT(chip_receive(chip, chip_rx_buffer(chip, 0), 1024) == VSWITCH_DROP_NOT_READY);
}

static void loopback(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, E1000_RCTL, 3u << E1000_RCTL_LBM_SHIFT);
	loopback_by(chip);
	chip_free(chip);
	chip = chip_new();
	e1000_core_set_wire(&chip->core, false);	/* needs none */
	chip_write(chip, E1000_MDIC, 0x4140 | 1u << 21 | 1u << 26);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);
	loopback_by(chip);
	chip_free(chip);
}

static void short_frames_loop_padded(void)
{
	struct chip *chip = chip_new();

	chip_rx_start(chip, 128, 127, E1000_RCTL_UPE | E1000_RCTL_SECRC | 3u << E1000_RCTL_LBM_SHIFT);
	chip_tx_start(chip, 128);
	chip_write(chip, E1000_TCTL, E1000_TCTL_EN);	/* without PSP */
	for (uint32_t len = 1; len < 60; len++) {
		chip_frame(chip, 60);
		chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_LAST | len, 0);
	}
	chip_tx_kick(chip);
	CU_ASSERT(chip_read(chip, E1000_RDH) == 60 - 14);
	for (unsigned i = 0; i < 60 - 14; i++) {
		CU_ASSERT(length_of(chip, i) == 60);
		CU_ASSERT(!chip_rx_buffer(chip, i)[59]);
	}
	chip_free(chip);
}

/* Running out of descriptors does not hold up the sender. */
static void a_full_loop_goes_on(void)
{
	struct chip *chip = chip_new();

	chip_rx_start(chip, 128, 5, E1000_RCTL_UPE | 3u << E1000_RCTL_LBM_SHIFT);
	chip_tx_start(chip, 256);
	for (unsigned i = 0; i < 200; i++) {
		chip_frame(chip, 1500);
		chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_LAST | 1500, 0);
	}
	chip_tx_kick(chip);
	CU_ASSERT(chip_tx_done(chip, 199) && chip_read(chip, E1000_RDH) == 5);
	CU_ASSERT(chip_read(chip, E1000_MPC) > 100);
	CU_ASSERT(!chip->lost);		/* no port's frames */
	chip_free(chip);
}

static void pause_frames(void)
{
	struct chip *chip = chip_new();
	uint8_t f[60];

	chip_inbound(f, sizeof(f));
	memcpy(f, "\x01\x80\xc2\x00\x00\x01", 6);
	memcpy(f + 12, "\x88\x08\x00\x01\xff\xff", 6);
	chip_rx_start(chip, 128, 127, PLAIN | E1000_RCTL_DPF | E1000_RCTL_MPE);
	CU_ASSERT(chip_receive(chip, f, 60) == VSWITCH_DROPS);		/* nobody asked for flow control */
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_RFCE);
	CU_ASSERT(chip_receive(chip, f, 60) == VSWITCH_DROP_FILTERED);
	f[16] = f[17] = 0;
	CU_ASSERT(chip_receive(chip, f, 60) == VSWITCH_DROP_FILTERED);
	CU_ASSERT(chip_read(chip, E1000_XOFFRXC) == 1 && chip_read(chip, E1000_XONRXC) == 1);
	chip_write(chip, E1000_RCTL, E1000_RCTL_EN | PLAIN | E1000_RCTL_MPE);
	CU_ASSERT(chip_receive(chip, f, 60) == VSWITCH_DROPS);
	chip_free(chip);
}

static const struct hv_test tests[] = {
	{ "one frame", one_frame },
	{ "nothing comes when it is off", nothing_comes_when_off },
	{ "addresses", addresses },
	{ "limits", limits },
	{ "frames over several buffers", frames_over_several_buffers },
	{ "the manual's jumbo frame", the_manuals_jumbo },
	{ "empty buffers are passed over", empty_buffers_are_passed_over },
	{ "tags", tags_in_metadata },
	{ "the VLAN filter", vlan_filter },
	{ "checksum offload", checksum_offload },
	{ "checksum offload, corners", checksum_corners },
	{ "frames wait in the FIFO", frames_wait_in_the_fifo },
	{ "order is kept", order_is_kept },
	{ "what waits is lost with a reset", what_waits_is_lost_with_a_reset },
	{ "the threshold is an edge", threshold_is_an_edge },
	{ "small rings may be lent whole", small_rings_may_be_lent_whole },
	{ "buffers that are not there", buffers_that_are_not_there },
	{ "loopback", loopback },
	{ "short frames loop padded", short_frames_loop_padded },
	{ "a full loop goes on", a_full_loop_goes_on },
	{ "PAUSE frames", pause_frames },
};
HV_TEST_MAIN("e1000/receive", tests)
