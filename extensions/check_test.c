/* SPDX-License-Identifier: MIT */
/*
 * The checker finds nothing in good extensions, and in each bad one what is bad.
 */
#include <sys/wait.h>

#include "base/test.h"
#include "extensions/test_paths.h"

static char dir[] = "/tmp/hvnet-check-XXXXXX";

/* Runs the checker; its output without the newline at the end, and its status. */
static int run(const char *so, const char *config, unsigned steps, char *out, size_t room)
{
	char command[4 * PATH_MAX];
	size_t n = 0, got;
	FILE *pipe;
	int status;

	/* A crash is what some are here for: it should not be AddressSanitizer that finds it. */
	snprintf(command, sizeof(command), "ASAN_OPTIONS=handle_segv=0:handle_abort=0:detect_leaks=0 "
		 "'%s' -t 3 -n %u -c '%s' '%s' 2>/dev/null", program("hvnet-extcheck"), steps, config, so);
	pipe = popen(command, "re");
	if (!pipe)
		abort();
	while (n < room - 1 && (got = fread(out + n, 1, room - 1 - n, pipe)))
		n += got;
	out[n] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void good(const char *so, const char *config)
{
	char out[4096];
	int status = run(object(so), config, 4000, out, sizeof(out));

	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, " 0 faults"));
	CU_ASSERT_PTR_NULL(strstr(out, "it saw 0 frames"));
	if (status)
		printf("\n%s: %s\n", so, out);
}

static void nothing_in_the_examples(void)
{
	char config[PATH_MAX];

	if (!mkdtemp(dir))
		abort();
	snprintf(config, sizeof(config), "file=%s/x.pcapng", dir);
	good("pcapng", config);
	good("bpf_filter", "drop tcp port 5 or vlan 3");
	good("bpf_filter", "egress pass not udp");
	good("flow_table", "in=p1 dst=ff:ff:ff:ff:ff:ff -> p2 p3 p0/1; proto=6 -> drop; ip-dst=10.0.0.0/8 -> keep-tag p0; -> native");
	snprintf(config, sizeof(config), "%s/x.pcapng", dir);
	unlink(config);
	rmdir(dir);
}

static void nothing_in_ones_that_could_be_bad(void)
{
	good("bad_capture", "none");
	good("bad_filter", "none");
	good("bad_forward", "none");
}

static const struct { const char *so, *fault, *says; } rows[] = {
	{ "bad_abi", "none", "is built for version 2" },
	{ "bad_module", "none", "its module is not well-formed" },
	{ "bad_symbol", "none", "exports no symbol" },
	{ "bad_filter", "early", "misuse: port_ref() of a port that is not there" },
	{ "bad_filter", "thread", "next_port() is called from a thread of the extension's own" },
	{ "bad_filter", "thread", "threads run after detach()" },
	{ "bad_filter", "descriptor", "descriptors are open after detach()" },
	{ "bad_capture", "refuses", "misuse: port_create() refused by one that only captures" },
	{ "bad_filter", "mtu", "misuse: nic_create() raised an MTU" },
	{ "bad_filter", "reference", "a reference is still there 1000 ms after" },
	{ "bad_filter", "unref", "misuse: nic_unref() without a reference" },
	{ "bad_filter", "crash", "nic_disconnect() crashes" },
	{ "bad_filter", "oversize", "misuse: save() of more than there was room for" },
	{ "bad_filter", "restore", "restore() does not take what save() made" },
	{ "bad_filter", "late-frame", "timer() touches a frame that was completed" },
	{ "bad_capture", "late-frame", "timer() touches a frame that was completed" },
	{ "bad_filter", "late-pen", "misuse: drop() of a frame that is not its own to drop" },
	{ "bad_forward", "late-writer", "misuse: direct() outside of ingress()" },
	{ "bad_filter", "twice", "misuse: release() of a frame that it does not hold" },
	{ "bad_filter", "keeps-held", "a frame is still held 1000 ms after its NIC was disconnected" },
	{ "bad_forward", "keeps-held", "deactivate() leaves frames held" },
	{ "bad_filter", "scribbles", "ingress() writes into a frame" },
	{ "bad_filter", "batch", "ingress() writes into its batch" },
	{ "bad_filter", "request", "misuse: request() from a frame callback" },
	{ "bad_capture", "inject", "misuse: inject() for a port by one that only captures" },
	{ "bad_filter", "drops-twice", "misuse: drop() of a frame that is not its own" },
	{ "bad_forward", "drops-nothing", "misuse: drop() of a frame that is not its own" },
	{ "bad_filter", "holds-at-egress", "misuse: hold() at egress" },
	{ "bad_filter", "hangs", "ingress() does not return" },
};

static void each_fault_is_found(void)
{
	char out[4096];
	int status;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		status = run(object(rows[i].so), rows[i].fault, 1500, out, sizeof(out));
		CU_ASSERT_EQUAL(status, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(out, rows[i].says));
		if (status != 1 || !strstr(out, rows[i].says))
			printf("\n%s with %s: not found: %s\n  said: %s\n", rows[i].so, rows[i].fault, rows[i].says, out);
	}
}

static const struct hv_test tests[] = {
	{ "nothing in the examples", nothing_in_the_examples },
	{ "nothing in ones that could be bad", nothing_in_ones_that_could_be_bad },
	{ "each fault is found", each_fault_is_found },
};

HV_TEST_MAIN("extensions/check", tests)
