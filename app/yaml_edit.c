#include "app/yaml_edit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "control/byte_order_mark.h"

/* Where an entry stands: offsets in bytes. */
struct span {
	size_t key;         /* its first byte */
	size_t value;       /* the value's first */
	size_t end;         /* behind the value's last that is more than white space */
	bool flow;          /* the mapping it stands in is {…} */
	bool mapping;       /* the value is a mapping, … */
	bool value_flow;    /* … written {…} */
	size_t first_key;   /* of the value's entries */
	unsigned n_entries; /* of the value */
};

struct finder {
	yaml_parser_t parser;
	yaml_event_t event;
	const char *text;
	size_t chars, bytes; /* a place in the text, in both counts, that goes forward only */
	bool ok;
};

/* libyaml counts characters. */
static size_t
offset_of(struct finder *f, size_t index)
{
	if (index < f->chars)
		f->chars = f->bytes = 0;
	while (f->chars < index && f->text[f->bytes]) {
		f->bytes++;
		while (((unsigned char)f->text[f->bytes] & 0xc0) == 0x80)
			f->bytes++;
		f->chars++;
	}
	return f->bytes;
}

static bool
next(struct finder *f)
{
	yaml_event_delete(&f->event);
	memset(&f->event, 0, sizeof(f->event));
	if (f->ok)
		f->ok = yaml_parser_parse(&f->parser, &f->event) != 0;
	return f->ok && f->event.type != YAML_STREAM_END_EVENT;
}

/* Reads over the node whose first event is at hand; `end` gets the end of what is written of it. */
static void
skip(struct finder *f, size_t *end)
{
	unsigned depth = 0;

	do {
		switch (f->event.type) {
		case YAML_MAPPING_START_EVENT:
		case YAML_SEQUENCE_START_EVENT:
			depth++;
			*end = offset_of(f, f->event.end_mark.index);
			break;
		case YAML_MAPPING_END_EVENT:
		case YAML_SEQUENCE_END_EVENT:
			depth--;
			/* in block style the end has no character of its own */
			if (f->event.end_mark.index > f->event.start_mark.index)
				*end = offset_of(f, f->event.end_mark.index);
			break;
		default:
			*end = offset_of(f, f->event.end_mark.index);
			break;
		}
	} while (depth > 0 && next(f));
}

/* The entry `key` of the mapping whose start is at hand; its value's first event is at hand then. */
static bool
enter(struct finder *f, const char *key, struct span *s)
{
	size_t ignored;

	if (f->event.type != YAML_MAPPING_START_EVENT)
		return false;
	s->flow = f->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
	while (next(f) && f->event.type != YAML_MAPPING_END_EVENT) {
		bool found = f->event.type == YAML_SCALAR_EVENT && strcmp((const char *)f->event.data.scalar.value, key) == 0;

		s->key = offset_of(f, f->event.start_mark.index);
		s->end = offset_of(f, f->event.end_mark.index);
		if (!found)
			skip(f, &ignored);
		if (!next(f))
			return false;
		if (found)
			return true;
		skip(f, &ignored);
	}
	return false;
}

/* Reads the value at hand to its end. */
static void
measure(struct finder *f, struct span *s)
{
	size_t value_end = 0, ignored;

	s->value = offset_of(f, f->event.start_mark.index);
	s->mapping = f->event.type == YAML_MAPPING_START_EVENT;
	if (!s->mapping) {
		skip(f, &value_end);
	} else {
		s->value_flow = f->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
		value_end = offset_of(f, f->event.end_mark.index);
		while (next(f) && f->event.type != YAML_MAPPING_END_EVENT) {
			if (s->n_entries++ == 0)
				s->first_key = offset_of(f, f->event.start_mark.index);
			skip(f, &ignored);
			if (next(f))
				skip(f, &value_end);
		}
		if (s->value_flow)
			value_end = offset_of(f, f->event.end_mark.index);
	}
	/* nothing is written of an empty value */
	if (value_end > s->end)
		s->end = value_end;
}

static bool
find(const char *text, const struct sl_yaml_path *path, struct span *s)
{
	size_t mark = sl_byte_order_mark(text, strlen(text));
	struct finder f = {.text = text + mark, .ok = true};
	bool found = false;

	*s = (struct span){0};
	if (!yaml_parser_initialize(&f.parser))
		return false;
	yaml_parser_set_encoding(&f.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&f.parser, (const unsigned char *)f.text, strlen(f.text));
	/* the stream, the document, its root */
	if (next(&f) && next(&f) && next(&f)) {
		found = true;
		for (unsigned i = 0; found && i < path->n; i++)
			found = enter(&f, path->keys[i], s);
		if (found)
			measure(&f, s);
		found = found && f.ok;
	}
	s->key += mark;
	s->value += mark;
	s->end += mark;
	s->first_key += mark;
	yaml_event_delete(&f.event);
	yaml_parser_delete(&f.parser);
	return found;
}

/* text with [from, to) replaced. */
static char *
replace(const char *text, size_t from, size_t to, const char *by)
{
	size_t len = strlen(text), by_len = strlen(by);
	char *out = malloc(len - (to - from) + by_len + 1);

	if (out == NULL)
		return NULL;
	memcpy(out, text, from);
	memcpy(out + from, by, by_len);
	memcpy(out + from + by_len, text + to, len - to + 1);
	return out;
}

static size_t
line_start(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}

char *
sl_yaml_without(const char *text, const struct sl_yaml_path *path)
{
	struct span s;
	size_t from, to;

	if (!find(text, path, &s))
		return NULL;
	from = s.key;
	to = s.end;
	if (!s.flow) {
		from = line_start(text, from);
		to += strcspn(text + to, "\n");
		to += text[to] == '\n';
		return replace(text, from, to, "");
	}
	/* the comma behind it goes along, or, for the last one, the comma before */
	to += strspn(text + to, " \t\r\n");
	if (text[to] == ',') {
		to++;
		to += strspn(text + to, " \t\r\n");
	} else {
		to = s.end;
		while (from > 0 && strchr(" \t\r\n", text[from - 1]))
			from--;
		if (from > 0 && text[from - 1] == ',')
			from--;
		else
			from = s.key;
	}
	return replace(text, from, to, "");
}

char *
sl_yaml_with(const char *text, const struct sl_yaml_path *path, const char *value)
{
	struct sl_yaml_path parent = *path;
	char *entry = NULL, *out;
	struct span s;
	size_t at;
	int rc;

	if (find(text, path, &s))
		return replace(text, s.value, s.end, value);
	parent.n--;
	if (!find(text, &parent, &s) || !s.mapping || s.n_entries == 0)
		return NULL;
	at = s.first_key;
	if (s.value_flow)
		rc = asprintf(&entry, "%s: %s, ", path->keys[parent.n], value);
	else
		rc = asprintf(&entry, "%s: %s\n%*s", path->keys[parent.n], value, (int)(at - line_start(text, at)), "");
	if (rc < 0)
		return NULL;
	out = replace(text, at, at, entry);
	free(entry);
	return out;
}

long
sl_yaml_count(const char *text, const struct sl_yaml_path *path)
{
	struct span s;

	return find(text, path, &s) && s.mapping ? (long)s.n_entries : -1;
}
