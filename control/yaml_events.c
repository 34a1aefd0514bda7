#include "control/yaml_events.h"

#include <stdlib.h>
#include <string.h>

#include "control/byte_order_mark.h"
#include "control/config_memory.h"
#include "crypto/wipe.h"

enum {
	EVENTS_FIRST = 32, /* what a file with one peer has */
	TEXT_FIRST = 256,
};

void sl_yaml_begin(struct sl_yaml *yaml, const char *text, size_t len)
{
	size_t mark = sl_byte_order_mark(text, len);

	text += mark;
	len -= mark;
	*yaml = (struct sl_yaml){.text = text, .len = len};
	if (!yaml_parser_initialize(&yaml->parser))
		sl_config_out_of_memory();
	yaml_parser_set_encoding(&yaml->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&yaml->parser, (const unsigned char *)text, len);
}

void sl_yaml_play(struct sl_yaml *yaml, const struct sl_tape *tape)
{
	*yaml = (struct sl_yaml){.tape = tape};
}

/* Forgets the event at hand. A scalar may have been a key; on a tape it is the tape's. */
static void drop_event(struct sl_yaml *yaml)
{
	if (yaml->tape)
		return;
	if (yaml->event.type == YAML_SCALAR_EVENT && yaml->event.data.scalar.value)
		sl_wipe(yaml->event.data.scalar.value, yaml->event.data.scalar.length);
	yaml_event_delete(&yaml->event);
}

static bool step_on_tape(struct sl_yaml *yaml)
{
	const struct sl_tape *tape = yaml->tape;
	const struct sl_tape_event *from = &tape->events[yaml->next];
	yaml_event_t *event = &yaml->event;

	if (yaml->next == tape->n)
		return false;
	yaml->next++;
	memset(event, 0, sizeof(*event));
	event->type = from->type;
	event->start_mark.line = from->line;
	event->start_mark.column = from->column;
	if (from->type == YAML_SCALAR_EVENT) {
		event->data.scalar.value = (yaml_char_t *)tape->text + from->text;
		event->data.scalar.length = from->len;
		event->data.scalar.style = from->style;
	}
	return true;
}

bool sl_yaml_step(struct sl_yaml *yaml)
{
	drop_event(yaml);
	if (!yaml->failed && (yaml->tape ? step_on_tape(yaml) : yaml_parser_parse(&yaml->parser, &yaml->event)))
		return true;
	yaml->failed = true;
	memset(&yaml->event, 0, sizeof(yaml->event));
	return false;
}

/* No more than the text's length has ever been in a buffer, and many files are small. */
static void wipe_buffer(unsigned char *start, const unsigned char *end, size_t len)
{
	size_t size = (size_t)(end - start);

	if (start)
		sl_wipe(start, size < len ? size : len);
}

void sl_yaml_end(struct sl_yaml *yaml)
{
	yaml_parser_t *parser = &yaml->parser;

	drop_event(yaml);
	if (yaml->tape)
		return;
	wipe_buffer(parser->raw_buffer.start, parser->raw_buffer.end, yaml->len);
	wipe_buffer(parser->buffer.start, parser->buffer.end, yaml->len);
	yaml_parser_delete(parser);
}

static void add_text(struct sl_tape *tape, const yaml_event_t *event, struct sl_tape_event *to)
{
	size_t len = event->data.scalar.length;

	/* a scalar is no longer than the text that it stands in, but escapes can be shorter than what they stand for */
	while (tape->text_room - tape->used < len + 1) {
		uint32_t room = tape->text_room ? tape->text_room * 2 : TEXT_FIRST;
		char *grown = sl_config_alloc(room, 1);

		if (tape->used)
			memcpy(grown, tape->text, tape->used);
		sl_array_free(tape->text, tape->used, 1);
		tape->text = grown;
		tape->text_room = room;
	}
	memcpy(tape->text + tape->used, event->data.scalar.value, len);
	tape->text[tape->used + len] = '\0';
	to->text = tape->used;
	to->len = (uint32_t)len;
	to->style = event->data.scalar.style;
	tape->used += (uint32_t)len + 1;
}

/* Whether the event may stand on a tape. *depth: of the nodes that are open. */
static bool is_plain(const yaml_event_t *event, uint32_t *depth)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return false;
	case YAML_SCALAR_EVENT:
		return !event->data.scalar.anchor && !event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return ++*depth <= SL_YAML_DEPTH_MAX && !event->data.sequence_start.anchor &&
		       !event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return ++*depth <= SL_YAML_DEPTH_MAX && !event->data.mapping_start.anchor &&
		       !event->data.mapping_start.tag;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		--*depth;
		return true;
	default:
		return true;
	}
}

static void add_event(struct sl_tape *tape, const yaml_event_t *event)
{
	struct sl_tape_event *to;

	tape->events = sl_array_grow(tape->events, tape->n, &tape->events_room, sizeof(*tape->events));
	to = &tape->events[tape->n++];
	to->type = event->type;
	to->line = (uint32_t)event->start_mark.line;
	to->column = (uint32_t)event->start_mark.column;
	if (event->type == YAML_SCALAR_EVENT)
		add_text(tape, event, to);
}

bool sl_tape_record(struct sl_tape *tape, const char *text, size_t len)
{
	struct sl_yaml yaml;
	bool whole = false;

	if (len > SL_TAPE_TEXT_MAX)
		return false;
	sl_yaml_begin(&yaml, text, len);
	while (!whole && sl_yaml_step(&yaml) && is_plain(&yaml.event, &yaml.depth)) {
		add_event(tape, &yaml.event);
		whole = yaml.event.type == YAML_STREAM_END_EVENT;
	}
	sl_yaml_end(&yaml);
	if (!whole)
		sl_tape_clear(tape);
	return whole;
}

void sl_tape_clear(struct sl_tape *tape)
{
	if (tape->used)
		sl_wipe(tape->text, tape->used);
	tape->used = 0;
	tape->n = 0;
}

void sl_tape_free(struct sl_tape *tape)
{
	free(tape->events);
	free(tape->text);
	*tape = (struct sl_tape){0};
}
