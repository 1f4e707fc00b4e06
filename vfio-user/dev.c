/* SPDX-License-Identifier: MIT */
#include "vfio-user/dev.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/listen.h"
#include "vfio-user/desc.h"
#include "vfio-user/guard.h"

/* Vector control of every table entry: masked (PCI 3.0, 6.8.2.9). */
static void reset_msix_table(struct vfu_dev *dev)
{
	memset(dev->msix_table, 0, dev->msix_table_bytes);
	for (uint32_t i = 0; i < dev->msix_table_bytes; i += 16)
		dev->msix_table[i + 12] = 1;
}

void vfu_dev_reset(struct vfu_dev *dev, enum vfu_reset_reason reason)
{
	vfu_count(&dev->stats, VFU_C_RESETS);
	vfu_irqs_reset(&dev->irqs);
	vfu_config_reset(&dev->config);
	if (dev->msix_table)
		reset_msix_table(dev);
	if (dev->ops->reset)
		dev->ops->reset(dev->opaque, reason);
}

/* The files of ranges that are gone stay mapped for a while; the timer lets go of them. */
static void linger_fired(struct hv_timer *t)
{
	struct vfu_dev *dev = (struct vfu_dev *)((char *)t - offsetof(struct vfu_dev, linger));
	uint64_t next = vfu_dma_expire(&dev->dma, hv_now_ns());

	if (next && hv_timer_arm(dev->loop, t, next))
		vfu_dma_expire(&dev->dma, UINT64_MAX);
}

void vfu_dev_unmap(struct vfu_dev *dev, size_t n)
{
	uint64_t now = hv_now_ns();

	/* A copy: the device may look ranges up from the callback, the table stays as it is. */
	struct vfu_dma_range range = dev->dma.map[n].range;

	if (dev->ops->dma_unmap)
		dev->ops->dma_unmap(dev->opaque, &range);
	vfu_dma_remove(&dev->dma, n, now);
	if (!dev->linger.loop && hv_timer_arm(dev->loop, &dev->linger, now + VFU_DMA_LINGER_NS))
		vfu_dma_expire(&dev->dma, UINT64_MAX);
}

int vfu_dev_attach(struct vfu_dev *dev, struct vfu_conn *c, size_t xfer_max)
{
	hv_timer_cancel(&c->handshake);
	c->negotiated = true;
	dev->client = c;
	dev->client_xfer_max = xfer_max;
	vfu_count(&dev->stats, VFU_C_CLIENTS);
	hv_log(HV_LOG_INFO, "%s: client attached, pid %d, uid %u", dev->stats.name, (int)c->pid,
	       (unsigned)c->uid);
	if (dev->ops->client_changed)
		dev->ops->client_changed(dev->opaque, true);
	if (dev->changed)
		dev->changed(dev->changed_cookie);
	return 0;
}

/*
 * Everything that the client brought goes; the device is told in the order in which it learnt of
 * it, backwards.
 */
static void client_lost(struct vfu_dev *dev)
{
	dev->client = NULL;
	vfu_count(&dev->stats, VFU_C_CLIENTS_LOST);
	hv_log(HV_LOG_INFO, "%s: client gone", dev->stats.name);
	vfu_dma_msgs_cancel(&dev->msgs, true);
	vfu_irqs_release(&dev->irqs);
	while (dev->dma.num_maps)
		vfu_dev_unmap(dev, dev->dma.num_maps - 1);
	vfu_dev_reset(dev, VFU_RESET_LOST);
	if (dev->ops->client_changed)
		dev->ops->client_changed(dev->opaque, false);
	if (dev->changed)
		dev->changed(dev->changed_cookie);
}

void vfu_dev_conn_gone(struct vfu_dev *dev, struct vfu_conn *c)
{
	bool was_client = dev->client == c;

	TAILQ_REMOVE(&dev->conns, c, link);
	dev->num_conns--;
	vfu_conn_destroy(c);
	if (was_client)
		client_lost(dev);
}

