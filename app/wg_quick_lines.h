/*
 * Inside app/wg_quick*.c: one line's key and value, and what they do to the file that is read.
 */
#pragma once

#include "app/wg_quick.h"

enum sl_wg_quick_section {
	SL_WG_QUICK_NONE,
	SL_WG_QUICK_INTERFACE,
	SL_WG_QUICK_PEER,
};

#define SL_WG_QUICK_KEYS 16 /* more than any section has */

struct sl_wg_quick_reader {
	const char *file;
	unsigned line;
	enum sl_wg_quick_section section;
	struct sl_wg_quick *w;
	struct sl_wg_quick_peer *peer;   /* the last one, in SL_WG_QUICK_PEER */
	unsigned seen[SL_WG_QUICK_KEYS]; /* lines of the section's keys, for those that stand once */
	struct sl_config_errors *errs;
};

void sl_wg_quick_error(struct sl_wg_quick_reader *r, bool warning, unsigned line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* A key's name as it stands in the file, for a message: a secret whose line was broken stands in the place of one. */
const char *sl_wg_quick_word(const char *name);

/* Takes `key = value` of the section the reader is in; value is trimmed and may be changed. */
void sl_wg_quick_take(struct sl_wg_quick_reader *r, const char *key, char *value);
