/*
 * One flat JSON object written straight into the caller's memory, for answers with very many objects: no allocation, no tree.
 * Numbers are integers. And how texts stand in JSON, for those who write it otherwise. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_json_writer {
	char *at, *end;
	bool any;  /* a member is written */
	bool full; /* the memory did not do; what is there is no JSON */
};

#define SL_JSON_CHAR_MAX 6

/*
 * One character of a text as it stands within a JSON string: its bytes into out, how many are returned, 0 at the end; *text goes on
 * behind it. A byte that is no UTF-8 becomes U+FFFD.
 */
size_t sl_json_char(const char **text, char out[SL_JSON_CHAR_MAX]);

/* An opening brace, without the closing one. Texts are without NUL; keys hold no character that would have to be escaped. */
void sl_json_begin(struct sl_json_writer *w, char *buf, size_t size);
void sl_json_text(struct sl_json_writer *w, const char *key, const char *value);
void sl_json_int(struct sl_json_writer *w, const char *key, uint64_t value);
void sl_json_bool(struct sl_json_writer *w, const char *key, bool value);
/* A value that is JSON already. */
void sl_json_raw(struct sl_json_writer *w, const char *key, const char *json);
