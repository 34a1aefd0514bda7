/*
 * A whole file, or standard input. Secrets may stand in it: it is read without stdio, whose buffer nobody wipes. Main thread.
 */
#pragma once

#include <stddef.h>

/* The bytes of `path`, or of standard input where it is "-", and a NUL behind them. NULL with errno set where they cannot be had. */
char *sl_read_whole(const char *path, size_t *len);

/* Wipes and frees what sl_read_whole gave. NULL is fine. */
void sl_read_whole_free(char *text, size_t len);
