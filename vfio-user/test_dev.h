/* SPDX-License-Identifier: MIT */
/*
 * For the tests: a function on a loop in a thread of its own, with a device behind it that records
 * what it is told, and a client's view of it through a socket in a fresh directory.
 */
#ifndef HVNET_VFIO_USER_TEST_DEV_H
#define HVNET_VFIO_USER_TEST_DEV_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/test.h"
#include "vfio-user/vfio_user.h"
#include "vfio-user/vfio_user_client.h"
#include "vfio-user/vfio_user_wire.h"

#define MAYBE __attribute__((unused))

enum {
	/* Registers of the test device in BAR 0. */
	REG_SCRATCH = 0x00,		/* reads back what was written */
	REG_RAISE = 0x08,		/* write: raise this vector */
	REG_LEVEL = 0x10,		/* write: level of INTx */
	REG_CAUSE = 0x18,		/* read to clear: the level falls */
	REG_DMA_READ = 0x20,		/* write: fetch dma_bytes from this address by message */
	REG_DMA_WRITE = 0x28,		/* write: store dma_bytes there */
	REG_BYTES = 0x10000,
	DEV_MAX_EVENTS = 256,
};

enum dev_event {
	EV_ATTACHED, EV_GONE, EV_MAP, EV_UNMAP, EV_COMMAND, EV_LOST_MEMORY,
	EV_RESET_DEVICE, EV_RESET_FUNCTION, EV_RESET_LOST, EV_DMA_DONE,
};

struct test_dev {
	char dir[64], path[96];
	struct hv_loop *loop;
	pthread_t thread;
	struct vfu_dev *vfu;
	struct vfu_dev_desc desc;

	/* The loop's thread; the test looks at it through on_loop() or after stop. */
	enum dev_event event[DEV_MAX_EVENTS];
	unsigned num_events;
	unsigned maps;
	bool bus_master, memory;
	uint64_t scratch, writes, last_write;
	unsigned last_bar, last_size;
	uint64_t last_offset;
	size_t dma_bytes;
	uint8_t dma_buf[32768];
	int dma_status, raise_status;
	unsigned dma_done;
};

static MAYBE void dev_note(struct test_dev *d, enum dev_event e)
{
	if (d->num_events < DEV_MAX_EVENTS)
		d->event[d->num_events++] = e;
}

static MAYBE void dev_bar_read(void *opaque, unsigned bar, uint64_t offset, unsigned size, uint64_t *value)
{
	struct test_dev *d = opaque;

	d->last_bar = bar;
	d->last_size = size;
	d->last_offset = offset;
	*value = d->scratch;
	if (bar == 0 && offset == REG_CAUSE)
		vfu_intx_set_level(d->vfu, false);
}

static MAYBE void dev_dma_done(void *cookie, int status)
{
	struct test_dev *d = cookie;

	d->dma_status = status;
	d->dma_done++;
	dev_note(d, EV_DMA_DONE);
}

static MAYBE void dev_bar_write(void *opaque, unsigned bar, uint64_t offset, unsigned size,
				uint64_t value)
{
	struct test_dev *d = opaque;

	d->last_bar = bar;
	d->last_size = size;
	d->last_offset = offset;
	d->last_write = value;
	d->writes++;
	if (bar != 0)
		return;
	switch (offset) {
	case REG_SCRATCH:
		d->scratch = value;
		break;
	case REG_RAISE:
		d->raise_status = vfu_irq_raise(d->vfu, (unsigned)value);
		break;
	case REG_LEVEL:
		vfu_intx_set_level(d->vfu, value);
		break;
	case REG_DMA_READ:
	case REG_DMA_WRITE:
		d->dma_status = 1;
		if (offset == REG_DMA_READ)
			d->raise_status = vfu_dma_read(d->vfu, value, d->dma_buf, d->dma_bytes,
						       dev_dma_done, d);
		else
			d->raise_status = vfu_dma_write(d->vfu, value, d->dma_buf, d->dma_bytes,
							dev_dma_done, d);
		break;
	}
}

static MAYBE void dev_reset(void *opaque, enum vfu_reset_reason reason)
{
	struct test_dev *d = opaque;

	d->scratch = 0;
	dev_note(d, reason == VFU_RESET_DEVICE	 ? EV_RESET_DEVICE
		    : reason == VFU_RESET_FUNCTION ? EV_RESET_FUNCTION
						   : EV_RESET_LOST);
}

static MAYBE void dev_map(void *opaque, const struct vfu_dma_range *range)
{
	(void)range;
	((struct test_dev *)opaque)->maps++;
	dev_note(opaque, EV_MAP);
}

static MAYBE void dev_unmap(void *opaque, const struct vfu_dma_range *range)
{
	(void)range;
	((struct test_dev *)opaque)->maps--;
	dev_note(opaque, EV_UNMAP);
}

static MAYBE void dev_command(void *opaque, bool bus_master, bool memory)
{
	struct test_dev *d = opaque;

	d->bus_master = bus_master;
	d->memory = memory;
	dev_note(d, EV_COMMAND);
}

static MAYBE void dev_client(void *opaque, bool attached)
{
	dev_note(opaque, attached ? EV_ATTACHED : EV_GONE);
}

static MAYBE void dev_memory_lost(void *opaque)
{
	dev_note(opaque, EV_LOST_MEMORY);
}

