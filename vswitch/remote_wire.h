/* SPDX-License-Identifier: MIT */
/*
 * Between the switch and an extension in a process of its own, on one machine: a Unix socket (SOCK_SEQPACKET) for control, and
 * memory with two rings for frames that the switch makes and hands over. Numbers are the machine's own.
 *
 *	program -> host   REMOTE_HELLO
 *	host -> program   REMOTE_WELCOME, with three descriptors: the memory, and an eventfd to wake the program, one to wake the host
 *	host -> program   REMOTE_ACTIVATE, then the ports and NICs that there are as events, then events as they come
 *	host -> program   REMOTE_ASK: may this port, or NIC, be created?   program -> host   REMOTE_ANSWER
 *	to_program ring   REMOTE_FRAME: to look at; with a token: to judge
 *	to_host ring      REMOTE_VERDICT, REMOTE_INJECT
 *
 * The host believes nothing of what the program can write: it copies a record once, checks the copy, and cuts the program off for a
 * record that breaks the rules. The program may believe the host.
 */
#ifndef HVNET_VSWITCH_REMOTE_WIRE_H
#define HVNET_VSWITCH_REMOTE_WIRE_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "vswitch/extension.h"

enum {
	REMOTE_MAGIC = 0x52455648,	/* "HVER" */
	REMOTE_VERSION = 2,
	REMOTE_TEXT_BYTES = 512,	/* of a configuration */
	REMOTE_DESTINATIONS = 16,	/* of one verdict */
	REMOTE_REASON_BYTES = 64,
	REMOTE_TO_PROGRAM_BYTES = 4 << 20,	/* our policy: a power of two; more than 64 of the largest frames */
	REMOTE_TO_HOST_BYTES = 1 << 20,
};

/* ---- the socket ---- */

enum remote_message_type {
	REMOTE_HELLO = 1,
	REMOTE_WELCOME,
	REMOTE_ACTIVATE,
	REMOTE_DEACTIVATE,
	REMOTE_PORT_CREATE,		/* it was created, after an answer or without one; there is nothing to refuse any more */
	REMOTE_PORT_UPDATED,
	REMOTE_PORT_TEARDOWN,
	REMOTE_PORT_DELETE,
	REMOTE_NIC_CREATE,
	REMOTE_NIC_CONNECT,
	REMOTE_NIC_UPDATED,
	REMOTE_NIC_DISCONNECT,
	REMOTE_NIC_DELETE,
	REMOTE_ASK,
	REMOTE_ANSWER,
};

enum remote_wants {
	REMOTE_WANTS_INGRESS = 1,	/* frames from ports: to judge, if its class may */
	REMOTE_WANTS_EGRESS = 2,	/* frames to ports: to look at */
	REMOTE_WANTS_PORTS = 4,		/* to be asked before ports are created, if its class may refuse */
	REMOTE_WANTS_NICS = 8,		/* … and NICs */
};

struct remote_hello {			/* program to host */
	uint32_t type;			/* REMOTE_HELLO */
	uint32_t magic, version;
	uint32_t class;			/* enum vswitch_ext_class */
	uint32_t wants;
	char name[VSWITCH_NAME_BYTES];	/* the module's, for the log */
};

struct remote_welcome {			/* host to program */
	uint32_t type;			/* REMOTE_WELCOME */
	uint32_t magic, version;
	uint32_t memory_bytes;
	char name[VSWITCH_NAME_BYTES];	/* of the extension on the switch */
	char switch_name[VSWITCH_NAME_BYTES];
	char config[REMOTE_TEXT_BYTES];
};

enum remote_ask_what { REMOTE_ASK_PORT = 1, REMOTE_ASK_NIC = 2 };

struct remote_ask {			/* REMOTE_ASK */
	uint32_t id;			/* of the question */
	uint32_t what;			/* enum remote_ask_what: what would be created */
	struct vswitch_port_info port;	/* that would be created; or is there, for the NIC */
	struct vswitch_nic_info nic;
};

struct remote_event {			/* host to program */
	uint32_t type;
	union {
		struct vswitch_port_info port;
		struct vswitch_nic_info nic;
		struct remote_ask ask;
	};
};

struct remote_answer {			/* program to host */
	uint32_t type;			/* REMOTE_ANSWER */
	uint32_t id;			/* of the question */
	uint32_t refused;		/* enum remote_ask_what: of what it was asked about; 0: nothing */
	uint32_t mtu;			/* for the NIC: a lower one; 0: as it is */
	char reason[VSWITCH_REFUSAL_BYTES];
};

/* ---- the memory ---- */

/*
 * A ring of records. Positions count bytes from the start and wrap at 2^32; a record lies in one piece, which the pad record
 * at the end of the data sees to.
 */
struct remote_ring_shared {
	alignas(64) _Atomic uint32_t head;	/* the writer's */
	alignas(64) _Atomic uint32_t tail;	/* the reader's */
	_Atomic uint32_t sleeps;		/* the reader's: 1: wake it when there is something */
};

struct remote_memory {
	struct remote_ring_shared to_program, to_host;
	alignas(64) uint8_t to_program_data[REMOTE_TO_PROGRAM_BYTES];
	alignas(64) uint8_t to_host_data[REMOTE_TO_HOST_BYTES];
};

enum remote_record_type { REMOTE_PAD, REMOTE_FRAME, REMOTE_VERDICT, REMOTE_INJECT };

struct remote_record {
	uint32_t bytes;			/* of the record with this header: a multiple of 8 */
	uint32_t type;			/* enum remote_record_type */
};

struct remote_frame {			/* REMOTE_FRAME, REMOTE_INJECT; the frame's bytes follow */
	struct remote_record record;
	uint64_t token;			/* 0: nothing to judge; to_host: zero */
	uint32_t port;			/* ingress: source (REMOTE_INJECT: for whom, 0: nobody); egress: destination */
	uint32_t len;
	uint32_t source;
	uint16_t vlan;
	uint8_t member;
	uint8_t egress;
	struct vswitch_offload offload;
	uint32_t zero;
};
static_assert(sizeof(struct remote_frame) == 56, "no holes, and the bytes are aligned");

enum remote_judgement { REMOTE_PASS, REMOTE_DROP, REMOTE_DIRECT };

struct remote_verdict {			/* REMOTE_VERDICT */
	struct remote_record record;
	uint64_t token;
	uint32_t judgement;		/* enum remote_judgement */
	uint32_t num_to;		/* REMOTE_DIRECT: 1 … REMOTE_DESTINATIONS */
	struct vswitch_ext_destination to[REMOTE_DESTINATIONS];
	char reason[REMOTE_REASON_BYTES];	/* REMOTE_DROP */
};
static_assert(sizeof(struct remote_verdict) % 8 == 0, "records are multiples of 8");

#endif
