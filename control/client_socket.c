/*
 * The socket of the client commands, /run/sluice/NAME.sock. A request is one
 * line, and the answer ends with the connection. `show WHAT` is answered with
 * one JSON object, written in slices; an error is {"error": "…"}. `reload
 * [dry-run] [json] [keep-runtime]` and `save` are answered with a line `done`
 * or `failed` and then text, once they are. `bench …` is answered line by line, and the connection stays
 * (control/bench_api.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/api_conn.h"
#include "control/bench_api.h"
#include "control/reload.h"
#include "control/show.h"
#include "crypto/wipe.h"

#define TEXT_PER_SLICE    (64 * 1024)
#define ALLOWED_PER_SLICE 512
/* What one slice may cost, in shares: as many allowed IPs as are formatted in the time of a peer are one, any other object is several. */
#define SHARES_PER_SLICE  128
#define SHARES_OF_PEER    1
#define SHARES_OF_OTHER   8
#define ALLOWED_PER_SHARE 16

enum section {
	SECTION_GATEWAY,
	SECTION_INTERFACES,
	SECTION_PEERS,
	SECTION_PORTS,
	SECTION_ROUTES,
	SECTION_WORKERS,
	SECTION_MBUFS,
	SECTION_DROPS,
	SECTION_STAGES,
	SECTION_COUNT
};

static const char *const section_names[SECTION_COUNT] = {
	"gateway", "interfaces", "peers", "ports", "routes", "workers", "mbufs", "drops", "stages"};

#define BIT(section) (1u << SECTION_##section)

static const struct {
	const char *what;
	unsigned sections;
} requests[] = {
	{"all", BIT(COUNT) - 1},
	{"wg", BIT(GATEWAY) | BIT(INTERFACES) | BIT(PEERS)},
	{"gateway", BIT(GATEWAY)},
	{"interface", BIT(INTERFACES)},
	{"peers", BIT(PEERS)},
	{"ports", BIT(PORTS)},
	{"routes", BIT(ROUTES)},
	{"workers", BIT(WORKERS) | BIT(MBUFS)},
	{"drops", BIT(DROPS)},
	{"stages", BIT(STAGES)},
};

struct client_state {
	bool showing;
	unsigned left;        /* bits of sections not yet written */
	unsigned section;     /* being written; SECTION_COUNT: none */
	bool any_section, any_object;
	unsigned shares;      /* of this slice, used so far */
	uint32_t at;          /* place within the section */
	struct sl_proto_cursor cursor;
	struct sl_proto_peer *peer; /* whose allowed IPs are being written */
	uint32_t peer_slot, allowed_cursor;
	bool any_allowed;
	/* an order: */
	bool waiting;
	char *text; /* its answer; secrets may stand in it */
	size_t len, sent;
};

/* Writes an object as an element of the section's array. */
static void
write_object(struct sl_api_conn *c, struct client_state *s, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (text == NULL) {
		c->dead = true;
		return;
	}
	if (s->any_object)
		sl_api_write(c, ",\n", 2);
	sl_api_write(c, text, strlen(text));
	s->any_object = true;
	free(text);
}

/* The same of a peer; its list of allowed IPs stays open. */
static void
write_peer(struct sl_api_conn *c, struct client_state *s, const struct sl_proto_peer *peer)
{
	char text[SL_SHOW_PEER_MAX];
	size_t len = sl_show_peer(c->gateway, peer, text);

	if (len == 0) {
		c->dead = true;
		return;
	}
	if (s->any_object)
		sl_api_write(c, ",\n", 2);
	sl_api_write(c, text, len);
	s->any_object = true;
}

/* Goes on with a peer's allowed IPs, and closes its object after the last. */
static void
write_allowed_ips(struct sl_api_conn *c, struct client_state *s)
{
	bool end = sl_proto_peer_at(c->gateway->proto, s->peer_slot) != s->peer;
	char text[SL_PREFIX_STRLEN];
	struct sl_prefix p;
	unsigned i = 0;

	for (; i < ALLOWED_PER_SLICE && !end; i++) {
		end = !sl_allowed_ips_next(c->gateway->allowed, s->peer_slot, &s->allowed_cursor, &p);
		if (end)
			break;
		sl_api_write(c, s->any_allowed ? ",\"" : "\"", s->any_allowed ? 2 : 1);
		sl_prefix_format(&p, text);
		sl_api_write(c, text, strlen(text));
		sl_api_write(c, "\"", 1);
		s->any_allowed = true;
	}
	s->shares += i / ALLOWED_PER_SHARE;
	if (end) {
		sl_api_write(c, "]}", 2);
		s->peer = NULL;
	}
}

