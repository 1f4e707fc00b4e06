/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "nat/nat.h"

static int fd[2];			/* [0] the stream's, [1] the peer's */
static struct nat_stream s;
static size_t taken, taken_bytes;
static uint8_t last[NAT_FRAME_MAX_BYTES];

static void begin(void)
{
	taken = taken_bytes = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) || nat_stream_init(&s, fd[0]))
		abort();
}

static void end(void)
{
	nat_stream_free(&s);
	close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
}

static void take(void *cookie, const uint8_t *frame, size_t bytes)
{
	(void)cookie;
	taken++;
	taken_bytes = bytes;
	memcpy(last, frame, bytes);
}

static int feed(const void *bytes, size_t n)
{
	if (send(fd[1], bytes, n, 0) != (ssize_t)n)
		abort();
	return nat_stream_read(&s, take, NULL);
}

static void test_whole(void)
{
	begin();
	CU_ASSERT(feed("\0\0\0\5hello\0\0\0\2yo", 4 + 5 + 4 + 2) == 0);
	CU_ASSERT(taken == 2 && taken_bytes == 2 && !memcmp(last, "yo", 2));
	end();
}

static void test_byte_by_byte(void)
{
	static const uint8_t stream[] = "\0\0\0\5hello\0\0\0\1!";

	begin();
	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		CU_ASSERT(feed(stream + i, 1) == 0);
		CU_ASSERT(taken == (size_t)(i >= 8) + (i >= 13));
	}
	CU_ASSERT(last[0] == '!');
	end();
}

static void test_lies(void)
{
	begin();
	CU_ASSERT(feed("\0\0\0\0", 4) == -EPROTO);
	end();
	begin();
	CU_ASSERT(feed("\0\1\0\x12", 4) == -EPROTO);	/* NAT_FRAME_MAX_BYTES + 1 */
	end();
	begin();
	CU_ASSERT(feed("\xff\xff\xff\xff", 4) == -EPROTO);
	CU_ASSERT(taken == 0);
	end();
}

static void test_gone(void)
{
	begin();
	close(fd[1]);
	fd[1] = -1;
	CU_ASSERT(nat_stream_read(&s, take, NULL) == -EPIPE);
	end();
}

/* A switch that does not read costs frames, never memory; what was queued arrives whole and in order. */
static void test_backed_up(void)
{
	static uint8_t frame[1000], got[1004];
	size_t put = 0;

	begin();
	for (unsigned i = 0; i < 5000; i++) {
		memset(frame, (int)i, sizeof(frame));
		frame[1] = (uint8_t)(i >> 8);
		if (!nat_stream_put(&s, frame, sizeof(frame)))
			break;
		put++;
		CU_ASSERT_FATAL(nat_stream_flush(&s) == 0);
	}
	CU_ASSERT(put > NAT_QUEUE_BYTES / 1100 && put < 5000 && s.dropped == 1);
	for (unsigned i = 0; i < put; i++) {
		CU_ASSERT_FATAL(nat_stream_flush(&s) == 0);
		CU_ASSERT_FATAL(recv(fd[1], got, sizeof(got), MSG_WAITALL) == sizeof(got));
		CU_ASSERT_FATAL(!memcmp(got, "\0\0\3\xe8", 4) && got[4] == (uint8_t)i && got[5] == (uint8_t)(i >> 8));
	}
	CU_ASSERT(nat_stream_queued(&s) == 0);
	end();
}

static const struct hv_test tests[] = {
	{ "hands out each frame of a read", test_whole },
	{ "joins a frame that comes byte by byte", test_byte_by_byte },
	{ "refuses lengths that cannot be", test_lies },
	{ "notices that the switch is gone", test_gone },
	{ "bounds what waits for a switch that does not read", test_backed_up },
};
HV_TEST_MAIN("nat/framing", tests)
