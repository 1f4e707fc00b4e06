/* SPDX-License-Identifier: MIT */
/*
 * What the files of e1000/ share: the core, a chip without a bus. core.c has the theory of operation.
 */
#ifndef HVNET_E1000_INTERNAL_H
#define HVNET_E1000_INTERNAL_H

#include <string.h>
#include <sys/uio.h>

#include "base/checksum.h"
#include "e1000/e1000.h"
#include "e1000/e1000_hw.h"

enum {
	/* Our policy, all of them: bounds of the work of one wake-up, and of our memory. */
	E1000_TX_FETCH = 64,		/* descriptors that are copied at once */
	E1000_TX_PREFETCH = 6,		/* buffers that are asked for ahead of their turn */
	E1000_TX_POLL_DESCS = 512,	/* … and worked on per poll */
	E1000_TX_POLL_FRAMES = 128,	/* frames or segments made here per poll */
	E1000_TX_PIECES = 64,		/* contiguous pieces of guest memory of a frame in assembly; more are copied */
	E1000_TX_SEGS = 512,
	E1000_TX_ARENA_BYTES = 128 * 1024,
	E1000_TX_GATHER_BYTES = 65536 + 256,
	E1000_TX_WRITE_BACKS = 256,
	E1000_TSO_WHOLE_HEADER_MAX = VSWITCH_HEAD_BYTES - 4,	/* of what the switch cuts; a tag has to fit in */
	E1000_RX_DESCS = 128,		/* of one frame: 64 of 256 bytes hold the longest, the rest may be empty */
	E1000_RX_PIECES = 2 * E1000_RX_DESCS,
	E1000_RX_DRAIN_FRAMES = 128,	/* queued frames that are delivered per poll */
	E1000_RX_CACHE = 64,		/* descriptors of the on-chip cache (3.2.4) */
	E1000_EEPROM_STATES = 6,
};

/* ---- counters ---- */

#define E1000_COUNTERS(X) \
	X(E1000_C_INTERRUPTS, "interrupts") \
	X(E1000_C_REG_READS, "register-reads") \
	X(E1000_C_REG_WRITES, "register-writes") \
	X(E1000_C_REG_UNKNOWN, "register-unknown") \
	X(E1000_C_REG_WIDTH, "register-bad-width") \
	X(E1000_C_IO_REFUSED, "io-bar-refused") \
	X(E1000_C_RESETS, "resets") \
	X(E1000_C_LINK_CHANGES, "link-changes") \
	X(E1000_C_TX_FRAMES, "to-wire-frames") \
	X(E1000_C_TX_BYTES, "to-wire-bytes") \
	X(E1000_C_TX_TSO, "to-wire-large-sends") \
	X(E1000_C_TX_TSO_SOFT, "to-wire-large-sends-cut-here") \
	X(E1000_C_TX_COPIED, "to-wire-copied") \
	X(E1000_C_TX_DOORBELLS, "to-wire-doorbells") \
	X(E1000_C_TX_PAUSES, "to-wire-pauses") \
	X(E1000_C_TX_NO_LINK, "to-wire-no-link") \
	X(E1000_C_TX_RING_BAD, "to-wire-ring-bad") \
	X(E1000_C_TX_RING_DMA, "to-wire-ring-not-in-memory") \
	X(E1000_C_TX_DMA, "to-wire-buffer-not-in-memory") \
	X(E1000_C_TX_MIXED, "to-wire-mixed-descriptors") \
	X(E1000_C_TX_CONTEXT, "to-wire-context-inside-frame") \
	X(E1000_C_TX_TYPE, "to-wire-reserved-type") \
	X(E1000_C_TX_TOO_LONG, "to-wire-too-long") \
	X(E1000_C_TX_TOO_SHORT, "to-wire-too-short") \
	X(E1000_C_TX_TSO_BAD, "to-wire-bad-large-send") \
	X(E1000_C_TX_CSUM_SKIPPED, "to-wire-checksum-out-of-frame") \
	X(E1000_C_TX_ABANDONED, "to-wire-abandoned") \
	X(E1000_C_RX_FRAMES, "from-wire-frames") \
	X(E1000_C_RX_BYTES, "from-wire-bytes") \
	X(E1000_C_RX_QUEUED, "from-wire-queued") \
	X(E1000_C_RX_CONGESTED, "from-wire-congested") \
	X(E1000_C_RX_DISABLED, "from-wire-disabled") \
	X(E1000_C_RX_LOOPBACK, "from-wire-in-loopback") \
	X(E1000_C_RX_NO_LINK, "from-wire-no-link") \
	X(E1000_C_RX_FILTERED, "from-wire-filtered") \
	X(E1000_C_RX_PAUSE_FRAMES, "from-wire-pause-frames") \
	X(E1000_C_RX_TOO_LONG, "from-wire-too-long") \
	X(E1000_C_RX_MISSED, "from-wire-missed") \
	X(E1000_C_RX_RING_BAD, "from-wire-ring-bad") \
	X(E1000_C_RX_RING_DMA, "from-wire-ring-not-in-memory") \
	X(E1000_C_RX_DMA, "from-wire-buffer-not-in-memory") \
	X(E1000_C_RX_EMPTY_BUFFERS, "from-wire-only-empty-buffers") \
	X(E1000_C_LOOPED, "looped-back") \
	X(E1000_C_LOOP_LOST, "looped-back-lost") \
	X(E1000_C_RESTORE_REFUSED, "restore-refused")

