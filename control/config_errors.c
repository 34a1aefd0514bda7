#include "control/config_errors.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/protocol.h"

void sl_config_errors_init(struct sl_config_errors *errs)
{
	memset(errs, 0, sizeof(*errs));
}

void sl_config_errors_free(struct sl_config_errors *errs)
{
	for (uint32_t i = 0; i < errs->n_messages; i++)
		free(errs->messages[i].text);
	sl_config_errors_init(errs);
}

/* What stands in a file may hold anything; on a terminal it must not do anything. C1 controls are 0xc2 0x80..0x9f in
 * UTF-8. */
static void make_printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

/* No message is to hold a key. Those who write messages see to it; this is for what they overlook. */
static void mask_keys(char *text)
{
	size_t run = 0;

	for (size_t i = 0; text[i]; i++) {
		if (isalnum((unsigned char)text[i]) || text[i] == '+' || text[i] == '/') {
			run++;
			continue;
		}
		if (text[i] == '=' && run >= SL_KEY_BASE64_LEN - 1)
			memset(text + i - (SL_KEY_BASE64_LEN - 1), '*', SL_KEY_BASE64_LEN - 1);
		run = 0;
	}
}

/* Errors are worth more than warnings: where the list is full, an error takes the last warning's place. */
static struct sl_config_message *room(struct sl_config_errors *errs, bool warning)
{
	if (errs->n_messages < SL_CONFIG_MESSAGES_MAX)
		return &errs->messages[errs->n_messages++];
	if (warning)
		return NULL;
	for (uint32_t i = errs->n_messages; i-- > 0;)
		if (errs->messages[i].warning) {
			free(errs->messages[i].text);
			return &errs->messages[i];
		}
	return NULL;
}

void sl_config_errors_add(
        struct sl_config_errors *errs, bool warning, const char *file, struct sl_place place, const char *format, ...)
{
	char text[SL_CONFIG_MESSAGE_LEN];
	struct sl_config_message *message;
	size_t len = 0;
	va_list args;

	if (warning)
		errs->n_warnings++;
	else
		errs->n_errors++;
	message = room(errs, warning);
	if (!message)
		return;
	if (file && place.line)
		len = (size_t)snprintf(text, sizeof(text), "%s:%u:%u: ", file, place.line, place.column);
	else if (file)
		len = (size_t)snprintf(text, sizeof(text), "%s: ", file);
	if (len > sizeof(text) - 1)
		len = sizeof(text) - 1;
	va_start(args, format);
	vsnprintf(text + len, sizeof(text) - len, format, args);
	va_end(args);
	make_printable(text);
	mask_keys(text);
	*message = (struct sl_config_message){.place = place, .warning = warning, .text = strdup(text)};
	if (!message->text)
		abort();
}

static int compare(const void *a, const void *b)
{
	const struct sl_config_message *x = a, *y = b;

	if (x->place.file != y->place.file)
		return x->place.file < y->place.file ? -1 : 1;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void sl_config_errors_sort(struct sl_config_errors *errs)
{
	if (errs->n_messages)
		qsort(errs->messages, errs->n_messages, sizeof(errs->messages[0]), compare);
}

/* The word goes after the place, so that editors and scripts find file:line:column at the front. */
static void print_warning(const char *text, FILE *out)
{
	const char *rest = strstr(text, ": ");

	if (rest)
		fprintf(out, "%.*s: warning%s\n", (int)(rest - text), text, rest);
	else
		fprintf(out, "warning: %s\n", text);
}

void sl_config_errors_print(const struct sl_config_errors *errs, FILE *out)
{
	uint32_t all = errs->n_errors + errs->n_warnings;

	for (uint32_t i = 0; i < errs->n_messages; i++) {
		if (errs->messages[i].warning)
			print_warning(errs->messages[i].text, out);
		else
			fprintf(out, "%s\n", errs->messages[i].text);
	}
	if (all > errs->n_messages)
		fprintf(out, "%u more errors and warnings are not listed\n", all - errs->n_messages);
}
