#include "control/reload_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json_write.h"
#include "crypto/wipe.h"

#define LINE_ROOM 512 /* bytes that the last line takes as a rule */

void
sl_reply_changes(struct sl_reply *reply, const struct sl_steps *steps)
{
	FILE *out = open_memstream(&reply->text, &reply->len);
	const char *separator = "";

	if (out == NULL)
		return;
	if (reply->json)
		fputs("{\"changes\": [", out);
	for (uint32_t i = 0; i < steps->n_steps; i++) {
		if (!sl_step_is_told(&steps->steps[i]))
			continue;
		if (!reply->json) {
			sl_step_print(steps, &steps->steps[i], out);
			continue;
		}
		fputs(separator, out);
		sl_step_print_json(steps, &steps->steps[i], out);
		separator = ",\n";
	}
	if (reply->json)
		fputs("]", out);
	for (unsigned i = 0; i < LINE_ROOM; i++)
		fputc('\0', out);
	fclose(out);
	reply->room = reply->len;
	reply->len -= LINE_ROOM;
}

/* {"changes": [], "messages": ["file:line:column: …"], with the object left open. */
static void
write_messages(const struct sl_config_errors *errors, FILE *out)
{
	const char *separator = "\"";

	fputs("{\"changes\": [], \"messages\": [", out);
	for (uint32_t i = 0; i < errors->n_messages; i++) {
		const char *text = errors->messages[i].text;
		char one[SL_JSON_CHAR_MAX];

		fputs(separator, out);
		for (size_t n; (n = sl_json_char(&text, one)) > 0;)
			fwrite(one, 1, n, out);
		separator = "\", \"";
	}
	if (errors->n_messages)
		fputs("\"", out);
	fputs("]", out);
}

void
sl_reply_messages(struct sl_reply *reply, const struct sl_config_errors *errors)
{
	FILE *out = open_memstream(&reply->text, &reply->len);

	if (out == NULL)
		return;
	if (reply->json)
		write_messages(errors, out);
	else
		sl_config_errors_print(errors, out);
	fclose(out);
	reply->room = reply->len;
}

/* What is there may be long: the thread has left room, so that it is not moved here. */
static void
append(struct sl_reply *reply, const char *words, size_t len)
{
	if (reply->len + len >= reply->room) {
		size_t room = reply->len + len + LINE_ROOM;
		char *text = realloc(reply->text, room);

		if (text == NULL)
			return;
		reply->text = text;
		reply->room = room;
	}
	memcpy(reply->text + reply->len, words, len);
	reply->len += len;
	reply->text[reply->len] = '\0';
}

static void
append_text(struct sl_reply *reply, const char *words)
{
	append(reply, words, strlen(words));
}

void
sl_reply_end(struct sl_reply *reply, bool failed, const char *line)
{
	char one[SL_JSON_CHAR_MAX];

	if (!reply->json) {
		append_text(reply, line);
		append_text(reply, "\n");
		return;
	}
	if (reply->text == NULL)
		append_text(reply, "{\"changes\": []");
	append_text(reply, failed ? ", \"error\": \"" : ", \"result\": \"");
	for (size_t n; (n = sl_json_char(&line, one)) > 0;)
		append(reply, one, n);
	append_text(reply, "\"}\n");
}

char *
sl_reply_take(struct sl_reply *reply, size_t *len)
{
	char *text = reply->text;

	*len = reply->len;
	reply->text = NULL;
	reply->len = reply->room = 0;
	return text;
}

void
sl_reply_free(struct sl_reply *reply)
{
	if (reply->text)
		sl_wipe(reply->text, reply->len);
	free(reply->text);
	*reply = (struct sl_reply){0};
}
