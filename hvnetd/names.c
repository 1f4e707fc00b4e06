/* SPDX-License-Identifier: MIT */
#include "hvnetd/names.h"

#include <string.h>
#include <systemd/sd-id128.h>

/* Random, drawn for this purpose: keeps the machine id itself out of what guests can see. */
#define APPLICATION_ID \
	SD_ID128_MAKE(8d,3e,91,5a,7c,42,4b,0f,9a,66,21,d4,b7,50,ce,18)

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

/* Names go in with their NULs, so that "a", "bc" and "ab", "c" differ. */
static uint64_t hash_names(const uint8_t host[16], const char *vm, const char *adapter, unsigned salt)
{
	uint8_t s[4] = { (uint8_t)salt, (uint8_t)(salt >> 8), (uint8_t)(salt >> 16), (uint8_t)(salt >> 24) };
	uint64_t h = hash_bytes(0xcbf29ce484222325u, s, sizeof(s));

	h = hash_bytes(h, host, 16);
	h = hash_bytes(h, vm, strlen(vm) + 1);
	h = hash_bytes(h, adapter, strlen(adapter) + 1);
	/* FNV's high bits know little of the last bytes. */
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

void mac_from_names(const uint8_t host[16], const char *vm, const char *adapter, unsigned attempt,
		    uint8_t mac[6])
{
	uint64_t h = hash_names(host, vm, adapter, attempt);

	/* Bit 1 of the first byte: locally administered; "hv" for whoever looks at a capture. */
	mac[0] = 0x02;
	mac[1] = 0x68;
	mac[2] = 0x76;
	mac[3] = (uint8_t)(h >> 16);
	mac[4] = (uint8_t)(h >> 8);
	mac[5] = (uint8_t)h;
}

void guid_from_names(const uint8_t host[16], const char *vm, const char *adapter, uint8_t guid[16])
{
	uint64_t a = hash_names(host, vm, adapter, 0x67750000), b = hash_names(host, vm, adapter, 0x67750001);

	for (int i = 0; i < 8; i++) {
		guid[i] = (uint8_t)(a >> 8 * i);
		guid[8 + i] = (uint8_t)(b >> 8 * i);
	}
	guid[7] = (guid[7] & 0x0f) | 0x80;	/* version, in the third field's high byte: little-endian */
	guid[8] = (guid[8] & 0x3f) | 0x80;
}

void host_id(uint8_t id[16])
{
	sd_id128_t v;

	memset(id, 0, 16);
	if (sd_id128_get_machine_app_specific(APPLICATION_ID, &v) >= 0)
		memcpy(id, v.bytes, 16);
}
