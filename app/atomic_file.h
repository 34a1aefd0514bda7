/*
 * Files that are there whole or not at all: written under another name in the same folder, flushed to the disk, then
 * renamed. A crash leaves the old file, or the new one, and at most a hidden file whose name ends in `.new` and a random part.
 * Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Makes `path` hold len bytes of text with that mode. replace false: -EEXIST where there is such a file already, also one
 * made at the same moment. 0 or a negative errno, with nothing changed.
 */
int sl_atomic_write(const char *path, const char *text, size_t len, mode_t mode, bool replace);

/* Removes a file, and sees to it that it stays removed after a crash. 0 or a negative errno. */
int sl_atomic_remove(const char *path);
