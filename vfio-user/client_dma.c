/* SPDX-License-Identifier: MIT */
/*
 * Guest memory on the client's side: the memfd, DMA_MAP and DMA_UNMAP in QEMU's patterns, and the
 * answers to the server's DMA messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio-user/client.h"

int vfuc_ram_create(uint64_t bytes, struct vfuc_ram *out)
{
	struct vfuc_ram ram = { .bytes = bytes };
	void *base = MAP_FAILED;
	int ret;

	ram.fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ram.fd < 0)
		return -errno;
	if (!ftruncate(ram.fd, (off_t)bytes) &&
	    !fcntl(ram.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ram.fd, 0);
	if (base == MAP_FAILED) {
		ret = -errno;
		close(ram.fd);
		return ret;
	}
	ram.base = base;
	*out = ram;
	return 0;
}

void vfuc_ram_destroy(struct vfuc_ram *ram)
{
	if (ram->base)
		munmap(ram->base, ram->bytes);
	if (ram->base && ram->fd >= 0)
		close(ram->fd);
	*ram = (struct vfuc_ram){ .fd = -1 };
}

static int remember(struct vfuc *c, uint64_t address, uint64_t size, uint32_t flags, void *host)
{
	struct vfuc_map *m = malloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->address = address;
	m->size = size;
	m->host = host;
	m->writable = flags & VFU_MAP_WRITE;
	pthread_mutex_lock(&c->lock);
	LIST_INSERT_HEAD(&c->maps, m, link);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static void forget(struct vfuc *c, uint64_t address)
{
	struct vfuc_map *m;

	pthread_mutex_lock(&c->lock);
	LIST_FOREACH(m, &c->maps, link)
		if (m->address == address)
			break;
	if (m)
		LIST_REMOVE(m, link);
	pthread_mutex_unlock(&c->lock);
	free(m);
}

static int post_map(struct vfuc *c, uint64_t address, uint64_t size, uint32_t flags, int fd,
		    uint64_t offset, uint16_t *id)
{
	struct vfu_wire_map map = { to_le32(sizeof(map)), to_le32(flags), to_le64(offset),
				    to_le64(address), to_le64(size) };
	struct vfuc_msg m = { .command = VFU_CMD_DMA_MAP, .payload = &map, .bytes = sizeof(map),
			      .fds = &fd, .num_fds = fd >= 0 };

	return vfuc_send(c, &m, id);
}

int vfuc_map(struct vfuc *c, uint64_t address, uint64_t size, uint32_t flags, int fd,
	     uint64_t offset, void *host)
{
	uint16_t id;
	int ret = post_map(c, address, size, flags, fd, offset, &id);

	if (!ret)
		ret = vfuc_wait(c, id, NULL, 0, NULL);
	return ret ? ret : remember(c, address, size, flags, host);
}

static int post_unmap(struct vfuc *c, uint64_t address, uint64_t size, uint16_t *id)
{
	struct vfu_wire_unmap unmap = { .argsz = to_le32(sizeof(unmap)),
					.address = to_le64(address), .size = to_le64(size) };
	struct vfuc_msg m = { .command = VFU_CMD_DMA_UNMAP, .payload = &unmap,
			      .bytes = sizeof(unmap) };

	return vfuc_send(c, &m, id);
}

int vfuc_unmap(struct vfuc *c, uint64_t address, uint64_t size)
{
	uint16_t id;
	int ret = post_unmap(c, address, size, &id);

	if (!ret)
		ret = vfuc_wait(c, id, NULL, 0, NULL);
	if (!ret)
		forget(c, address);
	return ret;
}

/* A range of the machine: RAM at the same offset of the file, or a ROM that has no descriptor. */
struct range {
	uint64_t start, end;		/* end 0: the end of RAM */
	bool ram, writable;
};