enum e1000_counter_id {
#define E1000_NAME(name, text) name,
	E1000_COUNTERS(E1000_NAME)
#undef E1000_NAME
	E1000_NUM_COUNTERS
};

/* ---- what the core stands on ---- */

enum e1000_timer {
	E1000_TIMER_ITR,	/* the next interrupt may be raised */
	E1000_TIMER_TIDV, E1000_TIMER_TADV,
	E1000_TIMER_RDTR, E1000_TIMER_RADV,
	E1000_TIMER_AN,		/* autonegotiation is done */
	E1000_TIMERS
};

/* All run inside calls into the core, on the same thread; none may call into the core. */
struct e1000_core_ops {
	uint64_t (*now_ns)(void *opaque);
	/*
	 * Host memory of guest physical [address, address + *bytes), *bytes > 0, or of its first part: then *bytes is
	 * less on return. NULL: not there, or not with that right. Good until the core's caller returns.
	 */
	void *(*dma)(void *opaque, uint64_t address, uint32_t *bytes, bool write);
	/* The level of the interrupt. */
	void (*irq)(void *opaque, bool high);
	/* e1000_core_timer() is to be called at that time; 0: no more. */
	void (*timer)(void *opaque, uint64_t deadline_ns);
	/* e1000_core_poll() has something to do. */
	void (*kick)(void *opaque);
	/* n ≤ VSWITCH_BATCH frames onto the wire; true: pause until e1000_core_resume(). */
	bool (*send)(void *opaque, struct vswitch_frame *const *frames, unsigned n);
	/* A frame that e1000_core_receive() has taken is lost after all, for that reason. */
	void (*lost)(void *opaque, enum vswitch_drop reason);
};

/* ---- transmit ---- */

struct e1000_tx_context {	/* 3.3.6, 3.5 */
	uint8_t ipcss, ipcso, tucss, tucso, hdrlen;
	uint16_t ipcse, tucse, mss;
	uint32_t paylen;
	bool tcp, ip;
};

enum e1000_tx_kind {
	E1000_TX_NONE,		/* between frames */
	E1000_TX_LEGACY,
	E1000_TX_DATA,
	E1000_TX_TSO,
};

/*
 * The frame in assembly: what came with its first descriptor, and its bytes so far: first those in gather[], then pieces of
 * guest memory, which are only there inside a poll. Of a TSO frame the header is apart, and the bytes are
 * payload that was not sent yet.
 */
