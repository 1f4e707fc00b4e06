/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The VMBus bridge: a PCI function that stands in for the hypervisor's SynIC and its two hypercalls.
 * Registers of BAR 0, shared by the host (vmbus/bridge.c) and the guest drivers. docs/bridge.md is
 * the manual. BAR 2 holds the MSI-X table and PBA: vector n is SINT 2 of virtual processor n.
 *
 * All registers are little-endian. Writes are posted (nothing that is mapped lies in BAR 0); a read is ordered behind
 * every earlier write of any processor. No register is read on a data path.
 */
#ifndef HVNET_VMBUS_BRIDGE_WIRE_H
#define HVNET_VMBUS_BRIDGE_WIRE_H

#define HVNET_BRIDGE_VENDOR_ID		0x1234	/* the id QEMU's own paper devices use; no stock driver claims … */
#define HVNET_BRIDGE_DEVICE_ID		0x4856	/* … this device ("HV") */
#define HVNET_BRIDGE_CLASS		0x088000 /* base system peripheral, other */
#define HVNET_BRIDGE_REVISION		1

#define HVNET_BRIDGE_BAR_REGS		0
#define HVNET_BRIDGE_BAR_MSIX		2
#define HVNET_BRIDGE_REGS_BYTES		0x10000
#define HVNET_BRIDGE_MSIX_BYTES		0x2000	/* table at 0, PBA at 0x1000 */
#define HVNET_BRIDGE_MSIX_PBA		0x1000
#define HVNET_BRIDGE_MAX_VPS		240	/* virtual processors, one vector each */

/* Global registers */
#define HVNET_BRIDGE_SIGNATURE		0x0000	/* RO 32: HVNET_BRIDGE_SIGNATURE_VALUE */
#define HVNET_BRIDGE_SIGNATURE_VALUE	0x424e5648	/* "HVNB" */
#define HVNET_BRIDGE_VERSION		0x0004	/* RO 32: major << 16 | minor of this interface; major must match */
#define HVNET_BRIDGE_VERSION_VALUE	0x00010000
#define HVNET_BRIDGE_VPS		0x0008	/* RO 32: virtual processors that the bridge serves, 1 … 240 */
#define HVNET_BRIDGE_GUEST_OS_ID	0x0010	/* RW 64: as HV_X64_MSR_GUEST_OS_ID; non-zero before any hypercall */
#define HVNET_BRIDGE_RESET		0x0018	/* WO 32: any value: forget connection, SynIC pages, queued messages */
#define HVNET_BRIDGE_SIGNAL_EVENT	0x0020	/* WO 32: HvSignalEvent(connection id), flag 0; the doorbell */

/*
 * Per virtual processor n, at HVNET_BRIDGE_VP(n): its SynIC and its HvPostMessage.
 * POST_MESSAGE takes the guest-physical address of the 256-byte input block (8-byte aligned, inside one page);
 * POST_STATUS then reads that call's HV_STATUS. One call at a time and processor.
 */
#define HVNET_BRIDGE_VP(n)		(0x1000 + 0x40 * (n))
#define HVNET_BRIDGE_VP_SCONTROL	0x00	/* RW 32: bit 0 SynIC enabled */
#define HVNET_BRIDGE_VP_SINT2		0x04	/* RW 32: bit 16 masked; reset 0x10000 */
#define HVNET_BRIDGE_VP_SIMP		0x08	/* RW 64: bit 0 enabled, bits 12-63 page of the message page */
#define HVNET_BRIDGE_VP_SIEFP		0x10	/* RW 64: bit 0 enabled, bits 12-63 page of the event-flags page */
#define HVNET_BRIDGE_VP_EOM		0x18	/* WO 32: any value: end of message, deliver the next */
#define HVNET_BRIDGE_VP_POST_MESSAGE	0x20	/* WO 64 */
#define HVNET_BRIDGE_VP_POST_STATUS	0x28	/* RO 32 */

#define HVNET_BRIDGE_SINT_MASKED	0x10000u
#define HVNET_BRIDGE_PAGE_ENABLE	1u

#endif
