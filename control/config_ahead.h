/*
 * Reads many files ahead of whoever parses them, on threads of its own, in order, a bounded number at a time, and puts small ones on tape
 * (control/yaml_events.h). Opening, reading and finding the events is most of the work where each peer has a file. Internal to the
 * configuration; begin, take and end are one thread's.
 */
#pragma once

#include <stddef.h>

#include "control/file_read.h"
#include "control/yaml_events.h"

struct sl_ahead;

struct sl_ahead_file {
	struct sl_file file; /* without its text where there is a tape */
	struct sl_tape tape; /* n 0: there is none */
};

/* paths: n of them, which must outlive it; max: bytes of a file. NULL where there are too few to be worth it, or no threads. */
struct sl_ahead *sl_ahead_begin(char *const *paths, size_t n, size_t max);
/* The next file, read as by sl_file_read; it is there until the next is taken. At most n times. */
const struct sl_ahead_file *sl_ahead_take(struct sl_ahead *a);
/* Wipes and frees what there is. NULL is fine. */
void sl_ahead_end(struct sl_ahead *a);
