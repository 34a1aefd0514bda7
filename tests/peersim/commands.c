#include "tests/peersim/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/x25519.h"
#include "tests/peersim/data.h"
#include "tests/peersim/flow.h"
#include "tests/peersim/handshake.h"
#include "tests/peersim/keys.h"
#include "tests/peersim/tasks.h"

#define KEYS_MAX      12
#define MS_OF_S       1000u
#define WINDOW        64
#define SIZE          64
#define AWAIT_S       60
#define PATIENCE_S    30
#define KEEPALIVE_MAX 65535
#define SECONDS_MAX   86400

/* A command taken apart. */
struct words {
	const char *command, *keys[KEYS_MAX], *values[KEYS_MAX];
	unsigned n, used; /* used: a bit per key that somebody asked for */
	FILE *out;
	bool failed;
};

static void fail(struct words *w, const char *what, const char *name)
{
	if (!w->failed)
		fprintf(w->out, "{\"ok\": false, \"error\": \"%s%s\"}\n", what, name);
	w->failed = true;
}

static void parse(struct words *w, char *line, FILE *out)
{
	char *rest, *word;

	*w = (struct words){.out = out};
	w->command = strtok_r(line, " \t\r", &rest);
	while (w->command && (word = strtok_r(NULL, " \t\r", &rest))) {
		char *value = strchr(word, '=');

		if (!value || w->n == KEYS_MAX) {
			fail(w, "want KEY=VALUE, not ", word);
			return;
		}
		*value = '\0';
		w->keys[w->n] = word;
		w->values[w->n++] = value + 1;
	}
}

static const char *text(struct words *w, const char *key)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (strcmp(w->keys[i], key) == 0) {
			w->used |= 1u << i;
			return w->values[i];
		}
	}
	return NULL;
}

static uint64_t number(struct words *w, const char *key, uint64_t without, uint64_t max)
{
	const char *value = text(w, key);
	char *end;
	uint64_t n;

	if (!value)
		return without;
	n = strtoull(value, &end, 10);
	if (end == value || *end || n > max)
		fail(w, "not a number that fits: ", key);
	return n;
}

/* Every key that was given must have been asked for by then. */
static bool sane(struct words *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (!(w->used >> i & 1))
			fail(w, "unknown key ", w->keys[i]);
	return !w->failed;
}

static bool range(struct sim *s, struct words *w, uint32_t *first, uint32_t *count)
{
	*first = (uint32_t)number(w, "first", 0, s->o.peers - 1);
	*count = (uint32_t)number(w, "count", s->o.peers - (*first < s->o.peers ? *first : 0), s->o.peers);
	if (!w->failed && *count > s->o.peers - *first)
		fail(w, "there are no such peers: ", "count");
	return !w->failed;
}

static void ok(struct words *w)
{
	if (!w->failed)
		fprintf(w->out, "{\"ok\": true}\n");
}

static void start_task(struct sim *s, struct words *w, bool prepare, uint32_t first, uint32_t count, uint32_t window)
{
	if (sim_task_start(s, prepare, first, count, window))
		ok(w);
	else
		fail(w, "too many tasks are open", "");
}

/* Number of the identity that a command names; -1 after an error. */
static int which_hub(struct sim *s, struct words *w)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];
	const char *key = text(w, "key");
	int hub;

	if (key) {
		if (!sl_key_from_base64(public_key, key, strlen(key)))
			fail(w, "no public key: ", key);
	} else {
		sim_hub_private(s->o.seed, (unsigned)number(w, "hub", 0, SIM_HUBS_MAX - 1), private_key);
		sl_x25519_public(public_key, private_key);
	}
	hub = w->failed ? -1 : sim_hub_add(s, public_key);
	if (hub < 0)
		fail(w, "too many keys of the hub", "");
	return hub;
}

/* Begins handshakes, or prepares them: with the hub's key that is named, or else the one that the peers know. */
static void handshake(struct sim *s, struct words *w)
{
	const bool prepare = strcmp(w->command, "prepare") == 0, named = text(w, "hub") || text(w, "key");
	uint32_t first, count, window = (uint32_t)number(w, "window", 0, SIM_PEERS_MAX);
	const int hub = range(s, w, &first, &count) && named ? which_hub(s, w) : 0;

	if (!sane(w))
		return;
	for (uint32_t i = 0; named && i < count; i++) {
		struct sim_peer *p = &s->peers[first + i];

		p->hub = (uint8_t)hub;
		p->jar = (struct sl_cookie_jar){0};
		sim_handshake_cancel(s, first + i);
	}
	start_task(s, w, prepare, first, count, window);
}

