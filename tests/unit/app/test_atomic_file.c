/* Files that are there whole or not at all. */
#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/atomic_file.h"

static char folder[64];

static void setup(void)
{
	strcpy(folder, "/tmp/sluice-test-atomic-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

static void teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	cr_expect_eq(system(command), 0);
}

TestSuite(atomic_file, .init = setup, .fini = teardown);

static void expect_text(const char *path, const char *expected)
{
	char text[64] = "";
	FILE *in = fopen(path, "r");

	cr_assert_not_null(in, "%s", path);
	cr_expect_eq(fread(text, 1, sizeof(text) - 1, in), strlen(expected));
	cr_expect_str_eq(text, expected);
	fclose(in);
}

/* Files in the folder, hidden ones too. */
static size_t count(const char *pattern)
{
	glob_t found;
	size_t n = glob(pattern, GLOB_PERIOD, NULL, &found) == 0 ? found.gl_pathc : 0;

	globfree(&found);
	return n;
}

Test(atomic_file, is_written_replaced_and_removed)
{
	struct stat st;

	cr_expect_eq(sl_atomic_write("a", "one", 3, 0600, false), 0);
	expect_text("a", "one");
	cr_expect_eq(stat("a", &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_expect_eq(sl_atomic_write("a", "two", 3, 0644, false), -EEXIST);
	expect_text("a", "one");
	cr_expect_eq(sl_atomic_write("./a", "three", 5, 0644, true), 0);
	expect_text("a", "three");
	cr_expect_eq(stat("a", &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0644);
	cr_expect_eq(count(".*.new*"), 0, "nothing is left");
	cr_expect_eq(sl_atomic_remove("a"), 0);
	cr_expect_eq(sl_atomic_remove("a"), -ENOENT);
}

Test(atomic_file, what_cannot_be_written_changes_nothing)
{
	cr_expect_eq(sl_atomic_write("no/a", "one", 3, 0600, true), -ENOENT);
	cr_assert_eq(mkdir("b", 0700), 0);
	cr_expect_eq(sl_atomic_write("b", "one", 3, 0600, true), -EISDIR);
	cr_expect_eq(count("*"), 3, "`.`, `..` and b");
}

/* While it is written it has a name that a pattern for the folder's files does not match. */
Test(atomic_file, what_a_crash_leaves_is_no_file_of_a_pattern)
{
	const struct rlimit no_core = {0}, two_bytes = {.rlim_cur = 2, .rlim_max = 2};
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) { /* a signal ends it at the third byte */
		setrlimit(RLIMIT_CORE, &no_core);
		setrlimit(RLIMIT_FSIZE, &two_bytes);
		signal(SIGXFSZ, SIG_DFL);
		sl_atomic_write("c", "whole", 5, 0600, true);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
	cr_expect_eq(count(".c.new*"), 1);
	cr_expect_eq(count("[!.]*"), 0);
	cr_expect_eq(sl_atomic_write("c", "whole", 5, 0600, false), 0);
	expect_text("c", "whole");
}
