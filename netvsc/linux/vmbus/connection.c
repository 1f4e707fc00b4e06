// SPDX-License-Identifier: MIT OR GPL-2.0
/* The connection to the host's VMBus: contact, the request for offers, unload, and unload in a panic. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/moduleparam.h>
#include <linux/panic_notifier.h>

#include "hvnet_vmbus.h"

#define CONTACT_SECONDS	30	/* our policy; a host answers in milliseconds, but a machine under TCG is slow */
#define UNLOAD_SECONDS	10
#define PANIC_UNLOAD_MS	10000

/* The newest first. What is older than 2.4 has no event flags per channel. */
static const u32 versions[] = {
	VERSION_WIN10_V5_3, VERSION_WIN10_V5_2, VERSION_WIN10_V5_1, VERSION_WIN10_V5,
	VERSION_WIN10_V4_1, VERSION_WIN10, VERSION_WIN8_1, VERSION_WIN8,
};

static unsigned int max_version = VERSION_WIN10_V5_3;
module_param(max_version, uint, 0444);
MODULE_PARM_DESC(max_version, "Newest VMBus version to ask for, major << 16 | minor (default 0x50003)");

__u32 vmbus_proto_version;	/* of the API: read by drivers */

/* 0: connected; -EPROTONOSUPPORT: the host does not know this version. */
static int contact(u32 version)
{
	struct vmbus_channel_initiate_contact msg = {
		.header.msgtype = CHANNELMSG_INITIATE_CONTACT,
		.vmbus_version_requested = version,
		.target_vcpu = 0,	/* VP 0 gets the host's messages */
		/* No monitor pages: each doorbell is a register write, which is cheap. */
	};
	const struct vmbus_channel_version_response *response;
	u32 connection = HVB_CONNECTION_MESSAGE;
	struct hvb_waiter *w;
	int err;

	if (version >= VERSION_WIN10_V5) {
		msg.msg_sint = HVB_VMBUS_SINT;
		connection = HVB_CONNECTION_MULTICLIENT;
	} else {
		msg.interrupt_page = virt_to_phys(hvb.interrupt_page);
	}
	w = kmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	hvb_waiter_add(w, NULL, CHANNELMSG_VERSION_RESPONSE, 0);
	err = hvb_post_contact(connection, &msg, sizeof(msg));
	if (err) {
		hvb_waiter_cancel(w);
		if (err == -ENXIO)
			err = -EPROTONOSUPPORT;
		goto out;
	}
	err = hvb_wait(w, CONTACT_SECONDS);
	if (err)
		goto out;

	response = (const void *)w->reply;
	if (!response->version_supported) {
		err = -EPROTONOSUPPORT;
	} else if (response->connection_state) {
		err = -ECONNREFUSED;
	} else {
		hvb.version = version;
		hvb.message_connection = version >= VERSION_WIN10_V5 ? response->msg_conn_id : connection;
	}
out:
	kfree(w);
	return err;
}

int hvb_connect(void)
{
	unsigned int i;
	int err = -EPROTONOSUPPORT;

	atomic_set(&hvb.next_gpadl, 0xe1e10);	/* where Linux guests begin to count; any number would do */
	for (i = 0; i < ARRAY_SIZE(versions) && err == -EPROTONOSUPPORT; i++) {
		if (versions[i] <= max_version)
			err = contact(versions[i]);
	}
	if (err) {
		pr_err("the host accepts no connection: error %d\n", err);
		return err;
	}
	vmbus_proto_version = hvb.version;
	pr_info("VMBus %u.%u, %u virtual processor%s\n", hvb.version >> 16, hvb.version & 0xffff, hvb.nr_vps,
		hvb.nr_vps == 1 ? "" : "s");
	return 0;
}

