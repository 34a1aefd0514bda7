#include "control/json_write.h"

#include <string.h>

#define DIGITS_MAX 20 /* of 2^64 */
#define ESCAPE_LEN 6  /* \u001f */

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

static void
put_escaped(struct sl_json_writer *w, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char escape[ESCAPE_LEN] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c == '"' || c == '\\') {
		escape[1] = (char)c;
		put(w, escape, 2);
	} else {
		put(w, escape, sizeof(escape));
	}
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
		size_t plain = 0;

		while ((unsigned char)value[plain] >= ' ' && value[plain] != '"' && value[plain] != '\\')
			plain++;
		put(w, value, plain);
		value += plain;
		if (*value)
			put_escaped(w, (unsigned char)*value++);
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
