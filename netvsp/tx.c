/* SPDX-License-Identifier: MIT */
/*
 * Guest to host: the RNDIS messages of a VMBus packet become frames of the switch.
 *
 *   form  VMBus packet  send section  what the message stream is
 *   A     in-band       named         the section's bytes
 *   B     GPA direct    none          the ranges
 *   C     GPA direct    named         the section's bytes, then the ranges
 *   D     in-band       none          nothing: refused
 *
 * Form A is the common one. It is checked and put aside as a job, its bytes are asked into the cache, and it is parsed when
 * a batch is together; the other forms are parsed at once, after the jobs before them.
 *
 * RNDIS headers, elements and the first bytes of each frame are copied and only the copy is looked at. The rest of a frame
 * stays where it is, and the switch moves it, before netvsp_tx_flush() completes the packets.
 */
#include <errno.h>

#include "netvsp/internal.h"

#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_SERVICE_VLAN 0x88a8
#define TAG_BYTES 4

static inline bool unlikely(bool x)
{
	return __builtin_expect(x, false);
}

/* ---- streams ---- */

static bool stream_add(struct netvsp_stream *s, uint8_t *at, uint32_t bytes)
{
	struct iovec *last = s->n ? &s->piece[s->n - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == at) {
		last->iov_len += bytes;
	} else {
		if (s->n == NETVSP_TX_PIECES)
			return false;
		s->piece[s->n++] = (struct iovec){ at, bytes };
	}
	s->bytes += bytes;
	return true;
}

/* The range lies inside the send buffer; a section has few pages, so there is room. */
static void stream_add_section(struct netvsp_stream *s, const struct netvsp_buffer *b, uint32_t off, uint32_t bytes)
{
	while (bytes) {
		uint32_t n;
		uint8_t *at = netvsp_buffer_at(b, off, &n);

		if (n > bytes)
			n = bytes;
		if (!stream_add(s, at, n))
			return;
		off += n;
		bytes -= n;
	}
}

enum ranges {
	RANGES_OK,
	RANGES_MALFORMED,	/* the packet is not what VMBus says it is: a protocol error */
	RANGES_NO_MEMORY,	/* its pages are not there */
	RANGES_TOO_LONG,
};

static enum ranges stream_add_range(struct netvsp_channel *c, struct netvsp_stream *s, const struct vmbus_gpa_range *r)
{
	uint32_t bytes = r->bytes, offset = r->offset;

	if (bytes > NETVSP_TX_STREAM_BYTES - s->bytes)
		return RANGES_TOO_LONG;
	for (uint32_t i = 0; i < r->pages; i++) {
		const uint32_t n = bytes < NETVSP_PAGE_BYTES - offset ? bytes : NETVSP_PAGE_BYTES - offset;
		const uint64_t pfn = vmbus_gpa_range_pfn(r, i);
		uint8_t *at;

		if (pfn > UINT64_MAX / NETVSP_PAGE_BYTES)
			return RANGES_NO_MEMORY;
		at = vmbus_channel_gpa(c->ch, pfn * NETVSP_PAGE_BYTES + offset, n, false);
		if (!at)
			return RANGES_NO_MEMORY;
		if (!stream_add(s, at, n))
			return RANGES_TOO_LONG;
		bytes -= n;
		offset = 0;
	}
	return RANGES_OK;
}

static enum ranges stream_add_ranges(struct netvsp_channel *c, struct netvsp_stream *s, const struct vmbus_packet *pkt)
{
	enum ranges ret = RANGES_OK;
	struct vmbus_gpa_range range;
	struct vmbus_gpa_walk walk;
	int more;

	if (!vmbus_gpa_walk_begin(&walk, pkt))
		return RANGES_MALFORMED;
	while ((more = vmbus_gpa_walk_next(&walk, &range)) == 1 && ret == RANGES_OK)
		ret = stream_add_range(c, s, &range);
	return more < 0 ? RANGES_MALFORMED : ret;
}

/* A place in a stream. */
struct at {
	const struct iovec *piece;
	uint32_t in;		/* bytes of *piece before the place */
};

static void at_advance(struct at *a, uint32_t n)
{
	while (n && n >= a->piece->iov_len - a->in) {
		n -= (uint32_t)a->piece->iov_len - a->in;
		a->piece++;
		a->in = 0;
	}
	a->in += n;
}