static void forget(struct sim *s, struct words *w)
{
	uint32_t first, count;

	if (!range(s, w, &first, &count) || !sane(w))
		return;
	for (uint32_t i = 0; i < count; i++)
		sim_forget(s, first + i);
	ok(w);
}

static void keepalive(struct sim *s, struct words *w)
{
	const uint16_t seconds = (uint16_t)number(w, "seconds", 0, KEEPALIVE_MAX);
	uint32_t first, count;

	if (!range(s, w, &first, &count) || !sane(w))
		return;
	for (uint32_t i = 0; i < count; i++) {
		s->peers[first + i].persistent = seconds;
		sim_due(s, first + i, s->now_ms);
	}
	ok(w);
}

static void traffic(struct sim *s, struct words *w)
{
	static const char *const modes[] = {[SIM_ECHO] = "echo", [SIM_UP] = "up", [SIM_DOWN] = "down"};
	struct sim_flow f = {.id = (uint32_t)number(w, "flow", 0, SIM_FLOWS_MAX - 1),
	        .window = (uint32_t)number(w, "window", WINDOW, SIM_PEERS_MAX),
	        .packets = number(w, "packets", 0, UINT32_MAX),
	        .size = (uint32_t)number(w, "size", SIZE, SIM_FLOW_PAYLOAD_MAX),
	        .rate = (uint32_t)number(w, "rate", 0, UINT32_MAX),
	        .patience_ms = (uint32_t)number(w, "patience", PATIENCE_S, SECONDS_MAX) * MS_OF_S};
	const char *mode = text(w, "mode");

	for (unsigned i = 0; mode && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(mode, modes[i]) == 0) {
			f.mode = (enum sim_flow_mode)i;
			mode = NULL;
		}
	}
	if (mode)
		fail(w, "no mode: ", mode);
	if (!range(s, w, &f.first, &f.count) || !sane(w))
		return;
	if (f.size < SIM_FLOW_PAYLOAD_MIN || f.count == 0 || f.window == 0)
		fail(w, "size, count or window is too small", "");
	else if (s->flows[f.id] && !sim_flow_done(s->flows[f.id]))
		fail(w, "that flow is not done", "");
	else if (!sim_flow_start(s, &f))
		fail(w, "out of memory", "");
	ok(w);
}

static void stop(struct sim *s, struct words *w)
{
	const uint64_t id = number(w, "flow", SIM_NONE, SIM_FLOWS_MAX - 1);

	if (!sane(w))
		return;
	for (unsigned i = 0; i < SIM_FLOWS_MAX; i++)
		if (s->flows[i] && (id == SIM_NONE || id == i))
			s->flows[i]->stopped = true;
	ok(w);
}

static void count_peers(struct sim *s, struct words *w)
{
	uint32_t first, count, sessions = 0, pending = 0, previous = 0, per_hub[SIM_HUBS_MAX] = {0};

	if (!range(s, w, &first, &count) || !sane(w))
		return;
	for (uint32_t i = 0; i < count; i++) {
		const struct sim_peer *p = &s->peers[first + i];
		const struct sim_session *session = p->sessions[SIM_CURRENT];

		sessions += session && s->now_ms - session->born_ms < SL_REJECT_AFTER_TIME_NS / SL_NSEC_PER_MSEC;
		previous += p->sessions[SIM_PREVIOUS] != NULL;
		pending += p->pending && !p->pending->prepared;
		per_hub[p->hub]++;
	}
	fprintf(w->out,
	        "{\"ok\": true, \"peers\": %u, \"sessions\": %u, \"previous\": %u, \"pending\": %u, \"hubs\": [", count,
	        sessions, previous, pending);
	for (unsigned k = 0; k < s->n_hubs; k++)
		fprintf(w->out, "%s%u", k ? ", " : "", per_hub[k]);
	fprintf(w->out, "]}\n");
}

static void report_flow(FILE *out, const struct sim_flow *f)
{
	fprintf(out,
	        "{\"flow\": %u, \"first\": %u, \"count\": %u, \"done\": %s, \"sent\": %" PRIu64
	        ", \"returned\": %" PRIu64 ", \"outstanding\": %u, \"lost\": %" PRIu64 ", \"lost-up\": %" PRIu64
	        ", \"lost-down\": %" PRIu64 ", \"late\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"duplicate\": %" PRIu64
	        ", \"waited\": %" PRIu64 "}",
	        f->id, f->first, f->count, sim_flow_done(f) ? "true" : "false", f->sent, f->returned, f->outstanding,
	        f->lost_up + f->lost_down - f->late, f->lost_up, f->lost_down, f->late, f->wrong, f->duplicate,
	        f->waited);
}