struct e1000_tx_frame {
	enum e1000_tx_kind kind;
	bool bad;		/* goes nowhere; its descriptors are consumed up to EOP */
	bool ixsm, txsm, vle, ifcs;
	uint16_t tci;
	/* TSO */
	struct e1000_tx_context tso;	/* a copy: later contexts do not change it */
	bool soft;		/* cut here, not by the switch */
	uint8_t header_bytes;	/* so far */
	uint32_t sent_bytes;	/* payload */
	uint32_t sent_segments;

	bool surplus;		/* there were bytes beyond PAYLEN */

	uint32_t bytes;		/* not sent: gathered and in pieces */
	uint32_t gather_at, gathered;	/* in gather[] */
	unsigned first_piece, num_pieces;
	/* not cleared for every frame: a third of its cost */
	uint8_t header[E1000_TSO_HEADER_MAX];
	struct iovec piece[E1000_TX_PIECES];
};

struct e1000_tx_batch {
	unsigned num_frames, num_segs, num_write_backs;
	uint32_t arena_used;
	uint32_t gather_used;	/* bytes of gather[] that frames name lie before this */
	unsigned open;		/* write-backs before this one are not the frame's in assembly */
	bool delays;		/* a descriptor with IDE was seen */
	uint32_t write_back[E1000_TX_WRITE_BACKS];	/* ring index; bit 31: IDE */
	struct vswitch_frame *frame_at[VSWITCH_BATCH];
	struct vswitch_frame frame[VSWITCH_BATCH];
	struct iovec seg[E1000_TX_SEGS];
};

struct e1000_tx {
	bool paused;		/* the switch said so */
	bool stuck;		/* the ring is in error until one of its registers is written */
	/* A data descriptor whose bytes are used up in part: TDH stays on it. */
	bool partial;
	uint32_t partial_offset;
	struct e1000_tx_desc partial_desc;
	struct e1000_tx_context checksum, tso;
	struct e1000_tx_frame frame;
	unsigned made;		/* frames of this poll */
	struct e1000_tx_batch batch;
	uint8_t *gather;	/* owned, E1000_TX_GATHER_BYTES */
	uint8_t *arena;		/* owned, E1000_TX_ARENA_BYTES: frames that are made here */
};

/* ---- receive ---- */

enum e1000_rx_flags {
	E1000_RX_TAGGED = 1,	/* tci is a tag that is not in the bytes */
	E1000_RX_CSUM_VALID = 2,
	E1000_RX_PIF = 4,	/* passed through the multicast table alone */
	E1000_RX_LOOPED = 8,	/* our own */
	E1000_RX_FLAGS = 15,
};

/* A frame on its way to the guest: pieces without tag, padding and FCS. */
struct e1000_rx_frame {
	uint32_t len;
	uint16_t tci;
	uint8_t flags;			/* enum e1000_rx_flags */
	uint16_t head_bytes;		/* at least min(len, 18), and the whole if it fits into VSWITCH_HEAD_BYTES */
	const uint8_t *head;		/* private */
	const struct iovec *segs;	/* the rest */
	unsigned nsegs;
};

struct e1000_rx {
	uint32_t fetched;	/* on a small ring: descriptors lent to us, though RDH may be RDT */
	bool above;		/* more free descriptors than RDMTS says: RXDMT0 is armed */
	bool delivered;		/* frames since the last RXT0 or start of its timers */
	bool small;		/* … one of them small (RSRPD) */
	bool low, overrun;	/* RXDMT0, RXO are to be raised */
	/* FIFO: records one after another in a circle */
	uint8_t *fifo;		/* owned */
	uint32_t fifo_size;	/* bytes of memory */
	uint32_t fifo_limit;	/* … that may be used, since the last reset */
	uint32_t fifo_head, fifo_used;
	uint32_t fifo_frames;
	uint32_t fifo_orphans;	/* the first of them, which came with a restored state: no port knows them */
};

/* ---- the core ---- */

struct e1000_pair {		/* a 64-bit counter, read in halves */
	uint64_t value;
	uint64_t latched;	/* what a read of the low half saw */
	bool is_latched;
};