/* n bytes from skip bytes behind a on; they are in the stream. */
static void at_copy(struct at a, uint32_t skip, void *dst, uint32_t n)
{
	uint8_t *to = dst;

	at_advance(&a, skip);
	while (n) {
		const uint8_t *from = (const uint8_t *)a.piece->iov_base + a.in;
		const uint32_t room = (uint32_t)a.piece->iov_len - a.in;
		const uint32_t m = n < room ? n : room;

		memcpy(to, from, m);
		to += m;
		n -= m;
		at_advance(&a, m);
	}
	rd_fetched();
}

/* ---- frames ---- */

/* Adds the stream's n bytes from skip behind a on to the frame's segments. */
static void frame_add_segs(struct netvsp_tx *tx, struct vswitch_frame *f, struct at a, uint32_t skip, uint32_t n)
{
	f->segs = &tx->seg[tx->num_segs];
	at_advance(&a, skip);
	while (n) {
		const uint32_t room = (uint32_t)a.piece->iov_len - a.in;
		const uint32_t m = n < room ? n : room;

		tx->seg[tx->num_segs++] = (struct iovec){ (uint8_t *)a.piece->iov_base + a.in, m };
		f->nsegs++;
		n -= m;
		at_advance(&a, m);
	}
}

/*
 * Copies 14 … 128 bytes as two blocks of a fixed size that overlap. For a length between bounds that it knows, gcc emits
 * "rep movs", which takes longer than all else that happens to a small frame here (measured).
 */
static void copy_head(uint8_t *dst, const uint8_t *src, uint32_t n)
{
	if (n >= 64) {
		memcpy(dst, src, 64);
		memcpy(dst + n - 64, src + n - 64, 64);
	} else if (n >= 32) {
		memcpy(dst, src, 32);
		memcpy(dst + n - 32, src + n - 32, 32);
	} else if (n >= 16) {
		memcpy(dst, src, 16);
		memcpy(dst + n - 16, src + n - 16, 16);
	} else {
		memcpy(dst, src, 8);
		memcpy(dst + n - 8, src + n - 8, 8);
	}
	rd_fetched();
}

/* A frame may be longer by a tag than what was agreed on. */
static bool has_tag(const struct vswitch_frame *f)
{
	const uint16_t type = (uint16_t)(f->head[12] << 8 | f->head[13]);

	return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN;
}

static enum rndis_refusal frame_add_ppis(struct netvsp *nic, struct vswitch_frame *f, struct at a,
					 const struct rndis_frame *r)
{
	uint8_t area[RNDIS_PPI_AREA_MAX_BYTES];
	enum rndis_refusal why;
	struct rndis_ppis ppis;

	at_copy(a, r->ppi_offset, area, r->ppi_bytes);
	why = rndis_parse_ppis((struct rd){ area, r->ppi_bytes }, &ppis);
	if (why)
		return why;
	if (ppis.has_vlan) {
		f->offload.flags |= VSWITCH_VLAN;
		f->offload.vlan_tci = ppis.vlan_tci;
		netvsp_count(nic, NETVSP_C_TX_VLAN);
	}
	return RNDIS_OK;
}

/* A PACKET at a, whose header has been copied; left bytes of the stream from there on. */
static enum rndis_refusal take_frame(struct netvsp_channel *c, struct at a, const struct rndis_packet *header,
				     uint32_t left, uint32_t *message_bytes)
{
	const uint32_t frame_bytes = c->nic->session.frame_bytes;
	struct netvsp_tx *tx = &c->tx;
	struct vswitch_frame *f = &tx->frame[tx->num_frames];
	struct rndis_frame r;
	enum rndis_refusal why = rndis_parse_packet(header, left, frame_bytes + TAG_BYTES, &r);
	uint32_t head;

	if (unlikely(why))
		return why;
	head = r.data_bytes < VSWITCH_HEAD_BYTES ? r.data_bytes : VSWITCH_HEAD_BYTES;
	f->len = r.data_bytes;
	f->head_bytes = (uint16_t)head;
	f->nsegs = 0;
	f->offload = (struct vswitch_offload){ 0 };
	if (a.piece->iov_len - a.in >= r.data_offset + head)
		copy_head(f->head, (const uint8_t *)a.piece->iov_base + a.in + r.data_offset, head);
	else
		at_copy(a, r.data_offset, f->head, head);
	if (unlikely(r.data_bytes > frame_bytes && !has_tag(f)))
		return RNDIS_FRAME_TOO_LONG;
	if (r.data_bytes > head)
		frame_add_segs(tx, f, a, r.data_offset + head, r.data_bytes - head);
	if (r.ppi_bytes) {
		why = frame_add_ppis(c->nic, f, a, &r);
		if (why)
			return why;
	}
	tx->num_frames++;
	*message_bytes = r.message_bytes;
	return RNDIS_OK;
}

