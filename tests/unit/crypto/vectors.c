#include "tests/unit/crypto/vectors.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t unhex(const char *hex, void *out, size_t cap)
{
	size_t n = strlen(hex) / 2;
	uint8_t *p = out;

	if (strlen(hex) % 2 != 0 || n > cap)
		abort();
	for (size_t i = 0; i < n; i++) {
		int hi = digit(hex[2 * i]), lo = digit(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			abort();
		p[i] = (uint8_t)(hi << 4 | lo);
	}
	return n;
}

bool is_hex(const void *data, size_t n, const char *hex)
{
	const uint8_t *p = data;

	if (strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (digit(hex[2 * i]) != p[i] >> 4 || digit(hex[2 * i + 1]) != (p[i] & 15))
			return false;
	return true;
}

/* xorshift64*, after Vigna */
uint64_t seeded_next(struct seeded *s)
{
	s->state ^= s->state >> 12;
	s->state ^= s->state << 25;
	s->state ^= s->state >> 27;
	return s->state * 0x2545f4914f6cdd1dULL;
}

uint64_t seeded_below(struct seeded *s, uint64_t below)
{
	return (seeded_next(s) >> 16) % below;
}

void seeded_bytes(struct seeded *s, void *out, size_t n)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seeded_next(s) >> 56);
}

FILE *vectors_open(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", VECTORS_DIR, name);
	return fopen(path, "r");
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return s;
}

bool vectors_next(FILE *f, struct record *r)
{
	size_t used = 0;

	r->n = 0;
	while (used < sizeof(r->text) && fgets(r->text + used, (int)(sizeof(r->text) - used), f) != NULL) {
		char *line = r->text + used;
		char *sep = strchr(line, '=');

		if (strchr(line, '\n') == NULL && !feof(f))
			abort();
		if (line[0] == '#')
			continue;
		if (*trim(line) == '\0') {
			if (r->n > 0)
				return true;
			continue;
		}
		if (sep == NULL || r->n == RECORD_FIELDS)
			abort();
		used += strlen(line) + 1;
		*sep = '\0';
		r->name[r->n] = trim(line);
		r->value[r->n++] = trim(sep + 1);
	}
	return r->n > 0;
}

const char *record_text(const struct record *r, const char *name)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (strcmp(r->name[i], name) == 0)
			return r->value[i];
	return NULL;
}

size_t record_bytes(const struct record *r, const char *name, void *out, size_t cap)
{
	const char *text = record_text(r, name);
	size_t n;

	if (text == NULL)
		abort();
	if (text[0] != '"')
		return unhex(text, out, cap);
	n = strlen(text) - 2;
	if (n > cap)
		abort();
	memcpy(out, text + 1, n);
	return n;
}
