/* A text's events on tape: those that it has when it is read, or none at all; and no text left behind. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/yaml_events.h"

static const struct {
	const char *text;
	size_t len; /* 0: up to the NUL */
	bool taped;
} texts[] = {
        {"peers:\n  a: {public-key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, allowed-ips: [10.0.0.1/32]}\n", 0, true},
        {"peers:\n  a:\n    allowed-ips:\n    - 10.0.0.1/32\n    - 'x'\n    - \"y\\n\\u00e4\"\n    - |\n      z\n", 0, true},
        {"\xef\xbb\xbfpeers: {}\n", 0, true},
        {"# nothing\n", 0, true},
        {"", 0, true},
        {"a: 1\n---\nb: 2\n", 0, true},
        {"{a: ~, b: , c: null, '': \"\"}", 0, true},
        {"a: \"\\0b\"\n", 0, true},
        {"[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]", 0, true},
        {"[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]", 0, false},
        {"{a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}}}}}}}}}", 0, false},
        {"a: &x 1\n", 0, false},
        {"a: *x\n", 0, false},
        {"a: !!str 1\n", 0, false},
        {"a: &x [1]\n", 0, false},
        {"a: !t [1]\n", 0, false},
        {"a: &x {b: 1}\n", 0, false},
        {"a: !t {b: 1}\n", 0, false},
        {"a: [1\n", 0, false},
        {"a: 1\n b: 2\n", 0, false},
        {"a: \xff\n", 0, false},
        {"a: \0b\n", 6, false},
};

enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

static size_t len_of(unsigned i)
{
	return texts[i].len ? texts[i].len : strlen(texts[i].text);
}

static void check_event(const yaml_event_t *a, const yaml_event_t *b, const char *text)
{
	cr_assert_eq(a->type, b->type, "%s", text);
	cr_assert_eq(a->start_mark.line, b->start_mark.line, "%s", text);
	cr_assert_eq(a->start_mark.column, b->start_mark.column, "%s", text);
	if (a->type != YAML_SCALAR_EVENT)
		return;
	cr_assert_eq(a->data.scalar.style, b->data.scalar.style, "%s", text);
	cr_assert_eq(a->data.scalar.length, b->data.scalar.length, "%s", text);
	cr_assert_arr_eq(a->data.scalar.value, b->data.scalar.value, a->data.scalar.length + 1, "%s", text);
}

static void check_played(const struct sl_tape *tape, const char *text, size_t len)
{
	struct sl_yaml read, played;

	sl_yaml_begin(&read, text, len);
	sl_yaml_play(&played, tape);
	do {
		cr_assert(sl_yaml_step(&read));
		cr_assert(sl_yaml_step(&played), "%s", text);
		check_event(&read.event, &played.event, text);
	} while (read.event.type != YAML_STREAM_END_EVENT);
	cr_assert_not(sl_yaml_step(&played));
	cr_assert(played.failed);
	sl_yaml_end(&read);
	sl_yaml_end(&played);
}

Test(yaml_tape, has_what_is_read)
{
	struct sl_tape tape = {.n = 0};

	for (unsigned i = 0; i < N_TEXTS; i++) {
		cr_assert_eq(sl_tape_record(&tape, texts[i].text, len_of(i)), texts[i].taped, "%s", texts[i].text);
		cr_assert_eq(tape.n > 0, texts[i].taped, "%s", texts[i].text);
		if (texts[i].taped)
			check_played(&tape, texts[i].text, len_of(i));
		sl_tape_clear(&tape);
	}
	sl_tape_free(&tape);
}

Test(yaml_tape, not_of_a_long_text)
{
	struct sl_tape tape = {.n = 0};
	char *text = malloc(SL_TAPE_TEXT_MAX + 1);

	memset(text, 'x', SL_TAPE_TEXT_MAX + 1);
	cr_assert_not(sl_tape_record(&tape, text, SL_TAPE_TEXT_MAX + 1));
	cr_assert(sl_tape_record(&tape, text, SL_TAPE_TEXT_MAX));
	check_played(&tape, text, SL_TAPE_TEXT_MAX);
	sl_tape_clear(&tape);
	sl_tape_free(&tape);
	free(text);
}

/* Cleared, or given up in the middle: no key is left in the memory that serves the next file. */
Test(yaml_tape, leaves_no_text)
{
	static const char *const secrets[] = {
	        "peers: {a: {preshared-key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=}}\n",
	        "peers: {a: {preshared-key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, b: &x 1}}\n",
	};
	struct sl_tape tape = {.n = 0};

	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(sl_tape_record(&tape, secrets[i], strlen(secrets[i])), i == 0);
		sl_tape_clear(&tape);
		for (uint32_t k = 0; k < tape.text_room; k++)
			cr_assert_eq(tape.text[k], 0, "byte %u of text %u", k, i);
	}
	sl_tape_free(&tape);
}