static bool
next_peer(struct sl_api_conn *c, struct client_state *s)
{
	struct sl_proto_peer *peer = NULL;

	if (s->peer) {
		write_allowed_ips(c, s);
		return true;
	}
	while (peer == NULL) {
		if (s->cursor.ifp == NULL) {
			/* interfaces in the order of their ids */
			while (s->at < SL_IF_MAX &&
				(c->gateway->ifs[s->at] == NULL || c->gateway->ifs[s->at]->kind != SL_IF_WIREGUARD))
				s->at++;
			if (s->at == SL_IF_MAX)
				return false;
			sl_proto_cursor_open(&s->cursor, c->gateway->ifs[s->at++]->proto);
		}
		peer = sl_proto_cursor_next(&s->cursor);
		if (peer == NULL)
			sl_proto_cursor_close(&s->cursor);
	}
	write_peer(c, s, peer);
	s->peer = peer;
	s->peer_slot = peer->slot;
	s->allowed_cursor = 0;
	s->any_allowed = false;
	write_allowed_ips(c, s);
	return true;
}

static bool
next_if(struct sl_api_conn *c, struct client_state *s, enum sl_if_kind kind)
{
	struct sl_gateway_if *gi;

	while (s->at < SL_IF_MAX && (c->gateway->ifs[s->at] == NULL || c->gateway->ifs[s->at]->kind != kind))
		s->at++;
	if (s->at == SL_IF_MAX)
		return false;
	gi = c->gateway->ifs[s->at++];
	write_object(c, s, kind == SL_IF_PORT ? sl_show_port(gi) : sl_show_interface(gi));
	return true;
}

static bool
next_drop(struct sl_api_conn *c, struct client_state *s)
{
	json_t *o = NULL;

	while (o == NULL && s->at < SL_DROP_COUNT)
		o = sl_show_drop(c->gateway, s->at++);
	if (o)
		write_object(c, s, o);
	return o != NULL;
}

static bool
next_route(struct sl_api_conn *c, struct client_state *s)
{
	json_t *o = sl_show_route(c->gateway, &s->at);

	if (o)
		write_object(c, s, o);
	return o != NULL;
}

/* Writes the next object of the section; false at its end. */
static bool
next_object(struct sl_api_conn *c, struct client_state *s)
{
	switch (s->section) {
	case SECTION_INTERFACES:
		return next_if(c, s, SL_IF_WIREGUARD);
	case SECTION_PORTS:
		return next_if(c, s, SL_IF_PORT);
	case SECTION_PEERS:
		return next_peer(c, s);
	case SECTION_ROUTES:
		return next_route(c, s);
	case SECTION_DROPS:
		return next_drop(c, s);
	case SECTION_WORKERS:
		if (s->at == c->gateway->dp->n_workers)
			return false;
		write_object(c, s, sl_show_worker(c->gateway, (uint16_t)s->at++));
		return true;
	case SECTION_STAGES:
		if (s->at == SL_STAGE_COUNT)
			return false;
		write_object(c, s, sl_show_stage(c->gateway, s->at++));
		return true;
	default:
		return false;
	}
}

/* The gateway and its buffers are one object each, not a list. */
static bool
is_single(unsigned section)
{
	return section == SECTION_GATEWAY || section == SECTION_MBUFS;
}

static void
begin_section(struct sl_api_conn *c, struct client_state *s)
{
	s->section = 0;
	while (!(s->left & 1u << s->section))
		s->section++;
	s->left &= ~(1u << s->section);
	sl_api_printf(c, "%s\n\"%s\":", s->any_section ? "," : "{", section_names[s->section]);
	s->any_section = true;
	s->any_object = false;
	s->at = 0;
	if (s->section == SECTION_GATEWAY)
		write_object(c, s, sl_show_gateway(c->gateway));
	else if (s->section == SECTION_MBUFS)
		write_object(c, s, sl_show_mbufs(c->gateway));
	else
		sl_api_write(c, "[", 1);
}

static void
free_text(struct client_state *s)
{
	if (s->text) /* the rest; what was sent is wiped already */
		sl_wipe(s->text + s->sent, s->len - s->sent);
	free(s->text);
	s->text = NULL;
}

/* Wipes what was sent, and gives its pages back, so that freeing a long answer is no long step. */
static void
done_with(char *text, size_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = RTE_ALIGN_CEIL((uintptr_t)text, page),
		  last = ((uintptr_t)text + len) & ~(page - 1);

	sl_wipe(text, len);
	if (first < last)
		madvise((void *)first, last - first, MADV_DONTNEED);
}