static bool refuse_rndis(struct netvsp *nic, enum rndis_refusal why)
{
	nic->refused[why]++;
	hv_log_limited(&nic->log_limit, HV_LOG_WARNING, "%s: a frame's message is refused: %s", nic->name,
		       rndis_refusal_name(why));
	return false;
}

static bool refuse(struct netvsp *nic, enum netvsp_counter_id c)
{
	netvsp_count(nic, c);
	return false;
}

/* The stream's first message is no PACKET: a control request. It is copied as a whole. */
static bool take_control(struct netvsp *nic, const struct netvsp_stream *s)
{
	uint8_t message[NETVSP_CONTROL_MESSAGE_BYTES];
	struct rndis_header h;
	uint32_t n = s->bytes;

	at_copy((struct at){ s->piece, 0 }, 0, &h, sizeof(h));
	if (le32_get(h.length) < n)
		n = le32_get(h.length);
	if (n > sizeof(message))
		return refuse(nic, NETVSP_C_CONTROL_TOO_LONG);
	if (n < sizeof(h))
		return refuse_rndis(nic, RNDIS_BAD_LENGTH);
	at_copy((struct at){ s->piece, 0 }, 0, message, n);
	/* what was looked at above may differ from what was copied: the parser decides by the copy */
	return netvsp_control_request(nic, (struct rd){ message, n });
}

/* All frames of a stream, or the control request that it is. false: refused, and no frame of it stays. */
static bool take_stream(struct netvsp_channel *c, const struct netvsp_stream *s)
{
	struct at a = { s->piece, 0 };
	uint32_t left = s->bytes, message_bytes = 0;
	struct rndis_packet header;

	for (unsigned n = 0; left; n++) {
		const uint32_t have = left < sizeof(header) ? left : sizeof(header);
		enum rndis_refusal why;

		if (a.piece->iov_len - a.in >= sizeof(header))
			memcpy(&header, (const uint8_t *)a.piece->iov_base + a.in, sizeof(header));
		else
			at_copy(a, 0, &header, have);
		rd_fetched();
		if (have < sizeof(struct rndis_header))
			return refuse_rndis(c->nic, RNDIS_SHORT_HEADER);
		if (le32_get(header.type) != RNDIS_PACKET)
			return n ? refuse(c->nic, NETVSP_C_BATCH_MIXED) : take_control(c->nic, s);
		if (n == NETVSP_TX_MESSAGES)
			return refuse(c->nic, NETVSP_C_BATCH_TOO_LONG);
		if (have < sizeof(header))
			return refuse_rndis(c->nic, RNDIS_SHORT_HEADER);
		why = take_frame(c, a, &header, left, &message_bytes);
		if (unlikely(why))
			return refuse_rndis(c->nic, why);
		left -= message_bytes;
		if (left)
			at_advance(&a, message_bytes);
	}
	return true;
}

/* ---- packets ---- */

static void add_done(struct netvsp_channel *c, uint64_t transaction_id, bool wanted, uint32_t status)
{
	struct netvsp_tx *tx = &c->tx;

	c->nic->counter[NETVSP_C_TX_PACKETS]++;
	if (status != NVSP_STATUS_SUCCESS)
		netvsp_count(c->nic, NETVSP_C_TX_REFUSED);
	if (wanted)
		tx->done[tx->num_done++] = (struct netvsp_done){ transaction_id, status };
	else
		netvsp_count(c->nic, NETVSP_C_UNANSWERABLE);	/* an answer would be taken for another packet's */
}

static void take_packet(struct netvsp_channel *c, const struct netvsp_stream *s, uint64_t transaction_id, bool wanted)
{
	struct netvsp_tx *tx = &c->tx;
	const unsigned frames = tx->num_frames, segs = tx->num_segs;
	const bool good = s->bytes ? take_stream(c, s) : refuse(c->nic, NETVSP_C_NO_DATA);

	if (!good) {
		tx->num_frames = frames;
		tx->num_segs = segs;
	}
	add_done(c, transaction_id, wanted, good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAILURE);
}

