#include "control/path_sort.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_memory.h"

struct item {
	uint64_t head; /* the first bytes after what all have in common, the first of them highest, 0 behind the path's end */
	char *path;
};

static size_t common(char *const *paths, size_t n)
{
	size_t len = strlen(paths[0]);

	for (size_t i = 1; i < n; i++) {
		size_t k = 0;

		while (k < len && paths[i][k] == paths[0][k])
			k++;
		len = k;
	}
	return len;
}

static uint64_t head_of(const char *text)
{
	uint64_t head = 0;

	for (size_t i = 0; i < sizeof(head); i++) {
		head = head << 8 | (unsigned char)*text;
		if (*text)
			text++;
	}
	return head;
}

static int by_path(const void *one, const void *other)
{
	const struct item *a = one, *b = other;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	return strcmp(a->path, b->path);
}

void sl_paths_sort(char **paths, size_t n)
{
	struct item *items;
	size_t skip;

	if (n < 2)
		return;
	items = sl_config_alloc(n, sizeof(*items));
	skip = common(paths, n);
	for (size_t i = 0; i < n; i++)
		items[i] = (struct item){head_of(paths[i] + skip), paths[i]};
	qsort(items, n, sizeof(*items), by_path);
	for (size_t i = 0; i < n; i++)
		paths[i] = items[i].path;
	free(items);
}
