/*
 * Points in time as RFC 3339 writes them ("2026-12-31T23:59:59Z", "…+01:00"), and lone dates, which mean their first
 * second in UTC. Whole seconds: a fraction is refused rather than rounded. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	SL_TIME_STRLEN = 24, /* of what sl_time_format writes, NUL included */
};

/* Seconds since 1970 (Unix time); years 1970 to 9999. False, *out untouched, for any other text. */
bool sl_time_parse(const char *text, int64_t *out);

/* In UTC with a `Z`, into text, which is returned. */
const char *sl_time_format(int64_t seconds, char text[SL_TIME_STRLEN]);