/* No room for another packet's frames. */
static bool batch_full(const struct netvsp_tx *tx)
{
	return tx->num_frames >= VSWITCH_BATCH || tx->num_segs > NETVSP_TX_SEGS - NETVSP_TX_PACKET_SEGS ||
	       tx->num_done >= NETVSP_TX_DONE;
}

/* The send buffer may have gone since the job was checked. */
static void run_job(struct netvsp_channel *c, const struct netvsp_job *job)
{
	struct netvsp_stream *s = &c->tx.stream;

	s->n = 0;
	s->bytes = 0;
	if (c->nic->send.gpadl)
		stream_add_section(s, &c->nic->send, job->offset, job->bytes);
	take_packet(c, s, job->transaction_id, job->wants_completion);
}

static void run_jobs(struct netvsp_channel *c)
{
	struct netvsp_tx *tx = &c->tx;

	while (tx->job_at < tx->num_jobs && !batch_full(tx))
		run_job(c, &tx->job[tx->job_at++]);
	if (tx->job_at == tx->num_jobs)
		tx->job_at = tx->num_jobs = 0;
}

/* Where a section lies; false: it is not in the send buffer. */
static bool find_section(struct netvsp *nic, uint32_t section, uint32_t bytes, uint32_t *offset)
{
	const uint64_t from = (uint64_t)section * NVSP_SEND_SECTION_BYTES;

	if (!nic->send.gpadl || bytes > NVSP_SEND_SECTION_BYTES || from + bytes > nic->send.bytes)
		return false;
	*offset = (uint32_t)from;
	return true;
}

static void prefetch(const struct netvsp_buffer *b, uint32_t off)
{
	uint32_t n;
	const uint8_t *at = netvsp_buffer_at(b, off, &n);

	__builtin_prefetch(at);
	__builtin_prefetch(at + 64);	/* a header and 84 bytes of frame; past the end it does no harm */
}

static void add_job(struct netvsp_channel *c, const struct vmbus_packet *pkt, uint32_t offset, uint32_t bytes)
{
	struct netvsp_tx *tx = &c->tx;

	prefetch(&c->nic->send, offset);
	tx->job[tx->num_jobs++] = (struct netvsp_job){
		.transaction_id = pkt->transaction_id, .offset = offset, .bytes = bytes,
		.wants_completion = pkt->wants_completion,
	};
	if (tx->num_jobs == VSWITCH_BATCH)
		netvsp_tx_flush(c);
}

/* Forms B, C and D. */
static void take_direct(struct netvsp_channel *c, const struct vmbus_packet *pkt, uint32_t offset, uint32_t bytes)
{
	static const enum netvsp_counter_id why[] = {
		[RANGES_NO_MEMORY] = NETVSP_C_RANGES_NO_MEMORY,
		[RANGES_TOO_LONG] = NETVSP_C_STREAM_TOO_LONG,
	};
	struct netvsp_stream *s = &c->tx.stream;
	enum ranges ret = RANGES_OK;

	s->n = 0;
	s->bytes = 0;
	stream_add_section(s, &c->nic->send, offset, bytes);
	if (pkt->type == VMBUS_PKT_DATA_GPA_DIRECT)
		ret = stream_add_ranges(c, s, pkt);
	if (ret == RANGES_MALFORMED) {
		netvsp_fail(c->nic, NETVSP_C_RANGES_BAD, "a packet's ranges are malformed");
	} else if (ret) {
		netvsp_count(c->nic, why[ret]);
		add_done(c, pkt->transaction_id, pkt->wants_completion, NVSP_STATUS_FAILURE);
	} else {
		take_packet(c, s, pkt->transaction_id, pkt->wants_completion);
	}
	if (batch_full(&c->tx))
		netvsp_tx_flush(c);
}

