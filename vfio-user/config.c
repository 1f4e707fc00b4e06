/* SPDX-License-Identifier: MIT */
/*
 * Three byte arrays: data, what a reset restores, and which bits a write changes. Laying out a
 * description fills them; after that reading and writing need no knowledge of fields, except for
 * the few capabilities whose writes are checked (cap_write_check) or mean something (effects).
 *
 * PCI 3.0 and PCI Express 2.0 names; register layouts from there.
 */
#include "vfio-user/config.h"

#include <errno.h>
#include <string.h>

#include "base/le.h"

enum {
	COMMAND_WRITABLE = 0x0547,	/* I/O, memory, master, parity, SERR, INTx disable */

	MSI_CAP_BYTES = 24,		/* 64-bit address, per-vector masking */
	MSI_CONTROL = 2,
	MSI_ENABLE = 0x1,
	MSI_64BIT = 0x80,
	MSI_MASKING = 0x100,
	MSIX_CAP_BYTES = 12,
	MSIX_CONTROL = 2,
	MSIX_CONTROL_WRITABLE = 0xc000,	/* enable, mask all */

	PM_CAP_BYTES = 8,
	PM_CAPABILITIES = 2,
	PM_D1_SHIFT = 9,		/* of the bit that says D1 is there; D2 follows */
	PM_CONTROL = 4,
	PM_CONTROL_WRITABLE = 0x0103,	/* power state, PME enable */
	PM_STATE = 0x3,
	PM_NO_SOFT_RESET = 0x8,

	PCIE_DEVCAP = 4,
	PCIE_DEVCAP_FLR = 0x10000000,
	PCIE_DEVCTL = 8,
	PCIE_DEVCTL_FLR = 0x8000,
	PCIE_LNKCTL = 0x10,
	PCIE_DEVCTL2 = 0x28,
	PCIE_LNKCTL2 = 0x30,
	PCIE_MIN_BYTES = 0x14,
};

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, to_le16(v).b, 2);
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, to_le32(v).b, 4);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void layout_bars(struct vfu_config *c, const struct vfu_bar *bar)
{
	for (unsigned i = 0; i < VFU_NUM_BARS; i++) {
		uint8_t *value = c->initial + VFU_PCI_BAR0 + 4 * i;
		uint8_t *mask = c->writable + VFU_PCI_BAR0 + 4 * i;
		uint64_t address_bits = ~(bar[i].size_bytes - 1);

		switch (bar[i].kind) {
		case VFU_BAR_NONE:
			break;
		case VFU_BAR_IO:
			put32(value, 1);
			put32(mask, (uint32_t)address_bits & ~3u);
			break;
		case VFU_BAR_MEM32:
			put32(value, bar[i].prefetchable ? 8 : 0);
			put32(mask, (uint32_t)address_bits & ~15u);
			break;
		case VFU_BAR_MEM64:
			put32(value, bar[i].prefetchable ? 12 : 4);
			put32(mask, (uint32_t)address_bits & ~15u);
			put32(mask + 4, (uint32_t)(address_bits >> 32));
			break;
		}
	}
}

/* Appends a capability's place to the list; false if the 256 bytes are full. */
static bool cap_append(struct vfu_config *c, uint8_t id, size_t bytes, uint8_t **at)
{
	const struct vfu_cap *last = c->num_caps ? &c->cap[c->num_caps - 1] : NULL;
	unsigned offset = last ? (last->offset + last->bytes + 3u) & ~3u : VFU_PCI_FIRST_CAP;

	if (c->num_caps == VFU_MAX_CAPS || bytes > VFU_CONFIG_BYTES ||
	    offset + bytes > VFU_CONFIG_BYTES)
		return false;
	c->initial[last ? last->offset + 1u : VFU_PCI_CAP_POINTER] = (uint8_t)offset;
	c->initial[VFU_PCI_STATUS] |= VFU_PCI_STATUS_CAPS;
	c->cap[c->num_caps++] = (struct vfu_cap){ id, (uint8_t)offset, (uint8_t)bytes };
	*at = c->initial + offset;
	(*at)[0] = id;
	return true;
}

static bool layout_msix(struct vfu_config *c, const struct vfu_dev_desc *d)
{
	uint8_t *p;

	if (!d->msix_vectors)
		return true;
	if (!cap_append(c, VFU_CAP_MSIX, MSIX_CAP_BYTES, &p))
		return false;
	put16(p + MSIX_CONTROL, (uint16_t)(d->msix_vectors - 1));
	put32(p + 4, d->msix_table_offset | d->msix_bar);
	put32(p + 8, d->msix_pba_offset | d->msix_bar);
	put16(c->writable + (p - c->initial) + MSIX_CONTROL, MSIX_CONTROL_WRITABLE);
	return true;
}

