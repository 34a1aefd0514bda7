/*
 * What a load of the configuration found wrong: messages with the place they are about, as `file:line:column: what is
 * wrong; what to do`. A load collects all of them up to a limit rather than stop at the first. Plain memory, one thread
 * at a time; messages are owned by the list until sl_config_errors_free. No message ever contains a key.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Where something stands in the configuration: an index into the description's files, and line and column from 1. Line
 * 0: no place. */
struct sl_place {
	uint32_t file;
	uint32_t line;
	uint32_t column;
};

enum {
	SL_CONFIG_MESSAGES_MAX = 100,
	SL_CONFIG_MESSAGE_LEN = 1024,
};

struct sl_config_message {
	struct sl_place place;
	bool warning;
	char *text; /* the whole line, place included, without a line end */
};

struct sl_config_errors {
	struct sl_config_message messages[SL_CONFIG_MESSAGES_MAX];
	uint32_t n_messages;
	uint32_t n_errors; /* also those beyond the limit */
	uint32_t n_warnings;
};

void sl_config_errors_init(struct sl_config_errors *errs);
void sl_config_errors_free(struct sl_config_errors *errs);

/* Adds a message; `file` is what place.file stands for and may be NULL for a message without a place. */
void sl_config_errors_add(struct sl_config_errors *errs, bool warning, const char *file, struct sl_place place,
        const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Orders the messages by place: what was found by a later check may stand earlier in the file. */
void sl_config_errors_sort(struct sl_config_errors *errs);

/* One message a line, warnings marked as such, and a last line with the number of those that are not listed. */
void sl_config_errors_print(const struct sl_config_errors *errs, FILE *out);
