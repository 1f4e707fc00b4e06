/* SPDX-License-Identifier: MIT */
/*
 * The guest's side of the guest tests: one static program that is a guest's process 1 and, under
 * other first arguments, the tools that the tests run there.
 *
 *   agent                       the service: runs shell commands that arrive on a virtio-serial port
 *   agent ping ...              ICMP or UDP echo with every payload byte checked
 *   agent tcp-serve, tcp ...    streams of bytes that both ends can compute, checked at the receiver
 *   agent udp-echo, udp-count, udp-send
 *
 * busybox has a ping and an nc, but its ping does not look at what comes back, and an nc with a
 * checksum says that something was wrong, not where. Tools print one line of key=value words for
 * the host to read, and exit with 0 only if all went well.
 */
#ifndef HVNET_GUEST_TESTS_AGENT_H
#define HVNET_GUEST_TESTS_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

int agent_service(void);
int agent_ping(int argc, char **argv);
int agent_tcp_serve(int argc, char **argv);
int agent_tcp(int argc, char **argv);
int agent_udp_echo(int argc, char **argv);
int agent_udp_count(int argc, char **argv);
int agent_udp_send(int argc, char **argv);

/* Monotonic time. */
uint64_t agent_now_us(void);

/* A number of the command line, decimal, within [0, max]; ends the program if it is none. */
uint64_t agent_number(const char *text, uint64_t max);

/*
 * ADDR or ADDR%INTERFACE, numeric; returns the address's length. Ends the program if it is none.
 * An IPv4 address has no room for the interface, so there it is left out.
 */
socklen_t agent_address(const char *text, uint16_t port, struct sockaddr_storage *out);

/*
 * The stream of bytes of a seed, in order: a generator that is cheap enough not to be what a
 * transfer measures. Filling in pieces of any multiple of 8 bytes gives the same stream.
 */
struct agent_stream {
	uint64_t state;
};

void agent_stream_start(struct agent_stream *s, uint64_t seed);
void agent_stream_fill(struct agent_stream *s, uint64_t *words, size_t n);

#endif