static bool layout_msi(struct vfu_config *c, const struct vfu_dev_desc *d)
{
	uint8_t *p, *mask;
	unsigned log2 = 0;

	if (!d->msi_vectors)
		return true;
	if (!cap_append(c, VFU_CAP_MSI, MSI_CAP_BYTES, &p))
		return false;
	while (1u << log2 < d->msi_vectors)
		log2++;
	put16(p + MSI_CONTROL, (uint16_t)(MSI_64BIT | MSI_MASKING | log2 << 1));
	mask = c->writable + (p - c->initial);
	put16(mask + MSI_CONTROL, 0x70 | MSI_ENABLE);
	put32(mask + 4, ~3u);
	put32(mask + 8, ~0u);
	put16(mask + 12, 0xffff);
	put32(mask + 16, d->msi_vectors == 32 ? ~0u : (1u << d->msi_vectors) - 1);
	return true;
}

/* Write masks of the further capabilities that are more than data; false if one is too short. */
static bool layout_extra_mask(struct vfu_config *c, const struct vfu_cap *cap)
{
	uint8_t *mask = c->writable + cap->offset;

	if (cap->id == VFU_CAP_PM) {
		if (cap->bytes < PM_CAP_BYTES)
			return false;
		put16(mask + PM_CONTROL, PM_CONTROL_WRITABLE);
	} else if (cap->id == VFU_CAP_PCIE) {
		if (cap->bytes < PCIE_MIN_BYTES)
			return false;
		c->size_bytes = VFU_CONFIG_BYTES_PCIE;
		put16(mask + PCIE_DEVCTL, 0xffff & ~PCIE_DEVCTL_FLR);
		put16(mask + PCIE_LNKCTL, 0xffff);
		if (cap->bytes >= PCIE_DEVCTL2 + 2)
			put16(mask + PCIE_DEVCTL2, 0xffff);
		if (cap->bytes >= PCIE_LNKCTL2 + 2)
			put16(mask + PCIE_LNKCTL2, 0xffff);
	}
	return true;
}

/*
 * The description's own list: each "next" byte is the offset of the following capability in
 * extra_caps, upwards, 0 in the last one.
 */
static const char *layout_extra(struct vfu_config *c, const struct vfu_dev_desc *d)
{
	size_t at = 0, next, end;
	uint8_t *p;

	if (!d->extra_caps || !d->extra_caps_bytes)
		return NULL;
	if (d->extra_caps_bytes > VFU_CONFIG_BYTES - VFU_PCI_FIRST_CAP)
		return "further capabilities do not fit";
	do {
		if (d->extra_caps_bytes - at < 4)
			return "a further capability is shorter than 4 bytes";
		next = d->extra_caps[at + 1];
		end = next ? next : d->extra_caps_bytes;
		if (end > d->extra_caps_bytes || end < at + 4 || (next & 3))
			return "the list of further capabilities is broken";
		if (!d->extra_caps[at] || d->extra_caps[at] == VFU_CAP_MSI ||
		    d->extra_caps[at] == VFU_CAP_MSIX)
			return "a further capability has an id that is not allowed there";
		if (!cap_append(c, d->extra_caps[at], end - at, &p))
			return "further capabilities do not fit";
		memcpy(p + 2, d->extra_caps + at + 2, end - at - 2);
		if (!layout_extra_mask(c, &c->cap[c->num_caps - 1]))
			return "a further capability is shorter than its kind demands";
		at = next;
	} while (next);
	return NULL;
}

int vfu_config_init(struct vfu_config *c, const struct vfu_dev_desc *d, const char **reason)
{
	const char *why;
	uint8_t *p = c->initial;

	memset(c, 0, sizeof(*c));
	c->size_bytes = VFU_CONFIG_BYTES;
	put16(p, d->vendor_id);
	put16(p + 2, d->device_id);
	put32(p + 8, d->class_code << 8 | d->revision_id);
	put16(p + 0x2c, d->subsystem_vendor_id);
	put16(p + 0x2e, d->subsystem_id);
	p[VFU_PCI_IRQ_PIN] = d->intx;
	put16(c->writable + VFU_PCI_COMMAND, COMMAND_WRITABLE);
	c->writable[0x0c] = 0xff;	/* cache line size */
	c->writable[0x0d] = 0xff;	/* latency timer */
	c->writable[VFU_PCI_IRQ_LINE] = 0xff;
	layout_bars(c, d->bar);
	why = layout_msix(c, d) && layout_msi(c, d) ? layout_extra(c, d) : "capabilities do not fit";
	if (why) {
		*reason = why;
		return -EINVAL;
	}
	vfu_config_reset(c);
	return 0;
}

void vfu_config_reset(struct vfu_config *c)
{
	memset(c->data, 0, sizeof(c->data));
	memcpy(c->data, c->initial, sizeof(c->initial));
	c->power_state = 0;
}

void vfu_config_read(const struct vfu_config *c, uint32_t offset, uint32_t n, uint8_t *out)
{
	memcpy(out, c->data + offset, n);
}

