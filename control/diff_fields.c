/* Steps as fields for programs: JSON, and the audit trail's NAME=VALUE. */
#include "control/diff_build.h"
#include "control/json_write.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

/* A name and its value on their way into one of the two forms. */
struct writer {
	FILE *out;
	bool json;
	bool any;
};

/* Values are names, prefixes and paths of the configuration. */
static void write_text(struct writer *w, const char *text)
{
	char one[SL_JSON_CHAR_MAX];

	if (w->json) {
		for (size_t n; (n = sl_json_char(&text, one)) > 0;)
			fwrite(one, 1, n, w->out);
		return;
	}
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		fputc(*c <= ' ' ? '_' : *c, w->out);
}

static void begin_field(struct writer *w, const char *name)
{
	if (w->json)
		fprintf(w->out, "%s\"%s\": \"", w->any ? ", " : "", name);
	else
		fprintf(w->out, "%s%s=", w->any ? " " : "", name);
	w->any = true;
}

static void end_field(struct writer *w)
{
	if (w->json)
		fputc('"', w->out);
}

static void write_field(struct writer *w, const char *name, const char *value)
{
	begin_field(w, name);
	write_text(w, value);
	end_field(w);
}

static void write_keys(struct writer *w, const struct sl_step *s)
{
	uint32_t bits = s->runtime && !s->changed ? s->runtime->bits : 0;

	if (!s->changed && !bits)
		return;
	fputs(w->json ? ", \"keys\": [" : " keys=", w->out);
	sl_diff_print_keys(s->changed, w->json ? "\"" : "", w->json ? "\", \"" : ",", w->out);
	sl_diff_print_runtime_keys(bits, w->json ? "\"" : "", w->json ? "\", \"" : ",", w->out);
	fputs(w->json ? "\"]" : "", w->out);
}

static void write_prefix(struct writer *w, const char *name, const struct sl_prefix *prefix)
{
	char text[SL_PREFIX_STRLEN];

	write_field(w, name, sl_prefix_format(prefix, text));
}

static void write_route(struct writer *w, const struct sl_steps *steps, const struct sl_step *s)
{
	const struct sl_config *config = s->kind == SL_STEP_ROUTE_ADD ? steps->new_config : steps->old_config;
	char via[SL_IP_STRLEN];

	write_prefix(w, "to", &s->route->to);
	if (s->route->via.family)
		write_field(w, "via", sl_ip_format(&s->route->via, via));
	if (s->route->port >= 0)
		write_field(w, "port", config->ports[s->route->port].name);
	else
		write_field(w, "interface", config->interfaces[s->route->interface].name);
}

/* Where the files say so. */
static void write_place(struct writer *w, const struct sl_steps *steps, const struct sl_step *s)
{
	struct sl_place place = {0};

	if (s->new_peer)
		place = s->new_peer->place;
	else if (s->address && (s->new_port || s->new_interface))
		place = s->address->place;
	else if (s->kind == SL_STEP_ROUTE_ADD)
		place = s->route->place;
	else if (s->new_interface && !s->runtime)
		place = s->new_interface->place;
	else if (s->new_port)
		place = s->new_port->place;
	if (place.line == 0)
		return;
	begin_field(w, "from");
	write_text(w, steps->new_config->files[place.file]);
	fprintf(w->out, ":%u:%u", place.line, place.column);
	end_field(w);
}

static void write_step(struct writer *w, const struct sl_steps *steps, const struct sl_step *s)
{
	const struct sl_config_peer *peer = s->new_peer ? s->new_peer : s->old_peer;
	char key[SL_KEY_BASE64_LEN + 1], number[16];

	if (s->what)
		write_field(w, "key", s->what);
	if (s->new_port || s->old_port)
		write_field(w, "port", sl_diff_place_name(s));
	else if (s->new_interface || s->old_interface)
		write_field(w, "interface", sl_diff_place_name(s));
	else if (s->runtime)
		write_field(w, "interface", s->runtime->interface);
	if (peer)
		write_field(w, "peer", peer->name);
	if (peer || (s->runtime && !sl_is_zero(s->runtime->public_key, SL_KEY_LEN))) {
		sl_key_to_base64(key, peer ? peer->public_key : s->runtime->public_key);
		write_field(w, "public-key", key);
	}
	if (s->allowed_ip)
		write_prefix(w, "allowed-ip", s->allowed_ip);
	if (s->address)
		write_prefix(w, "address", &s->address->prefix);
	if (s->route)
		write_route(w, steps, s);
	if (s->kind == SL_STEP_LISTEN_ADD) {
		snprintf(number, sizeof(number), "%u", s->new_interface->listen_port);
		write_field(w, "listen-port", number);
	}
	write_keys(w, s);
	if (s->runtime)
		write_field(w, "set-with", "wg");
	write_place(w, steps, s);
}

void sl_step_print_json(const struct sl_steps *steps, const struct sl_step *s, FILE *out)
{
	struct writer w = {.out = out, .json = true, .any = true};

	fprintf(out, "{\"change\": \"%s\"", sl_step_name(s->kind));
	write_step(&w, steps, s);
	fputc('}', out);
}

void sl_step_fields(const struct sl_steps *steps, const struct sl_step *s, char *fields, size_t size)
{
	struct writer w = {.out = fmemopen(fields, size, "w")};

	fields[0] = '\0';
	if (w.out == NULL)
		return;
	write_step(&w, steps, s);
	fclose(w.out);
	fields[size - 1] = '\0';
}
