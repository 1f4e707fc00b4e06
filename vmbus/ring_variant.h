/* SPDX-License-Identifier: MIT */
/*
 * For ring_barrier_test.c: ring.c once more, as RING_VARIANT, with its functions renamed so that several live in one
 * program. One inclusion per variant, so it has no guard (lint: included several times).
 */
#define RING_CAT2(a, b) a##_##b
#define RING_CAT(a, b) RING_CAT2(a, b)
#define vmbus_ring_out_move RING_CAT(RING_VARIANT, out_move)
#define vmbus_ring_out_init RING_CAT(RING_VARIANT, out_init)
#define ring_out_look RING_CAT(RING_VARIANT, out_look)
#define vmbus_ring_free RING_CAT(RING_VARIANT, free)
#define vmbus_ring_neglected RING_CAT(RING_VARIANT, neglected)
#define vmbus_ring_has_packet RING_CAT(RING_VARIANT, has_packet)
#define vmbus_ring_reserve RING_CAT(RING_VARIANT, reserve)
#define vmbus_ring_commit RING_CAT(RING_VARIANT, commit)
#define vmbus_ring_write RING_CAT(RING_VARIANT, write)
#define vmbus_ring_publish RING_CAT(RING_VARIANT, publish)
#define vmbus_ring_wait_for_space RING_CAT(RING_VARIANT, wait_for_space)
#define vmbus_ring_stop_waiting RING_CAT(RING_VARIANT, stop_waiting)
#define vmbus_ring_in_move RING_CAT(RING_VARIANT, in_move)
#define vmbus_ring_in_init RING_CAT(RING_VARIANT, in_init)
#define ring_in_look RING_CAT(RING_VARIANT, in_look)
#define vmbus_ring_next RING_CAT(RING_VARIANT, next)
#define vmbus_ring_release RING_CAT(RING_VARIANT, release)
#define vmbus_ring_mask RING_CAT(RING_VARIANT, mask)
#define vmbus_ring_unmask RING_CAT(RING_VARIANT, unmask)

#include "vmbus/ring.c"

static const struct variant RING_VARIANT = {
	RING_CAT(RING_VARIANT, publish), RING_CAT(RING_VARIANT, unmask),
	RING_CAT(RING_VARIANT, wait_for_space), RING_CAT(RING_VARIANT, release),
};

#undef vmbus_ring_out_move
#undef vmbus_ring_out_init
#undef ring_out_look
#undef vmbus_ring_free
#undef vmbus_ring_neglected
#undef vmbus_ring_has_packet
#undef vmbus_ring_reserve
#undef vmbus_ring_commit
#undef vmbus_ring_write
#undef vmbus_ring_publish
#undef vmbus_ring_wait_for_space
#undef vmbus_ring_stop_waiting
#undef vmbus_ring_in_move
#undef vmbus_ring_in_init
#undef ring_in_look
#undef vmbus_ring_next
#undef vmbus_ring_release
#undef vmbus_ring_mask
#undef vmbus_ring_unmask
#undef VMBUS_FENCE_PUBLISH
#undef VMBUS_FENCE_UNMASK
#undef VMBUS_FENCE_WAIT_SPACE
#undef VMBUS_FENCE_RELEASE
#undef RING_VARIANT
#undef RING_CAT
#undef RING_CAT2
