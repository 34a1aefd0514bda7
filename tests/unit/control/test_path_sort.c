/* Paths in the order of strcmp, whatever they have in common. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/path_sort.h"

enum { MANY = 3000 };

static int by_strcmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check(char **paths, size_t n)
{
	char **sorted = malloc(n * sizeof(*sorted) + 1);

	memcpy(sorted, paths, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_strcmp);
	sl_paths_sort(paths, n);
	for (size_t i = 0; i < n; i++)
		cr_assert_str_eq(paths[i], sorted[i], "path %zu", i);
	free(sorted);
}

Test(path_sort, a_few)
{
	char *none[1] = {NULL};
	char *one[] = {"a"};
	char *ends[] = {"peers.d/b", "peers.d/", "peers.d/ba", "peers.d/a\xff", "peers.d/a\x01", "peers.d/a"};
	char *same[] = {"x/y", "x/y", "x/y"};
	char *apart[] = {"/b", "a", "", "/a/long/one/that/goes/on", "/a/long/one/that/goes/on/and/on", "\xc3\xa4"};

	check(none, 0);
	check(one, 1);
	check(ends, 6);
	check(same, 3);
	check(apart, 6);
}

/* Of few letters, so that many have the same beginning, some of more bytes than are compared at once. */
Test(path_sort, many)
{
	static char texts[MANY][40];
	char *paths[MANY];

	srand(5);
	for (unsigned i = 0; i < MANY; i++) {
		size_t len = (size_t)rand() % 24;

		strcpy(texts[i], "/etc/p/");
		for (size_t k = 0; k < len; k++)
			texts[i][7 + k] = "ab\xe0"[rand() % 3];
		texts[i][7 + len] = '\0';
		paths[i] = texts[i];
	}
	check(paths, MANY);
}
