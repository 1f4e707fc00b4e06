/* SPDX-License-Identifier: MIT */
/*
 * The twin test as a program. Without options: a bounded slice, by the same seeds each time. With them a long run:
 *
 *   twin_test --steps N [--seed S]    N steps, in scripts of random length from seed S on
 *   twin_test --script SEED,LENGTH    one script as a failure names it, with its last step in detail
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/test.h"
#include "tests/twin.h"

enum {
	SLICE_SCRIPTS = 12,
	SLICE_STEPS = 150,
	MAX_STEPS = 1000,		/* of a script: what is cut down to its cause should not be long */
	SHRINK_RUNS = 60,
};

enum peer { PEER_QEMU, PEER_RESTORED };

static uint64_t rule_uses[TWIN_RULES], frames_sent, frames_received;

/* Who is compared: scripts take the models in turn. */
struct twins {
	enum peer peer;
	enum e1000_model model;
};

static struct twins twins_of(enum peer peer, uint64_t seed)
{
	const uint64_t number = peer == PEER_RESTORED ? seed >> 32 : seed;

	return (struct twins){ peer, (enum e1000_model)(number % E1000_MODELS) };
}

static bool run_once(struct twins who, const struct twin_step *steps, size_t n, bool trace, struct twin_result *out)
{
	const char *why = "no memory";
	struct twin *ours = twin_model_create(who.model, false);
	struct twin *other = who.peer == PEER_QEMU ? twin_qemu_create(who.model, &why) : twin_model_create(who.model, true);

	if (ours && other)
		twin_run_script(who.model, ours, other, steps, n, trace, out);
	else
		printf("twin: %s\n", why);
	twin_destroy(other);
	twin_destroy(ours);
	return ours && other;
}

/* Leaves out what is not needed for the difference; the last step is the one that shows it. */
static size_t shrink(struct twins who, struct twin_step *steps, size_t n, struct twin_result *result)
{
	struct twin_step *fewer = malloc(n * sizeof(*fewer));
	unsigned runs = 0;

	for (size_t chunk = n / 2; fewer && chunk; chunk /= 2)
		for (size_t at = 0; at + chunk < n && runs < SHRINK_RUNS;) {
			struct twin_result r;

			memcpy(fewer, steps, at * sizeof(*steps));
			memcpy(fewer + at, steps + at + chunk, (n - at - chunk) * sizeof(*steps));
			runs++;
			if (run_once(who, fewer, n - chunk, false, &r) && r.failed_at == n - chunk) {
				n -= chunk;
				memcpy(steps, fewer, n * sizeof(*steps));
				*result = r;
			} else {
				at += chunk;
			}
		}
	free(fewer);
	return n;
}

static void report(struct twins who, uint64_t seed, struct twin_step *steps, size_t n, struct twin_result *result)
{
	struct twin_result again;

	if (result->failed_at == SIZE_MAX) {
		printf("twin: after reset: %s\n", result->why);
		return;
	}
	printf("twin: %s, script %#llx, step %zu (%s): %s\n", e1000_model_name(who.model), (unsigned long long)seed,
	       result->failed_at, twin_step_name(&steps[result->failed_at - 1]), result->why);
	printf("twin: the same again: twin_test --script %#llx,%zu\n", (unsigned long long)seed, result->failed_at);
	n = shrink(who, steps, result->failed_at, result);
	printf("twin: %zu of its steps are enough:\n", n);
	for (size_t i = n > 12 ? n - 12 : 0; i < n; i++)
		printf("  %s, seed %#llx\n", twin_step_name(&steps[i]), (unsigned long long)steps[i].seed);
	run_once(who, steps, n, true, &again);
	printf("twin: %s\n", again.why);
}

static bool run_script(enum peer peer, uint64_t seed, size_t n)
{
	const struct twins who = twins_of(peer, seed);
	struct twin_step steps[MAX_STEPS];
	struct twin_result result;

	twin_make_script(seed, steps, n);
	if (!run_once(who, steps, n, false, &result))
		return false;
	if (result.failed_at) {
		report(who, seed, steps, n, &result);
		return false;
	}
	for (unsigned i = 0; i < TWIN_RULES; i++)
		rule_uses[i] += result.used[i];
	frames_sent += result.frames_sent;
	frames_received += result.frames_received;
	return true;
}

