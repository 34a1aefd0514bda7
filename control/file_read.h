/*
 * Reads files that are read whole: configurations and keys. Any thread; the caller owns what was read. Keys may stand in it: memory is
 * wiped before it is freed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <sys/stat.h>

struct sl_file {
	char *text; /* NUL-terminated; NULL: nothing was read */
	size_t len; /* bytes, without the NUL */
	struct stat st;
	const char *problem; /* why nothing was read: errno's text or a reason; NULL: all was */
};

/*
 * Reads the whole file of at most max bytes; a relative path starts at the folder `at` (openat). False with file->problem set. A FIFO is
 * read to its end; one that nobody writes to is a problem, told after a second.
 */
bool sl_file_read(int at, const char *path, size_t max, struct sl_file *file);
/* Wipes and frees the text, if there is one, and leaves none. */
void sl_file_free(struct sl_file *file);
