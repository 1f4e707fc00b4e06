/* SPDX-License-Identifier: MIT */
#include "vfio-user/version.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"
#include "vfio-user/vfio_user_wire.h"

#define CAPS(text) "{\"capabilities\":" text "}"

/* One lie per row; the last rows are the smallest good offers. why counts only with a refusal. */
static const struct {
	const char *what, *json;
	int ret;
	enum vfu_counter why;
} rows[] = {
	{ "an open brace", "{", -EINVAL, VFU_C_VERSION_JSON },
	{ "an open quote", "\"", -EINVAL, VFU_C_VERSION_JSON },
	{ "an empty text", "", -EINVAL, VFU_C_VERSION_JSON },
	{ "an array", "[]", -EINVAL, VFU_C_VERSION_JSON },
	{ "a number", "7", -EINVAL, VFU_C_VERSION_JSON },
	{ "text behind the object", "{} x", -EINVAL, VFU_C_VERSION_JSON },
	{ "a member twice", "{\"capabilities\":{},\"capabilities\":{}}", -EINVAL,
	  VFU_C_VERSION_JSON },
	{ "capabilities as a string", CAPS("\"x\""), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "max_msg_fds as a string", CAPS("{\"max_msg_fds\":\"1\"}"), -EINVAL,
	  VFU_C_VERSION_CAPABILITY },
	{ "max_msg_fds -1", CAPS("{\"max_msg_fds\":-1}"), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "max_msg_fds 1025", CAPS("{\"max_msg_fds\":1025}"), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "max_msg_fds 1.0", CAPS("{\"max_msg_fds\":1.0}"), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "max_data_xfer_size 0", CAPS("{\"max_data_xfer_size\":0}"), -EINVAL,
	  VFU_C_VERSION_CAPABILITY },
	{ "max_data_xfer_size 2^32", CAPS("{\"max_data_xfer_size\":4294967296}"), -EINVAL,
	  VFU_C_VERSION_CAPABILITY },
	{ "pgsizes 4097", CAPS("{\"pgsizes\":4097}"), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "pgsizes 0", CAPS("{\"pgsizes\":0}"), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "max_dma_maps 0", CAPS("{\"max_dma_maps\":0}"), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "write_multiple 1", CAPS("{\"write_multiple\":1}"), -EINVAL, VFU_C_VERSION_CAPABILITY },
	{ "migration as a string", CAPS("{\"migration\":\"x\"}"), -EINVAL,
	  VFU_C_VERSION_CAPABILITY },
	{ "migration.pgsize as a string", CAPS("{\"migration\":{\"pgsize\":\"x\"}}"), -EINVAL,
	  VFU_C_VERSION_CAPABILITY },
	{ "migration.pgsize 4095", CAPS("{\"migration\":{\"pgsize\":4095}}"), -EINVAL,
	  VFU_C_VERSION_CAPABILITY },
	{ "migration.pgsize 4097", CAPS("{\"migration\":{\"pgsize\":4097}}"), -EINVAL,
	  VFU_C_VERSION_CAPABILITY },
	{ "an integer beyond 64 bits", CAPS("{\"max_msg_fds\":99999999999999999999}"), -EINVAL,
	  VFU_C_VERSION_JSON },
	{ "an empty object", "{}", 0, 0 },
	{ "empty capabilities", CAPS("{}"), 0, 0 },
	{ "unknown members", CAPS("{\"twin_socket\":{},\"x\":[1]}"), 0, 0 },
	{ "the largest max_msg_fds", CAPS("{\"max_msg_fds\":1024,\"max_data_xfer_size\":1048576}"),
	  0, 0 },
};

static size_t message(uint8_t *buf, uint16_t major, uint16_t minor, const char *json)
{
	struct vfu_wire_version v = { to_le16(major), to_le16(minor) };

	memcpy(buf, &v, sizeof(v));
	strcpy((char *)buf + sizeof(v), json);
	return sizeof(v) + strlen(json) + 1;
}

static void takes_only_good_offers(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[512];
		struct vfu_offer offer;
		enum vfu_counter why = VFU_NUM_COUNTERS;
		size_t n = message(buf, 0, 0, rows[i].json);
		int ret = vfu_version_parse(buf, n, &offer, &why);

		if (ret != rows[i].ret || (ret && why != rows[i].why))
			printf("  %s: %d, %s\n", rows[i].what, ret,
			       why < VFU_NUM_COUNTERS ? vfu_counter_name(why) : "no reason");
		CU_ASSERT_EQUAL(ret, rows[i].ret);
		CU_ASSERT(!ret || why == rows[i].why);
	}
}