/* May bytes [at, at + n) of the capability be written like this? value: the bytes. */
static int cap_write_check(const struct vfu_config *c, const struct vfu_cap *cap, unsigned at,
			   unsigned n, const uint8_t *value)
{
	const uint8_t *data = c->data + cap->offset;

	if (at + n <= 2)
		return -EPERM;		/* id and next pointer */
	switch (cap->id) {
	case VFU_CAP_MSIX:
		return 0;
	case VFU_CAP_MSI:
		if (at <= MSI_CONTROL && at + n > MSI_CONTROL) {
			uint8_t control = value[MSI_CONTROL - at];

			if ((control >> 4 & 7) > (data[MSI_CONTROL] >> 1 & 7))
				return -EINVAL;	/* more messages than offered */
		}
		return 0;
	case VFU_CAP_PM:
		if (at + n <= PM_CONTROL || at >= PM_CONTROL + 2)
			return -ENOTSUP;
		return at == PM_CONTROL && n == 2 ? 0 : -EINVAL;
	case VFU_CAP_PCIE:
		if (at < PCIE_DEVCTL + 2 && at + n > PCIE_DEVCTL)
			return at == PCIE_DEVCTL && (n == 2 || n == 4) ? 0 : -EINVAL;
		return 0;
	default:
		return -EPERM;		/* plain data */
	}
}

static const struct vfu_cap *cap_at(const struct vfu_config *c, uint32_t offset)
{
	for (unsigned i = 0; i < c->num_caps; i++)
		if (offset >= c->cap[i].offset && offset - c->cap[i].offset < c->cap[i].bytes)
			return &c->cap[i];
	return NULL;
}

/* A one in bit 15 of device control, where the device says that it can do it. */
static bool asks_flr(const struct vfu_config *c, const struct vfu_cap *cap, unsigned at,
		     unsigned n, const uint8_t *value)
{
	const unsigned high = PCIE_DEVCTL + 1;

	return cap && cap->id == VFU_CAP_PCIE && at <= high && at + n > high &&
	       (value[high - at] & PCIE_DEVCTL_FLR >> 8) &&
	       (get32(c->data + cap->offset + PCIE_DEVCAP) & PCIE_DEVCAP_FLR);
}

static bool has_power_state(const uint8_t *pm, unsigned state)
{
	return state == 0 || state == VFU_PCI_D3HOT || get16(pm + PM_CAPABILITIES) >> (PM_D1_SHIFT + state - 1) & 1;
}

/* After a write to power management. A state that the function does not have is not taken (PCI PM 1.2, 3.2.4). */
static unsigned power_effects(struct vfu_config *c, const struct vfu_cap *cap)
{
	uint8_t *pm = c->data + cap->offset, old = c->power_state, state = pm[PM_CONTROL] & PM_STATE;

	if (!has_power_state(pm, state)) {
		pm[PM_CONTROL] = (uint8_t)((pm[PM_CONTROL] & ~PM_STATE) | old);
		return 0;
	}
	c->power_state = state;
	if (old == VFU_PCI_D3HOT && !state && !(pm[PM_CONTROL] & PM_NO_SOFT_RESET))
		return VFU_CONFIG_WOKEN;
	return old != state ? VFU_CONFIG_COMMAND_CHANGED : 0;
}

bool vfu_config_bus_master(const struct vfu_config *c)
{
	return c->data[VFU_PCI_COMMAND] & VFU_PCI_COMMAND_MASTER && !c->power_state;
}

bool vfu_config_memory(const struct vfu_config *c)
{
	return c->data[VFU_PCI_COMMAND] & VFU_PCI_COMMAND_MEMORY && !c->power_state;
}

bool vfu_config_intx_off(const struct vfu_config *c)
{
	return vfu_config_command(c) & VFU_PCI_COMMAND_INTX_OFF || c->power_state;
}

int vfu_config_write(struct vfu_config *c, uint32_t offset, uint32_t n, const uint8_t *in,
		     unsigned *effects)
{
	const struct vfu_cap *cap = cap_at(c, offset);
	uint16_t command = vfu_config_command(c);
	int ret;

	if (n != 1 && n != 2 && n != 4 && n != 8)
		return -EINVAL;
	if (cap) {
		ret = cap_write_check(c, cap, offset - cap->offset, n, in);
		if (ret)
			return ret;
	}
	for (uint32_t i = offset; i < offset + n && i < VFU_CONFIG_BYTES; i++)
		c->data[i] = (c->data[i] & ~c->writable[i]) | (in[i - offset] & c->writable[i]);
	*effects = command != vfu_config_command(c) ? VFU_CONFIG_COMMAND_CHANGED : 0;
	if (cap && cap->id == VFU_CAP_PM)
		*effects |= power_effects(c, cap);
	if (asks_flr(c, cap, cap ? offset - cap->offset : 0, n, in))
		*effects |= VFU_CONFIG_FLR;
	return 0;
}

uint16_t vfu_config_command(const struct vfu_config *c)
{
	return get16(c->data + VFU_PCI_COMMAND);
}

void vfu_config_set_intx_status(struct vfu_config *c, bool high)
{
	c->data[VFU_PCI_STATUS] &= (uint8_t)~VFU_PCI_STATUS_INTX;
	if (high)
		c->data[VFU_PCI_STATUS] |= VFU_PCI_STATUS_INTX;
}

const struct vfu_cap *vfu_config_find_cap(const struct vfu_config *c, uint8_t id, unsigned from)
{
	for (unsigned i = from; i < c->num_caps; i++)
		if (c->cap[i].id == id)
			return &c->cap[i];
	return NULL;
}
