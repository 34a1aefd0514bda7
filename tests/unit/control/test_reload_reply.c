/* Answers about the configuration are JSON whatever its files are called. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "control/reload_reply.h"

#define ODD    "/tmp/\"a\\b\xff\nc.yaml" /* a quote, a backslash, a byte that is no UTF-8, a line end */
#define OF_ODD "/tmp/\"a\\b\xef\xbf\xbd\nc.yaml"
#define CONFIG                                                                                                         \
	"version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n  wg0:\n    peers:\n"                               \
	"      a: {public-key: TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs=}\n"

static json_t *
taken(struct sl_reply *reply)
{
	json_error_t error;
	size_t len;
	char *text = sl_reply_take(reply, &len);
	json_t *o = json_loadb(text, len, 0, &error);

	cr_assert_not_null(o, "%s: %s", error.text, text);
	cr_assert_eq(text[len], '\0');
	free(text);
	return o;
}

Test(reload_reply, changes_of_a_file_of_any_name)
{
	struct sl_reply reply = {.json = true};
	struct sl_config_errors errors;
	struct sl_config *config;
	struct sl_steps *steps;
	bool found = false;
	json_t *o, *step;
	size_t i;

	sl_config_errors_init(&errors);
	config = sl_config_load_text(ODD, CONFIG, sizeof(CONFIG) - 1, &errors);
	cr_assert_not_null(config);
	steps = sl_config_diff(NULL, config);
	sl_reply_changes(&reply, steps);
	sl_reply_end(&reply, false, "made");
	o = taken(&reply);
	json_array_foreach (json_object_get(o, "changes"), i, step) {
		const char *from = json_string_value(json_object_get(step, "from"));

		if (strcmp(json_string_value(json_object_get(step, "change")), "peer-add") != 0)
			continue;
		cr_expect_str_eq(from, OF_ODD ":6:7");
		found = true;
	}
	cr_expect(found);
	cr_expect_str_eq(json_string_value(json_object_get(o, "result")), "made");
	json_decref(o);
	sl_steps_free(steps);
	sl_config_free(config);
	sl_config_errors_free(&errors);
}

Test(reload_reply, messages_and_a_last_line_of_any_text)
{
	struct sl_reply reply = {.json = true};
	struct sl_config_errors errors;
	json_t *o, *messages;
	char line[2000];

	memset(line, 'x', sizeof(line));
	strcpy(line + sizeof(line) - sizeof(ODD), ODD);
	sl_config_errors_init(&errors);
	sl_config_errors_add(&errors, false, ODD, (struct sl_place){.line = 1, .column = 2}, "wrong");
	sl_config_errors_add(&errors, false, NULL, (struct sl_place){0}, "and \"so\"");
	sl_reply_messages(&reply, &errors);
	sl_reply_end(&reply, true, line);
	o = taken(&reply);
	messages = json_object_get(o, "messages");
	cr_assert_eq(json_array_size(messages), 2);
	cr_expect_str_eq(json_string_value(json_array_get(messages, 0)),
		"/tmp/\"a\\b\xef\xbf\xbd?c.yaml:1:2: wrong");
	cr_expect_str_eq(json_string_value(json_array_get(messages, 1)), "and \"so\"");
	cr_expect(strstr(json_string_value(json_object_get(o, "error")), OF_ODD));
	json_decref(o);
	sl_config_errors_free(&errors);
}

/* Neither changes nor messages: there was no memory, or no thread. */
Test(reload_reply, a_last_line_alone)
{
	struct sl_reply reply = {.json = true};
	json_t *o;

	sl_reply_end(&reply, true, "out of memory");
	o = taken(&reply);
	cr_expect_eq(json_array_size(json_object_get(o, "changes")), 0);
	cr_expect_str_eq(json_string_value(json_object_get(o, "error")), "out of memory");
	json_decref(o);

	reply.json = false;
	sl_reply_end(&reply, true, "out of memory");
	cr_expect_str_eq(reply.text, "out of memory\n");
	cr_expect_eq(reply.len, strlen(reply.text));
	sl_reply_free(&reply);
}
