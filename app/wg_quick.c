#include "app/wg_quick.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/wg_quick_lines.h"
#include "control/byte_order_mark.h"
#include "control/config_write.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

enum {
	WORD_SHOWN = 40, /* characters: less than a key has, more than the name of one */
};

void sl_wg_quick_error(struct sl_wg_quick_reader *r, bool warning, unsigned line, const char *format, ...)
{
	char where[512], what[SL_CONFIG_MESSAGE_LEN];
	va_list args;

	snprintf(where, sizeof(where), "%s:%u", r->file, line);
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	sl_config_errors_add(r->errs, warning, where, (struct sl_place){0}, "%s", what);
}

const char *sl_wg_quick_word(const char *name)
{
	return strlen(name) <= WORD_SHOWN ? name : "(not shown, it may be a key)";
}

/* The text without the white space around it, in place. */
static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* As wg reads names of sections and keys: white space does not count. */
static void squeeze(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (!isspace((unsigned char)*text))
			*to++ = *text;
	*to = '\0';
}

static void add_peer(struct sl_wg_quick_reader *r)
{
	struct sl_wg_quick *w = r->w;
	unsigned n = w->n_peers;

	sl_wg_quick_take_name(r);
	/* there is room for a power of two */
	if ((n & (n - 1)) == 0) {
		struct sl_wg_quick_peer *grown = malloc((n ? 2 * n : 1) * sizeof(*grown));

		if (grown == NULL)
			abort();
		/* a copy and not realloc: what held keys is wiped */
		if (n) {
			memcpy(grown, w->peers, n * sizeof(*grown));
			sl_wipe(w->peers, n * sizeof(*grown));
		}
		free(w->peers);
		w->peers = grown;
	}
	r->peer = &w->peers[w->n_peers++];
	memset(r->peer, 0, sizeof(*r->peer));
	r->peer->line = r->line;
}

static void enter_section(struct sl_wg_quick_reader *r, const char *name)
{
	memset(r->seen, 0, sizeof(r->seen));
	if (strcasecmp(name, "[Interface]") == 0) {
		r->section = SL_WG_QUICK_INTERFACE;
	} else if (strcasecmp(name, "[Peer]") == 0) {
		r->section = SL_WG_QUICK_PEER;
		add_peer(r);
	} else {
		r->section = SL_WG_QUICK_NONE;
		sl_wg_quick_error(r, false, r->line, "%.40s is not a section; write [Interface] or [Peer]", name);
	}
}

static void take_line(struct sl_wg_quick_reader *r, char *line)
{
	char *equals = strchr(line, '=');

	if (*line == '[') {
		squeeze(line);
		enter_section(r, line);
		return;
	}
	if (equals == NULL) {
		sl_wg_quick_error(r, false, r->line,
		        "neither a section nor KEY = VALUE; take the line out, or put a # before it");
		return;
	}
	*equals = '\0';
	squeeze(line);
	if (r->section == SL_WG_QUICK_NONE)
		sl_wg_quick_error(r, false, r->line, "%s: in no section; put it below [Interface] or [Peer]",
		        sl_wg_quick_word(line));
	else
		sl_wg_quick_take(r, line, trim(equals + 1));
}

/* A comment that belongs to the peer the reader is at. One that says it is a name wins over another. */
static void name_peer(struct sl_wg_quick_reader *r, const char *comment, bool *settled)
{
	char name[SL_CONFIG_PEER_NAME_MAX + 1];
	bool is_explicit;

	if (!sl_wg_quick_comment(comment, name, &is_explicit) || sl_wg_quick_is_taken(r, name))
		return;
	if (r->peer->name[0] && (*settled || !is_explicit))
		return;
	snprintf(r->peer->name, sizeof(r->peer->name), "%s", name);
	*settled = is_explicit;
}

/* All lines. A comment names the peer whose [Peer] it stands directly above, beside, or directly below. */
static void read_lines(struct sl_wg_quick_reader *r, char *text)
{
	char *above = NULL, *rest = text, *line;
	bool below = false, settled = false;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *comment = strchr(line, '#');
		unsigned peers = r->w->n_peers;

		r->line++;
		if (comment)
			*comment++ = '\0';
		line = trim(line);
		if (*line)
			take_line(r, line);
		if (r->w->n_peers > peers) {
			settled = false;
			if (above)
				name_peer(r, above, &settled);
			below = true;
		} else if (*line || comment == NULL) {
			below = false;
		}
		if (comment && below)
			name_peer(r, comment, &settled);
		above = comment && *line == '\0' ? comment : NULL;
	}
}

bool sl_wg_quick_read(const char *file, const char *name, const char *text, size_t len, struct sl_wg_quick *out,
        struct sl_config_errors *errs)
{
	struct sl_wg_quick_reader r = {.file = file, .w = out, .errs = errs};
	uint32_t before = errs->n_errors;
	size_t mark = sl_byte_order_mark(text, len);
	char *copy;

	*out = (struct sl_wg_quick){.config = {.mtu = SL_DEFAULT_MTU, .routes = true}};
	snprintf(out->name, sizeof(out->name), "%s", name);
	if (memchr(text, '\0', len)) {
		r.line = 1;
		sl_wg_quick_error(&r, false, 1, "not a text file; give one as wg-quick reads it");
		return false;
	}
	text += mark;
	len -= mark;
	copy = malloc(len + 1);
	if (copy == NULL)
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	sl_config_map_init(&r.names, SL_CONFIG_PEER_NAME_MAX + 1);
	read_lines(&r, copy);
	sl_wipe(copy, len);
	free(copy);
	sl_wg_quick_settle(&r);
	sl_config_map_free(&r.names);
	return errs->n_errors == before;
}

void sl_wg_quick_free(struct sl_wg_quick *w)
{
	for (unsigned i = 0; i < w->n_peers; i++)
		free(w->peers[i].allowed);
	if (w->peers)
		sl_wipe(w->peers, w->n_peers * sizeof(*w->peers));
	free(w->peers);
	sl_wipe(w, sizeof(*w));
}

void sl_wg_quick_write(FILE *out, const struct sl_wg_quick *w, const char *key_file)
{
	char text[SL_PREFIX_STRLEN], key[SL_KEY_BASE64_LEN + 1];

	fputs("  ", out);
	sl_yaml_write_text(out, w->name);
	fputs(":\n", out);
	if (w->config.has_private_key && key_file) {
		fputs("    private-key-file: ", out);
		sl_yaml_write_text(out, key_file);
		fputc('\n', out);
	} else if (w->config.has_private_key) {
		sl_key_to_base64(key, w->config.private_key);
		fprintf(out, "    private-key: %s\n", key);
		sl_wipe(key, sizeof(key));
	}
	if (w->config.listen_port)
		fprintf(out, "    listen-port: %u\n", w->config.listen_port);
	for (uint32_t i = 0; i < w->config.n_addresses; i++)
		fprintf(out, "%s\"%s\"%s", i ? ", " : "    addresses: [",
		        sl_prefix_format(&w->addresses[i].prefix, text), i + 1 == w->config.n_addresses ? "]\n" : "");
	if (w->config.mtu != SL_DEFAULT_MTU)
		fprintf(out, "    mtu: %u\n", w->config.mtu);
	if (!w->config.routes)
		fputs("    routes: none\n", out);
	if (w->n_peers)
		fputs("    peers:\n", out);
	for (unsigned i = 0; i < w->n_peers; i++)
		sl_config_write_peer(out, &w->peers[i].config, SL_CONFIG_PEER_INDENT);
}
