/*
 * What an order about the configuration is answered, as text or as JSON: what changes or is wrong, and a last line that says what came
 * of it. The reload's thread begins it, which may be long; the loop ends it. Owned by the order; it may hold a saved configuration with
 * its keys, so it is wiped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/config_errors.h"
#include "control/diff.h"

struct sl_reply {
	bool json;
	char *text; /* so far, NUL-terminated; NULL: nothing */
	size_t len;
	size_t room; /* its own */
};

/* The difference, a line each, with room for the last line; nothing without memory. */
void sl_reply_changes(struct sl_reply *reply, const struct sl_steps *steps);
/* Why there is none. */
void sl_reply_messages(struct sl_reply *reply, const struct sl_config_errors *errors);
/* The last line, without its end; in JSON it is the last field. */
void sl_reply_end(struct sl_reply *reply, bool failed, const char *line);
/* The text, now the caller's; NULL: there is none. */
char *sl_reply_take(struct sl_reply *reply, size_t *len);
void sl_reply_free(struct sl_reply *reply);
