/*
 * U+FEFF in front of a text, as some editors put it. libyaml skips it only where it is to find out the encoding, which
 * for us is UTF-8 and nothing else. Pure.
 */
#pragma once

#include <stddef.h>
#include <string.h>

/* How many bytes to skip at the start of a text: 0 or 3. */
static inline size_t sl_byte_order_mark(const char *text, size_t len)
{
	static const char mark[] = "\xef\xbb\xbf";

	return len >= sizeof(mark) - 1 && memcmp(text, mark, sizeof(mark) - 1) == 0 ? sizeof(mark) - 1 : 0;
}
