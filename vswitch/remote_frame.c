/* SPDX-License-Identifier: MIT */
#include "vswitch/remote_frame.h"

#include <string.h>

#include "base/rd.h"
#include "vswitch/vswitch.h"

void remote_rings(struct remote_memory *memory, struct remote_ring *to_program, struct remote_ring *to_host)
{
	*to_program = (struct remote_ring){ &memory->to_program, memory->to_program_data, REMOTE_TO_PROGRAM_BYTES, 0 };
	*to_host = (struct remote_ring){ &memory->to_host, memory->to_host_data, REMOTE_TO_HOST_BYTES, 0 };
}

uint32_t remote_frame_bytes(const struct vswitch_frame *f)
{
	return remote_ring_round((uint32_t)sizeof(struct remote_frame) + f->len);
}

void remote_frame_put(uint8_t *to, const struct remote_frame *about, const struct vswitch_frame *f)
{
	const struct remote_frame header = {
		.record = { remote_frame_bytes(f), about->record.type },
		.token = about->token,
		.port = about->port,
		.len = f->len,
		.source = f->source,
		.vlan = f->vlan,
		.member = f->member,
		.egress = about->egress,
		.offload = f->offload,
	};

	memcpy(to, &header, sizeof(header));
	vswitch_frame_copy(f, 0, to + sizeof(header), f->len);
}

void remote_frame_get(const struct remote_frame *m, const uint8_t *bytes, struct vswitch_frame *f, struct iovec *rest)
{
	*f = (struct vswitch_frame){
		.len = m->len,
		.head_bytes = (uint16_t)(m->len < VSWITCH_HEAD_BYTES ? m->len : VSWITCH_HEAD_BYTES),
		.source = m->source,
		.vlan = m->vlan,
		.member = m->member,
		.offload = m->offload,
	};
	memcpy(f->head, bytes, f->head_bytes);
	rd_fetched();
	*rest = (struct iovec){ (void *)(uintptr_t)(bytes + f->head_bytes), m->len - f->head_bytes };
	f->segs = rest;
	f->nsegs = rest->iov_len > 0;
}
