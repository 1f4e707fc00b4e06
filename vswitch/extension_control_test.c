/* SPDX-License-Identifier: MIT */
/*
 * Policies by GUID, requests, and what is saved and restored.
 */
#include <errno.h>

#include "vswitch/test_extension.h"

static struct vswitch *sw;
static struct recorder top, low, fwd;
static struct test_nic nic;
static struct vswitch_ext_ops ops;	/* the recorder's, and what a test adds */

static void begin(void)
{
	hv_log_set_level(HV_LOG_ERROR);
	sw = test_switch();
	ops = recorder_ops;
	test_nic_plug(sw, &nic, VSWITCH_NIC_SYNTHETIC, 1, 0);
	recorder_put(sw, &low, "low", VSWITCH_EXT_FILTER);
	recorder_put(sw, &top, "top", VSWITCH_EXT_FILTER);
	record_clear();
}

static void end(void)
{
	test_nic_unplug(&nic);
	vswitch_destroy(sw);
}

/* ---- policies ---- */

static struct vswitch_property policy(uint8_t kind, uint8_t instance, bool standard, const void *data, uint32_t bytes)
{
	return (struct vswitch_property){
		.feature = { { kind } },
		.instance = { { instance } },
		.standard = standard,
		.data = data,
		.bytes = bytes,
	};
}

static void a_policy_needs_an_owner(void)
{
	struct vswitch_property p = policy(1, 1, false, "\x05", 1), found;

	begin();
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &p), -EOPNOTSUPP);
	record_is("top:property_add1 low:property_add1");
	top.owns = true;
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &p), 0);
	record_is("top:property_add1");	/* the owner completes it */
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &p), -EEXIST);
	CU_ASSERT_EQUAL(vswitch_property_add(sw, NULL, &p), 0);	/* the switch's own is another one */
	CU_ASSERT(low.s->property(low.e, vswitch_port_id(nic.port), 0, &found));
	CU_ASSERT(found.bytes == 1 && *(const uint8_t *)found.data == 5);
	CU_ASSERT_FALSE(low.s->property(low.e, vswitch_port_id(nic.port), 1, &found));
	CU_ASSERT(low.s->property(low.e, 0, 0, &found));
	record_clear();
	p = policy(1, 1, false, "\x06", 1);
	CU_ASSERT_EQUAL(vswitch_property_update(sw, nic.port, &p), 0);
	record_is("top:property_update6");
	CU_ASSERT(low.s->property(low.e, vswitch_port_id(nic.port), 0, &found) && *(const uint8_t *)found.data == 6);
	p.instance.b[0] = 2;
	CU_ASSERT_EQUAL(vswitch_property_update(sw, nic.port, &p), -ENOENT);
	CU_ASSERT_EQUAL(vswitch_property_delete(sw, nic.port, &p.feature, &p.instance), -ENOENT);
	p.instance.b[0] = 1;
	record_clear();
	CU_ASSERT_EQUAL(vswitch_property_delete(sw, nic.port, &p.feature, &p.instance), 0);
	record_is("top:property_delete1 low:property_delete1");
	CU_ASSERT_FALSE(low.s->property(low.e, vswitch_port_id(nic.port), 0, &found));
	p.bytes = VSWITCH_PROPERTY_MAX_BYTES + 1;
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &p), -EMSGSIZE);
	end();
}

/* §17 item 4, the policies' part. */
static void a_refused_policy_leaves_the_old_one(void)
{
	struct vswitch_property p = policy(1, 1, true, "\x05", 1), found;

	begin();
	low.refuses = "property_add";
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &p), -ECANCELED);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->extension, "low");
	record_is("top:property_add1 low:property_add1 top:property_delete1");
	CU_ASSERT_FALSE(top.s->property(top.e, vswitch_port_id(nic.port), 0, &found));
	low.refuses = "property_update";
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &p), 0);
	p = policy(1, 1, true, "\x06", 1);
	record_clear();
	CU_ASSERT_EQUAL(vswitch_property_update(sw, nic.port, &p), -ECANCELED);
	record_is("top:property_update6 low:property_update6 top:property_update5");
	CU_ASSERT(top.s->property(top.e, vswitch_port_id(nic.port), 0, &found) && *(const uint8_t *)found.data == 5);
	end();
}

static void a_forwarder_is_shown_the_standard_policies(void)
{
	struct vswitch_property p = policy(1, 1, true, "\x05", 1), own = policy(2, 1, false, NULL, 0);

	begin();
	top.owns = true;
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &p), 0);
	CU_ASSERT_EQUAL(vswitch_property_add(sw, nic.port, &own), 0);
	recorder_init(&fwd, "fwd", VSWITCH_EXT_FORWARD);
	CU_ASSERT_EQUAL(recorder_try(sw, &fwd), 0);
	fwd.refuses = "property_add";
	record_clear();
	CU_ASSERT_EQUAL(vswitch_extension_enable(fwd.e), -ECANCELED);
	record_is("fwd:activate0 fwd:property_add1 fwd:deactivate0");
	CU_ASSERT_FALSE(vswitch_extension_enabled(fwd.e));
	fwd.refuses = NULL;
	CU_ASSERT_EQUAL(vswitch_extension_enable(fwd.e), 0);
	record_is("fwd:activate0 fwd:property_add1");
	end();
}

