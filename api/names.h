/* SPDX-License-Identifier: MIT */
/* What names and addresses of objects look like. Pure; any thread. */
#ifndef HVNET_API_NAMES_H
#define HVNET_API_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HVNETD_NAME_BYTES = 64,		/* with its NUL; as the ports' names in the switch */
	HVNETD_MAC_TEXT_BYTES = 18,
};

/* A switch's name: 1 to 63 bytes of printable UTF-8 without '/', no space at either end. */
bool name_is_good(const char *name);
/* A VM's or adapter's name, which becomes part of a path: letters, digits and . _ + - only, no dot or dash first. */
bool name_is_plain(const char *name);

/* "02:68:76:01:02:03", also with dashes. False if it is not one, or not that of a single station. */
bool mac_parse(const char *text, uint8_t mac[6]);
void mac_format(const uint8_t mac[6], char text[HVNETD_MAC_TEXT_BYTES]);

#endif
