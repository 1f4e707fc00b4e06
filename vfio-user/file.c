/* SPDX-License-Identifier: MIT */
#include "vfio-user/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vfio-user/guard.h"

static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, vfu_file) file_list = LIST_HEAD_INITIALIZER(file_list);	/* under file_lock */

static int refuse(enum vfu_counter *why, enum vfu_counter reason, int error)
{
	*why = reason;
	return error;
}

/* Fills in which file it is, how much of it there is, and in what pages. */
static int file_identify(int fd, bool write, struct vfu_file *id, enum vfu_counter *why)
{
	struct stat st;
	struct statfs fs;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) || fstatfs(fd, &fs) || !S_ISREG(st.st_mode))
		return refuse(why, VFU_C_MAP_FILE_TYPE, -EINVAL);
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC)
		return refuse(why, VFU_C_MAP_FILE_TYPE, -EINVAL);
	if ((flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY ||
	    (write && (flags & O_ACCMODE) != O_RDWR))
		return refuse(why, VFU_C_MAP_FILE_MODE, -EACCES);
	id->dev = st.st_dev;
	id->ino = st.st_ino;
	id->writable = (flags & O_ACCMODE) == O_RDWR;
	id->page_bytes = fs.f_type == HUGETLBFS_MAGIC ? (uint32_t)fs.f_bsize : 4096;
	id->bytes = (uint64_t)st.st_size / id->page_bytes * id->page_bytes;
	return 0;
}

static struct vfu_file *file_find(const struct vfu_file *id)
{
	struct vfu_file *f;

	LIST_FOREACH(f, &file_list, link)
		if (f->dev == id->dev && f->ino == id->ino && f->writable == id->writable &&
		    f->bytes == id->bytes && !vfu_file_lost(f))
			return f;
	return NULL;
}

static void file_free(struct vfu_file *f)
{
	if (f->base) {
		vfu_guard_remove(f->guard);
		munmap(f->base, f->bytes);
	}
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

static int file_map(int fd, const struct vfu_file *id, struct vfu_file **out)
{
	int prot = PROT_READ | (id->writable ? PROT_WRITE : 0);
	struct vfu_file *f = malloc(sizeof(*f));
	void *base = MAP_FAILED;
	int ret = -ENOMEM;

	if (!f)
		return -ENOMEM;
	*f = *id;
	f->base = NULL;
	f->refs = 1;
	f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (f->fd < 0) {
		ret = -errno;
	} else {
		base = mmap(NULL, f->bytes, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
		if (base == MAP_FAILED)
			ret = -errno;
		else
			ret = vfu_guard_add(base, f->bytes, &f->guard);
	}
	if (ret) {
		if (base != MAP_FAILED)
			munmap(base, f->bytes);
		file_free(f);
		return ret;
	}
	f->base = base;
	/* Guest memory belongs into nobody's core dump and no child. */
	madvise(base, f->bytes, MADV_DONTDUMP);
	madvise(base, f->bytes, MADV_DONTFORK);
	LIST_INSERT_HEAD(&file_list, f, link);
	*out = f;
	return 0;
}

int vfu_file_get(int fd, bool write, uint64_t offset, uint64_t size, uint64_t max_bytes,
		 struct vfu_file **out, enum vfu_counter *why)
{
	struct vfu_file id = { .fd = -1 };
	struct vfu_file *f;
	int ret = file_identify(fd, write, &id, why);

	if (ret)
		return ret;
	if (offset > id.bytes || size > id.bytes - offset)
		return refuse(why, VFU_C_MAP_FILE_SIZE, -EINVAL);
	if (id.bytes > max_bytes)
		return refuse(why, VFU_C_MAP_LIMIT, -ENOSPC);
	pthread_mutex_lock(&file_lock);
	f = file_find(&id);
	if (f) {
		f->refs++;
		*out = f;
	} else {
		ret = file_map(fd, &id, out);
		if (ret)
			*why = VFU_C_MAP_FAILED;
	}
	pthread_mutex_unlock(&file_lock);
	return ret;
}

void vfu_file_put(struct vfu_file *f)
{
	bool last;

	pthread_mutex_lock(&file_lock);
	last = !--f->refs;
	if (last)
		LIST_REMOVE(f, link);
	pthread_mutex_unlock(&file_lock);
	if (last)
		file_free(f);
}

bool vfu_file_lost(const struct vfu_file *f)
{
	return vfu_guard_lost(f->guard);
}