static const struct vfu_dev_ops test_dev_ops = {
	.bar_read = dev_bar_read, .bar_write = dev_bar_write, .reset = dev_reset,
	.dma_map = dev_map, .dma_unmap = dev_unmap, .command_changed = dev_command,
	.client_changed = dev_client, .memory_lost = dev_memory_lost,
};

static MAYBE void *dev_thread(void *opaque)
{
	struct test_dev *d = opaque;

	CU_ASSERT_EQUAL(hv_loop_run(d->loop), 0);
	return NULL;
}

/* A function with registers, MSI-X in a BAR of its own, INTx and MSI. */
static MAYBE struct vfu_dev_desc dev_description(void)
{
	return (struct vfu_dev_desc){
		.name = "test/fn", .vendor_id = 0x1234, .device_id = 0x11e8, .class_code = 0x088000,
		.subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100, .revision_id = 3,
		.bar = { [0] = { VFU_BAR_MEM32, false, REG_BYTES },
			 [2] = { VFU_BAR_MEM32, false, 0x1000 },
			 [4] = { VFU_BAR_IO, false, 64 } },
		.intx = true, .msi_vectors = 4, .msix_vectors = 16, .msix_bar = 2,
		.msix_table_offset = 0, .msix_pba_offset = 0x800,
	};
}

static MAYBE void dev_make_dir(struct test_dev *d)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(d->dir, sizeof(d->dir), "%s/vfu-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(d->dir))
		abort();
	snprintf(d->path, sizeof(d->path), "%s/socket", d->dir);
}

static MAYBE void dev_start_desc(struct test_dev *d, const struct vfu_dev_desc *desc)
{
	memset(d, 0, sizeof(*d));
	hv_log_set_level(HV_LOG_ERROR);
	dev_make_dir(d);
	d->desc = *desc;
	d->desc.socket_path = d->path;
	d->dma_bytes = 64;
	if (hv_loop_create(&d->loop) ||
	    vfu_dev_create(d->loop, &d->desc, &test_dev_ops, d, &d->vfu) ||
	    pthread_create(&d->thread, NULL, dev_thread, d))
		abort();
}

static MAYBE void dev_start(struct test_dev *d)
{
	struct vfu_dev_desc desc = dev_description();

	dev_start_desc(d, &desc);
}

static MAYBE void dev_stop(struct test_dev *d)
{
	hv_loop_stop(d->loop);
	pthread_join(d->thread, NULL);
	vfu_dev_destroy(d->vfu);
	hv_loop_destroy(d->loop);
	CU_ASSERT_NOT_EQUAL(access(d->path, F_OK), 0);
	CU_ASSERT_EQUAL(rmdir(d->dir), 0);
}

/* Runs fn on the loop's thread and waits for it. */
struct dev_call {
	struct hv_work work;
	void (*fn)(struct test_dev *d, void *arg);
	struct test_dev *d;
	void *arg;
	sem_t done;
};

static MAYBE void dev_call_run(struct hv_work *w)
{
	struct dev_call *c = (struct dev_call *)w;

	c->fn(c->d, c->arg);
	sem_post(&c->done);
}

static MAYBE void on_loop(struct test_dev *d, void (*fn)(struct test_dev *d, void *arg), void *arg)
{
	struct dev_call c = { .work.run = dev_call_run, .fn = fn, .d = d, .arg = arg };

	sem_init(&c.done, 0, 0);
	hv_loop_post(d->loop, &c.work);
	sem_wait(&c.done);
	sem_destroy(&c.done);
}

static MAYBE void dev_snapshot(struct test_dev *d, void *arg)
{
	*(struct test_dev *)arg = *d;
}

/* The device as its own thread sees it now; valid until the next call. */
static MAYBE const struct test_dev *dev_seen(struct test_dev *d)
{
	static struct test_dev copy;

	on_loop(d, dev_snapshot, &copy);
	return &copy;
}

struct dev_count {
	enum dev_event event;
	const char *counter;
	uint64_t n;
};

static MAYBE void dev_count_events_fn(struct test_dev *d, void *arg)
{
	struct dev_count *c = arg;

	for (unsigned i = 0; i < d->num_events; i++)
		c->n += d->event[i] == c->event;
}

static MAYBE uint64_t dev_events(struct test_dev *d, enum dev_event e)
{
	struct dev_count c = { .event = e };

	on_loop(d, dev_count_events_fn, &c);
	return c.n;
}

static MAYBE void dev_counter_fn(struct test_dev *d, void *arg)
{
	struct dev_count *c = arg;
	const char *name;
	uint64_t value;
	bool found = false;

	for (unsigned i = 0; vfu_dev_counter(d->vfu, i, &name, &value); i++)
		if (!strcmp(name, c->counter)) {
			c->n = value;
			found = true;
		}
	if (!found)
		abort();
}

static MAYBE uint64_t dev_counter(struct test_dev *d, const char *name)
{
	struct dev_count c = { .counter = name };

	on_loop(d, dev_counter_fn, &c);
	return c.n;
}

static MAYBE void dev_forget_fn(struct test_dev *d, void *arg)
{
	(void)arg;
	d->num_events = 0;
}

/* Waits until an event has been seen that often; false after two seconds. */
static MAYBE bool dev_wait_event(struct test_dev *d, enum dev_event e, unsigned times)
{
	for (int i = 0; i < 1000; i++) {
		if (dev_events(d, e) >= times)
			return true;
		usleep(2000);
	}
	return false;
}

/* Descriptors that this process has open. */
static MAYBE unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif
