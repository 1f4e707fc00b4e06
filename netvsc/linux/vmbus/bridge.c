// SPDX-License-Identifier: MIT OR GPL-2.0
/* The bridge's PCI function: registers, virtual processors, interrupts, event flags; the module's start and end. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "hvnet_vmbus.h"

struct hvb hvb;

static int hotplug_state;		/* of the CPU hotplug core, > 0 while registered */

static void __iomem *vp_register(unsigned int index, unsigned int offset)
{
	return hvb.regs + HVNET_BRIDGE_VP(index) + offset;
}

/* ---- hypercalls ---- */

u32 hvb_post_once(struct hvb_post_message *block)
{
	/* Everybody posts through VP 0's registers; the caller sees to it that one does at a time. */
	writeq(virt_to_phys(block), vp_register(0, HVNET_BRIDGE_VP_POST_MESSAGE));
	return readl(vp_register(0, HVNET_BRIDGE_VP_POST_STATUS));
}

bool hvb_alive(void)
{
	if (!READ_ONCE(hvb.dead) && readl(hvb.regs + HVNET_BRIDGE_SIGNATURE) == HVNET_BRIDGE_SIGNATURE_VALUE)
		return true;
	WRITE_ONCE(hvb.dead, true);
	return false;
}

void hvb_end_of_message(struct hvb_vp *vp)
{
	writel(0, vp_register(vp->index, HVNET_BRIDGE_VP_EOM));
}

void hvb_signal(u32 connection_id)
{
	writel(connection_id, hvb.regs + HVNET_BRIDGE_SIGNAL_EVENT);
}

/* ---- interrupts ---- */

/*
 * Event flags: cleared before the channel looks at its ring, so that a signal that comes while it looks sets the
 * flag, and the interrupt, anew.
 */
static void take_events(struct hvb_vp *vp)
{
	u64 *words = vp->event_page + HVB_VMBUS_SINT * (HVB_CHANNELS / 64);
	unsigned int i, bit;
	u64 flags;

	rcu_read_lock();
	for (i = 0; i < HVB_CHANNELS / 64; i++) {
		if (!READ_ONCE(words[i]))
			continue;
		flags = xchg(&words[i], 0);	/* a full barrier; pairs with the host's atomic OR */
		for (; flags; flags &= flags - 1) {
			struct vmbus_channel *channel;

			bit = i * 64 + __ffs64(flags);
			channel = rcu_dereference(hvb.table[bit]);
			if (channel)
				hvb_channel_event(channel);
		}
	}
	rcu_read_unlock();
}

static irqreturn_t vp_interrupt(int irq, void *data)
{
	struct hvb_vp *vp = data;

	take_events(vp);
	hvb_take_message(vp);
	return IRQ_HANDLED;
}

/* ---- virtual processors ---- */

static struct hvb_vp *vp_of_cpu(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i < hvb.nr_vps; i++) {
		if (hvb.vps[i].cpu == cpu)
			return &hvb.vps[i];
	}
	return NULL;
}

/* A CPU that comes back gets its vector back; while it was away the vector was some other CPU's. */
static int cpu_online_again(unsigned int cpu)
{
	struct hvb_vp *vp = vp_of_cpu(cpu);

	if (vp && vp->has_irq)
		irq_set_affinity(vp->irq, cpumask_of(cpu));
	return 0;
}

static int vp_init(struct hvb_vp *vp, unsigned int index, unsigned int cpu)
{
	int err;

	vp->index = index;
	vp->cpu = cpu;
	spin_lock_init(&vp->message_lock);
	snprintf(vp->name, sizeof(vp->name), "hvnet_vmbus-vp%u", index);
	vp->message_page = (void *)get_zeroed_page(GFP_KERNEL);
	vp->event_page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!vp->message_page || !vp->event_page)
		return -ENOMEM;

	vp->irq = pci_irq_vector(hvb.pdev, index);
	if (vp->irq < 0)
		return vp->irq;
	/*
	 * Not for irqbalance: drivers count on callbacks on channel->target_cpu. Before the request, since a vector that
	 * is in use moves with its next interrupt only.
	 */
	irq_set_affinity(vp->irq, cpumask_of(cpu));
	err = request_irq(vp->irq, vp_interrupt, IRQF_NOBALANCING | IRQF_NO_THREAD, vp->name, vp);
	if (err)
		return err;
	vp->has_irq = true;
	return 0;
}

static void vps_exit(void)
{
	unsigned int i;

	if (hotplug_state > 0)
		cpuhp_remove_state_nocalls(hotplug_state);
	hotplug_state = 0;
	for (i = 0; i < hvb.nr_vps; i++) {
		if (hvb.vps[i].has_irq)
			free_irq(hvb.vps[i].irq, &hvb.vps[i]);
	}
	/* The last interrupt may have queued it, and it looks at the message pages. */
	flush_workqueue(hvb.control_wq);
	for (i = 0; i < hvb.nr_vps; i++) {
		free_page((unsigned long)hvb.vps[i].message_page);
		free_page((unsigned long)hvb.vps[i].event_page);
	}
	hvb.nr_vps = 0;
	kfree(hvb.vps);
	hvb.vps = NULL;
	pci_free_irq_vectors(hvb.pdev);
}

static int vps_init(void)
{
	u32 served = readl(hvb.regs + HVNET_BRIDGE_VPS);
	unsigned int cpu, i = 0;
	int n, err;

	if (!served || served > HVNET_BRIDGE_MAX_VPS) {
		dev_err(&hvb.pdev->dev, "serves %u processors, expected 1 to %u\n", served,
			HVNET_BRIDGE_MAX_VPS);
		return -EPROTO;
	}
	n = pci_alloc_irq_vectors(hvb.pdev, 1, min(served, num_online_cpus()), PCI_IRQ_MSIX);
	if (n < 0)
		return n;
	hvb.vps = kcalloc(n, sizeof(*hvb.vps), GFP_KERNEL);
	if (!hvb.vps) {
		pci_free_irq_vectors(hvb.pdev);
		return -ENOMEM;
	}

	for_each_online_cpu(cpu) {
		if (i == n)
			break;
		hvb.nr_vps = i + 1;
		err = vp_init(&hvb.vps[i], i, cpu);
		if (err)
			goto failed;
		i++;
	}

	hotplug_state = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "hvnet_vmbus:online",
						  cpu_online_again, NULL);
	err = hotplug_state;
	if (err < 0)
		goto failed;
	return 0;
failed:
	vps_exit();
	return err;
}

static void synic_start(void)
{
	unsigned int i;

	/* Of an earlier kernel (kexec, crash) nothing must be left that writes to memory which is ours now. */
	writel(1, hvb.regs + HVNET_BRIDGE_RESET);
	/* Open source, Linux, its version: as [TLFS] lays the number out. */
	writeq(BIT_ULL(63) | BIT_ULL(56) | (u64)LINUX_VERSION_CODE << 16, hvb.regs + HVNET_BRIDGE_GUEST_OS_ID);
	for (i = 0; i < hvb.nr_vps; i++) {
		struct hvb_vp *vp = &hvb.vps[i];

		writeq(virt_to_phys(vp->message_page) | HVNET_BRIDGE_PAGE_ENABLE,
		       vp_register(i, HVNET_BRIDGE_VP_SIMP));
		writeq(virt_to_phys(vp->event_page) | HVNET_BRIDGE_PAGE_ENABLE,
		       vp_register(i, HVNET_BRIDGE_VP_SIEFP));
		writel(0, vp_register(i, HVNET_BRIDGE_VP_SINT2));
		writel(1, vp_register(i, HVNET_BRIDGE_VP_SCONTROL));
	}
	hvb.synic_on = true;
}