/* The next piece of an order's answer. */
static void
write_text(struct sl_api_conn *c, struct client_state *s)
{
	size_t n = RTE_MIN(s->len - s->sent, (size_t)TEXT_PER_SLICE);

	sl_api_write(c, s->text + s->sent, n);
	done_with(s->text + s->sent, n);
	s->sent += n;
	if (s->sent < s->len)
		return;
	free_text(s);
	c->closing = true;
}

/* An order has been dealt with. */
static void
order_done(void *ctx, char *text, size_t len, bool failed)
{
	struct sl_api_conn *c = ctx;
	struct client_state *s = c->state;

	sl_api_printf(c, failed ? "failed\n" : "done\n");
	s->waiting = false;
	s->text = text;
	s->len = len;
	c->closing = text == NULL;
	sl_api_wake(c);
}

static void
client_advance(struct sl_api_conn *c)
{
	struct client_state *s = c->state;

	if (s->text) {
		write_text(c, s);
		return;
	}
	s->shares = 0;
	while (s->shares < SHARES_PER_SLICE && !c->dead) {
		s->shares += s->section == SECTION_PEERS ? SHARES_OF_PEER : SHARES_OF_OTHER;
		if (s->section != SECTION_COUNT && next_object(c, s))
			continue;
		if (s->section != SECTION_COUNT && !is_single(s->section))
			sl_api_write(c, "]", 1);
		s->section = SECTION_COUNT;
		if (s->left == 0) {
			sl_api_write(c, "\n}\n", 3);
			s->showing = false;
			c->closing = true;
			return;
		}
		begin_section(c, s);
	}
}

/* `reload` and its words, or `save`. Whether it was one of them. */
static bool
give_order(struct sl_api_conn *c, char *line)
{
	struct client_state *s = c->state;
	struct sl_order order = {.actor = c->actor, .done = order_done, .ctx = c};
	char *rest = line, *word = strsep(&rest, " ");

	if (strcmp(word, "save") == 0)
		order.kind = SL_ORDER_SAVE;
	else if (strcmp(word, "reload") != 0)
		return false;
	order.actor.via = word[0] == 's' ? "save" : "reload";
	while ((word = strsep(&rest, " ")) != NULL) {
		if (strcmp(word, "dry-run") == 0)
			order.dry_run = true;
		else if (strcmp(word, "json") == 0)
			order.json = true;
		else if (strcmp(word, "keep-runtime") == 0)
			order.keep_runtime = true;
		else if (strcmp(word, "peer") == 0)
			order.actor.via = "peer"; /* it is for `sluice peer` */
		else
			return false;
	}
	s->waiting = true;
	if (sl_reload_order(c->gateway->reload, &order) != 0) {
		s->waiting = false;
		sl_api_printf(c, "failed\ntoo many orders wait already; try again\n");
		c->closing = true;
	}
	return true;
}

static bool
client_line(struct sl_api_conn *c, char *line)
{
	struct client_state *s = c->state;

	if (s->waiting)
		return true; /* nothing is asked in between */
	if (strncmp(line, "bench ", 6) == 0) {
		sl_bench_api_line(c, line + 6);
		return true;
	}
	if (strncmp(line, "show ", 5) != 0 && give_order(c, line))
		return !c->closing;
	if (strncmp(line, "show ", 5) == 0) {
		for (size_t i = 0; i < RTE_DIM(requests); i++) {
			if (strcmp(line + 5, requests[i].what) != 0)
				continue;
			s->left = requests[i].sections;
			s->section = SECTION_COUNT;
			s->showing = true;
			return true;
		}
	}
	sl_api_printf(c, "{\"error\": \"this gateway (version " SL_VERSION ") does not know the request\"}\n");
	return false;
}

static bool
client_busy(const struct sl_api_conn *c)
{
	const struct client_state *s = c->state;

	return s->showing || s->text;
}

static void
client_close(struct sl_api_conn *c)
{
	struct client_state *s = c->state;

	sl_bench_api_close(c);
	sl_proto_cursor_close(&s->cursor);
	if (s->waiting)
		sl_reload_forget(c->gateway->reload, c);
	free_text(s);
}

const struct sl_api_protocol sl_client_protocol = {
	.state_size = sizeof(struct client_state),
	.line = client_line,
	.advance = client_advance,
	.busy = client_busy,
	.close = client_close,
};