static int status(void *o, uint32_t port, const struct vswitch_guid *feature, void *out, uint32_t max, uint32_t *bytes)
{
	(void)o;
	(void)port;
	if (feature->b[0] != 9)
		return VSWITCH_EXT_PASS;
	*bytes = 4;
	if (max < 4)
		return -ENOBUFS;
	memcpy(out, "1234", 4);
	return VSWITCH_EXT_DONE;
}

static void who_knows_a_feature_tells_its_status(void)
{
	const struct vswitch_guid known = { { 9 } }, unknown = { { 8 } };
	uint32_t n = 77;
	char out[8];

	begin();
	ops.feature_status = status;
	low.module.ops = &ops;
	CU_ASSERT_EQUAL(vswitch_feature_status(sw, NULL, &unknown, out, sizeof(out), &n), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(n, 77);
	CU_ASSERT_EQUAL(vswitch_feature_status(sw, NULL, &known, out, 2, &n), -ENOBUFS);
	CU_ASSERT_EQUAL(n, 4);
	CU_ASSERT_EQUAL(vswitch_feature_status(sw, nic.port, &known, out, sizeof(out), &n), 0);
	CU_ASSERT_NSTRING_EQUAL(out, "1234", 4);
	end();
}

/* ---- requests ---- */

static int low_answers;			/* what the lower extension says */

static int on_request(void *o, struct vswitch_request *r)
{
	note(o, "request", r->code);
	return o == &low ? low_answers : VSWITCH_EXT_PASS;
}

static void on_result(void *o, const struct vswitch_request *r, int result)
{
	(void)r;
	note(o, "result", (unsigned)-result);
}

static int nic_request(void *opaque, struct vswitch_request *r)
{
	(void)opaque;
	r->out_bytes = 3;
	return r->code == 5 ? 0 : -EOPNOTSUPP;
}

static void requests_go_down_and_results_up(void)
{
	struct vswitch_nic_ops nops = test_nic_ops;
	struct vswitch_request r = { .code = 5, .destination_port = 1 };

	begin();
	nops.request = nic_request;
	nic.nic.ops = &nops;
	ops.request = on_request;
	ops.request_complete = on_result;
	top.module.ops = low.module.ops = &ops;
	low_answers = VSWITCH_EXT_PASS;
	CU_ASSERT_EQUAL(vswitch_request(sw, &r), 0);
	CU_ASSERT_EQUAL(r.out_bytes, 3);
	record_is("top:request5 low:request5 low:result0 top:result0");
	r.code = 6;
	CU_ASSERT_EQUAL(vswitch_request(sw, &r), -EOPNOTSUPP);
	record_is("top:request6 low:request6 low:result95 top:result95");
	low_answers = VSWITCH_EXT_DONE;
	CU_ASSERT_EQUAL(vswitch_request(sw, &r), 0);
	record_is("top:request6 low:request6 top:result0");
	low_answers = -EBUSY;
	CU_ASSERT_EQUAL(vswitch_request(sw, &r), -EBUSY);
	low_answers = VSWITCH_EXT_PASS;
	r.destination_port = 0;
	CU_ASSERT_EQUAL(vswitch_request(sw, &r), -EOPNOTSUPP);
	r.destination_port = 99;
	CU_ASSERT_EQUAL(vswitch_request(sw, &r), -ENOENT);
	/* One of an extension's own begins below it. */
	r = (struct vswitch_request){ .code = 5, .destination_port = 1 };
	record_clear();
	CU_ASSERT_EQUAL(top.s->request(top.e, &r), 0);
	record_is("low:request5 low:result0");
	nic.nic.ops = &test_nic_ops;
	end();
}

/* ---- save and restore ---- */

static char saved[2][32];		/* what each has to save, in records of its own; "" ends it */
static unsigned num_saved;
static char restored[128];
static bool too_small_at_first;

static int on_save(void *o, const struct vswitch_nic_info *info, struct vswitch_ext_writer_out *out)
{
	uint32_t need = too_small_at_first ? 10000 : 32;

	(void)info;
	if (o != &low || num_saved == 2)
		return VSWITCH_EXT_PASS;
	out->bytes = need;
	if (out->max_bytes < need)
		return -ENOBUFS;
	memset(out->data, 0, need);
	memcpy(out->data, saved[num_saved++], 32);
	out->feature.b[0] = (uint8_t)num_saved;
	return VSWITCH_EXT_DONE;
}

static int on_restore(void *o, const struct vswitch_nic_info *info, const struct vswitch_guid *feature, const void *data,
		      uint32_t bytes)
{
	char text[64];

	(void)info;
	CU_ASSERT_PTR_EQUAL(o, &low);
	snprintf(text, sizeof(text), "%u:%.32s;", feature->b[0], (const char *)data);
	CU_ASSERT(bytes >= 32);
	strcat(restored, text);
	return low.refuses ? -EINVAL : 0;
}

static void with_savers(void)
{
	begin();
	ops.save = on_save;
	ops.restore = on_restore;
	top.module.ops = low.module.ops = &ops;
	strcpy(saved[0], "one");
	strcpy(saved[1], "two");
	num_saved = 0;
	restored[0] = '\0';
	too_small_at_first = false;
}

static void what_is_saved_comes_back(void)
{
	unsigned unowned = 9;
	void *blob;
	size_t n;

	with_savers();
	CU_ASSERT_EQUAL(vswitch_nic_save(nic.port, 0, &blob, &n), 0);
	CU_ASSERT_EQUAL(vswitch_nic_restore(nic.port, 0, blob, n, &unowned), 0);
	CU_ASSERT_STRING_EQUAL(restored, "1:one;2:two;");
	CU_ASSERT_EQUAL(unowned, 0);
	/* An owner that fails fails all of it; one that is not there does not. */
	low.refuses = "restore";
	CU_ASSERT_EQUAL(vswitch_nic_restore(nic.port, 0, blob, n, &unowned), -EINVAL);
	CU_ASSERT_STRING_EQUAL(vswitch_refusal(sw)->extension, "low");
	CU_ASSERT_STRING_EQUAL(restored, "1:one;2:two;1:one;");
	vswitch_extension_disable(low.e);
	CU_ASSERT_EQUAL(vswitch_nic_restore(nic.port, 0, blob, n, &unowned), 0);
	CU_ASSERT_EQUAL(unowned, 2);
	free(blob);
	/* One that needs more room gets it. */
	low.refuses = NULL;
	CU_ASSERT_EQUAL(vswitch_extension_enable(low.e), 0);
	num_saved = 0;
	restored[0] = '\0';
	too_small_at_first = true;
	CU_ASSERT_EQUAL(vswitch_nic_save(nic.port, 0, &blob, &n), 0);
	CU_ASSERT(n > 20000);
	CU_ASSERT_EQUAL(vswitch_nic_restore(nic.port, 0, blob, n, NULL), 0);
	CU_ASSERT_STRING_EQUAL(restored, "1:one;2:two;");
	free(blob);
	CU_ASSERT_EQUAL(vswitch_nic_save(nic.port, 1, &blob, &n), -ENOENT);
	end();
}

/* §17 item 14: no single changed bit and no cut survives, and nobody sees a part of such a blob. */
static void a_damaged_blob_is_refused(void)
{
	uint8_t *blob, *copy;
	void *made;
	size_t n;

	with_savers();
	CU_ASSERT_EQUAL_FATAL(vswitch_nic_save(nic.port, 0, &made, &n), 0);
	blob = made;
	for (size_t i = 0; i < n * 8; i++) {
		int ret;

		blob[i / 8] ^= (uint8_t)(1u << i % 8);
		ret = vswitch_nic_restore(nic.port, 0, blob, n, NULL);
		CU_ASSERT(ret == -EBADMSG || (ret == -EPROTO && (i / 8 == 4 || i / 8 == 5)));
		blob[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t i = 0; i < n; i++) {
		copy = malloc(i ? i : 1);	/* of its own, for AddressSanitizer */
		memcpy(copy, blob, i);
		CU_ASSERT_EQUAL(vswitch_nic_restore(nic.port, 0, copy, i, NULL), -EBADMSG);
		free(copy);
	}
	CU_ASSERT_STRING_EQUAL(restored, "");
	free(blob);
	end();
}

static int saves_for_ever(void *o, const struct vswitch_nic_info *info, struct vswitch_ext_writer_out *out)
{
	(void)o;
	(void)info;
	out->bytes = 4;
	memset(out->data, 0, 4);
	return VSWITCH_EXT_DONE;
}

static int wants_too_much(void *o, const struct vswitch_nic_info *info, struct vswitch_ext_writer_out *out)
{
	(void)o;
	(void)info;
	out->bytes = VSWITCH_RECORD_MAX_BYTES + 1;
	return -ENOBUFS;
}

static void saving_is_bounded(void)
{
	void *blob;
	size_t n;

	with_savers();
	ops.save = saves_for_ever;
	CU_ASSERT_EQUAL(vswitch_nic_save(nic.port, 0, &blob, &n), -EFBIG);
	ops.save = wants_too_much;
	CU_ASSERT_EQUAL(vswitch_nic_save(nic.port, 0, &blob, &n), -EFBIG);
	end();
}

static const struct hv_test tests[] = {
	{ "a policy needs an owner", a_policy_needs_an_owner },
	{ "a refused policy leaves the old one", a_refused_policy_leaves_the_old_one },
	{ "a forwarder is shown the standard policies", a_forwarder_is_shown_the_standard_policies },
	{ "who knows a feature tells its status", who_knows_a_feature_tells_its_status },
	{ "requests go down and results up", requests_go_down_and_results_up },
	{ "what is saved comes back", what_is_saved_comes_back },
	{ "a damaged blob is refused", a_damaged_blob_is_refused },
	{ "saving is bounded", saving_is_bounded },
};

HV_TEST_MAIN("vswitch/extension control", tests)
