/* SPDX-License-Identifier: MIT */
/* What the library's files share; see softguest.h for the whole. */
#ifndef HVNET_SOFTGUEST_INTERNAL_H
#define HVNET_SOFTGUEST_INTERNAL_H

#include "softguest/softguest.h"
#include "vfio-user/vfio_user_client.h"
#include "vmbus/vmbus_client.h"

enum {
	PAGE_BYTES = 4096,
	FIRST_FREE_PAGE = 0x100000 / PAGE_BYTES,	/* below lie QEMU's ROM holes */
	PACKET_BYTES = 8192,				/* longest packet from the host that is read; Linux: 4624 */
	DIRECT_PAGES = SOFTGUEST_DIRECT_BYTES / PAGE_BYTES,
	MAX_VPS = 64,
};

/* Pages of guest RAM. */
struct pages {
	uint64_t gpa;
	uint8_t *host;
	size_t n;
};

struct softguest {
	struct vfuc *vfuc;		/* owned */
	struct vfuc_ram ram;		/* owned */
	struct vmbus_client *bus;	/* owned */
	uint8_t *used;			/* a byte per page of RAM */
	size_t npages, next_page;
	uint32_t vps;
	unsigned timeout_ms;
	uint32_t vmbus_version;		/* offered alone; 0: all */
	int error;			/* the connection is broken: why */
	bool answered, delivered, unloaded;	/* what the host said since it was last asked */
	uint32_t round;
	struct softguest_nic *nics[SOFTGUEST_NICS];	/* in order of offers, no holes */
	unsigned nnics;
	uint64_t interrupts;
};

struct softguest_nic {
	struct softguest *g;		/* borrowed: owns us */
	struct vmbus_client_channel *ch;	/* borrowed; NULL once the connection it belonged to is over */
	struct softguest_nic_opts opts;
	struct netvsc core;
	struct netvsc_out out;
	int error;			/* why the NIC cannot go on */
	bool rescinded, open;		/* open: rings are live */
	bool opening, closing;		/* a channel answer is awaited */
	bool mapping;			/* a GPADL answer is awaited */
	bool receive_mapped, send_mapped;
	uint32_t receive_handle, send_handle;
	struct pages control, receive, send, direct;

	/* data path */
	struct vmbus_ring_out *to_host;	/* while open */
	struct vmbus_ring_in *to_guest;
	struct netvsc_stats rx_stats, tx_stats;
	struct netvsc_tx tx;
	struct netvsc_slot *slots;	/* owned */
	struct netvsc_batch batch;
	uint16_t batch_slot;
	unsigned batch_frames;		/* at most this many in a packet; 0: what the host takes */
	uint64_t *owed;			/* owned: receive completions not yet sent, a FIFO */
	uint32_t owed_size, owed_head, owed_count;
	bool hold;
	bool tx_waits;			/* a packet found no room in the ring */
	uint64_t doorbells, tx_no_room, rx_packets, owed_max;
	uint8_t packet[PACKET_BYTES] __attribute__((aligned(64)));
};

/* guest.c */
int sg_pages_alloc(struct softguest *g, size_t n, struct pages *out);
void sg_pages_free(struct softguest *g, struct pages *p);

/* nic.c */
struct softguest_nic *sg_nic_create(struct softguest *g, struct vmbus_client_channel *ch);
/* Without a word to the host; the channel is gone or not ours any more. */
void sg_nic_destroy(struct softguest_nic *nic);
void sg_nic_opened(struct softguest_nic *nic, uint32_t status);
void sg_nic_closed(struct softguest_nic *nic);
void sg_nic_gpadl_created(struct softguest_nic *nic, uint32_t handle, uint32_t status);
void sg_nic_gpadl_torndown(struct softguest_nic *nic, uint32_t handle);
/* Carries out what the core wants; called after everything that may have changed it. */
void sg_nic_drive(struct softguest_nic *nic);

/* data.c */
int sg_data_start(struct softguest_nic *nic);
void sg_data_stop(struct softguest_nic *nic);
bool sg_data_poll(struct softguest_nic *nic);
/* Unmasks; false: there is something to do. */
bool sg_data_may_sleep(struct softguest_nic *nic);
void sg_data_awake(struct softguest_nic *nic);
/* Packets that were committed become visible, the host is rung if it sleeps. */
void sg_publish(struct softguest_nic *nic);
/* Commits the batch; false: no room, it stays. */
bool sg_commit_batch(struct softguest_nic *nic);
/* A section for a new batch. */
bool sg_begin_batch(struct softguest_nic *nic);

#endif
