/* SPDX-License-Identifier: MIT */
/*
 * A vfio-user client's side of a connection: bytes and descriptors, as they would come from the
 * socket, into the server with a device behind it that does all a device may do.
 *
 * The input is a list of steps. A step's first byte: bits 0-2 which descriptors come along, bit 3
 * a whole message whose header is made here, otherwise bytes as they are; bit 7 of the input's
 * first step: begin without an agreed version. Then
 *   message: command (1 byte), flags (1), payload length (2, little-endian), payload
 *   bytes:   length (2), bytes
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rd.h"
#include "vfio-user/dev.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hv_loop *loop;
static struct vfu_dev *dev;
static int ram = -1;
static uint8_t dma_buf[4096];

static void dma_done(void *cookie, int status)
{
	(void)cookie;
	if (status > 0)
		abort();
}

static void bar_read(void *opaque, unsigned bar, uint64_t offset, unsigned size, uint64_t *value)
{
	(void)opaque;
	if (bar > 5 || (size & (size - 1)) || size > 8 || (offset & (size - 1)))
		abort();
	*value = offset;
	if (offset == 0x18)
		vfu_intx_set_level(dev, false);
}

/* Whatever a device does with a number from its guest. */
static void bar_write(void *opaque, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	uint64_t pfns[3] = { value, value + 1, value };
	uint8_t *p;
	void *pages;

	(void)opaque;
	if (bar > 5 || (size & (size - 1)) || size > 8 || (offset & (size - 1)))
		abort();
	switch (offset) {
	case 0x00:
		(void)vfu_irq_raise(dev, (unsigned)value);
		break;
	case 0x08:
		vfu_intx_set_level(dev, value & 1);
		break;
	case 0x10:
		(void)vfu_dma_read(dev, value, dma_buf, sizeof(dma_buf), dma_done, NULL);
		break;
	case 0x18:
		(void)vfu_dma_write(dev, value, dma_buf, 8, dma_done, NULL);
		break;
	case 0x20:
		p = vfu_dma_ptr(dev, value, 64, true);
		if (p)
			memset(p, 0x5a, 64);
		break;
	case 0x28:
		if (!vfu_dma_map_pages(dev, pfns, 3, 2, &pages)) {
			memset(pages, 1, 6 * 4096);
			vfu_dma_unmap_pages(dev, pages, 3, 2);
		}
		break;
	}
}

static const struct vfu_dev_ops ops = { .bar_read = bar_read, .bar_write = bar_write };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t caps[] = { VFU_CAP_PM, 8, 3, 0, 0, 0, 0, 0, VFU_CAP_PCIE, 0, 2, 0,
					0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	const char *tmp = getenv("TMPDIR");
	char dir[64], path[80];
	struct vfu_dev_desc desc = {
		.name = "fuzz", .socket_path = path, .vendor_id = 0x1234, .device_id = 1,
		.bar = { [0] = { VFU_BAR_MEM32, false, 0x10000 },
			 [2] = { VFU_BAR_MEM64, true, 0x2000 }, [4] = { VFU_BAR_IO, false, 64 } },
		.intx = true, .msi_vectors = 2, .msix_vectors = 20, .msix_bar = 2,
		.msix_pba_offset = 0x1000, .extra_caps = caps, .extra_caps_bytes = sizeof(caps),
	};

	(void)argc;
	(void)argv;
	hv_log_set_level(HV_LOG_ERROR - 1);
	snprintf(dir, sizeof(dir), "%s/vfu-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/s", dir);
	ram = memfd_create("ram", MFD_CLOEXEC);
	if (ram < 0 || ftruncate(ram, 0x10000) || hv_loop_create(&loop) ||
	    vfu_dev_create(loop, &desc, &ops, NULL, &dev))
		abort();
	/* The socket has no part in this. */
	unlink(path);
	rmdir(dir);
	return 0;
}

