/* SPDX-License-Identifier: MIT */
#include "api/names.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

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
