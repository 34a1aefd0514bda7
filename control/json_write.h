/*
 * One flat JSON object written straight into the caller's memory, for answers with very many objects: no allocation, no tree.
 * Numbers are integers. Pure.
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

/* An opening brace, without the closing one. Texts are UTF-8 without NUL; keys hold no character that would have to be escaped. */
void sl_json_begin(struct sl_json_writer *w, char *buf, size_t size);
void sl_json_text(struct sl_json_writer *w, const char *key, const char *value);
void sl_json_int(struct sl_json_writer *w, const char *key, uint64_t value);
void sl_json_bool(struct sl_json_writer *w, const char *key, bool value);
/* A value that is JSON already. */
void sl_json_raw(struct sl_json_writer *w, const char *key, const char *json);
