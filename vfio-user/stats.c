/* SPDX-License-Identifier: MIT */
#include "vfio-user/stats.h"

#include <string.h>

static const char *const vfu_counter_names[VFU_NUM_COUNTERS] = {
#define X(id, name) name,
	VFU_COUNTERS(X)
#undef X
};

const char *vfu_counter_name(enum vfu_counter c)
{
	return vfu_counter_names[c];
}

void vfu_note_refusal(struct vfu_stats *s, enum vfu_counter c, int error)
{
	vfu_count(s, c);
	hv_log_limited(&s->limit, HV_LOG_WARNING, "%s: refused: %s (%s)", s->name,
		       vfu_counter_names[c], strerror(-error));
}
