/* SPDX-License-Identifier: MIT */
/*
 * Extensions in shared objects. The file is opened once, looked at, and copied; the copy is loaded: what
 * was looked at is what runs, also when somebody writes another version over the file or cuts it
 * short. Its code runs with all rights of this process, hence the look at whose file it is.
 *
 * The loader takes an object that it knows by the same name, or the same inode, for the same. The copy
 * is a new inode each time, and its descriptor, which is its name, stays open as long as it is loaded.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vswitch/extension_internal.h"

enum { OBJECT_MAX_BYTES = 256 << 20 };	/* our policy */

struct vswitch_library {
	int fd;				/* owned; the copy */
	void *handle;			/* owned */
	const struct vswitch_ext_module *module;	/* borrowed: lives in it */
};

struct text {
	char *to;			/* NULL: nobody reads it */
	size_t bytes;
};

static int fail(const struct text *t, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(const struct text *t, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (t->to && t->bytes)
		vsnprintf(t->to, t->bytes, format, ap);
	va_end(ap);
	return error;
}

/* The file may be trusted as far as this process itself. */
static int check_file(int fd, const char *path, const struct text *t)
{
	struct stat st;

	if (fstat(fd, &st))
		return fail(t, -errno, "%s: %m", path);
	if (!S_ISREG(st.st_mode))
		return fail(t, -EACCES, "%s is not a regular file", path);
	if (st.st_uid && st.st_uid != geteuid())
		return fail(t, -EACCES, "%s belongs to user %u; it must belong to root or to user %u, or it does not run here",
			    path, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(t, -EACCES, "%s can be written by others than its owner (mode %o); chmod go-w makes it acceptable",
			    path, (unsigned)st.st_mode & 07777);
	return 0;
}

/* The loader maps what the headers say, and touches it: a file that was cut short would be this process's end. */
static bool is_whole(int fd)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;
	struct stat st;

	if (fstat(fd, &st) || pread(fd, &e, sizeof(e), 0) != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG) ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof(p))
		return false;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		if (pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + i * sizeof(p))) != sizeof(p))
			return false;
		if (p.p_filesz > (uint64_t)st.st_size || p.p_offset > (uint64_t)st.st_size - p.p_filesz)
			return false;
	}
	return true;
}

static int check_module(const struct vswitch_ext_module *m, const char *path, const struct text *t)
{
	if (m->abi != VSWITCH_EXT_ABI)
		return fail(t, -EPROTO, "%s is built for version %u of the interface, this is version %u; build it anew",
			    path, m->abi, VSWITCH_EXT_ABI);
	if (!module_is_sound(m))
		return fail(t, -EPROTO, "%s: its module is not well-formed: sizes, a name, a class, ops, and the frame "
			    "callbacks of that class alone are needed", path);
	return 0;
}

static int copy_all(int from, int to)
{
	ssize_t n = 1;

	for (off_t at = 0; n > 0; ) {
		n = sendfile(to, from, &at, OBJECT_MAX_BYTES);
		if (n < 0)
			return -errno;
		if (at > OBJECT_MAX_BYTES)
			return -EFBIG;
	}
	return fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ? -errno : 0;
}

static int make_copy(struct vswitch_library *l, const char *path, const struct text *t)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret;

	if (fd < 0)
		return fail(t, -errno, "%s: %m", path);
	ret = check_file(fd, path, t);
	if (!ret) {
		l->fd = memfd_create("hvnet-extension", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		ret = l->fd < 0 ? -errno : copy_all(fd, l->fd);
		if (ret)
			fail(t, ret, "%s cannot be read: %s", path, strerror(-ret));
	}
	close(fd);
	return ret;
}

static void name_of(const struct vswitch_library *l, char name[32])
{
	snprintf(name, 32, "/proc/self/fd/%d", l->fd);
}

static int load(struct vswitch_library *l, const char *path, const struct text *t)
{
	char name[32];

	if (!is_whole(l->fd))
		return fail(t, -ELIBBAD, "%s cannot be loaded: it is no shared object of 64 bits, or not all of one", path);
	name_of(l, name);
	l->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!l->handle)
		return fail(t, -ELIBBAD, "%s cannot be loaded: %s", path, dlerror());
	l->module = dlsym(l->handle, VSWITCH_EXT_SYMBOL);
	if (!l->module)
		return fail(t, -ENOEXEC, "%s exports no symbol \"%s\": it is not an extension", path, VSWITCH_EXT_SYMBOL);
	return check_module(l->module, path, t);
}

int vswitch_library_open(const char *path, char *error, size_t error_bytes, struct vswitch_library **out)
{
	const struct text t = { error, error_bytes };
	struct vswitch_library *l;
	int ret;

	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(&t, -ENOMEM, "out of memory");
	l->fd = -1;
	ret = make_copy(l, path, &t);
	if (!ret)
		ret = load(l, path, &t);
	if (ret)
		vswitch_library_close(l);
	else
		*out = l;
	return ret;
}

/* One that is not to be unloaded, by its author's will, keeps its name, so nobody else may get it. */
static bool stays(const struct vswitch_library *l)
{
	char name[32];
	void *handle;

	name_of(l, name);
	handle = l->handle ? dlopen(name, RTLD_NOW | RTLD_NOLOAD) : NULL;
	if (handle)
		dlclose(handle);
	return handle;
}

void vswitch_library_close(struct vswitch_library *library)
{
	if (!library)
		return;
	if (library->handle)
		dlclose(library->handle);
	if (library->fd >= 0 && !stays(library))
		close(library->fd);
	free(library);
}

const struct vswitch_ext_module *vswitch_library_module(const struct vswitch_library *library)
{
	return library->module;
}
