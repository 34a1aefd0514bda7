#include "control/json_write.h"

#include <string.h>

#define DIGITS_MAX 20 /* of 2^64 */

static void
put(struct sl_json_writer *w, const char *text, size_t len)
{
	if ((size_t)(w->end - w->at) < len) {
		w->full = true;
		return;
	}
	memcpy(w->at, text, len);
	w->at += len;
}

static void
put_key(struct sl_json_writer *w, const char *key)
{
	put(w, w->any ? ",\"" : "\"", w->any ? 2 : 1);
	put(w, key, strlen(key));
	put(w, "\":", 2);
	w->any = true;
}

static bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

/* Bytes of the character that begins there, by RFC 3629 section 4; 0: it is none beyond ASCII. */
static size_t
utf8_len(const unsigned char *c)
{
	unsigned char least = 0x80, most = 0xbf; /* of the second byte */
	size_t n = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;

	if (c[0] < 0xc2 || c[0] > 0xf4)
		return 0;
	if (c[0] == 0xe0)
		least = 0xa0;
	else if (c[0] == 0xed)
		most = 0x9f;
	else if (c[0] == 0xf0)
		least = 0x90;
	else if (c[0] == 0xf4)
		most = 0x8f;
	if (c[1] < least || c[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (c[i] < 0x80 || c[i] > 0xbf)
			return 0;
	return n;
}

size_t
sl_json_char(const char **text, char out[SL_JSON_CHAR_MAX])
{
	static const char hex[] = "0123456789abcdef", replacement[] = "\xef\xbf\xbd";
	const unsigned char *c = (const unsigned char *)*text;
	size_t n;

	if (*c == '\0')
		return 0;
	if (*c < 0x80) {
		++*text;
		out[0] = is_plain(*c) ? (char)*c : '\\';
		if (is_plain(*c))
			return 1;
		out[1] = (char)*c;
		if (*c >= ' ')
			return 2;
		memcpy(out + 1, "u00", 3);
		out[4] = hex[*c >> 4];
		out[5] = hex[*c & 15];
		return SL_JSON_CHAR_MAX;
	}
	n = utf8_len(c);
	*text += n ? n : 1;
	memcpy(out, n ? (const char *)c : replacement, n ? n : sizeof(replacement) - 1);
	return n ? n : sizeof(replacement) - 1;
}

void
sl_json_begin(struct sl_json_writer *w, char *buf, size_t size)
{
	*w = (struct sl_json_writer){.at = buf, .end = buf + size};
	put(w, "{", 1);
}

void
sl_json_text(struct sl_json_writer *w, const char *key, const char *value)
{
	put_key(w, key);
	put(w, "\"", 1);
	while (*value) {
		char one[SL_JSON_CHAR_MAX];
		size_t plain = 0;

		while (is_plain((unsigned char)value[plain]))
			plain++;
		put(w, value, plain);
		value += plain;
		put(w, one, sl_json_char(&value, one));
	}
	put(w, "\"", 1);
}

void
sl_json_int(struct sl_json_writer *w, const char *key, uint64_t value)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	put_key(w, key);
	put(w, digits + at, sizeof(digits) - at);
}

void
sl_json_bool(struct sl_json_writer *w, const char *key, bool value)
{
	sl_json_raw(w, key, value ? "true" : "false");
}

void
sl_json_raw(struct sl_json_writer *w, const char *key, const char *json)
{
	put_key(w, key);
	put(w, json, strlen(json));
}
