#include "control/nearest.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

enum {
	WORD_MAX = 40, /* letters that count: longer words are compared by their beginning */
};

/* How many letters have to be put in, taken out or changed (Levenshtein), over one row. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned row[WORD_MAX + 1];

	if (a_len > WORD_MAX)
		a_len = WORD_MAX;
	if (b_len > WORD_MAX)
		b_len = WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; i < a_len; i++) {
		unsigned diagonal = row[0];

		row[0]++;
		for (size_t j = 0; j < b_len; j++) {
			unsigned best = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));

			diagonal = row[j + 1];
			if (diagonal + 1 < best)
				best = diagonal + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
		}
	}
	return row[b_len];
}

const char *sl_nearest(const char *text, size_t len, const char *const *words, size_t n)
{
	const char *nearest = words[0];
	unsigned least = UINT_MAX;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(text, len, words[i], strlen(words[i]));

		if (d < least) {
			least = d;
			nearest = words[i];
		}
	}
	return nearest;
}
