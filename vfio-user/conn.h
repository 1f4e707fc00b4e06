/* SPDX-License-Identifier: MIT */
/*
 * A connection: bytes and descriptors come in, whole messages go to vfu_request(); replies and
 * our own requests go out through a bounded queue. Knows framing, nothing of what messages mean.
 *
 * Input is read in large pieces, so a burst of posted writes costs one system call. The kernel
 * ends such a piece behind a segment that carries descriptors: they belong to the last message
 * that begins in the piece.
 *
 * Nothing is destroyed in the middle of its own work: a fault marks the connection as closing
 * (vfu_conn_drop) and the next call from the loop tears it down.
 */
#ifndef HVNET_VFIO_USER_CONN_H
#define HVNET_VFIO_USER_CONN_H

#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/loop.h"
#include "vfio-user/stats.h"
#include "vfio-user/vfio_user_wire.h"

struct vfu_dev;

#define VFU_HANDSHAKE_NS UINT64_C(3000000000)	/* our policy; QEMU sends VERSION at once */

enum {
	VFU_CONN_IN_BYTES = (VFU_MAX_MESSAGE + 4095) & ~4095,
	VFU_CONN_OUT_LIMIT = 1 << 20,	/* queued bytes; far more than one client's honest requests need */
	VFU_CONN_BUDGET = 256,		/* messages per call from the loop */
};

struct vfu_fds {			/* descriptors that came in, owned */
	int fd[VFU_MAX_FDS];
	unsigned n;
	uint64_t owner;			/* stream position of their message's first byte */
};

struct vfu_out {
	STAILQ_ENTRY(vfu_out) link;
	size_t bytes, sent;
	uint8_t data[];
};

struct vfu_conn {
	TAILQ_ENTRY(vfu_conn) link;
	struct vfu_dev *dev;		/* borrowed: ends its connections before itself */
	struct vfu_stats *stats;	/* borrowed: the function's */
	struct hv_loop *loop;		/* borrowed: outlives the function */
	int fd;				/* owned */
	pid_t pid;			/* of the peer */
	uid_t uid;
	bool negotiated;		/* VERSION agreed: the function's client */
	bool closing;
	struct hv_watch watch;
	struct hv_timer handshake;	/* VERSION is due */
	struct hv_timer again;		/* work is left over, or the connection is closing */

	uint8_t *in;			/* owned, VFU_CONN_IN_BYTES */
	size_t in_bytes, in_done;	/* in the buffer; of these done with */
	uint64_t in_position;		/* of in[0] in the stream */
	/* [0]: of the message that is not complete yet; [1]: of one that begins behind it. */
	struct vfu_fds fds[2];

	STAILQ_HEAD(, vfu_out) out;	/* owned; what the socket did not take */
	size_t out_bytes;
};

struct vfu_message {			/* one whole message, for the time of the call */
	uint16_t id, command;
	uint32_t size, flags, error;
	const uint8_t *payload;		/* private copy */
	size_t payload_bytes;
	struct vfu_fds *fds;		/* who keeps one puts -1 in its place; the rest is closed */
};

/* Takes fd over, also on failure. */
int vfu_conn_create(struct vfu_dev *dev, struct hv_loop *loop, struct vfu_stats *stats, int fd,
		    struct vfu_conn **out) __attribute__((warn_unused_result));
/* Closes and frees; says nothing to the function. */
void vfu_conn_destroy(struct vfu_conn *c);
/* Counts why and has the connection torn down from the loop. No further message is handled. */
void vfu_conn_drop(struct vfu_conn *c, enum vfu_counter why);
/* The same without a reason to count: the peer left, or was told no. */
void vfu_conn_close(struct vfu_conn *c);
/* Has the peer hung up, whether the loop has come to that yet or not? */
bool vfu_conn_peer_left(const struct vfu_conn *c);

/* Sends one message made of n pieces. Never blocks; a client that does not read is dropped. */
void vfu_conn_send(struct vfu_conn *c, const struct iovec *iov, unsigned n);
/* A reply to m: payload, or a bare header with errno -error if error is not 0. */
void vfu_conn_reply(struct vfu_conn *c, const struct vfu_message *m, int error,
		    const void *payload, size_t n);

/*
 * What came from the socket: n bytes and descriptors, which are taken over. The bytes must fit
 * behind what is in the buffer. For the fuzz target too.
 */
void vfu_conn_feed(struct vfu_conn *c, const uint8_t *bytes, size_t n, const int *fds,
		   unsigned num_fds);

#endif
