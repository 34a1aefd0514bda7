/* A /run of the test's own, in a mount namespace that ends with it. Needs root, which scripts/test has. */
#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <criterion/criterion.h>

static inline void
private_run(void)
{
	cr_assert_eq(unshare(CLONE_NEWNS), 0, "a mount namespace needs root");
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), 0);
}