bool netvsp_tx_packet(struct netvsp_channel *c, const struct vmbus_packet *pkt)
{
	struct rd payload = { pkt->payload, pkt->payload_bytes };
	struct netvsp *nic = c->nic;
	uint32_t section, bytes = 0, offset = 0;
	struct nvsp_rndis_packet m;
	bool in_section;

	if (!rd_copy(&payload, &m, sizeof(m))) {
		netvsp_fail(nic, NETVSP_C_NVSP_SHORT, "a SEND_RNDIS_PACKET is too short");
		return true;
	}
	section = le32_get(m.section);
	in_section = section != NVSP_NO_SECTION;
	if (in_section) {
		bytes = le32_get(m.section_bytes);
		if (!find_section(nic, section, bytes, &offset)) {
			netvsp_fail(nic, NETVSP_C_SECTION_BAD, "a section outside the send buffer");
			return true;
		}
	}
	if (le32_get(m.channel_type) > NVSP_CHANNEL_CONTROL) {
		netvsp_count(nic, NETVSP_C_CHANNEL_TYPE);
		add_done(c, pkt->transaction_id, pkt->wants_completion, NVSP_STATUS_FAILURE);
		if (batch_full(&c->tx))
			netvsp_tx_flush(c);
		return true;
	}
	if (in_section && pkt->type == VMBUS_PKT_DATA_INBAND) {
		add_job(c, pkt, offset, bytes);
		return true;
	}
	if (c->tx.num_jobs)
		netvsp_tx_flush(c);
	if (netvsp_channel_blocked(c))
		return false;
	take_direct(c, pkt, offset, bytes);
	return true;
}

/* ---- to the switch, and back to the guest ---- */

static void count_frames(struct netvsp_traffic *t, const struct vswitch_frame *f, unsigned n)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	t->frames += n;
	for (; n--; f++) {
		t->bytes += f->len;
		if (!(f->head[0] & 1))
			continue;
		if (!memcmp(f->head, broadcast, sizeof(broadcast))) {
			t->broadcast_frames++;
			t->broadcast_bytes += f->len;
		} else {
			t->multicast_frames++;
			t->multicast_bytes += f->len;
		}
	}
}

static void input(struct netvsp_channel *c)
{
	struct netvsp_tx *tx = &c->tx;
	struct netvsp *nic = c->nic;

	count_frames(&nic->to_host, tx->frame, tx->num_frames);
	for (unsigned i = 0; i < tx->num_frames; i += VSWITCH_BATCH) {
		const unsigned left = tx->num_frames - i, n = left < VSWITCH_BATCH ? left : VSWITCH_BATCH;

		tx->inputs++;
		if (!nic->port)
			nic->counter[NETVSP_C_TX_NO_PORT] += n;
		else if (vswitch_port_input(nic->port, &tx->frame_at[i], n))
			c->held = true;
	}
	if (c->held)
		netvsp_count(nic, NETVSP_C_TX_PAUSES);
	tx->num_frames = tx->num_segs = 0;
}

bool netvsp_tx_send_done(struct netvsp_channel *c)
{
	const uint32_t bytes = netvsp_message_bytes(c->nic);
	struct netvsp_tx *tx = &c->tx;
	struct {
		struct nvsp_rndis_packet_complete m;
		uint8_t padding[NVSP_MESSAGE_BYTES_6_1 - sizeof(struct nvsp_rndis_packet_complete)];
	} message = { .m.type = to_le32(NVSP_SEND_RNDIS_PACKET_COMPLETE) };
	unsigned n;
	int ret = 0;

	for (n = 0; n < tx->num_done; n++) {
		void *to;

		ret = vmbus_ring_reserve(c->out, 0, bytes, NULL, &to);
		if (ret)
			break;
		message.m.status = to_le32(tx->done[n].status);
		memcpy(to, &message, bytes);
		vmbus_ring_commit(c->out, VMBUS_PKT_COMPLETION, false, tx->done[n].transaction_id);
	}
	tx->num_done -= n;
	memmove(tx->done, tx->done + n, tx->num_done * sizeof(tx->done[0]));
	tx->stuck = tx->num_done;
	if (n)
		netvsp_channel_publish(c);
	if (ret && ret != -EAGAIN)
		netvsp_fail(c->nic, NETVSP_C_RING_CORRUPT, "the ring to the guest is corrupt");
	return n;
}

void netvsp_tx_flush(struct netvsp_channel *c)
{
	struct netvsp_tx *tx = &c->tx;

	do {
		run_jobs(c);
		if (tx->num_frames)
			input(c);
		if (tx->num_done)
			netvsp_tx_send_done(c);
	} while (tx->num_jobs && !netvsp_channel_blocked(c));
}

/* ---- life ---- */

void netvsp_tx_init(struct netvsp_tx *tx)
{
	for (unsigned i = 0; i < NETVSP_TX_FRAMES; i++)
		tx->frame_at[i] = &tx->frame[i];
}

unsigned netvsp_tx_reset(struct netvsp_tx *tx)
{
	const unsigned lost = tx->num_jobs - tx->job_at;

	tx->num_frames = tx->num_segs = tx->num_done = tx->num_jobs = tx->job_at = 0;
	tx->stuck = false;
	return lost;
}
