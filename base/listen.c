/* SPDX-License-Identifier: MIT */
#include "base/listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 8 };

static int new_socket(const char *path, struct sockaddr_un *un)
{
	int fd;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	strcpy(un->sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* Makes the path free: removes a socket that a dead process left behind. */
static int clear_path(const char *path)
{
	struct sockaddr_un un;
	struct stat st;
	int fd, ret = 0;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = new_socket(path, &un);
	if (fd < 0)
		return fd;
	/* A full backlog (EAGAIN) is a live server too. */
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)) || errno == EAGAIN)
		ret = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		ret = -errno;
	close(fd);
	if (!ret && unlink(path) && errno != ENOENT)
		ret = -errno;
	return ret;
}

int hv_listen(const char *path, mode_t mode, int *out, uint64_t *dev, uint64_t *ino)
{
	struct sockaddr_un un;
	struct stat st;
	int fd, ret = clear_path(path);

	if (ret)
		return ret;
	fd = new_socket(path, &un);
	if (fd < 0)
		return fd;
	/* The mode before bind() is the upper limit of the file's, so it is never open too wide. */
	if (fchmod(fd, mode) || bind(fd, (struct sockaddr *)&un, sizeof(un))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	if (chmod(path, mode) || lstat(path, &st) || listen(fd, LISTEN_BACKLOG)) {
		ret = -errno;
		unlink(path);
		close(fd);
		return ret;
	}
	*out = fd;
	*dev = st.st_dev;
	*ino = st.st_ino;
	return 0;
}

void hv_unlisten(const char *path, uint64_t dev, uint64_t ino)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISSOCK(st.st_mode) && st.st_dev == dev && st.st_ino == ino)
		unlink(path);
}
