/*
 * EAL for unit tests that need it: without hugepages, shared configuration,
 * devices or privileges. Call test_eal_init first in every test; it acts once
 * per process. Criterion runs each test in a process of its own, so nothing is
 * shared between tests.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <rte_eal.h>

static inline void test_eal_init(void)
{
	static bool done;
	cpu_set_t cpus;
	char dir[] = "/tmp/sluice-unit-XXXXXX";
	char *argv[] = {"unit", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256", "--log-level",
	        "4", "-l", "0", NULL};

	if (done)
		return;
	cr_assert_not_null(mkdtemp(dir));
	setenv("XDG_RUNTIME_DIR", dir, 1);
	/* EAL leaves this thread on one core, and threads of the test would inherit that */
	cr_assert_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	cr_assert_geq(rte_eal_init(sizeof(argv) / sizeof(*argv) - 1, argv), 0, "EAL did not start");
	cr_assert_eq(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	/* with --no-shconf nothing stays in it but DPDK's own folder */
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
	done = true;
}
