#include "control/config_load.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	WHERE_LEN = 320,
	WHERE_BUFFERS = 4,
	KEY_RUN = 32, /* so many characters of base64 in a row may be a good part of a key */
};

static void add(struct sl_loader *ld, bool warning, struct sl_place place, const char *format, va_list args)
{
	char text[SL_CONFIG_MESSAGE_LEN];

	vsnprintf(text, sizeof(text), format, args);
	sl_config_errors_add(ld->errs, warning, ld->files[place.file], place, "%s", text);
}

void sl_load_error(struct sl_loader *ld, struct sl_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(ld, false, place, format, args);
	va_end(args);
}

void sl_load_warn(struct sl_loader *ld, struct sl_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(ld, true, place, format, args);
	va_end(args);
}

const char *sl_load_where(const struct sl_loader *ld, struct sl_place place)
{
	static _Thread_local char buffers[WHERE_BUFFERS][WHERE_LEN];
	static _Thread_local unsigned next;
	char *buffer = buffers[next++ % WHERE_BUFFERS];

	snprintf(buffer, WHERE_LEN, "%.280s:%u:%u", ld->files[place.file], place.line, place.column);
	return buffer;
}

static bool may_hold_key(const char *text, size_t len)
{
	size_t run = 0;

	for (size_t i = 0; i < len && run < KEY_RUN; i++)
		run = isalnum((unsigned char)text[i]) || text[i] == '+' || text[i] == '/' ? run + 1 : 0;
	return run == KEY_RUN;
}

const char *sl_show(const char *text, size_t len)
{
	static _Thread_local char buffers[WHERE_BUFFERS][SL_SHOWN_MAX + sizeof("…")];
	static _Thread_local unsigned next;
	char *buffer = buffers[next++ % WHERE_BUFFERS];
	size_t shown = strcspn(text, " \t\r\n");

	if (shown > len)
		shown = len;
	if (may_hold_key(text, shown))
		return "(not shown, it may be a key)";
	if (shown > SL_SHOWN_MAX)
		shown = SL_SHOWN_MAX;
	snprintf(buffer, sizeof(buffers[0]), "%.*s%s", (int)shown, text, shown < len ? "…" : "");
	return buffer;
}