enum e1000_pair_id { E1000_PAIR_GORC, E1000_PAIR_GOTC, E1000_PAIR_TOR, E1000_PAIR_TOT, E1000_PAIRS };

struct e1000_eeprom {
	uint16_t word[E1000_EEPROM_WORDS];
	bool writable;		/* EWEN */
	uint8_t state;		/* enum in eeprom.c */
	uint8_t opcode, address, bits;
	bool commit;		/* a write is complete and waits for CS to fall */
	uint16_t shift;
	bool out;		/* DO */
};

struct e1000_phy {
	uint16_t reg[E1000_PHY_REGISTERS];
	bool wire_up;		/* the cable */
	bool an_done;
	bool link_latch;	/* BMSR's: link has not been down since the last read */
	bool held;		/* CTRL.PHY_RST */
};

struct e1000_core {
	const struct e1000_core_ops *ops;	/* borrowed */
	void *opaque;
	enum e1000_model model;
	uint8_t mac_address[6];
	bool bus_master;
	bool frozen;		/* restored; deadline[] counts from 0 until something happens */
	bool link_up;		/* STATUS.LU as last told */

	uint32_t reg[E1000_REGISTERS_END / 4];	/* by offset; what is computed is not in here */
	uint32_t io_address;
	struct e1000_pair pair[E1000_PAIRS];
	struct e1000_eeprom eeprom;
	struct e1000_phy phy;

	bool irq_level;
	bool irq_ever;		/* last_irq_ns means something */
	uint64_t last_irq_ns;
	uint64_t deadline_ns[E1000_TIMERS];	/* 0: not running */
	uint64_t told_deadline_ns;

	struct e1000_tx tx;
	struct e1000_rx rx;
	uint32_t port_queue_bytes;	/* room beyond the chip's FIFO: the switch's queue to its port */
	uint64_t counter[E1000_NUM_COUNTERS];
};

static inline void e1000_count(struct e1000_core *c, enum e1000_counter_id id)
{
	c->counter[id]++;
}

static inline uint32_t e1000_reg(const struct e1000_core *c, uint32_t offset)
{
	return c->reg[offset / 4];
}

static inline void e1000_reg_set(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	c->reg[offset / 4] = value;
}

/* ---- core.c ---- */

/* port_queue_bytes: frames beyond the chip's own FIFO that are kept for a guest without descriptors. -ENOMEM. */
int e1000_core_init(struct e1000_core *c, enum e1000_model model, const uint8_t mac[6], uint32_t port_queue_bytes,
		    const struct e1000_core_ops *ops, void *opaque) __attribute__((warn_unused_result));
void e1000_core_fini(struct e1000_core *c);
/* Does a bounded portion of work; false: there was nothing to do, and a kick says when there is. */
bool e1000_core_poll(struct e1000_core *c);
/* The switch takes frames again. */
void e1000_core_resume(struct e1000_core *c);
void e1000_core_set_bus_master(struct e1000_core *c, bool on);
/* Guest memory has changed: rings that were not in memory may be now. */
void e1000_core_memory_changed(struct e1000_core *c);
/* Every way in calls this first: time goes on after a restore. */
void e1000_core_thaw(struct e1000_core *c);
const char *e1000_counter_name(enum e1000_counter_id id);

/* ---- regs.c ---- */

/* BAR 0; size_bytes 1, 2, 4 or 8, offset aligned to it and inside the BAR. */
uint64_t e1000_core_read(struct e1000_core *c, uint32_t offset, unsigned size_bytes);
void e1000_core_write(struct e1000_core *c, uint32_t offset, unsigned size_bytes, uint64_t value);

