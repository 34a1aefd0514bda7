/*
 * A stream into memory for text that holds keys: as open_memstream(3), but whatever the text outgrows, and the stream's buffer, are
 * wiped. Any thread, one at a time.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

/*
 * NULL without memory. fclose sets *text, NUL-terminated, to be wiped over *len bytes and freed by the caller; where memory ran out it
 * returns EOF, and *text is NULL.
 */
FILE *sl_secret_stream(char **text, size_t *len);
