/* SPDX-License-Identifier: MIT */
/* For tests of the real daemon: two stations at stream ports of switch "lab", which send and receive frames as we like. */
#ifndef HVNETD_TEST_STATIONS_H
#define HVNETD_TEST_STATIONS_H

#include <arpa/inet.h>

#include "hvnetd/test_daemon.h"

enum { A, B, PEERS };

static struct hvnet_client *client;
static int peer[PEERS];
static uint8_t received[65536];	/* the last frame that a station has got */

static inline int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		abort();
	return fd;
}

static inline void plug(int i, const char *name)
{
	const char *path = in_dir(name);
	int fd = listen_on(path);
	json_t *result = hvnet_call(client, "uplink.bind", json_pack("{s:s, s:s, s:s, s:s}", "switch", "lab", "kind", "stream", "name",
								  name, "path", path), &err);

	if (!result)
		printf("%s\n", err.message);
	CU_ASSERT_PTR_NOT_NULL_FATAL(result);
	json_decref(result);
	peer[i] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	CU_ASSERT_FATAL(peer[i] >= 0);
	close(fd);
	unlink(path);
}

/* From a station to a station: a UDP datagram with so many bytes in all. */
static inline void make(uint8_t *f, unsigned from, unsigned to, uint16_t port, uint32_t len)
{
	static const uint8_t ip[] = { 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 0, 10, 0, 0, 0 };
	uint16_t v;

	memset(f, 0, len);
	f[0] = f[6] = 2;
	f[5] = (uint8_t)to;
	f[11] = (uint8_t)from;
	f[12] = 8;
	memcpy(f + 14, ip, sizeof(ip));
	v = htons((uint16_t)(len - 14));
	memcpy(f + 16, &v, 2);
	f[29] = (uint8_t)from;
	f[33] = (uint8_t)to;
	v = htons(port);
	memcpy(f + 34, &v, 2);
	memcpy(f + 36, &v, 2);
	v = htons((uint16_t)(len - 34));
	memcpy(f + 38, &v, 2);
}

static inline void send_frame(int through, const uint8_t *f, uint32_t len)
{
	uint32_t head = htonl(len);

	CU_ASSERT_EQUAL(send(peer[through], &head, 4, MSG_NOSIGNAL), 4);
	CU_ASSERT_EQUAL(send(peer[through], f, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void send_udp(int through, unsigned from, unsigned to, uint16_t port, uint32_t len)
{
	uint8_t f[2048];

	make(f, from, to, port, len);
	send_frame(through, f, len);
}

/* Bytes that arrive at a station in so many frames; whether all did. */
static inline bool receive(int i, unsigned frames)
{
	for (; frames; frames--) {
		struct pollfd p = { .fd = peer[i], .events = POLLIN };
		uint32_t head;

		if (poll(&p, 1, PATIENCE_MS) != 1 || recv(peer[i], &head, 4, MSG_WAITALL) != 4 ||
		    recv(peer[i], received, ntohl(head), MSG_WAITALL) != (ssize_t)ntohl(head))
			return false;
	}
	return true;
}

/* Stations A and B, on ports "a" and "b"; the switch knows both, so that nothing is flooded. */
static inline void plug_both(void)
{
	plug(A, "a");
	plug(B, "b");
	send_udp(B, 2, 1, 9, 60);
	CU_ASSERT_TRUE(receive(A, 1));
	send_udp(A, 1, 2, 9, 60);
	CU_ASSERT_TRUE(receive(B, 1));
}

static inline void unplug_both(void)
{
	close(peer[A]);
	close(peer[B]);
}

#endif