/* Callable in a panic. Returns when the host is done with our pages: the read is ordered behind the writes. */
void hvb_synic_stop(void)
{
	unsigned int i;

	if (!hvb.synic_on)
		return;
	hvb.synic_on = false;
	for (i = 0; i < hvb.nr_vps; i++) {
		writel(0, vp_register(i, HVNET_BRIDGE_VP_SCONTROL));
		writel(HVNET_BRIDGE_SINT_MASKED, vp_register(i, HVNET_BRIDGE_VP_SINT2));
		writeq(0, vp_register(i, HVNET_BRIDGE_VP_SIMP));
		writeq(0, vp_register(i, HVNET_BRIDGE_VP_SIEFP));
	}
	writeq(0, hvb.regs + HVNET_BRIDGE_GUEST_OS_ID);
	writel(1, hvb.regs + HVNET_BRIDGE_RESET);
	readl(hvb.regs + HVNET_BRIDGE_SIGNATURE);
}

/* ---- the PCI driver ---- */

static int map_function(struct pci_dev *pdev)
{
	int err;

	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = pci_request_region(pdev, HVNET_BRIDGE_BAR_REGS, KBUILD_MODNAME);
	if (err)
		goto out_disable;
	hvb.regs = pci_iomap(pdev, HVNET_BRIDGE_BAR_REGS, HVNET_BRIDGE_REGS_BYTES);
	if (hvb.regs)
		return 0;
	err = -ENOMEM;
	pci_release_region(pdev, HVNET_BRIDGE_BAR_REGS);
out_disable:
	pci_disable_device(pdev);
	return err;
}

static void unmap_function(struct pci_dev *pdev)
{
	pci_iounmap(pdev, hvb.regs);
	hvb.regs = NULL;
	pci_release_region(pdev, HVNET_BRIDGE_BAR_REGS);
	pci_disable_device(pdev);
}

static int check_function(struct pci_dev *pdev)
{
	u32 signature = readl(hvb.regs + HVNET_BRIDGE_SIGNATURE);
	u32 version = readl(hvb.regs + HVNET_BRIDGE_VERSION);

	if (signature != HVNET_BRIDGE_SIGNATURE_VALUE) {
		dev_err(&pdev->dev, "signature 0x%x is not a VMBus bridge's\n", signature);
		return -ENODEV;
	}
	if (version >> 16 != HVNET_BRIDGE_VERSION_VALUE >> 16) {
		dev_err(&pdev->dev, "interface version %u.%u, this driver knows %u\n", version >> 16,
			version & 0xffff, HVNET_BRIDGE_VERSION_VALUE >> 16);
		return -ENODEV;
	}
	return 0;
}

static int alloc_pages_of_bus(void)
{
	hvb.post_block = (void *)get_zeroed_page(GFP_KERNEL);
	hvb.panic_block = (void *)get_zeroed_page(GFP_KERNEL);
	hvb.interrupt_page = (void *)get_zeroed_page(GFP_KERNEL);
	return hvb.post_block && hvb.panic_block && hvb.interrupt_page ? 0 : -ENOMEM;
}

static void free_pages_of_bus(void)
{
	free_page((unsigned long)hvb.post_block);
	free_page((unsigned long)hvb.panic_block);
	free_page((unsigned long)hvb.interrupt_page);
	hvb.post_block = NULL;
	hvb.panic_block = NULL;
	hvb.interrupt_page = NULL;
}

static int bus_start(void)
{
	int err;

	hvb.dead = false;
	hvb.fifo_in = 0;
	hvb.fifo_out = 0;
	bitmap_zero(hvb.early_rescind, HVB_CHANNELS);
	err = alloc_pages_of_bus();
	if (err)
		goto out_pages;
	err = vps_init();
	if (err)
		goto out_pages;
	synic_start();
	err = hvb_connect();
	if (err)
		goto out_synic;
	hvb_panic_init();
	err = hvb_request_offers();
	if (!err)
		return 0;

	hvb_panic_exit();
	hvb_disconnect();
out_synic:
	hvb_synic_stop();
	flush_workqueue(hvb.control_wq);
	hvb_remove_all_channels();
	vps_exit();
out_pages:
	free_pages_of_bus();
	return err;
}

