/* SPDX-License-Identifier: MIT */
/*
 * The extensions of a switch, and the two places where they see frames. What one of them drops is
 * counted; a bit that it sets by mistake stays clear.
 */
#include <errno.h>
#include <stdlib.h>

#include "vswitch/internal.h"

int vswitch_extension_attach(struct vswitch *sw, const struct vswitch_extension_ops *ops, void *opaque)
{
	struct extension *e;

	TAILQ_FOREACH(e, &sw->extensions, link)
		if (e->ops == ops && e->opaque == opaque)
			return -EEXIST;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->ops = ops;
	e->opaque = opaque;
	TAILQ_INSERT_TAIL(&sw->extensions, e, link);
	return 0;
}

void vswitch_extension_detach(struct vswitch *sw, const struct vswitch_extension_ops *ops, void *opaque)
{
	struct extension *e;

	TAILQ_FOREACH(e, &sw->extensions, link)
		if (e->ops == ops && e->opaque == opaque)
			break;
	if (!e)
		return;
	TAILQ_REMOVE(&sw->extensions, e, link);
	free(e);
}

uint32_t extensions_ingress(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			    uint32_t keep)
{
	struct extension *e;
	uint32_t bits, gone;

	TAILQ_FOREACH(e, &source->sw->extensions, link) {
		if (!e->ops->ingress || !keep)
			continue;
		bits = keep;
		e->ops->ingress(e->opaque, source, frames, n, &bits);
		for (gone = keep & ~bits; gone; gone &= gone - 1)
			drop_in(source, frames[__builtin_ctz(gone)], VSWITCH_DROP_EXTENSION, e->ops->name);
		keep &= bits;
	}
	return keep;
}

uint32_t extensions_egress(struct vswitch_port *destination, const struct vswitch_frame *const *frames, unsigned n,
			   uint32_t keep)
{
	struct extension *e;
	uint32_t bits, gone;

	TAILQ_FOREACH_REVERSE(e, &destination->sw->extensions, extensions, link) {
		if (!e->ops->egress || !keep)
			continue;
		bits = keep;
		e->ops->egress(e->opaque, destination, frames, n, &bits);
		for (gone = keep & ~bits; gone; gone &= gone - 1)
			drop_out(destination, frames[__builtin_ctz(gone)], 1, VSWITCH_DROP_EXTENSION, e->ops->name);
		keep &= bits;
	}
	return keep;
}
