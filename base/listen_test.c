/* SPDX-License-Identifier: MIT */
#include "base/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/test.h"

static char dir[64], path[80], other[80];

static void begin(void)
{
	strcpy(dir, "/tmp/hvnet-listen-XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(other, sizeof(other), "%s/o", dir);
}

static void end(void)
{
	CU_ASSERT(!rmdir(dir));		/* nothing was left behind */
}

static int dial(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, path);
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	close(fd);
	return -1;
}

static void the_mode_is_what_was_asked_for(void)
{
	static const mode_t modes[] = { 0600, 0660, 0666 };
	const mode_t before = umask(0077);
	struct stat st;
	uint64_t dev, ino;
	int fd, peer;

	begin();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		CU_ASSERT_FATAL(!hv_listen(path, modes[i], &fd, &dev, &ino));
		CU_ASSERT(!stat(path, &st) && (st.st_mode & 07777) == modes[i]);
		CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		peer = dial();
		CU_ASSERT(peer >= 0);
		close(peer);
		close(fd);
		hv_unlisten(path, dev, ino);
		CU_ASSERT(stat(path, &st) && errno == ENOENT);
	}
	umask(before);
	end();
}

static void a_dead_socket_is_replaced_and_a_live_one_is_not(void)
{
	uint64_t dev, ino, dev2, ino2;
	int fd, fd2, peer;

	begin();
	CU_ASSERT_FATAL(!hv_listen(path, 0600, &fd, &dev, &ino));
	CU_ASSERT_EQUAL(hv_listen(path, 0600, &fd2, &dev2, &ino2), -EADDRINUSE);
	close(fd);			/* as a process that was killed */
	CU_ASSERT_FATAL(!hv_listen(path, 0600, &fd2, &dev2, &ino2));
	peer = dial();
	CU_ASSERT(peer >= 0);
	close(peer);
	CU_ASSERT(!rename(path, other));
	CU_ASSERT_FATAL(!hv_listen(path, 0600, &fd, &dev, &ino));
	hv_unlisten(path, dev2, ino2);	/* it is not that file any more */
	peer = dial();
	CU_ASSERT(peer >= 0);
	close(peer);
	hv_unlisten(path, dev, ino);
	close(fd);
	close(fd2);
	unlink(other);
	end();
}

static void what_is_no_socket_stays(void)
{
	char longest[PATH_MAX];
	struct stat st;
	uint64_t dev, ino;
	int fd;

	begin();
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CU_ASSERT_EQUAL(hv_listen(path, 0600, &fd, &dev, &ino), -ENOTSOCK);
	CU_ASSERT(!stat(path, &st) && S_ISREG(st.st_mode));
	unlink(path);
	CU_ASSERT(!symlink(other, path));	/* would lead elsewhere */
	CU_ASSERT_EQUAL(hv_listen(path, 0600, &fd, &dev, &ino), -ENOTSOCK);
	CU_ASSERT(stat(other, &st) && errno == ENOENT);
	unlink(path);
	memset(longest, 'x', 200);
	longest[200] = '\0';
	CU_ASSERT_EQUAL(hv_listen(longest, 0600, &fd, &dev, &ino), -ENAMETOOLONG);
	snprintf(longest, sizeof(longest), "%s/none/s", dir);
	CU_ASSERT_EQUAL(hv_listen(longest, 0600, &fd, &dev, &ino), -ENOENT);
	end();
}

static const struct hv_test tests[] = {
	{ "the mode is what was asked for", the_mode_is_what_was_asked_for },
	{ "a dead socket is replaced, and a live one is not", a_dead_socket_is_replaced_and_a_live_one_is_not },
	{ "what is no socket stays", what_is_no_socket_stays },
};
HV_TEST_MAIN("base/listen", tests)