static bool have_qemu(void)
{
	const char *why;
	struct twin *t = twin_qemu_create(E1000_82540EM, &why);

	if (!t)
		printf("%s\n", why);
	twin_destroy(t);
	return t;
}

/* Ours against ours: the comparisons without rules, and the state at any point of a script. */
static void restored(void)
{
	for (uint64_t seed = 1; seed <= SLICE_SCRIPTS; seed++)
		CU_ASSERT_TRUE(run_script(PEER_RESTORED, seed << 32, SLICE_STEPS));
}

static void like_qemu(void)
{
	if (!have_qemu()) {
		hv_test_skip("there is no QEMU");
		return;
	}
	for (uint64_t seed = 1; seed <= SLICE_SCRIPTS; seed++)
		CU_ASSERT_TRUE(run_script(PEER_QEMU, seed, SLICE_STEPS));
	/* Scripts that do nothing would agree, too; and a rule that nothing needs is none. */
	CU_ASSERT_TRUE(frames_sent > 1000 && frames_received > 500);
	for (unsigned i = 0; i < TWIN_RULES; i++) {
		if (!rule_uses[i] && i != TWIN_RULE_IP_SUM_ZERO)
			printf("a rule that nothing needed: %s\n", twin_rule_text((enum twin_rule)i));
		CU_ASSERT_TRUE(rule_uses[i] || i == TWIN_RULE_IP_SUM_ZERO);	/* one frame in 65536 */
	}
}

static int long_run(uint64_t steps, uint64_t seed)
{
	struct twin_random random = { seed };
	unsigned passed = 0, failed = 0;

	for (uint64_t done = 0; done < steps && failed < 3;) {
		uint32_t n = twin_between(&random, 20, MAX_STEPS);
		uint64_t script = twin_between(&random, 1, UINT32_MAX);
		enum peer peer = passed % 8 == 7 ? PEER_RESTORED : PEER_QEMU;
		bool ok = run_script(peer, peer == PEER_RESTORED ? script << 32 : script, n);

		passed += ok;
		failed += !ok;
		done += n;
	}
	printf("twin: %llu frames sent, %llu received; differences that are known:\n", (unsigned long long)frames_sent,
	       (unsigned long long)frames_received);
	for (unsigned i = 0; i < TWIN_RULES; i++)
		printf("  %10llu  %s\n", (unsigned long long)rule_uses[i], twin_rule_text((enum twin_rule)i));
	printf("e1000/twin: %u passed, %u failed\n", passed, failed);
	return failed || !passed;
}

static int usage(void)
{
	fputs("Usage: twin_test [--steps N [--seed S] | --script SEED,LENGTH]\n", stderr);
	return 2;
}

static int options(int argc, char **argv)
{
	uint64_t steps = 0, seed = (uint64_t)time(NULL);
	unsigned long long script, length;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return usage();
		if (!strcmp(argv[i], "--steps"))
			steps = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--script") && sscanf(argv[i + 1], "%lli,%llu", (long long *)&script, &length) == 2 &&
			 length && length <= MAX_STEPS)
			return !run_script(script >> 32 ? PEER_RESTORED : PEER_QEMU, script, length);
		else
			return usage();
	}
	if (!steps)
		return usage();
	printf("twin: seed %#llx\n", (unsigned long long)seed);
	return long_run(steps, seed);
}

static const struct hv_test tests[] = {
	{ "saved and restored at any point it goes on as if nothing had been", restored },
	{ "QEMU's does the same, but for what is known", like_qemu },
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	hv_log_set_level(HV_LOG_ERROR);
	if (argc > 1)
		return options(argc, argv);
	return hv_test_main("e1000/twin", tests, sizeof(tests) / sizeof(tests[0]));
}
