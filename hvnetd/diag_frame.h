/* SPDX-License-Identifier: MIT */
/*
 * The frames of a reachability test: what a host would send to find a neighbour's address and to ping it, the expressions of
 * pcap-filter(7) that find these frames and their answers again, and what an answer says. ARP after RFC 826 and RFC 5227 (probes),
 * neighbour discovery after RFC 4861, echoes after RFC 792 and RFC 4443. No state; any thread.
 */
#ifndef HVNETD_DIAG_FRAME_H
#define HVNETD_DIAG_FRAME_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vswitch_frame;

enum {
	DIAG_FILTER_BYTES = 512,	/* of an expression, with its NUL */
};

/* Who asks for whom. */
struct diag_question {
	int family;			/* AF_INET or AF_INET6 */
	uint8_t target[16], source[16];	/* in network order, the first 4 bytes for IPv4; source all zero: none */
	bool has_source;
	uint16_t vlan;			/* of the tag; 0: untagged */
	uint16_t id;			/* of our echoes */
	uint8_t mac[6];			/* who asks */
};

/* An IP address that one station can have: not a group's, nobody's, the loopback's. False: why (a phrase). */
bool diag_parse_address(const char *text, int *family, uint8_t out[16], const char **why);

/* An ARP request or a neighbour solicitation; without a source, as a probe. */
void diag_make_solicitation(const struct diag_question *q, struct vswitch_frame *f);
/* An echo request to the target behind an address. q has a source. */
void diag_make_echo(const struct diag_question *q, const uint8_t to[6], uint16_t sequence, struct vswitch_frame *f);

void diag_answer_filter(const struct diag_question *q, char text[DIAG_FILTER_BYTES]);
/* Of requests and answers. */
void diag_filter(const struct diag_question *q, char text[2 * DIAG_FILTER_BYTES]);

enum diag_kind {
	DIAG_OTHER,
	DIAG_SOLICITATION,
	DIAG_ECHO,
	DIAG_ADVERTISEMENT,		/* an answer to a solicitation */
	DIAG_ECHO_REPLY,
};

struct diag_seen {
	enum diag_kind kind;
	uint8_t mac[6];			/* of an advertisement: where the target is, else of the frame's sender */
	uint16_t sequence;		/* of an echo and its reply */
};

/* A frame of n bytes that passed the filter, perhaps with a tag. */
struct diag_seen diag_look_at(const uint8_t *frame, size_t n);

#endif
