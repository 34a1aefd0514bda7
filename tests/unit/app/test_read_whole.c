/* Whole files: all of what is in them, and nothing of it in memory once it has been freed. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "app/read_whole.h"

enum {
	PACKET = 4096,
	FULL_PACKETS = 15, /* with the next they fill nearly what a first read of a file takes */
	NEXT_LEN = 4000,
	SECRET_LEN = 1000,
	RUN_LEN = 16, /* bytes of it by which it is known */
	RUN_STEP = 20,
};

#ifndef __SANITIZE_ADDRESS__ /* it keeps memory elsewhere, and nobody may look at what is freed */
/* Made anew for each comparison: no copy of the secret may stand anywhere. */
static uint8_t secret_at(size_t i)
{
	return (uint8_t)(i * i * 7 + i * 13 + (i >> 3) * 101 + 5);
}

static bool is_run(const uint8_t *at, size_t first)
{
	for (size_t i = 0; i < RUN_LEN; i++)
		if (at[i] != secret_at(first + i))
			return false;
	return true;
}

/* How many parts of the secret stand in the heap. */
static unsigned count_runs(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned found = 0;

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t begin, end;

		if (strstr(line, "[heap]") == NULL || sscanf(line, "%lx-%lx", &begin, &end) != 2)
			continue;
		for (const uint8_t *at = (const uint8_t *)begin; at + RUN_LEN <= (const uint8_t *)end; at++)
			for (size_t first = RUN_STEP; first < SECRET_LEN - RUN_LEN; first += RUN_STEP)
				found += is_run(at, first);
	}
	fclose(maps);
	return found;
}

static void write_secret(int fd)
{
	uint8_t secret[SECRET_LEN];

	for (size_t i = 0; i < SECRET_LEN; i++)
		secret[i] = secret_at(i);
	cr_assert_eq(write(fd, secret, SECRET_LEN), SECRET_LEN);
	explicit_bzero(secret, sizeof(secret));
}

/* In packets, each of which one read gets: the last one, the secret, comes where there is room for its beginning alone. */
Test(read_whole, a_secret_is_gone_once_it_is_freed)
{
	static const uint8_t zeros[PACKET];
	size_t len, before = (size_t)FULL_PACKETS * PACKET + NEXT_LEN;
	int pair[2];
	char *text;

	cr_assert_eq(pipe2(pair, O_DIRECT), 0);
	cr_assert_gt(fcntl(pair[1], F_SETPIPE_SZ, 2 * (FULL_PACKETS + 2) * PACKET), 0);
	for (unsigned i = 0; i < FULL_PACKETS; i++)
		cr_assert_eq(write(pair[1], zeros, PACKET), PACKET);
	cr_assert_eq(write(pair[1], zeros, NEXT_LEN), NEXT_LEN);
	write_secret(pair[1]);
	close(pair[1]);
	cr_assert_eq(dup2(pair[0], STDIN_FILENO), STDIN_FILENO);
	text = sl_read_whole("-", &len);
	cr_assert_not_null(text);
	cr_assert_gt(len, before, "%zu", len);
	cr_assert_gt(count_runs(), 0, "it is found where it stands");
	sl_read_whole_free(text, len);
	cr_assert_eq(count_runs(), 0);
}
#endif

Test(read_whole, files_of_many_sizes)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 65534, 65535, 65536, 65537, 196607, 196608, 1000000};
	char path[] = "/tmp/sluice-test-read-XXXXXX", *text;
	uint8_t *data = malloc(sizes[sizeof(sizes) / sizeof(sizes[0]) - 1]);
	int fd = mkstemp(path);
	size_t len;

	cr_assert_geq(fd, 0);
	cr_assert_not_null(data);
	for (size_t i = 0; i < 1000000; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cr_assert_eq(ftruncate(fd, 0), 0);
		cr_assert_eq(pwrite(fd, data, sizes[i], 0), (ssize_t)sizes[i]);
		text = sl_read_whole(path, &len);
		cr_assert_not_null(text, "%zu", sizes[i]);
		cr_expect_eq(len, sizes[i]);
		cr_expect_eq(memcmp(text, data, len), 0, "%zu", sizes[i]);
		cr_expect_eq(text[len], '\0', "%zu", sizes[i]);
		sl_read_whole_free(text, len);
	}
	close(fd);
	unlink(path);
	cr_expect_null(sl_read_whole(path, &len));
	cr_expect_eq(errno, ENOENT);
	cr_expect_null(sl_read_whole("/tmp", &len));
	cr_expect_eq(errno, EISDIR);
	free(data);
}
