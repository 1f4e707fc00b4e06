/* SPDX-License-Identifier: MIT */
/*
 * The main() of a CUnit program beside the code: runs a table of tests and ends with the plain
 * line "NAME: N passed, N failed" that `make test` adds up. A test is what CUnit calls a test:
 * a function; it fails if any of its assertions does.
 */
#ifndef HVNET_BASE_TEST_H
#define HVNET_BASE_TEST_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>

struct hv_test {
	const char *name;	/* the behaviour, as a sentence's middle: "refuses a short header" */
	void (*run)(void);
};

/* How many called hv_test_skip(); one count per program, which includes this header once. */
static unsigned hv_tests_skipped;

/* Said by a test that cannot run here, once, before it returns: it counts as skipped, not as passed. */
static inline void hv_test_skip(const char *why)
{
	printf("skipped: %s ", why);
	hv_tests_skipped++;
}

/* Runs n tests; 0 if all passed, 1 otherwise: the program's exit status. */
static inline int hv_test_main(const char *suite, const struct hv_test *tests, size_t n)
{
	CU_pSuite s;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		abort();
	s = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		if (!s || !CU_add_test(s, tests[i].name, tests[i].run))
			abort();
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_tests_failed();
	unsigned run = CU_get_number_of_tests_run();
	CU_cleanup_registry();
	printf("%s: %u passed, %u failed", suite, run - failed - hv_tests_skipped, failed);
	if (hv_tests_skipped)
		printf(", %u skipped", hv_tests_skipped);
	printf("\n");
	return failed || run != n;
}

#define HV_TEST_MAIN(suite, tests) \
	int main(void) { return hv_test_main(suite, tests, sizeof(tests) / sizeof((tests)[0])); }

#endif
