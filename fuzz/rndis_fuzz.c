/* SPDX-License-Identifier: MIT */
/*
 * RNDIS messages of a guest, taken apart: the first byte says as what. What the parser believes must lie inside
 * what it was given; the parts are read to the last byte, from a heap block that ends there.
 */
#include <stdlib.h>

#include "netvsp/rndis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_PACKET, AS_ELEMENTS, AS_CONTROL, WAYS };

static volatile uint8_t sink;

static void read_all(const uint8_t *p, size_t n)
{
	while (n--)
		sink ^= p[n];
}

static void ensure(bool x)
{
	if (!x)
		abort();
}

static void elements(const uint8_t *p, size_t n)
{
	struct rndis_ppis ppis = { false, 0 };

	if (rndis_parse_ppis((struct rd){ p, n }, &ppis))
		ensure(!ppis.has_vlan);		/* untouched */
}

static void packet(const uint8_t *p, size_t n)
{
	const uint32_t frame_max = 1518;
	struct rndis_packet header;
	struct rndis_frame f;

	if (n < sizeof(header))
		return;
	memcpy(&header, p, sizeof(header));
	if (rndis_parse_packet(&header, (uint32_t)n, frame_max, &f))
		return;
	ensure(f.message_bytes >= sizeof(header) && f.message_bytes <= n);
	ensure(f.data_bytes >= 14 && f.data_bytes <= frame_max);
	ensure(f.data_offset >= sizeof(header) && f.data_offset <= f.message_bytes);
	ensure(f.data_bytes <= f.message_bytes - f.data_offset);
	ensure(f.ppi_bytes <= RNDIS_PPI_AREA_MAX_BYTES && f.ppi_offset >= sizeof(header));
	ensure(f.ppi_offset <= f.message_bytes && f.ppi_bytes <= f.message_bytes - f.ppi_offset);
	read_all(p + f.data_offset, f.data_bytes);
	elements(p + f.ppi_offset, f.ppi_bytes);
}

static void control(const uint8_t *p, size_t n)
{
	struct rndis_control c;

	if (rndis_parse_control((struct rd){ p, n }, &c))
		return;
	ensure(c.type != RNDIS_PACKET && n >= 12);
	if (c.info.left)
		ensure(c.info.p >= p + sizeof(struct rndis_request) && c.info.left <= n);
	read_all(c.info.p, c.info.left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (!size)
		return 0;
	copy = malloc(size > 1 ? size - 1 : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	switch (data[0] % WAYS) {
	case AS_PACKET:
		packet(copy, size - 1);
		break;
	case AS_ELEMENTS:
		elements(copy, size - 1);
		break;
	case AS_CONTROL:
		control(copy, size - 1);
		break;
	}
	free(copy);
	return 0;
}
