/* SPDX-License-Identifier: MIT */
/*
 * TCP and UDP segmentation (3.5). The bytes of the frame are a header of HDRLEN bytes, then PAYLEN bytes of payload.
 *
 * Payload is collected up to a portion, which is sent at once; so memory is bounded, though one frame may name a megabyte in
 * any number of descriptors. If the context means what it says in the ordinary way (and Linux', FreeBSD's and DPDK's do), a
 * portion is up to 64 KiB that go to the switch whole, to be cut only for who can't take them. Otherwise it is one segment
 * and made here, field by field as the chip does it.
 */
#include "e1000/internal.h"

enum {
	TYPE_VLAN = 0x8100, TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd,
	PROTOCOL_TCP = 6, PROTOCOL_UDP = 17,
	ETHERNET_BYTES = 14, IPV6_BYTES = 40, UDP_BYTES = 8,
	IP_MAX_BYTES = 65535,
	TCP_FIN = 0x01, TCP_PSH = 0x08,
	PORTION_SEGMENTS = 1024,	/* our policy; the switch cuts twice as many */
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void add_be32(uint8_t *p, uint32_t n)
{
	const uint32_t v = ((uint32_t)be16(p) << 16 | be16(p + 2)) + n;

	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

bool e1000_tso_valid(const struct e1000_core *c, const struct e1000_tx_frame *f)
{
	const struct e1000_tx_context *x = &f->tso;

	(void)c;
	if (x->hdrlen < ETHERNET_BYTES || x->hdrlen > E1000_TSO_HEADER_MAX || !x->mss ||
	    (uint32_t)x->mss + x->hdrlen > E1000_FRAME_MAX_BYTES)
		return false;
	if (x->hdrlen < x->tucss + (x->tcp ? 14 : UDP_BYTES) || x->tucso + 2 > x->hdrlen)
		return false;
	if (x->ip)
		return x->hdrlen >= x->ipcss + 20 && x->ipcso + 2 <= x->hdrlen;
	return x->hdrlen >= x->ipcss + IPV6_BYTES;
}

static bool tagged(const struct e1000_core *c)
{
	return c->tx.frame.vle && e1000_reg(c, E1000_CTRL) & E1000_CTRL_VME;
}

/* ---- by the switch ---- */

static bool ordinary_ip(const struct e1000_tx_frame *f)
{
	const struct e1000_tx_context *x = &f->tso;
	const uint8_t *ip = f->header + x->ipcss, protocol = x->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
	const uint32_t type = be16(f->header + x->ipcss - 2);

	if (!x->ip)
		return type == TYPE_IPV6 && ip[0] >> 4 == 6 && ip[6] == protocol && x->tucss == x->ipcss + IPV6_BYTES;
	return type == TYPE_IPV4 && ip[0] >> 4 == 4 && x->tucss == x->ipcss + (ip[0] & 15) * 4 &&
	       x->tucss >= x->ipcss + 20 && !(be16(ip + 6) & 0x3fff) && ip[9] == protocol && f->ixsm &&
	       x->ipcso == x->ipcss + 10 && x->ipcse == x->tucss - 1 && !be16(ip + 10);
}

/* Whether cutting by the switch gives what the chip would give. */
static bool is_ordinary(const struct e1000_core *c)
{
	const struct e1000_tx_frame *f = &c->tx.frame;
	const struct e1000_tx_context *x = &f->tso;
	const bool in_bytes = be16(f->header + 12) == TYPE_VLAN;

	if (e1000_tx_looped(c) || !x->paylen || x->hdrlen > E1000_TSO_WHOLE_HEADER_MAX || !f->txsm || x->tucse)
		return false;
	if (tagged(c) && (in_bytes || e1000_reg(c, E1000_VET) != TYPE_VLAN))
		return false;
	if (x->ipcss != (in_bytes ? 18 : 14) || !ordinary_ip(f))
		return false;
	if (!x->tcp)
		return x->tucso == x->tucss + 6 && x->hdrlen == x->tucss + UDP_BYTES;
	return x->tucso == x->tucss + 16 && x->hdrlen == x->tucss + (f->header[x->tucss + 12] >> 4) * 4u &&
	       x->hdrlen >= x->tucss + 20;
}

uint32_t e1000_tso_portion_bytes(const struct e1000_tx_frame *f)
{
	const struct e1000_tx_context *x = &f->tso;
	uint32_t segments;

	if (f->soft)
		return x->mss;
	segments = (uint32_t)(IP_MAX_BYTES - (x->hdrlen - x->ipcss)) / x->mss;
	return (segments < PORTION_SEGMENTS ? segments : PORTION_SEGMENTS) * x->mss;
}

static void count_segments(struct e1000_core *c, uint32_t n)
{
	const struct e1000_tx_frame *f = &c->tx.frame;
	const uint32_t fixed = f->tso.hdrlen + (tagged(c) ? 4u : 0u) + E1000_FCS_BYTES;

	if (n / f->tso.mss)
		e1000_stats_sent(c, f->header, fixed + f->tso.mss, n / f->tso.mss);
	if (n % f->tso.mss)
		e1000_stats_sent(c, f->header, fixed + n % f->tso.mss, 1);
}

static void send_portion(struct e1000_core *c, bool last)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	const struct e1000_tx_context *x = &f->tso;
	const uint32_t n = f->bytes, room = VSWITCH_HEAD_BYTES - x->hdrlen, in_head = n < room ? n : room;
	struct vswitch_frame *v = e1000_tx_new_frame(c, f->num_pieces - f->first_piece + !!f->gathered);

	v->len = x->hdrlen + n;
	v->head_bytes = (uint16_t)(x->hdrlen + in_head);
	memcpy(v->head, f->header, x->hdrlen);
	e1000_tx_take_copy(c, v->head + x->hdrlen, in_head);
	v->nsegs = (uint16_t)e1000_tx_take_pieces(c, n - in_head, &c->tx.batch.seg[c->tx.batch.num_segs]);
	c->tx.batch.num_segs += v->nsegs;
	if (x->ip)
		put_be16(v->head + x->ipcss + 4, be16(v->head + x->ipcss + 4) + f->sent_segments);
	if (x->tcp) {
		add_be32(v->head + x->tucss + 4, f->sent_bytes);
		if (!last)
			v->head[x->tucss + 13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	}
	v->offload.gso = !x->tcp ? VSWITCH_GSO_UDP : x->ip ? VSWITCH_GSO_TCPV4 : VSWITCH_GSO_TCPV6;
	v->offload.gso_size = x->mss;
	if (tagged(c)) {
		v->offload.flags |= VSWITCH_VLAN;
		v->offload.vlan_tci = f->tci;
	}
	count_segments(c, n);
	c->tx.made += 1 + n / x->mss / 64;	/* cutting it costs the switch something, too */
}

/* ---- here ---- */

static void edit_segment(const struct e1000_tx_frame *f, uint8_t *s, uint32_t n, bool last)
{
	const struct e1000_tx_context *x = &f->tso;

	if (x->ip) {
		put_be16(s + x->ipcss + 2, x->hdrlen - x->ipcss + n);
		put_be16(s + x->ipcss + 4, be16(s + x->ipcss + 4) + f->sent_segments);
	} else {
		/* The manual leaves the 40 bytes in (3.5.9.1); the 82583V's, and IPv6, don't. */
		put_be16(s + x->ipcss + 4, x->hdrlen - x->ipcss - IPV6_BYTES + n);
	}
	if (x->tcp) {
		add_be32(s + x->tucss + 4, f->sent_bytes);
		if (!last)
			s[x->tucss + 13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	} else {
		put_be16(s + x->tucss + 4, x->hdrlen - x->tucss + n);
	}
}

static void checksum_segment(struct e1000_core *c, uint8_t *s, uint32_t n)
{
	const struct e1000_tx_frame *f = &c->tx.frame;
	const struct e1000_tx_context *x = &f->tso;
	const uint32_t len = x->hdrlen + n, transport = x->hdrlen - x->tucss + n;
	bool good = true;

	if (f->txsm) {		/* the field holds the pseudo-header's sum without the length */
		const uint8_t length[2] = { (uint8_t)(transport >> 8), (uint8_t)transport };
		const uint16_t sum = hv_sum_fold(hv_sum_add(hv_sum_add(0, s + x->tucso, 2, false), length, 2, false));

		memcpy(s + x->tucso, &sum, 2);
		good &= e1000_insert_checksum(s, len, x->tucss, x->tucse, x->tucso, true);
	}
	if (f->ixsm)
		good &= e1000_insert_checksum(s, len, x->ipcss, x->ipcse, x->ipcso, false);
	if (!good)
		e1000_count(c, E1000_C_TX_CSUM_SKIPPED);
}

static void make_segment(struct e1000_core *c, bool last)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	const struct e1000_tx_context *x = &f->tso;
	const uint32_t n = f->bytes;
	uint8_t *s = e1000_tx_arena(c, x->hdrlen + n + 64);	/* and padding, and a tag */

	memcpy(s, f->header, x->hdrlen);
	e1000_tx_take_copy(c, s + x->hdrlen, n);
	edit_segment(f, s, n, last);
	checksum_segment(c, s, n);
	e1000_tx_emit_made(c, s, x->hdrlen + n, tagged(c), f->tci);
}

/* ---- the frame's way ---- */

/* What has been collected goes out. */
static void emit(struct e1000_core *c, bool last)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	const uint32_t n = f->bytes;

	if (c->link_up || e1000_tx_looped(c)) {
		if (f->soft)
			make_segment(c, last);
		else
			send_portion(c, last);
	} else {
		c->tx.made++;
		f->bytes = f->gathered = 0;
		f->first_piece = f->num_pieces = 0;
	}
	f->sent_bytes += n;
	f->sent_segments += (n + f->tso.mss - 1) / f->tso.mss;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool add_header(struct e1000_core *c, uint64_t address, uint32_t bytes, uint32_t *offset)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	const uint32_t n = least(bytes - *offset, (uint32_t)f->tso.hdrlen - f->header_bytes);

	if (!e1000_dma_read(c, address + *offset, f->header + f->header_bytes, n)) {
		e1000_tx_frame_bad(c, E1000_C_TX_DMA);
		return false;
	}
	f->header_bytes = (uint8_t)(f->header_bytes + n);
	*offset += n;
	if (f->header_bytes == f->tso.hdrlen) {
		f->soft = !is_ordinary(c);
		e1000_count(c, f->soft ? E1000_C_TX_TSO_SOFT : E1000_C_TX_TSO);
	}
	return true;
}

bool e1000_tso_add(struct e1000_core *c, uint64_t address, uint32_t bytes, uint32_t *offset)
{
	struct e1000_tx_frame *f = &c->tx.frame;

	if (f->header_bytes < f->tso.hdrlen && !add_header(c, address, bytes, offset))
		return true;
	while (*offset < bytes) {
		const uint32_t portion = e1000_tso_portion_bytes(f), missing = f->tso.paylen - f->sent_bytes - f->bytes;
		const uint32_t n = least(least(bytes - *offset, missing), portion - f->bytes);

		if (!missing) {
			f->surplus = true;
			break;
		}
		if (e1000_tx_made_enough(c) || c->tx.paused)
			return false;
		e1000_tx_add_bytes(c, address + *offset, n);
		if (f->bad)
			break;
		*offset += n;
		if (n == missing)
			emit(c, true);
		else if (f->bytes == portion)
			emit(c, false);
	}
	return true;
}

void e1000_tso_end(struct e1000_core *c)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	const bool header = f->header_bytes == f->tso.hdrlen;

	if (f->bad)
		return;
	if (!header)
		e1000_count(c, E1000_C_TX_TSO_BAD);
	else if (f->bytes || !f->tso.paylen)
		emit(c, true);		/* less than announced, or a header alone */
	if (!header || f->surplus || f->sent_bytes < f->tso.paylen)
		e1000_stat_add(c, E1000_TSCTFC, 1);
	else
		e1000_stat_add(c, E1000_TSCTC, 1);
	if (header && !c->link_up && !e1000_tx_looped(c))
		e1000_count(c, E1000_C_TX_NO_LINK);
}