static const struct range attach_ranges[] = {
	{ 0x0, 0xc0000, true, true },
	{ 0xc0000, 0xe0000, false, false },
	{ 0xe0000, 0x100000, false, false },
	{ 0x100000, 0, true, true },
};
static const struct range shadow_ranges[] = {
	{ 0x0, 0xd0000, true, true },
	{ 0xd0000, 0xe0000, true, true },
	{ 0xe0000, 0xf0000, true, true },
	{ 0xf0000, 0, true, true },
};
static const struct range whole_ranges[] = {
	{ 0x0, 0, true, true },
};
static const struct range booted_ranges[] = {
	{ 0x0, 0xc3000, true, true },
	{ 0xc3000, 0xd0000, true, false },
	{ 0xd0000, 0xf0000, true, true },
	{ 0xf0000, 0x100000, true, false },
	{ 0x100000, 0, true, true },
};
static const struct range system_rom = { 0xfffc0000, 0x100000000, false, false };

/* One transaction of QEMU's memory listener: everything is sent, then the last reply awaited. */
struct transaction {
	struct vfuc *c;
	const struct vfuc_ram *ram;
	uint16_t ids[16];
	unsigned n;
	int ret;
};

static uint64_t range_size(const struct transaction *t, const struct range *r)
{
	return (r->end ? r->end : t->ram->bytes) - r->start;
}

static void transaction_map(struct transaction *t, const struct range *r)
{
	uint32_t flags = VFU_MAP_READ | (r->writable ? VFU_MAP_WRITE : 0);
	void *host = r->ram ? t->ram->base + r->start : NULL;

	if (!t->ret)
		t->ret = post_map(t->c, r->start, range_size(t, r), flags, r->ram ? t->ram->fd : -1,
				  r->ram ? r->start : 0, &t->ids[t->n++]);
	if (!t->ret)
		t->ret = remember(t->c, r->start, range_size(t, r), flags, host);
}

static void transaction_unmap(struct transaction *t, const struct range *r)
{
	if (!t->ret)
		t->ret = post_unmap(t->c, r->start, range_size(t, r), &t->ids[t->n++]);
	if (!t->ret)
		forget(t->c, r->start);
}

static void transaction_end(struct transaction *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		int ret = vfuc_wait(t->c, t->ids[i], NULL, 0, NULL);

		if (ret && !t->ret)
			t->ret = ret;
	}
	t->n = 0;
}

#define FOR_EACH(r, array) \
	for (const struct range *r = (array); r < (array) + sizeof(array) / sizeof((array)[0]); r++)

int vfuc_map_machine(struct vfuc *c, const struct vfuc_ram *ram)
{
	struct transaction t = { .c = c, .ram = ram };

	FOR_EACH(r, attach_ranges)
		transaction_map(&t, r);
	transaction_map(&t, &system_rom);
	transaction_end(&t);
	return t.ret;
}

int vfuc_boot_churn(struct vfuc *c, const struct vfuc_ram *ram)
{
	struct transaction t = { .c = c, .ram = ram };

	FOR_EACH(r, attach_ranges)
		transaction_unmap(&t, r);
	FOR_EACH(r, shadow_ranges)
		transaction_map(&t, r);
	transaction_end(&t);
	FOR_EACH(r, shadow_ranges)
		transaction_unmap(&t, r);
	FOR_EACH(r, whole_ranges)
		transaction_map(&t, r);
	transaction_end(&t);
	FOR_EACH(r, whole_ranges)
		transaction_unmap(&t, r);
	FOR_EACH(r, booted_ranges)
		transaction_map(&t, r);
	transaction_end(&t);
	for (unsigned i = 1; i <= 3; i++)	/* "the middle pieces once more" */
		transaction_unmap(&t, &booted_ranges[i]);
	for (unsigned i = 1; i <= 3; i++)
		transaction_map(&t, &booted_ranges[i]);
	transaction_end(&t);
	return t.ret;
}

