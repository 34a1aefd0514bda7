/*
 * A window between a sender and the receiver of what it sends, which runs on the same machine: the receiver writes how much has come into a
 * shared file, and the sender keeps at most WINDOW_PACKETS on the way. So a machine that is too busy slows a flow down instead of overflowing
 * a queue of the kernel's, and what is lost was lost by what the flow goes through. Lost packets do not stop the sender for
 * good: what has not come after five seconds without progress is given up. One thread on each side.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The default receive buffer of a socket, which real peers have, holds 92 full packets (212,992 bytes; 2,304 for each with its bookkeeping). */
#define WINDOW_PACKETS 64

struct window {
	_Atomic uint64_t *received; /* shared; NULL: no window */
	uint64_t given_up, seen;    /* packets; what was received at `since` */
	uint64_t since;		    /* tool_now of the last progress */
};

/* The receiver's end: makes the file. Ends the program where that fails. path NULL: no window. */
void window_create(struct window *w, const char *path);

/* The sender's end: the file of window_create. Ends the program where there is none. path NULL: no window. */
void window_open(struct window *w, const char *path);

/* The receiver: so many distinct packets have come in all. */
void window_report(struct window *w, uint64_t received);

/* The sender: whether another packet may go after `sent` ones. Where not, look again in a moment. */
bool window_has_room(struct window *w, uint64_t sent, uint64_t now);
