/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vfio-user/client.h"
#include "vfio-user/config.h"

static int set_irqs(struct vfuc *c, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
		    const int *fds, unsigned num_fds)
{
	struct vfu_wire_set_irqs set = { to_le32(sizeof(set)), to_le32(flags), to_le32(index),
					 to_le32(start), to_le32(count) };
	struct vfuc_msg m = { .command = VFU_CMD_SET_IRQS, .payload = &set, .bytes = sizeof(set),
			      .fds = fds, .num_fds = num_fds };

	return vfuc_call(c, &m, NULL, 0, NULL);
}

int vfuc_irq_disable(struct vfuc *c, uint32_t index)
{
	return set_irqs(c, VFU_SET_DATA_NONE | VFU_SET_TRIGGER, index, 0, 0, NULL, 0);
}

static int new_eventfd(int *fd)
{
	*fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

static void close_fds(int **fds, unsigned *n)
{
	for (unsigned i = 0; i < *n; i++)
		if ((*fds)[i] >= 0)
			close((*fds)[i]);
	free(*fds);
	*fds = NULL;
	*n = 0;
}

void vfuc_irqs_release(struct vfuc *c)
{
	close_fds(&c->msix_fds, &c->num_msix);
	close_fds(&c->msi_fds, &c->num_msi);
	if (c->intx_fd >= 0)
		close(c->intx_fd);
	if (c->unmask_fd >= 0)
		close(c->unmask_fd);
	c->intx_fd = c->unmask_fd = -1;
}

static int new_fds(unsigned n, int **fds, unsigned *num)
{
	int ret = 0;

	*fds = calloc(n + 1, sizeof(**fds));
	if (!*fds)
		return -ENOMEM;
	for (*num = 0; *num < n && !ret; ++*num)
		ret = new_eventfd(&(*fds)[*num]);
	if (ret)
		close_fds(fds, num);
	return ret;
}

uint64_t vfuc_fd_count(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, timeout_ms) != 1 || read(fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	return n;
}

int vfuc_intx_arm(struct vfuc *c)
{
	int ret;

	if (!c->config[VFU_PCI_IRQ_PIN])
		return 0;
	/* A new one each time, as QEMU: what the old one still holds is nobody's business. */
	if (c->intx_fd >= 0)
		close(c->intx_fd);
	ret = new_eventfd(&c->intx_fd);
	c->intx_pending = false;
	if (!ret)
		ret = set_irqs(c, VFU_SET_DATA_EVENTFD | VFU_SET_TRIGGER, VFU_IRQ_INTX, 0, 1,
			       &c->intx_fd, 1);
	return ret;
}

int vfuc_intx_fd(const struct vfuc *c)
{
	return c->intx_fd;
}

bool vfuc_intx_take(struct vfuc *c, int timeout_ms)
{
	if (c->intx_fd < 0 || !vfuc_fd_count(c->intx_fd, timeout_ms))
		return false;
	c->intx_pending = true;
	return true;
}

int vfuc_intx_end(struct vfuc *c)
{
	if (!c->intx_pending)
		return 0;
	c->intx_pending = false;
	return set_irqs(c, VFU_SET_DATA_NONE | VFU_SET_UNMASK, VFU_IRQ_INTX, 0, 1, NULL, 0);
}

int vfuc_intx_resample(struct vfuc *c, int *unmask_fd)
{
	int ret = 0;

	if (c->unmask_fd < 0)
		ret = new_eventfd(&c->unmask_fd);
	if (!ret)
		ret = set_irqs(c, VFU_SET_DATA_NONE | VFU_SET_MASK, VFU_IRQ_INTX, 0, 1, NULL, 0);
	if (!ret)
		ret = set_irqs(c, VFU_SET_DATA_EVENTFD | VFU_SET_UNMASK, VFU_IRQ_INTX, 0, 1,
			       &c->unmask_fd, 1);
	if (!ret)
		ret = set_irqs(c, VFU_SET_DATA_NONE | VFU_SET_UNMASK, VFU_IRQ_INTX, 0, 1, NULL, 0);
	if (!ret)
		*unmask_fd = c->unmask_fd;
	return ret;
}

int vfuc_msix_enable(struct vfuc *c, unsigned n)
{
	const uint32_t flags = VFU_SET_DATA_EVENTFD | VFU_SET_TRIGGER;
	unsigned cap = vfuc_find_cap(c, VFU_CAP_MSIX);
	int ret;

	if (!cap || n > c->irq_count[VFU_IRQ_MSIX])
		return -EINVAL;
	close_fds(&c->msix_fds, &c->num_msix);
	ret = new_fds(n, &c->msix_fds, &c->num_msix);
	if (!ret)
		ret = vfuc_config_write(c, cap + 2, 2, 0xc000);
	if (!ret)
		ret = vfuc_irq_disable(c, VFU_IRQ_INTX);
	if (!ret)
		ret = set_irqs(c, flags, VFU_IRQ_MSIX, 0, 1, NULL, 0);
	if (!ret)
		ret = vfuc_config_write(c, cap + 2, 2, 0x8000);
	for (unsigned i = 0; i < n && !ret; i++)
		ret = set_irqs(c, flags, VFU_IRQ_MSIX, i, 1, &c->msix_fds[i], 1);
	return ret;
}

int vfuc_msix_disable(struct vfuc *c)
{
	unsigned cap = vfuc_find_cap(c, VFU_CAP_MSIX);
	int ret;

	if (!cap)
		return -EINVAL;
	ret = vfuc_config_write(c, cap + 2, 2, 0);
	if (!ret)
		ret = vfuc_irq_disable(c, VFU_IRQ_MSIX);
	close_fds(&c->msix_fds, &c->num_msix);
	return ret ? ret : vfuc_intx_arm(c);
}

int vfuc_msix_fd(const struct vfuc *c, unsigned vector)
{
	return vector < c->num_msix ? c->msix_fds[vector] : -1;
}

int vfuc_msi_enable(struct vfuc *c, unsigned n)
{
	unsigned cap = vfuc_find_cap(c, VFU_CAP_MSI), log2 = 0;
	int ret;

	if (!cap || !n || n > c->irq_count[VFU_IRQ_MSI])
		return -EINVAL;
	while (1u << (log2 + 1) <= n)
		log2++;
	n = 1u << log2;
	close_fds(&c->msi_fds, &c->num_msi);
	ret = new_fds(n, &c->msi_fds, &c->num_msi);
	if (!ret)
		ret = vfuc_config_write(c, cap + 4, 4, 0xfee00000);
	if (!ret)
		ret = vfuc_config_write(c, cap + 12, 2, 0x0041);
	if (!ret)
		ret = vfuc_config_write(c, cap + 2, 2, 1 | log2 << 4);
	if (!ret)
		ret = vfuc_irq_disable(c, VFU_IRQ_INTX);
	if (!ret)
		ret = set_irqs(c, VFU_SET_DATA_EVENTFD | VFU_SET_TRIGGER, VFU_IRQ_MSI, 0, n,
			       c->msi_fds, n);
	return ret;
}

int vfuc_msi_disable(struct vfuc *c)
{
	unsigned cap = vfuc_find_cap(c, VFU_CAP_MSI);
	int ret;

	if (!cap)
		return -EINVAL;
	ret = vfuc_config_write(c, cap + 2, 2, 0);
	if (!ret)
		ret = vfuc_irq_disable(c, VFU_IRQ_MSI);
	close_fds(&c->msi_fds, &c->num_msi);
	return ret ? ret : vfuc_intx_arm(c);
}

int vfuc_msi_fd(const struct vfuc *c, unsigned vector)
{
	return vector < c->num_msi ? c->msi_fds[vector] : -1;
}
