/*
 * A YAML text as a stream of events: read by libyaml as it goes, or played from a tape on which another thread has put them. A tape holds
 * the events of one small text that is well-formed and plain (without anchors, tags, aliases and deep nesting, which are errors here anyway):
 * where there is none, the text is read as it goes, and that is where errors come from. Internal to the configuration. A stream is one thread's at a
 * time, as is a tape. Keys may stand in both: buffers are wiped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yaml.h>

struct sl_tape_event {
	yaml_event_type_t type;
	yaml_scalar_style_t style;
	uint32_t line, column; /* of its start, from 0 */
	uint32_t text, len;    /* a scalar's, in the tape's text; a NUL follows */
};

/* All zeros: empty. Its memory is used again by the next recording. */
struct sl_tape {
	struct sl_tape_event *events;
	char *text;
	uint32_t n, events_room; /* n 0: nothing recorded */
	uint32_t used, text_room;
};

enum {
	SL_YAML_DEPTH_MAX = 16,       /* of nodes within nodes; the deepest legal one is 6 */
	SL_TAPE_TEXT_MAX = 16 * 1024, /* bytes of a text that is put on tape: what is read ahead stays small */
};

/* Puts a text on an empty tape. False, and the tape is empty, if it is not one for a tape. */
bool sl_tape_record(struct sl_tape *tape, const char *text, size_t len);
/* Wiped, and empty. */
void sl_tape_clear(struct sl_tape *tape);
/* Of an empty one. */
void sl_tape_free(struct sl_tape *tape);

struct sl_yaml {
	yaml_parser_t parser;
	yaml_event_t event; /* the one at hand */
	const struct sl_tape *tape; /* NULL: the parser reads the text */
	uint32_t next;              /* on the tape */
	const char *text;           /* all of it, without its byte order mark: for the place of what is no UTF-8 */
	size_t len;
	uint32_t depth;
	bool failed; /* nothing more can be read */
};

/* Starts on a text; the text must outlive the stream. */
void sl_yaml_begin(struct sl_yaml *yaml, const char *text, size_t len);
/* Starts on a tape, which must not be empty and outlive the stream. */
void sl_yaml_play(struct sl_yaml *yaml, const struct sl_tape *tape);
/* To the next event. False, for good, when there is none; parser.error says why, where `failed` was not set before. */
bool sl_yaml_step(struct sl_yaml *yaml);
/* Wipes and frees the stream's buffers. */
void sl_yaml_end(struct sl_yaml *yaml);