static void report_task(const struct sim *s, FILE *out, const struct sim_task *t)
{
	fprintf(out,
	        "{\"first\": %u, \"count\": %u, \"prepare\": %s, \"open\": %u, \"finished\": %u, \"gave-up\": %u, "
	        "\"milliseconds\": %u}",
	        t->first, t->count, t->prepare ? "true" : "false", t->count - t->next + t->outstanding, t->finished,
	        t->gave_up, (t->ended_ms ? t->ended_ms : s->now_ms) - t->began_ms);
}

static void report_counts(FILE *out, const struct sim_counts *c)
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {{"begun", c->begun}, {"initiations", c->initiations}, {"finished", c->finished},
	        {"rekeys", c->rekeys}, {"gave-up", c->gave_up}, {"answered", c->answered}, {"prepared", c->prepared},
	        {"cookies", c->cookies}, {"mac2", c->mac2}, {"bad-mac1", c->bad_mac1}, {"bad-auth", c->bad_auth},
	        {"wrong-hub", c->wrong_hub}, {"old-stamp", c->old_stamp}, {"bad-cookie", c->bad_cookie},
	        {"stale", c->stale}, {"data-sent", c->data_sent}, {"data-received", c->data_received},
	        {"keepalives-sent", c->keepalives_sent}, {"keepalives-received", c->keepalives_received},
	        {"unknown-index", c->unknown_index}, {"bad-tag", c->bad_tag}, {"replayed", c->replayed},
	        {"bad-frames", c->bad_frames}, {"no-buffer", c->no_buffer}};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", all[i].name, all[i].value);
}

static void report(struct sim *s, struct words *w)
{
	const char *comma = "";

	if (!sane(w))
		return;
	fprintf(w->out, "{\"ok\": true, \"milliseconds\": %u, \"peers\": %u, \"counts\": {", s->now_ms, s->o.peers);
	report_counts(w->out, &s->counts);
	fprintf(w->out, "}, \"tasks\": [");
	for (unsigned i = 0; i < SIM_TASKS_MAX; i++) {
		if (!s->tasks[i].used)
			continue;
		fputs(comma, w->out);
		report_task(s, w->out, &s->tasks[i]);
		comma = ", ";
	}
	fprintf(w->out, "], \"flows\": [");
	comma = "";
	for (unsigned i = 0; i < SIM_FLOWS_MAX; i++) {
		if (!s->flows[i])
			continue;
		fputs(comma, w->out);
		report_flow(w->out, s->flows[i]);
		comma = ", ";
	}
	fprintf(w->out, "]}\n");
}

static void quit(struct sim *s, struct words *w)
{
	if (sane(w))
		s->stop = true;
	ok(w);
}

static bool start_await(struct sim *s, struct words *w, struct sim_await *await)
{
	*await = (struct sim_await){.handshakes = number(w, "handshakes", 0, 1) == 1,
	        .flow = (uint32_t)number(w, "flow", SIM_NONE, SIM_FLOWS_MAX - 1),
	        .returned = number(w, "returned", 0, UINT64_MAX),
	        .until_ms = s->now_ms + (uint32_t)number(w, "seconds", AWAIT_S, SECONDS_MAX) * MS_OF_S};
	if (await->flow != SIM_NONE && !s->flows[await->flow])
		fail(w, "there is no such flow", "");
	return sane(w);
}

bool sim_await_met(const struct sim *s, const struct sim_await *await)
{
	const struct sim_flow *f = await->flow == SIM_NONE ? NULL : s->flows[await->flow];

	if (await->handshakes && sim_tasks_open(s))
		return false;
	return !f || (await->returned ? f->returned >= await->returned : sim_flow_done(f));
}

bool sim_command(struct sim *s, char *line, FILE *out, struct sim_await *await)
{
	static const struct {
		const char *name;
		void (*run)(struct sim *s, struct words *w);
	} commands[] = {{"handshake", handshake}, {"prepare", handshake}, {"rehub", handshake}, {"forget", forget},
	        {"keepalive", keepalive}, {"traffic", traffic}, {"stop", stop}, {"peers", count_peers},
	        {"report", report}, {"quit", quit}};
	struct words w;

	parse(&w, line, out);
	if (w.failed)
		return false;
	if (w.command && strcmp(w.command, "await") == 0)
		return start_await(s, &w, await);
	for (unsigned i = 0; w.command && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(w.command, commands[i].name) == 0) {
			commands[i].run(s, &w);
			return false;
		}
	}
	fail(&w, "unknown command ", w.command ? w.command : "");
	return false;
}