/* Returns when all devices that the host has now are registered and bound, as far as there are drivers. */
int hvb_request_offers(void)
{
	struct vmbus_channel_message_header msg = { .msgtype = CHANNELMSG_REQUESTOFFERS };
	struct hvb_waiter *w;
	int err;

	w = kmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	hvb_waiter_add(w, NULL, CHANNELMSG_ALLOFFERS_DELIVERED, 0);
	err = hvb_post(&msg, sizeof(msg));
	if (err)
		hvb_waiter_cancel(w);
	else
		err = hvb_wait(w, CONTACT_SECONDS);
	kfree(w);
	if (err == -ETIMEDOUT) {
		pr_warn("the host does not end its list of offers\n");
		err = 0;
	}
	if (!err) {
		flush_workqueue(hvb.control_wq);
		flush_workqueue(hvb.primary_wq);
	}
	return err;
}

/* After it the host touches no page of ours but the SynIC's. Harmless without a connection. */
void hvb_disconnect(void)
{
	struct vmbus_channel_message_header msg = { .msgtype = CHANNELMSG_UNLOAD };
	struct hvb_waiter *w;
	int err;

	if (!hvb.version)
		return;
	w = kmalloc(sizeof(*w), GFP_KERNEL);
	if (w) {
		hvb_waiter_add(w, NULL, CHANNELMSG_UNLOAD_RESPONSE, 0);
		err = hvb_post(&msg, sizeof(msg));
		if (err)
			hvb_waiter_cancel(w);
		else
			err = hvb_wait(w, UNLOAD_SECONDS);
		if (err)
			pr_warn("unload: error %d; the bridge's reset has to do\n", err);
		kfree(w);
	}
	hvb.version = 0;
}

/* ---- panic ---- */

/* Other processors stand still, interrupts are off: look at every message slot until the answer is there. */
static bool poll_unload_response(void)
{
	unsigned int i;

	for (i = 0; i < hvb.nr_vps; i++) {
		struct hvb_message *slot = &hvb.vps[i].message_page[HVB_VMBUS_SINT];
		u32 message;

		if (!smp_load_acquire(&slot->type))
			continue;
		message = slot->type == HVB_MESSAGE_TYPE_VMBUS ? hvb_payload_u32(slot->payload, 0) : 0;
		xchg(&slot->type, 0);
		if (READ_ONCE(slot->flags) & HVB_MESSAGE_PENDING)
			hvb_end_of_message(&hvb.vps[i]);
		if (message == CHANNELMSG_UNLOAD_RESPONSE)
			return true;
	}
	return false;
}

/* The kernel that a crash starts next must not find the host writing to memory that is its own by then. */
static int unload_in_panic(struct notifier_block *nb, unsigned long action, void *data)
{
	struct vmbus_channel_message_header msg = { .msgtype = CHANNELMSG_UNLOAD };
	struct hvb_post_message *block = hvb.panic_block;
	unsigned int ms;

	if (!hvb.version || hvb.dead)
		return NOTIFY_DONE;
	hvb.version = 0;
	memset(block, 0, sizeof(*block));
	block->connection_id = hvb.message_connection;
	block->message_type = HVB_MESSAGE_TYPE_VMBUS;
	block->payload_bytes = sizeof(msg);
	memcpy(block->payload, &msg, sizeof(msg));

	/* A message of a processor that stands still may fill the queue; taking answers makes it move again. */
	for (ms = 0; ms < PANIC_UNLOAD_MS; ms++) {
		if (hvb_post_once(block) == HVB_STATUS_SUCCESS)
			break;
		poll_unload_response();
		mdelay(1);
	}
	while (ms++ < PANIC_UNLOAD_MS && !poll_unload_response())
		mdelay(1);
	hvb_synic_stop();
	return NOTIFY_DONE;
}

static struct notifier_block panic_block = {
	.notifier_call = unload_in_panic,
	.priority = INT_MIN + 1,	/* after those that still want to use devices */
};

void hvb_panic_init(void)
{
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
}

void hvb_panic_exit(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_block);
}
