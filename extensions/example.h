/* SPDX-License-Identifier: MIT */
/*
 * What the examples share: reading their configuration, and a frame as it would be on a wire.
 */
#ifndef HVNET_EXTENSIONS_EXAMPLE_H
#define HVNET_EXTENSIONS_EXAMPLE_H

#include <stdio.h>
#include <string.h>

#include "vswitch/extension.h"

/* Says why, for attach() and others that may refuse; returns error. */
#define EXAMPLE_REFUSE(refusal, error, ...) (snprintf(refusal, VSWITCH_REFUSAL_BYTES, __VA_ARGS__), (error))

/* The next word of a text, up to blanks or the end, into word; false: there is none, or it is too long. Moves *text on. */
static inline bool example_word(const char **text, char *word, size_t room)
{
	size_t n;

	*text += strspn(*text, " \t\n");
	n = strcspn(*text, " \t\n");
	if (!n || n >= room)
		return false;
	memcpy(word, *text, n);
	word[n] = '\0';
	*text += n;
	return true;
}

/*
 * The first n bytes of the frame as on a wire, its tag included, at most room of them; how many there are. For what looks deeper
 * than head[]: copied, since the rest may change.
 */
static inline uint32_t example_wire_bytes(const struct vswitch_ext_services *s, const struct vswitch_frame *f, uint8_t *to,
					  uint32_t room)
{
	const uint8_t tag[4] = { 0x81, 0x00, (uint8_t)(f->offload.vlan_tci >> 8), (uint8_t)f->offload.vlan_tci };
	const uint32_t tag_bytes = f->offload.flags & VSWITCH_VLAN ? 4 : 0;
	uint32_t n = f->len + tag_bytes < room ? f->len + tag_bytes : room;

	if (!tag_bytes || n <= 12) {
		s->frame_copy(f, 0, to, n);
		return n;
	}
	s->frame_copy(f, 0, to, 12);
	memcpy(to + 12, tag, n - 12 < 4 ? n - 12 : 4);
	if (n > 16)
		s->frame_copy(f, 12, to + 16, n - 16);
	return n;
}

#endif
