/*
 * Reads many files ahead of whoever parses them: on two threads of its own, in order, a bounded number at a time. Opening and reading takes as
 * long as parsing where each peer has a file. Internal to the configuration; begin, take and end are one thread's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <sys/stat.h>

struct sl_ahead;

/* paths: n of them, which must outlive it; max: bytes of a file. NULL where there are too few to be worth it, or no threads. */
struct sl_ahead *sl_ahead_begin(char *const *paths, size_t n, size_t max);
/* The next file, as by sl_file_read. At most n times. */
bool sl_ahead_take(struct sl_ahead *a, char **text, size_t *len, struct stat *st, const char **problem);
/* Wipes and frees what was not taken. NULL is fine. */
void sl_ahead_end(struct sl_ahead *a);