static unsigned make_fds(unsigned kind, int *fds)
{
	int pair[2];

	switch (kind) {
	case 1:
		fds[0] = fcntl(ram, F_DUPFD_CLOEXEC, 3);
		return 1;
	case 2:
	case 3:
		for (unsigned i = 0; i < kind - 1; i++)
			fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		return kind - 1;
	case 4:
		if (pipe2(pair, O_CLOEXEC))
			abort();
		close(pair[1]);
		fds[0] = pair[0];
		return 1;
	case 5:
		for (unsigned i = 0; i < VFU_MAX_FDS; i++)
			fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		return VFU_MAX_FDS;
	default:
		return 0;
	}
}

/* What the socket would do: nothing beyond the buffer's end comes. */
static void feed(struct vfu_conn *c, const uint8_t *p, size_t n, const int *fds, unsigned num_fds)
{
	size_t room = VFU_CONN_IN_BYTES - c->in_bytes;

	vfu_conn_feed(c, p, n < room ? n : room, fds, num_fds);
}

static void feed_message(struct vfu_conn *c, uint8_t command, uint8_t flags, struct rd payload,
			 const int *fds, unsigned num_fds)
{
	static uint8_t buf[sizeof(struct vfu_header) + UINT16_MAX];
	static uint16_t id;
	struct vfu_header h = { to_le16(id++), to_le16(command),
				to_le32((uint32_t)(sizeof(h) + payload.left)), to_le32(flags),
				to_le32(0) };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), payload.p, payload.left);
	feed(c, buf, sizeof(h) + payload.left, fds, num_fds);
}

/* One step of the input; false at its end. */
static bool step(struct vfu_conn *c, struct rd *r)
{
	uint8_t kind, command = 0, flags = 0;
	le16 length;
	struct rd part;
	int fds[VFU_MAX_FDS];
	unsigned num_fds;

	if (!rd_copy(r, &kind, 1))
		return false;
	if ((kind & 8) && (!rd_copy(r, &command, 1) || !rd_copy(r, &flags, 1)))
		return false;
	if (!rd_copy(r, &length, sizeof(length)))
		return false;
	if (!rd_slice(r, 0, le16_get(length), &part))
		part = *r;
	rd_skip(r, part.left);
	if (!part.left && !(kind & 8))
		return true;		/* no bytes, no descriptors: a stream has no empty pieces */
	num_fds = make_fds(kind & 7, fds);
	if (kind & 8)
		feed_message(c, command, flags, part, fds, num_fds);
	else
		feed(c, part.p, part.left, fds, num_fds);
	return true;
}

/* Runs what is due; false once the connection has ended. */
static bool settle(int peer)
{
	char sink[4096];

	while (recv(peer, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
	if (hv_loop_run_once(loop, 0))
		abort();
	return !TAILQ_EMPTY(&dev->conns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t version[] = { 0, 0, 0, 0 };
	struct rd r = { data, size };
	struct vfu_conn *c;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) ||
	    vfu_conn_create(dev, loop, &dev->stats, pair[0], &c))
		abort();
	TAILQ_INSERT_TAIL(&dev->conns, c, link);
	dev->num_conns++;
	if (size && !(data[0] & 0x80))
		feed_message(c, VFU_CMD_VERSION, 0, (struct rd){ version, sizeof(version) }, NULL, 0);
	for (unsigned steps = 0; steps < 64 && settle(pair[1]); steps++)
		if (c->out_bytes || !step(c, &r))
			break;
	close(pair[1]);
	for (unsigned i = 0; i < 100 && !TAILQ_EMPTY(&dev->conns); i++)
		settle(-1);
	/* Nothing of the client may be left. */
	if (!TAILQ_EMPTY(&dev->conns) || dev->client || dev->dma.num_maps || dev->dma.pieces ||
	    dev->msgs.num_waiting || dev->msgs.num_flying || dev->irqs.unmask_fd >= 0 ||
	    vfu_config_command(&dev->config))
		abort();
	return 0;
}
