#include "app/nearest.h"

#include <ctype.h>
#include <string.h>

enum {
	WORD_MAX = 40, /* letters that count */
};

/* How many letters have to be put in, taken out or changed (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strnlen(b, WORD_MAX);
	unsigned row[WORD_MAX + 1];

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i] && i < WORD_MAX; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned best = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));

			diagonal = row[j + 1];
			if (diagonal + 1 < best)
				best = diagonal + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

const char *sl_nearest_word(const char *word, const char *const *words, size_t n)
{
	const char *nearest = words[0];
	unsigned least = distance(word, words[0]);

	for (size_t i = 1; i < n; i++) {
		unsigned d = distance(word, words[i]);

		if (d < least) {
			least = d;
			nearest = words[i];
		}
	}
	return nearest;
}