static struct sl_place place_of(const struct sl_loader *ld, yaml_mark_t mark)
{
	return (struct sl_place){ld->source->file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/* libyaml gives a byte offset alone for what it cannot decode. */
static struct sl_place place_of_byte(const struct sl_loader *ld, size_t offset)
{
	const struct sl_yaml *yaml = &ld->source->yaml;
	struct sl_place place = {ld->source->file, 1, 1};

	for (size_t i = 0; i < offset && i < yaml->len; i++) {
		unsigned char c = (unsigned char)yaml->text[i];

		if (c == '\n') {
			place.line++;
			place.column = 1;
		} else if ((c & 0xc0) != 0x80) { /* not the continuation of a character */
			place.column++;
		}
	}
	return place;
}

static void syntax_error(struct sl_loader *ld)
{
	const yaml_parser_t *parser = &ld->source->yaml.parser;
	struct sl_place place = place_of(ld, parser->problem_mark);
	const char *problem = parser->problem ? parser->problem : "cannot be read";

	if (parser->error == YAML_READER_ERROR)
		sl_load_error(
		        ld, place_of_byte(ld, parser->problem_offset), "not text: %s; save the file as UTF-8", problem);
	else if (parser->context)
		sl_load_error(ld, place,
		        "not YAML: %s, %s that starts at line %zu; check indentation, brackets and quotes", problem,
		        parser->context, parser->context_mark.line + 1);
	else
		sl_load_error(ld, place, "not YAML: %s; check indentation, brackets and quotes", problem);
}

/* The next event; false, for good, when there is none. */
static bool next_event(struct sl_loader *ld)
{
	struct sl_yaml *yaml = &ld->source->yaml;
	bool known = yaml->failed;

	if (sl_yaml_step(yaml))
		return true;
	if (!known)
		syntax_error(ld);
	return false;
}

static void refuse_decoration(
        struct sl_loader *ld, struct sl_node *node, const yaml_char_t *anchor_text, const yaml_char_t *tag_text)
{
	const char *anchor = (const char *)anchor_text, *tag = (const char *)tag_text;

	if (anchor)
		sl_load_error(ld, node->place, "anchor '&%s': anchors are not supported; take it out",
		        sl_show(anchor, strlen(anchor)));
	if (tag)
		sl_load_error(
		        ld, node->place, "tag '%s': tags are not supported; take it out", sl_show(tag, strlen(tag)));
	node->bad = anchor || tag;
}

static bool is_null(const struct sl_node *node, yaml_scalar_style_t style)
{
	return style == YAML_PLAIN_SCALAR_STYLE &&
	       (node->len == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

static void take_scalar(struct sl_loader *ld, const yaml_event_t *event, struct sl_node *node)
{
	node->kind = SL_NODE_SCALAR;
	node->text = (const char *)event->data.scalar.value;
	node->len = event->data.scalar.length;
	refuse_decoration(ld, node, event->data.scalar.anchor, event->data.scalar.tag);
	if (memchr(node->text, 0, node->len)) {
		sl_load_error(ld, node->place, "a NUL character in a value; take it out");
		node->len = 0;
		node->text = "";
		node->bad = true;
		return;
	}
	node->null = is_null(node, event->data.scalar.style);
}

/* Nesting is bounded here, so that no parser needs to be. */
static void enter(struct sl_loader *ld, struct sl_node *node, enum sl_node_kind kind)
{
	struct sl_yaml *yaml = &ld->source->yaml;

	node->kind = kind;
	if (++yaml->depth <= SL_YAML_DEPTH_MAX)
		return;
	sl_load_error(ld, node->place, "nested more than %d deep; nothing here needs that", SL_YAML_DEPTH_MAX);
	yaml->failed = true;
	node->kind = SL_NODE_END;
}

struct sl_node sl_yaml_next(struct sl_loader *ld)
{
	struct sl_yaml *yaml = &ld->source->yaml;
	const yaml_event_t *event = &yaml->event;
	struct sl_node node = {.kind = SL_NODE_END};

	if (!next_event(ld))
		return node;
	node.place = place_of(ld, event->start_mark);
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		take_scalar(ld, event, &node);
		break;
	case YAML_SEQUENCE_START_EVENT:
		refuse_decoration(ld, &node, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		enter(ld, &node, SL_NODE_SEQUENCE);
		break;
	case YAML_MAPPING_START_EVENT:
		refuse_decoration(ld, &node, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		enter(ld, &node, SL_NODE_MAPPING);
		break;
	case YAML_ALIAS_EVENT:
		sl_load_error(ld, node.place, "alias '*%s': aliases are not supported; write the value out",
		        sl_show((const char *)event->data.alias.anchor,
		                strlen((const char *)event->data.alias.anchor)));
		node.kind = SL_NODE_SCALAR;
		node.text = "";
		node.bad = true;
		break;
	default: /* the end of a sequence or mapping: the document's events are not asked for here */
		yaml->depth--;
		break;
	}
	return node;
}

void sl_yaml_skip(struct sl_loader *ld, const struct sl_node *node)
{
	uint32_t depth = ld->source->yaml.depth;

	if (node->kind != SL_NODE_SEQUENCE && node->kind != SL_NODE_MAPPING)
		return;
	while (!ld->source->yaml.failed && ld->source->yaml.depth >= depth)
		sl_yaml_next(ld);
}

struct sl_node sl_yaml_root(struct sl_loader *ld)
{
	const yaml_event_t *event = &ld->source->yaml.event;
	struct sl_node end = {.kind = SL_NODE_END};

	if (!next_event(ld) || !next_event(ld))
		return end;
	if (event->type == YAML_DOCUMENT_START_EVENT)
		return sl_yaml_next(ld);
	sl_load_error(
	        ld, place_of(ld, event->start_mark), "the file is empty; see sluice.yaml(5) for what belongs in it");
	ld->source->yaml.failed = true;
	return end;
}

void sl_yaml_finish(struct sl_loader *ld)
{
	const yaml_event_t *event = &ld->source->yaml.event;

	/* the end of the document, then of the text */
	if (!next_event(ld) || !next_event(ld))
		return;
	if (event->type != YAML_STREAM_END_EVENT)
		sl_load_error(ld, place_of(ld, event->start_mark), "a second document starts here; keep one in a file");
}

static const char *kind_name(enum sl_node_kind kind)
{
	switch (kind) {
	case SL_NODE_SEQUENCE:
		return "a list, such as [a, b]";
	case SL_NODE_MAPPING:
		return "a mapping of keys to values";
	default:
		return "a single value";
	}
}

bool sl_load_expect(struct sl_loader *ld, const struct sl_node *node, enum sl_node_kind kind, const char *key)
{
	if (node->kind == kind)
		return true;
	if (node->kind != SL_NODE_END && !node->null && !node->bad)
		sl_load_error(ld, node->place, "%s: not %s; write one", key, kind_name(kind));
	sl_yaml_skip(ld, node);
	return false;
}

static void unknown_key(struct sl_loader *ld, const struct sl_node *name, const struct sl_key *keys, size_t n_keys)
{
	const char *names[SL_KEYS_MAX];
	size_t n = 0;

	if (strcmp(name->text, "<<") == 0) {
		sl_load_error(ld, name->place, "'<<': merge keys are not supported; write the keys out");
		return;
	}
	for (size_t i = 0; i < n_keys; i++)
		if (keys[i].parse)
			names[n++] = keys[i].name;
	sl_load_error(ld, name->place, "unknown key '%s'; did you mean '%s'?", sl_show(name->text, name->len),
	        sl_nearest(name->text, name->len, names, n));
}

/* The entry that is to read the value of this key; NULL, with an error, if none is. */
static const struct sl_key *choose(struct sl_loader *ld, const struct sl_node *name, const struct sl_key *keys,
        size_t n_keys, struct sl_place *seen)
{
	if (name->kind != SL_NODE_SCALAR) {
		sl_load_error(ld, name->place, "a key must be a word; take the brackets out");
		sl_yaml_skip(ld, name);
		return NULL;
	}
	for (size_t i = 0; i < n_keys; i++) {
		if (strcmp(name->text, keys[i].name) != 0)
			continue;
		if (seen[i].line) {
			sl_load_error(ld, name->place, "'%s' is given twice, first at %s; keep one of them",
			        keys[i].name, sl_load_where(ld, seen[i]));
			return NULL;
		}
		seen[i] = name->place;
		if (!keys[i].parse)
			sl_load_error(ld, name->place, "%s: not in this version; take it out", keys[i].name);
		return keys[i].parse ? &keys[i] : NULL;
	}
	if (!name->bad)
		unknown_key(ld, name, keys, n_keys);
	return NULL;
}

void sl_load_mapping(struct sl_loader *ld, const struct sl_node *node, const char *key, const struct sl_key *keys,
        size_t n_keys, struct sl_place seen[SL_KEYS_MAX], void *out)
{
	struct sl_node name, value;

	memset(seen, 0, n_keys * sizeof(*seen));
	if (!sl_load_expect(ld, node, SL_NODE_MAPPING, key))
		return;
	while (name = sl_yaml_next(ld), name.kind != SL_NODE_END) {
		const struct sl_key *entry = choose(ld, &name, keys, n_keys, seen);

		value = sl_yaml_next(ld);
		if (entry)
			entry->parse(ld, &value, entry->name, out);
		else
			sl_yaml_skip(ld, &value);
	}
}

void sl_load_list(struct sl_loader *ld, const struct sl_node *node, const char *key, sl_parse_fn *parse, void *out)
{
	struct sl_node element;

	if (node->kind == SL_NODE_SCALAR && !node->null && !node->bad) {
		parse(ld, node, key, out);
		return;
	}
	if (!sl_load_expect(ld, node, SL_NODE_SEQUENCE, key))
		return;
	while (element = sl_yaml_next(ld), element.kind != SL_NODE_END)
		parse(ld, &element, key, out);
}