static void bus_stop(void)
{
	/* If it has been pulled out, nobody is to wait for an answer. */
	if (!hvb_alive()) {
		spin_lock_irq(&hvb.lock);
		hvb_wake_waiters(NULL);
		spin_unlock_irq(&hvb.lock);
	}
	hvb_remove_all_channels();
	hvb_panic_exit();
	hvb_disconnect();
	hvb_synic_stop();
	flush_workqueue(hvb.control_wq);
	hvb_remove_all_channels();	/* what was offered in between; nobody is told any more */
	vps_exit();
	free_pages_of_bus();
}

static int bridge_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err;

	if (hvb.pdev) {
		dev_err(&pdev->dev, "a machine has one VMBus, and %s is it\n", pci_name(hvb.pdev));
		return -EBUSY;
	}
	err = map_function(pdev);
	if (err)
		return err;
	err = check_function(pdev);
	if (!err)
		err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto out;
	pci_set_master(pdev);

	hvb.pdev = pdev;
	err = bus_start();
	if (!err)
		return 0;
	dev_err(&pdev->dev, "no VMBus: error %d\n", err);
	pci_clear_master(pdev);
	hvb.pdev = NULL;
out:
	unmap_function(pdev);
	return err;
}

static void bridge_remove(struct pci_dev *pdev)
{
	bus_stop();
	pci_clear_master(pdev);
	hvb.pdev = NULL;
	unmap_function(pdev);
}

/*
 * Power off, reboot, kexec: the drivers above stay, and so do the vectors (UNLOAD_RESPONSE comes by one), but the host
 * lets go of all memory.
 */
static void bridge_shutdown(struct pci_dev *pdev)
{
	hvb_panic_exit();
	hvb_disconnect();
	hvb_synic_stop();
	pci_clear_master(pdev);
}

static const struct pci_device_id bridge_ids[] = {
	{ PCI_DEVICE(HVNET_BRIDGE_VENDOR_ID, HVNET_BRIDGE_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, bridge_ids);

static struct pci_driver bridge_driver = {
	.name = KBUILD_MODNAME,
	.id_table = bridge_ids,
	.probe = bridge_probe,
	.remove = bridge_remove,
	.shutdown = bridge_shutdown,
};

/* ---- the module ---- */

static void free_queues(void)
{
	struct workqueue_struct *queues[] = { hvb.control_wq, hvb.primary_wq, hvb.sub_wq, hvb.removal_wq };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		if (queues[i])
			destroy_workqueue(queues[i]);
	}
}

static int alloc_queues(void)
{
	hvb.control_wq = alloc_ordered_workqueue("hvnet_vmbus_control", 0);
	hvb.primary_wq = alloc_ordered_workqueue("hvnet_vmbus_primary", 0);
	hvb.sub_wq = alloc_ordered_workqueue("hvnet_vmbus_sub", 0);
	hvb.removal_wq = alloc_ordered_workqueue("hvnet_vmbus_removal", 0);
	return hvb.control_wq && hvb.primary_wq && hvb.sub_wq && hvb.removal_wq ? 0 : -ENOMEM;
}

static int __init hvnet_vmbus_init(void)
{
	int err;

	mutex_init(&hvb.post_mutex);
	mutex_init(&hvb.channel_mutex);
	spin_lock_init(&hvb.lock);
	INIT_LIST_HEAD(&hvb.waiters);
	INIT_LIST_HEAD(&hvb.primaries);
	INIT_WORK(&hvb.control_work, hvb_control_work);
	init_waitqueue_head(&hvb.no_devices);

	err = alloc_queues();
	if (err)
		goto out_queues;
	err = hvb_bus_init();
	if (err)
		goto out_queues;
	err = pci_register_driver(&bridge_driver);
	if (!err)
		return 0;
	hvb_bus_exit();
out_queues:
	free_queues();
	return err;
}

static void __exit hvnet_vmbus_exit(void)
{
	pci_unregister_driver(&bridge_driver);
	hvb_bus_exit();
	free_queues();
}

module_init(hvnet_vmbus_init);
module_exit(hvnet_vmbus_exit);
MODULE_DESCRIPTION("VMBus over hvnet's PCI bridge, with the kernel API of hv_vmbus");
MODULE_AUTHOR("The hvnet project");
MODULE_LICENSE("Dual MIT/GPL");