/* Accepts one connection; false if there is none, or none can be had now. */
static bool accept_one(struct vfu_dev *dev)
{
	int fd = accept4(dev->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct vfu_conn *c;

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return false;
	if (fd >= 0 && dev->num_conns == VFU_MAX_PEERS) {
		vfu_refuse(&dev->stats, VFU_C_TOO_MANY_PEERS, -EAGAIN);
		close(fd);
		return true;
	}
	if (fd < 0 || vfu_conn_create(dev, dev->loop, &dev->stats, fd, &c)) {
		/*
		 * Out of descriptors or memory: look again later instead of at once and for ever.
		 */
		vfu_refuse(&dev->stats, VFU_C_ACCEPT_FAILED, fd < 0 ? -errno : -ENOMEM);
		if (!hv_timer_arm(dev->loop, &dev->accept_pause, hv_now_ns() + VFU_ACCEPT_PAUSE_NS))
			hv_watch_stop(&dev->listen_watch);
		return false;
	}
	TAILQ_INSERT_TAIL(&dev->conns, c, link);
	dev->num_conns++;
	return true;
}

static void listen_ready(struct hv_watch *w, uint32_t events)
{
	struct vfu_dev *dev = (struct vfu_dev *)((char *)w - offsetof(struct vfu_dev, listen_watch));

	(void)events;
	for (unsigned i = 0; i < VFU_MAX_PEERS; i++)
		if (!accept_one(dev))
			break;
}

static void accept_again(struct hv_timer *t)
{
	struct vfu_dev *dev = (struct vfu_dev *)((char *)t - offsetof(struct vfu_dev, accept_pause));

	if (hv_watch_start(dev->loop, &dev->listen_watch, dev->listen_fd, POLLIN))
		hv_timer_arm(dev->loop, t, hv_now_ns() + VFU_ACCEPT_PAUSE_NS);
}

/* Some mapping of this process was lost: one of ours? */
static void lost_ready(struct hv_watch *w, uint32_t events)
{
	struct vfu_dev *dev = (struct vfu_dev *)((char *)w - offsetof(struct vfu_dev, lost_watch));
	uint64_t times;

	(void)events;
	if (read(dev->lost_fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
		hv_watch_stop(w);
	if (!vfu_dma_check_lost(&dev->dma))
		return;
	vfu_count(&dev->stats, VFU_C_MEMORY_LOST);
	hv_log(HV_LOG_ERROR, "%s: the file behind the guest's memory was cut: device stopped",
	       dev->stats.name);
	if (dev->ops->memory_lost)
		dev->ops->memory_lost(dev->opaque);
}

static int check_desc(const struct vfu_dev_desc *desc, struct vfu_config *config)
{
	const char *why = vfu_desc_check(desc);

	if (!why && !vfu_config_init(config, desc, &why))
		return 0;
	hv_log(HV_LOG_ERROR, "%s: bad description: %s",
	       desc->name && *desc->name ? desc->name : "vfio-user", why);
	return -EINVAL;
}

static int set_up_msix(struct vfu_dev *dev, const struct vfu_dev_desc *desc)
{
	if (!desc->msix_vectors)
		return 0;
	dev->msix_bar = desc->msix_bar;
	dev->msix_table_offset = desc->msix_table_offset;
	dev->msix_pba_offset = desc->msix_pba_offset;
	dev->msix_table_bytes = vfu_msix_table_bytes(desc->msix_vectors);
	dev->msix_pba_bytes = vfu_msix_pba_bytes(desc->msix_vectors);
	dev->msix_table = malloc(dev->msix_table_bytes);
	if (!dev->msix_table)
		return -ENOMEM;
	reset_msix_table(dev);
	return 0;
}

static int open_socket(struct vfu_dev *dev, const struct vfu_dev_desc *desc)
{
	char *path = strdup(desc->socket_path);
	int ret;

	if (!path)
		return -ENOMEM;
	ret = hv_listen(path, desc->mode ? desc->mode : 0600, &dev->listen_fd, &dev->socket_dev, &dev->socket_ino);
	if (ret) {
		free(path);
		return ret;
	}
	dev->socket_path = path;
	return hv_watch_start(dev->loop, &dev->listen_watch, dev->listen_fd, POLLIN);
}

static int set_up(struct vfu_dev *dev, const struct vfu_dev_desc *desc)
{
	int ret = check_desc(desc, &dev->config);

	if (ret)
		return ret;
	snprintf(dev->stats.name, sizeof(dev->stats.name), "%s", desc->name);
	memcpy(dev->bar, desc->bar, sizeof(dev->bar));
	ret = vfu_irqs_init(&dev->irqs, dev->loop, &dev->stats, desc->intx, desc->msi_vectors,
			    desc->msix_vectors);
	if (!ret)
		ret = set_up_msix(dev, desc);
	if (!ret)
		ret = vfu_guard_listen(&dev->lost_fd);
	if (!ret)
		ret = hv_watch_start(dev->loop, &dev->lost_watch, dev->lost_fd, POLLIN);
	if (!ret)
		ret = open_socket(dev, desc);
	return ret;
}

int vfu_dev_create(struct hv_loop *loop, const struct vfu_dev_desc *desc,
		   const struct vfu_dev_ops *ops, void *opaque, struct vfu_dev **out)
{
	struct vfu_dev *dev = calloc(1, sizeof(*dev));
	int ret;

	if (!dev)
		return -ENOMEM;
	dev->loop = loop;
	dev->ops = ops;
	dev->opaque = opaque;
	dev->listen_fd = -1;
	dev->lost_fd = -1;
	dev->irqs.unmask_fd = -1;
	dev->listen_watch.ready = listen_ready;
	dev->lost_watch.ready = lost_ready;
	dev->accept_pause.fire = accept_again;
	dev->linger.fire = linger_fired;
	TAILQ_INIT(&dev->conns);
	LIST_INIT(&dev->dma.pages);
	vfu_dma_msgs_init(&dev->msgs, dev);
	ret = set_up(dev, desc);
	if (ret)
		vfu_dev_destroy(dev);
	else
		*out = dev;
	return ret;
}

void vfu_dev_destroy(struct vfu_dev *dev)
{
	struct vfu_conn *c;

	if (!dev)
		return;
	dev->client = NULL;
	hv_timer_cancel(&dev->accept_pause);
	hv_timer_cancel(&dev->linger);
	if (hv_watch_active(&dev->listen_watch))
		hv_watch_stop(&dev->listen_watch);
	if (hv_watch_active(&dev->lost_watch))
		hv_watch_stop(&dev->lost_watch);
	if (dev->socket_path)
		hv_unlisten(dev->socket_path, dev->socket_dev, dev->socket_ino);
	if (dev->listen_fd >= 0)
		close(dev->listen_fd);
	if (dev->lost_fd >= 0)
		vfu_guard_unlisten(dev->lost_fd);
	while ((c = TAILQ_FIRST(&dev->conns))) {
		TAILQ_REMOVE(&dev->conns, c, link);
		vfu_conn_destroy(c);
	}
	vfu_dma_msgs_cancel(&dev->msgs, false);
	vfu_irqs_destroy(&dev->irqs);
	vfu_dma_destroy(&dev->dma);
	free(dev->msix_table);
	free(dev->socket_path);
	free(dev);
}

void *vfu_dma_ptr(struct vfu_dev *dev, uint64_t address, uint64_t size_bytes, bool write)
{
	const struct vfu_map *m = vfu_dma_find(&dev->dma, address);
	uint64_t offset;

	if (!m || !m->range.host || !vfu_config_bus_master(&dev->config) ||
	    (write ? !m->range.writable : !m->range.readable))
		return NULL;
	offset = address - m->range.address;
	if (size_bytes > m->range.size_bytes - offset)
		return NULL;
	return (uint8_t *)m->range.host + offset;
}

int vfu_dma_map_pages(struct vfu_dev *dev, const uint64_t *pfns, size_t n, unsigned copies,
		      void **out)
{
	int ret = vfu_config_bus_master(&dev->config) ? vfu_pages_map(&dev->dma, pfns, n, copies, out) : -EFAULT;

	if (ret)
		vfu_count(&dev->stats, VFU_C_DMA_REFUSED);
	return ret;
}

void vfu_dma_unmap_pages(struct vfu_dev *dev, void *base, size_t n, unsigned copies)
{
	(void)n;
	(void)copies;
	if (base && !vfu_pages_unmap(&dev->dma, base))
		hv_log(HV_LOG_ERROR, "%s: no such mapping of pages", dev->stats.name);
}

int vfu_dma_read(struct vfu_dev *dev, uint64_t address, void *buf, size_t n, vfu_dma_done done,
		 void *cookie)
{
	return vfu_dma_msgs_start(&dev->msgs, address, buf, n, false, done, cookie);
}

int vfu_dma_write(struct vfu_dev *dev, uint64_t address, const void *buf, size_t n,
		  vfu_dma_done done, void *cookie)
{
	return vfu_dma_msgs_start(&dev->msgs, address, (void *)buf, n, true, done, cookie);
}

int vfu_irq_raise(struct vfu_dev *dev, unsigned vector)
{
	return vfu_irqs_raise(&dev->irqs, vector);
}

bool vfu_irq_listening(const struct vfu_dev *dev, unsigned vector)
{
	return vfu_irqs_listening(&dev->irqs, vector);
}

void vfu_intx_set_level(struct vfu_dev *dev, bool high)
{
	vfu_config_set_intx_status(&dev->config, high);
	vfu_irqs_set_level(&dev->irqs, high);
}

bool vfu_dev_attached(const struct vfu_dev *dev)
{
	return dev->client;
}

void vfu_dev_watch(struct vfu_dev *dev, void (*changed)(void *cookie), void *cookie)
{
	dev->changed = changed;
	dev->changed_cookie = cookie;
}

bool vfu_dev_peer(const struct vfu_dev *dev, pid_t *pid, uid_t *uid)
{
	if (!dev->client)
		return false;
	*pid = dev->client->pid;
	*uid = dev->client->uid;
	return true;
}

const char *vfu_dev_name(const struct vfu_dev *dev)
{
	return dev->stats.name;
}

bool vfu_dev_counter(const struct vfu_dev *dev, unsigned n, const char **name, uint64_t *value)
{
	if (n >= VFU_NUM_COUNTERS)
		return false;
	*name = vfu_counter_name(n);
	*value = dev->stats.count[n];
	return true;
}