/* Moves n bytes between buf and guest memory; 0 or an errno as QEMU answers it. */
static uint32_t guest_access(struct vfuc *c, uint64_t address, uint8_t *buf, uint64_t n, bool write)
{
	uint32_t error = 0;

	pthread_mutex_lock(&c->lock);
	if (n && !c->bus_master)
		error = ENODEV;
	while (n && !error) {
		struct vfuc_map *m;
		uint64_t piece;

		LIST_FOREACH(m, &c->maps, link)
			if (address - m->address < m->size)
				break;
		if (!m || !m->host || (write && !m->writable)) {
			error = ENODEV;
			break;
		}
		piece = m->size - (address - m->address);
		if (piece > n)
			piece = n;
		if (write)
			memcpy(m->host + (address - m->address), buf, piece);
		else
			memcpy(buf, m->host + (address - m->address), piece);
		address += piece;
		buf += piece;
		n -= piece;
	}
	pthread_mutex_unlock(&c->lock);
	return error;
}

static void pause_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

static void note_dma(struct vfuc *c, bool write, uint64_t count)
{
	pthread_mutex_lock(&c->lock);
	if (write)
		c->dma_writes++;
	else
		c->dma_reads++;
	if (count > c->dma_largest)
		c->dma_largest = count;
	pthread_mutex_unlock(&c->lock);
}

static void answer(struct vfuc *c, const struct vfu_header *request, uint32_t error,
		   const uint8_t *payload, size_t n)
{
	uint8_t *buf;
	struct vfu_header h = *request;

	if (le32_get(request->flags) & VFU_FLAG_NO_REPLY)
		return;
	if (error)
		n = 0;
	else if (le16_get(request->command) == VFU_CMD_DMA_READ)
		n = (size_t)((ssize_t)n + c->opts.dma_extra_bytes);
	h.size = to_le32((uint32_t)(sizeof(h) + n));
	h.flags = to_le32(VFU_FLAG_REPLY | (error ? VFU_FLAG_ERROR : 0));
	h.error = to_le32(error);
	buf = malloc(sizeof(h) + n);
	if (!buf)
		return;
	memcpy(buf, &h, sizeof(h));
	if (n)
		memcpy(buf + sizeof(h), payload, n);
	vfuc_send_bytes(c, buf, sizeof(h) + n, NULL, 0);
	free(buf);
}

void vfuc_answer_dma(struct vfuc *c, const struct vfu_header *h, uint8_t *payload, size_t n)
{
	bool write = le16_get(h->command) == VFU_CMD_DMA_WRITE;
	size_t data_at = c->opts.old_dma_layout ? 12 : 16;
	uint32_t error = (uint32_t)c->opts.dma_error;
	struct vfu_wire_dma d = { 0 };
	uint64_t count;
	uint8_t *reply;

	if ((!write && le16_get(h->command) != VFU_CMD_DMA_READ) || n < sizeof(d)) {
		answer(c, h, EINVAL, NULL, 0);
		return;
	}
	memcpy(&d, payload, sizeof(d));
	count = le64_get(d.count);
	if (c->opts.old_dma_layout)
		count &= UINT32_MAX;
	note_dma(c, write, count);
	if (!count)
		error = 0;		/* the probe for the layout works always */
	if (count > c->max_data_xfer || (write && count > n - 16))
		error = E2BIG;
	reply = calloc(1, 16 + (size_t)(count > c->max_data_xfer ? 0 : count) + 64);
	if (!reply)
		return;
	memcpy(reply, payload, data_at);
	if (!write)
		reply[8] = (uint8_t)(reply[8] + c->opts.dma_wrong_count);
	if (!error)
		error = guest_access(c, le64_get(d.address),
				     write ? payload + data_at : reply + data_at, count, write);
	if (count && c->opts.dma_delay_ms)
		pause_ms(c->opts.dma_delay_ms);
	if (write)
		answer(c, h, error, reply, c->opts.old_dma_layout ? 0 : 16);
	else
		answer(c, h, error, reply, 16 + count);
	free(reply);
}

void vfuc_dma_seen(struct vfuc *c, unsigned *reads, unsigned *writes, uint64_t *largest)
{
	pthread_mutex_lock(&c->lock);
	*reads = c->dma_reads;
	*writes = c->dma_writes;
	*largest = c->dma_largest;
	pthread_mutex_unlock(&c->lock);
}