struct e1000_reg_row {
	uint32_t offset;
	const char *name;
	uint32_t readable, writable, reset;
	uint32_t (*on_read)(struct e1000_core *c, uint32_t offset);
	void (*on_write)(struct e1000_core *c, uint32_t offset, uint32_t value);
	uint16_t count, stride;	/* an array: so many, so many bytes apart; count 0 means 1 */
	uint8_t absent;		/* bits 1 << model */
	uint8_t keep;		/* enum e1000_reg_keep */
};
enum e1000_reg_keep {
	E1000_KEEP_RESET = 1,	/* survives CTRL.RST */
};
extern const struct e1000_reg_row e1000_reg_rows[];
extern const unsigned e1000_num_reg_rows;
/* The row that answers at an offset (a multiple of 4) on this model, and the offset that it stands for; or NULL. */
const struct e1000_reg_row *e1000_reg_find(enum e1000_model model, uint32_t offset, uint32_t *real);
/* A plain store: the writable bits. */
void e1000_reg_store(struct e1000_core *c, uint32_t offset, uint32_t value);
/* All registers to their reset values; power_on: also those that survive CTRL.RST. */
void e1000_regs_reset(struct e1000_core *c, bool power_on);

/* ---- io_bar.c ---- */
uint64_t e1000_core_io_read(struct e1000_core *c, uint32_t offset, unsigned size_bytes);
void e1000_core_io_write(struct e1000_core *c, uint32_t offset, unsigned size_bytes, uint64_t value);

/* ---- reset.c ---- */
void e1000_core_power_on(struct e1000_core *c);		/* device reset */
void e1000_ctrl_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_ctrl_ext_write(struct e1000_core *c, uint32_t offset, uint32_t value);
uint32_t e1000_status_read(struct e1000_core *c, uint32_t offset);

void e1000_pba_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_wuc_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_wus_write(struct e1000_core *c, uint32_t offset, uint32_t value);

/* ---- eeprom.c ---- */
uint16_t e1000_device_id(enum e1000_model model);
uint16_t e1000_subsystem_id(enum e1000_model model);
void e1000_eeprom_init(struct e1000_core *c);		/* contents, from model and address */
void e1000_eeprom_idle(struct e1000_eeprom *e);
void e1000_eeprom_load(struct e1000_core *c);		/* RA[0] from its words */
uint32_t e1000_eecd_read(struct e1000_core *c, uint32_t offset);
void e1000_eecd_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_eerd_write(struct e1000_core *c, uint32_t offset, uint32_t value);

/* ---- phy.c ---- */
void e1000_phy_reset(struct e1000_core *c);
void e1000_phy_hold(struct e1000_core *c, bool held);	/* CTRL.PHY_RST */
bool e1000_phy_link(const struct e1000_core *c);
bool e1000_phy_loopback(const struct e1000_core *c);
/* Resolved: 10, 100, 1000. */
void e1000_phy_speed(const struct e1000_core *c, uint32_t *mbps, bool *full_duplex);
void e1000_phy_an_done(struct e1000_core *c);
void e1000_mdic_write(struct e1000_core *c, uint32_t offset, uint32_t value);
/* The cable. */
void e1000_core_set_wire(struct e1000_core *c, bool up);
/* After a restore: the cable is the host's, and may be in or out now, unlike when the state was saved. */
void e1000_phy_thaw(struct e1000_core *c);
/* After anything that STATUS.LU depends on. */
void e1000_link_update(struct e1000_core *c);
/* Registers that nobody writes, for save.c's checks. */
uint16_t e1000_phy_writable(unsigned reg);

/* ---- irq.c ---- */
void e1000_irq_cause(struct e1000_core *c, uint32_t causes);
void e1000_irq_update(struct e1000_core *c);
void e1000_irq_reset(struct e1000_core *c);
uint32_t e1000_icr_read(struct e1000_core *c, uint32_t offset);
void e1000_icr_write(struct e1000_core *c, uint32_t offset, uint32_t value);
uint32_t e1000_ics_read(struct e1000_core *c, uint32_t offset);
void e1000_ics_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_ims_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_imc_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_itr_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_rdtr_write(struct e1000_core *c, uint32_t offset, uint32_t value);
/* Descriptors were written back; which of them asked for a delay. */
void e1000_irq_transmitted(struct e1000_core *c, bool now, bool late, bool reload);
/* Frames were delivered, one of them small. */
void e1000_irq_received(struct e1000_core *c, bool small);
/* Runs what is due. */
void e1000_core_timer(struct e1000_core *c);
void e1000_timer_start(struct e1000_core *c, enum e1000_timer t, uint64_t delay_ns);
void e1000_timer_stop(struct e1000_core *c, enum e1000_timer t);
/* Tells the owner of the earliest deadline, if it has changed. */
void e1000_timers_tell(struct e1000_core *c);

