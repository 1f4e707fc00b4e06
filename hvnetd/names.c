/* SPDX-License-Identifier: MIT */
#include "hvnetd/names.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>

/* Random, drawn for this purpose: keeps the machine id itself out of what guests can see. */
#define APPLICATION_ID \
	SD_ID128_MAKE(8d,3e,91,5a,7c,42,4b,0f,9a,66,21,d4,b7,50,ce,18)

bool name_is_good(const char *name)
{
	size_t n = strlen(name);
	json_t *utf8;

	if (!n || n >= HVNETD_NAME_BYTES || name[0] == ' ' || name[n - 1] == ' ')
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
			return false;
	utf8 = json_string(name);	/* it checks the encoding */
	json_decref(utf8);
	return utf8;
}

bool name_is_plain(const char *name)
{
	size_t n = strlen(name);

	return n && n < HVNETD_NAME_BYTES && name[0] != '.' && name[0] != '-' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-") == n;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(const char *text, uint8_t mac[6])
{
	static const uint8_t zero[6];
	uint8_t out[6];

	if (strlen(text) != HVNETD_MAC_TEXT_BYTES - 1)
		return false;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
		char between = text[3 * i + 2];

		if (high < 0 || low < 0 || (i < 5 && (between != text[2] || !strchr(":-", between))))
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	if ((out[0] & 1) || !memcmp(out, zero, 6))
		return false;
	memcpy(mac, out, 6);
	return true;
}

void mac_format(const uint8_t mac[6], char text[HVNETD_MAC_TEXT_BYTES])
{
	snprintf(text, HVNETD_MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

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
