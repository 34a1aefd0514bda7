/*
 * Inside app/wg_quick*.c: the file that is read, a line's key and value, and what follows once all lines are known. There
 * may be very many peers: time goes with the length of the file, not with its square.
 */
#pragma once

#include "app/wg_quick.h"
#include "control/config_memory.h"

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
	struct sl_config_map names;      /* of all peers but the last one, NULs behind them → the peer */
	struct sl_config_errors *errs;
};

void sl_wg_quick_error(struct sl_wg_quick_reader *r, bool warning, unsigned line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* A key's name as it stands in the file, for a message: a secret whose line was broken stands in the place of one. */
const char *sl_wg_quick_word(const char *name);

/* Takes `key = value` of the section the reader is in; value is trimmed and may be changed. */
void sl_wg_quick_take(struct sl_wg_quick_reader *r, const char *key, char *value);

/* Whether another peer has the name than the last one. */
bool sl_wg_quick_is_taken(const struct sl_wg_quick_reader *r, const char *name);
/* The last peer's name, if it has one, stays as it is from here on: no other gets it. */
void sl_wg_quick_take_name(struct sl_wg_quick_reader *r);

/* Once all lines are read: names for peers without, a prefix for one peer alone, no key twice. */
void sl_wg_quick_settle(struct sl_wg_quick_reader *r);