static void reads_the_numbers(void)
{
	uint8_t buf[512];
	struct vfu_offer o;
	enum vfu_counter why;
	size_t n = message(buf, 0, 1, CAPS("{\"max_msg_fds\":16,\"max_data_xfer_size\":8192}"));

	CU_ASSERT_EQUAL(vfu_version_parse(buf, n, &o, &why), 0);
	CU_ASSERT_EQUAL(o.major, 0);
	CU_ASSERT_EQUAL(o.minor, 1);
	CU_ASSERT_EQUAL(o.max_msg_fds, 16);
	CU_ASSERT_EQUAL(o.max_data_xfer_size, 8192);
	/* Four bytes alone: the protocol's defaults. */
	CU_ASSERT_EQUAL(vfu_version_parse(buf, 4, &o, &why), 0);
	CU_ASSERT_EQUAL(o.max_msg_fds, 1);
	CU_ASSERT_EQUAL(o.max_data_xfer_size, 1 << 20);
}

static void refuses_bad_framing(void)
{
	uint8_t buf[8192];
	struct vfu_offer o = { .major = 77 };
	enum vfu_counter why;
	size_t n;

	for (n = 0; n < 4; n++) {
		CU_ASSERT_EQUAL(vfu_version_parse(buf, n, &o, &why), -EINVAL);
		CU_ASSERT_EQUAL(why, VFU_C_PAYLOAD_SIZE);
	}
	n = message(buf, 999, 0, "{}");
	CU_ASSERT_EQUAL(vfu_version_parse(buf, n, &o, &why), -EINVAL);
	CU_ASSERT_EQUAL(why, VFU_C_VERSION_MAJOR);
	n = message(buf, 0, 0, "{}");
	CU_ASSERT_EQUAL(vfu_version_parse(buf, n - 1, &o, &why), -EINVAL);	/* no NUL */
	CU_ASSERT_EQUAL(why, VFU_C_VERSION_JSON);
	buf[n] = 0;
	CU_ASSERT_EQUAL(vfu_version_parse(buf, n + 1, &o, &why), -EINVAL);	/* two */
	buf[n - 1] = 'x';	/* good without its last character, which is no NUL */
	CU_ASSERT_EQUAL(vfu_version_parse(buf, n, &o, &why), -EINVAL);
	memset(buf + 4, ' ', sizeof(buf) - 4);
	memcpy(buf + 4, "{}", 2);
	buf[sizeof(buf) - 1] = 0;
	CU_ASSERT_EQUAL(vfu_version_parse(buf, sizeof(buf), &o, &why), -EINVAL); /* too long */
	CU_ASSERT_EQUAL(o.major, 77);	/* untouched by all of these */
}

static void survives_deep_nesting(void)
{
	static uint8_t buf[4096];
	struct vfu_offer o;
	enum vfu_counter why;

	memset(buf, 0, sizeof(buf));
	memcpy(buf + 4, "{\"capabilities\":", 16);
	memset(buf + 20, '[', sizeof(buf) - 21);
	CU_ASSERT_EQUAL(vfu_version_parse(buf, sizeof(buf), &o, &why), -EINVAL);
}

static void answers_within_qemus_buffer(void)
{
	uint8_t out[VFU_VERSION_REPLY_MAX];
	size_t n = vfu_version_reply(out);

	CU_ASSERT(n + sizeof(struct vfu_header) <= 214);
	CU_ASSERT_EQUAL(out[n - 1], 0);
	CU_ASSERT_STRING_EQUAL((char *)out + 4, "{\"capabilities\":{\"max_msg_fds\":16,"
						"\"max_data_xfer_size\":65536}}");
	CU_ASSERT_EQUAL(memcmp(out, "\0\0\0\0", 4), 0);	/* 0.0 */
}

static const struct hv_test tests[] = {
	{ "takes only good offers", takes_only_good_offers },
	{ "reads the numbers of an offer", reads_the_numbers },
	{ "refuses bad framing", refuses_bad_framing },
	{ "survives deep nesting", survives_deep_nesting },
	{ "answers within QEMU's buffer", answers_within_qemus_buffer },
};

HV_TEST_MAIN("vfio-user/version", tests)