/* ---- stats.c ---- */
uint32_t e1000_stat_read(struct e1000_core *c, uint32_t offset);
uint32_t e1000_pair_low_read(struct e1000_core *c, uint32_t offset);
uint32_t e1000_pair_high_read(struct e1000_core *c, uint32_t offset);
void e1000_stat_add(struct e1000_core *c, uint32_t offset, uint32_t n);
void e1000_pair_add(struct e1000_core *c, enum e1000_pair_id p, uint64_t n);
void e1000_stats_reset(struct e1000_core *c);
/* n frames of so many bytes with FCS were sent; head: the destination. */
void e1000_stats_sent(struct e1000_core *c, const uint8_t *head, uint32_t bytes, uint32_t n);
void e1000_stats_seen(struct e1000_core *c, uint32_t bytes);		/* on the wire */
void e1000_stats_received(struct e1000_core *c, const uint8_t *head, uint32_t bytes);

/* ---- dma.c ---- */
bool e1000_dma_read(struct e1000_core *c, uint64_t address, void *dst, uint32_t n);
/* The pieces of [address, address + n); false if a part is not there or there are more than max. *used goes up. */
bool e1000_dma_pieces(struct e1000_core *c, uint64_t address, uint32_t n, bool write, struct iovec *piece,
		      unsigned max, unsigned *used);

/* ---- checksum.c ---- */
/*
 * What the chip's inserter does with bytes [start, end] (end 0: up to the last) of a frame in memory: the complement of
 * their sum goes to offset at. false: not inside the frame, nothing done.
 */
bool e1000_insert_checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t end, uint32_t at, bool never_zero);
/* CRC-32 as in the FCS: begin with 0, continue with the last result. */
uint32_t e1000_crc32(uint32_t crc, const void *data, size_t n);

/* ---- tx.c, tx_frame.c, tso.c ---- */
void e1000_tx_reset(struct e1000_core *c);
bool e1000_tx_poll(struct e1000_core *c);
bool e1000_tx_has_work(const struct e1000_core *c);
void e1000_tctl_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_tx_ring_write(struct e1000_core *c, uint32_t offset, uint32_t value);	/* TDBAL, TDBAH, TDLEN */
void e1000_tdh_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_tdt_write(struct e1000_core *c, uint32_t offset, uint32_t value);
/* Sends the batch, writes descriptors back. */
void e1000_tx_flush(struct e1000_core *c);
bool e1000_tx_looped(const struct e1000_core *c);
/* Of one poll. */
bool e1000_tx_made_enough(const struct e1000_core *c);

void e1000_tx_frame_begin(struct e1000_core *c, const struct e1000_tx_desc *d, enum e1000_tx_kind kind);
/* bytes of a descriptor's buffer; false: they must wait until the batch is sent, *offset says how many were taken. */
bool e1000_tx_frame_add(struct e1000_core *c, uint64_t address, uint32_t bytes, uint32_t *offset);
void e1000_tx_frame_end(struct e1000_core *c, const struct e1000_tx_desc *last);
/* bytes at an address join the frame; if they are not in memory it is bad. */
void e1000_tx_add_bytes(struct e1000_core *c, uint64_t address, uint32_t n);
/* There is a wire, or a loop. */
bool e1000_tx_may_send(struct e1000_core *c);
void e1000_tx_frame_drop(struct e1000_core *c);
void e1000_tx_frame_bad(struct e1000_core *c, enum e1000_counter_id why);
/* Copies the pieces of guest memory, so that they are not needed any more. */
void e1000_tx_frame_gather(struct e1000_core *c);

