/*
 * The client side of a running gateway's socket: finds it, asks one question,
 * reads the whole answer. Main thread of a client command.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A connection to the gateway of that name (NULL: the only one that runs), or a negative number after one line on stderr. */
int sl_client_connect(const char *command, const char *name);

/*
 * Asks the gateway of that name (NULL: the only one that runs) and returns the answer, NUL-terminated, to be freed;
 * *len gets its length. NULL after one line on stderr saying what is wrong and what to do.
 */
char *sl_client_ask(const char *command, const char *name, const char *request, size_t *len);

/*
 * Gives the gateway an order that it answers with `done` or `failed` and text: the text, to be freed, with *len and
 * *failed set; NULL as above.
 */
char *sl_client_order(const char *command, const char *name, const char *order, size_t *len, bool *failed);

/* Whether a gateway of that name runs. */
bool sl_client_runs(const char *name);
