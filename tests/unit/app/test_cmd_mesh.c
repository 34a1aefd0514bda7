/* sluice mesh as a command: one at a time in a folder. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/file_lock.h"
#include "app/read_whole.h"

enum {
	LOOKS = 6000, /* for an event, LOOK_MS apart */
	LOOK_MS = 10,
};

static char base[64], folder[96], inventory[96];

static void setup(void)
{
	strcpy(base, "/tmp/sluice-test-cmd-mesh-XXXXXX");
	cr_assert_not_null(mkdtemp(base));
	snprintf(folder, sizeof(folder), "%s/mesh", base);
	snprintf(inventory, sizeof(inventory), "%s/sites.yaml", base);
}

static void teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r '%s'", base);
	cr_expect_eq(system(command), 0);
}

static void put(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	cr_assert_not_null(out, "%s", path);
	cr_assert_geq(fputs(text, out), 0);
	fclose(out);
}

/* The command in a process of its own, which does not hold on to the lock of ours (-1: none). */
static pid_t start(int lock)
{
	pid_t pid = fork();
	char *argv[] = {"mesh", inventory, "-o", folder, NULL};

	cr_assert_geq(pid, 0);
	if (pid == 0 && lock >= 0)
		close(lock);
	if (pid == 0)
		_exit(sl_cmd_mesh(4, argv));
	return pid;
}

static int end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		cr_assert_eq(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Whether the process is in the queue of a flock. */
static bool is_waiting(pid_t pid)
{
	char line[256], type[32];
	FILE *in = fopen("/proc/locks", "r");
	bool found = false;
	int id;

	cr_assert_not_null(in);
	while (fgets(line, sizeof(line), in))
		found |= sscanf(line, "%*s -> %31s %*s %*s %d", type, &id) == 2 && strcmp(type, "FLOCK") == 0 && id == pid;
	fclose(in);
	return found;
}

#define SITES(a, b) "network: 10.99.0.0/24\nsites:\n  " a ": {endpoint: 192.0.2.1}\n  " b ": {endpoint: 192.0.2.2}\n"

Test(cmd_mesh, waits_for_another_and_keeps_what_it_gave, .init = setup, .fini = teardown)
{
	char addresses[128], *text;
	unsigned looks = 0;
	pid_t second;
	size_t len;
	int lock;

	put(inventory, SITES("oslo", "bonn"));
	cr_assert_eq(end(start(-1)), SL_EXIT_DONE);
	lock = sl_file_lock(folder); /* as another command does */
	cr_assert_geq(lock, 0);
	put(inventory, SITES("lima", "kyiv"));
	second = start(lock);
	while (!is_waiting(second)) {
		cr_assert_eq(waitpid(second, NULL, WNOHANG), 0, "it does not wait");
		cr_assert_lt(looks++, LOOKS);
		poll(NULL, 0, LOOK_MS);
	}
	snprintf(addresses, sizeof(addresses), "%s/addresses", folder);
	put(addresses, "oslo 10.99.0.1\nbonn 10.99.0.2\nlima 10.99.0.9\n");
	close(lock);
	cr_expect_eq(end(second), SL_EXIT_DONE);
	text = sl_read_whole(addresses, &len);
	cr_assert_not_null(text);
	cr_expect_not_null(memmem(text, len, "\nlima 10.99.0.9\n", 16), "%.*s", (int)len, text);
	cr_expect_not_null(memmem(text, len, "\nkyiv 10.99.0.3\n", 16), "%.*s", (int)len, text);
	cr_expect_not_null(memmem(text, len, "\noslo 10.99.0.1\n", 16), "%.*s", (int)len, text);
	sl_read_whole_free(text, len);
}

Test(cmd_mesh, a_wrong_inventory_leaves_no_folder, .init = setup, .fini = teardown)
{
	struct stat st;

	put(inventory, "sites: {oslo: {}}\n");
	cr_expect_eq(end(start(-1)), SL_EXIT_FAILED);
	cr_expect_neq(stat(folder, &st), 0);
	cr_assert_eq(mkdir(folder, S_IRWXU), 0);
	cr_expect_eq(end(start(-1)), SL_EXIT_FAILED);
	cr_expect_eq(stat(folder, &st), 0, "one that was there is not taken away");
}