/* A frame of the batch whose first bytes are head; the rest is added as segs. Makes room by sending if need be. */
struct vswitch_frame *e1000_tx_new_frame(struct e1000_core *c, unsigned segs);
/* n bytes of the arena; room is made by sending. n ≤ E1000_FRAME_MAX_BYTES + 256. */
uint8_t *e1000_tx_arena(struct e1000_core *c, uint32_t n);
/* A finished frame in the arena goes to the batch or round the loop. */
void e1000_tx_emit_made(struct e1000_core *c, uint8_t *bytes, uint32_t len, bool tagged, uint16_t tci);
/* Takes n bytes of the frame's front: to memory, or as pieces. */
void e1000_tx_take_copy(struct e1000_core *c, uint8_t *dst, uint32_t n);
unsigned e1000_tx_take_pieces(struct e1000_core *c, uint32_t n, struct iovec *out);

bool e1000_tso_valid(const struct e1000_core *c, const struct e1000_tx_frame *f);
bool e1000_tso_add(struct e1000_core *c, uint64_t address, uint32_t bytes, uint32_t *offset);
void e1000_tso_end(struct e1000_core *c);
/* Payload bytes that are sent at once. */
uint32_t e1000_tso_portion_bytes(const struct e1000_tx_frame *f);

/* ---- rx.c, fifo.c, filter.c, rx_checksum.c ---- */
void e1000_rx_reset(struct e1000_core *c);
void e1000_rctl_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_rx_ring_write(struct e1000_core *c, uint32_t offset, uint32_t value);	/* RDBAL, RDBAH, RDLEN */
void e1000_rdh_write(struct e1000_core *c, uint32_t offset, uint32_t value);
void e1000_rdt_write(struct e1000_core *c, uint32_t offset, uint32_t value);
/* A frame from the switch. VSWITCH_DROPS: delivered or kept. e1000_core_received() follows a batch. */
enum vswitch_drop e1000_core_receive(struct e1000_core *c, const struct vswitch_frame *f);
void e1000_core_received(struct e1000_core *c);
/* A frame of our own that comes back; whole, without tag metadata. */
void e1000_rx_loop(struct e1000_core *c, const uint8_t *bytes, uint32_t len);
bool e1000_rx_drain(struct e1000_core *c);
bool e1000_rx_can_drain(const struct e1000_core *c);
/* Descriptors that are ours. */
uint32_t e1000_rx_free(const struct e1000_core *c);
uint32_t e1000_rx_ring_size(const struct e1000_core *c);
uint32_t e1000_rx_buffer_bytes(const struct e1000_core *c);

/* false: no room. */
bool e1000_fifo_put(struct e1000_core *c, const struct e1000_rx_frame *f);
bool e1000_fifo_peek(struct e1000_core *c, struct e1000_rx_frame *f, struct iovec segs[2], uint8_t head[VSWITCH_HEAD_BYTES]);
/* The first frame leaves. why: it is lost; VSWITCH_DROPS: delivered. */
void e1000_fifo_pop(struct e1000_core *c, enum vswitch_drop why);
/* All are lost; the FIFO is as large as PBA says from now on. */
void e1000_fifo_clear(struct e1000_core *c, enum vswitch_drop why);

enum e1000_filter { E1000_FILTER_DROP, E1000_FILTER_EXACT, E1000_FILTER_IMPERFECT };
enum e1000_filter e1000_filter_address(const struct e1000_core *c, const uint8_t *destination);
bool e1000_filter_vlan(const struct e1000_core *c, uint16_t tci);
bool e1000_filter_is_station(const struct e1000_core *c, const uint8_t *address);

/* Status and error bits of 9.6. strip: the bytes hold a tag that the guest will not see. */
void e1000_rx_checksum(const struct e1000_core *c, const struct e1000_rx_frame *f, uint8_t *status, uint8_t *errors);

/* ---- save.c ---- */
int e1000_core_save(struct e1000_core *c, uint8_t **blob, size_t *bytes) __attribute__((warn_unused_result));
int e1000_core_restore(struct e1000_core *c, const uint8_t *blob, size_t bytes) __attribute__((warn_unused_result));

#endif
