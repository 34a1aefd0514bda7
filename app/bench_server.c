#include "app/bench_server.h"

#include <inttypes.h>
#include <string.h>

#include "crypto/protocol.h"
#include "crypto/random.h"
#include "crypto/wipe.h"

static_assert(SL_TRAFFIC_FLOWS_MAX <= 64, "attached is a word");

void
sl_bench_server_init(struct sl_bench_server *server, struct sl_bench_path *path, uint64_t rate_max, FILE *log)
{
	*server = (struct sl_bench_server){.path = path, .rate_max = rate_max, .log = log};
	server->answers = SL_BENCH_ANSWERS_RATE;
	sl_random_bytes(server->secret, sizeof(server->secret));
}

static void
say(const struct sl_bench_server *server, const struct sl_bench_session *s, const char *what)
{
	char text[SL_ENDPOINT_STRLEN];

	if (server->log == NULL)
		return;
	fprintf(server->log, "%s: %s\n", sl_endpoint_format(&s->client, text), what);
	fflush(server->log);
}

static void
answer(struct sl_bench_server *server, const struct sl_endpoint *to, const struct sl_traffic_message *m, const uint8_t *key)
{
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];

	sl_traffic_message_write(bytes, m, key);
	server->path->ops->send(server->path, SL_TRAFFIC_FLOW_ALL, to, bytes);
	sl_wipe(bytes, sizeof(bytes));
}

/* --- strangers --- */

/* Strangers share a rate, so that the server is no use for sending from forged addresses. */
static bool
stranger_allowed(struct sl_bench_server *server, uint64_t now)
{
	uint64_t gained = (now - server->answers_at) / (SL_NSEC_PER_SEC / SL_BENCH_ANSWERS_RATE);

	if (gained > 0) {
		server->answers = server->answers + gained < SL_BENCH_ANSWERS_RATE ? server->answers + gained : SL_BENCH_ANSWERS_RATE;
		server->answers_at = now;
	}
	if (server->answers == 0)
		return false;
	server->answers--;
	return true;
}

/* What only somebody who gets packets at that address can know. */
static uint64_t
cookie_of(const struct sl_bench_server *server, const struct sl_endpoint *from, uint64_t nonce, uint64_t period)
{
	struct {
		uint64_t nonce, period;
		uint8_t bytes[16];
		uint16_t port;
		uint8_t family;
		uint8_t zero[5];
	} of = {.nonce = nonce, .period = period, .port = from->port, .family = from->ip.family};

	memcpy(of.bytes, from->ip.bytes, sizeof(of.bytes));
	return sl_siphash(server->secret, &of, sizeof(of));
}

static bool
cookie_right(const struct sl_bench_server *server, const struct sl_endpoint *from, const struct sl_traffic_message *m,
	uint64_t now)
{
	uint64_t period = now / SL_BENCH_COOKIE_NS;
	uint64_t wanted = cookie_of(server, from, m->nonce, period), before = cookie_of(server, from, m->nonce, period - 1);

	return sl_equal(&m->cookie, &wanted, sizeof(wanted)) || sl_equal(&m->cookie, &before, sizeof(before));
}

static void
refuse_stranger(
	struct sl_bench_server *server, const struct sl_endpoint *to, uint64_t nonce, enum sl_traffic_refusal why, uint64_t now)
{
	const struct sl_traffic_message m = {.type = SL_TRAFFIC_REFUSED, .nonce = nonce, .refusal = (uint8_t)why};

	if (stranger_allowed(server, now))
		answer(server, to, &m, NULL);
}

static void
on_hello(struct sl_bench_server *server, const struct sl_endpoint *from, const struct sl_traffic_message *m, uint64_t now)
{
	const struct sl_traffic_message cookie = {
		.type = SL_TRAFFIC_COOKIE,
		.nonce = m->nonce,
		.cookie = cookie_of(server, from, m->nonce, now / SL_BENCH_COOKIE_NS),
	};

	if (stranger_allowed(server, now))
		answer(server, from, &cookie, NULL);
}

/* --- opening --- */

/* The session that an asker has already been given, or room for a new one; NULL: there is none. */
static struct sl_bench_session *
room_for(struct sl_bench_server *server, const struct sl_endpoint *from, uint64_t nonce)
{
	struct sl_bench_session *room = NULL;
	unsigned same = 0;

	for (unsigned i = 0; i < SL_TRAFFIC_SESSIONS; i++) {
		struct sl_bench_session *s = &server->sessions[i];

		if (s->id == 0) {
			room = room ? room : s;
			continue;
		}
		if (sl_endpoint_equal(&s->client, from) && s->nonce == nonce)
			return s;
		same += sl_ip_equal(&s->client.ip, &from->ip);
	}
	return same < SL_BENCH_SESSIONS_PER_ADDRESS ? room : NULL;
}

static bool
open_session(struct sl_bench_server *server, struct sl_bench_session *s, const struct sl_endpoint *from, uint64_t nonce)
{
	uint32_t id = 0;

	*s = (struct sl_bench_session){.client = *from, .nonce = nonce};
	while (id / SL_TRAFFIC_SESSIONS == 0)
		sl_random_bytes(&id, sizeof(id));
	id = id / SL_TRAFFIC_SESSIONS * SL_TRAFFIC_SESSIONS + (uint32_t)(s - server->sessions);
	sl_random_bytes(s->key, sizeof(s->key));
	if (server->path->ops->open(server->path, id, s->key, &from->ip) != 0)
		return false;
	s->id = id;
	say(server, s, "session opened");
	return true;
}

static void
on_open(struct sl_bench_server *server, const struct sl_endpoint *from, const struct sl_traffic_message *m, uint64_t now)
{
	struct sl_traffic_message opened = {.type = SL_TRAFFIC_OPENED, .nonce = m->nonce, .rate_max = server->rate_max};
	struct sl_bench_session *s;

	if (!cookie_right(server, from, m, now))
		return;
	s = room_for(server, from, m->nonce);
	if (s == NULL || (s->id == 0 && !open_session(server, s, from, m->nonce))) {
		refuse_stranger(server, from, m->nonce, SL_TRAFFIC_REFUSED_BUSY, now);
		return;
	}
	s->heard = now;
	opened.session = s->id;
	memcpy(opened.key, s->key, sizeof(opened.key));
	answer(server, from, &opened, NULL);
	sl_wipe(opened.key, sizeof(opened.key));
}

static void
end_session(struct sl_bench_server *server, struct sl_bench_session *s, const char *why)
{
	say(server, s, why);
	server->path->ops->close(server->path, s->id);
	sl_wipe(s, sizeof(*s));
	server->finished++;
}

/* --- members of a session --- */

static void
refuse(struct sl_bench_server *server, const struct sl_bench_session *s, const struct sl_traffic_message *m,
	enum sl_traffic_refusal why)
{
	const struct sl_traffic_message refused = {
		.type = SL_TRAFFIC_REFUSED,
		.session = s->id,
		.trial = m->trial,
		.flow = m->flow,
		.refusal = (uint8_t)why,
	};

	answer(server, &s->client, &refused, s->key);
}

static bool
all_attached(const struct sl_bench_session *s, unsigned flows)
{
	uint64_t wanted = flows == 64 ? UINT64_MAX : (UINT64_C(1) << flows) - 1;

	return (s->attached & wanted) == wanted;
}

/* The plan as it will be carried out, or why not. */
static enum sl_traffic_refusal
check_plan(const struct sl_bench_server *server, const struct sl_bench_session *s, struct sl_traffic_plan *plan)
{
	if (!(plan->directions & SL_TRAFFIC_FROM_SERVER))
		return SL_TRAFFIC_NOT_REFUSED;
	if (!all_attached(s, plan->flows))
		return SL_TRAFFIC_REFUSED_PLAN;
	if (plan->rate > server->rate_max)
		return SL_TRAFFIC_REFUSED_RATE;
	/* without a limit of the client's the server's own holds, where it has one */
	if (plan->rate == 0 && server->rate_max < SL_TRAFFIC_RATE_MAX)
		plan->rate = server->rate_max;
	return SL_TRAFFIC_NOT_REFUSED;
}

static void
on_start(struct sl_bench_server *server, struct sl_bench_session *s, const struct sl_traffic_message *m)
{
	const struct sl_traffic_message started = {
		.type = SL_TRAFFIC_STARTED, .session = s->id, .trial = m->trial, .flow = m->flow};
	struct sl_bench_path *path = server->path;
	struct sl_traffic_plan plan = m->plan;

	if (m->trial < s->trial)
		return;
	if (m->trial > s->trial) {
		enum sl_traffic_refusal why = check_plan(server, s, &plan);

		if (why != SL_TRAFFIC_NOT_REFUSED) {
			refuse(server, s, m, why);
			return;
		}
		s->trial = m->trial;
		s->plan = plan;
		path->ops->expect(path, s->id, s->trial, &s->plan);
		if (plan.directions & SL_TRAFFIC_FROM_SERVER && path->ops->generate(path, s->id, true, 0) != 0) {
			refuse(server, s, m, SL_TRAFFIC_REFUSED_PLAN);
			return;
		}
	}
	answer(server, &s->client, &started, s->key);
}

static void
on_attach(struct sl_bench_server *server, struct sl_bench_session *s, const struct sl_endpoint *from,
	const struct sl_traffic_message *m)
{
	const struct sl_traffic_message attached = {.type = SL_TRAFFIC_ATTACHED, .session = s->id, .flow = m->flow};

	s->attached |= UINT64_C(1) << m->flow;
	server->path->ops->attach(server->path, s->id, m->flow, from);
	/* to the flow's own port: the way back is then known to be open */
	answer(server, from, &attached, s->key);
}

static void
on_poll(struct sl_bench_server *server, const struct sl_bench_session *s, const struct sl_traffic_message *m)
{
	struct sl_traffic_message stats = {
		.type = SL_TRAFFIC_STATS, .session = s->id, .trial = m->trial, .flow = m->flow};

	if (m->trial == 0 || m->trial != s->trial || (m->flow != SL_TRAFFIC_FLOW_ALL && m->flow >= s->plan.flows))
		return;
	server->path->ops->stats(server->path, s->id, m->flow, &stats.stats);
	answer(server, &s->client, &stats, s->key);
}

static void
on_close(struct sl_bench_server *server, struct sl_bench_session *s)
{
	const struct sl_traffic_message closed = {.type = SL_TRAFFIC_CLOSED, .session = s->id};

	answer(server, &s->client, &closed, s->key);
	end_session(server, s, "session closed");
}

/*
 * The session that a message belongs to: it knows the key and comes from the session's address; but for attaching a flow, from its
 * very port. Others get no answer.
 */
static struct sl_bench_session *
member_of(struct sl_bench_server *server, const struct sl_bench_mail *mail, const struct sl_traffic_message *m)
{
	struct sl_bench_session *s = &server->sessions[sl_traffic_slot(m->session)];

	if (s->id == 0 || s->id != m->session || !sl_ip_equal(&s->client.ip, &mail->from.ip) ||
		(m->type != SL_TRAFFIC_ATTACH && s->client.port != mail->from.port) ||
		!sl_traffic_message_check(mail->bytes, s->key))
		return NULL;
	return s;
}

static void
on_member(struct sl_bench_server *server, const struct sl_bench_mail *mail, const struct sl_traffic_message *m, uint64_t now)
{
	struct sl_bench_session *s = member_of(server, mail, m);

	if (s == NULL)
		return;
	s->heard = now;
	switch (m->type) {
	case SL_TRAFFIC_ATTACH:
		on_attach(server, s, &mail->from, m);
		break;
	case SL_TRAFFIC_START:
		on_start(server, s, m);
		break;
	case SL_TRAFFIC_POLL:
		on_poll(server, s, m);
		break;
	case SL_TRAFFIC_CLOSE:
		on_close(server, s);
		break;
	default:
		break;
	}
}

void
sl_bench_server_message(struct sl_bench_server *server, const struct sl_bench_mail *mail, uint64_t now)
{
	struct sl_traffic_message m;

	switch (sl_traffic_message_read(mail->bytes, sizeof(mail->bytes), &m)) {
	case SL_TRAFFIC_OTHER_VERSION:
		/* only what begins a conversation: two servers must not refuse each other for ever */
		if (m.type == SL_TRAFFIC_HELLO)
			refuse_stranger(server, &mail->from, 0, SL_TRAFFIC_REFUSED_VERSION, now);
		return;
	case SL_TRAFFIC_OK:
		break;
	case SL_TRAFFIC_FOREIGN:
	case SL_TRAFFIC_MALFORMED:
		return;
	}
	if (m.type == SL_TRAFFIC_HELLO)
		on_hello(server, &mail->from, &m, now);
	else if (m.type == SL_TRAFFIC_OPEN)
		on_open(server, &mail->from, &m, now);
	else
		on_member(server, mail, &m, now);
}

void
sl_bench_server_tick(struct sl_bench_server *server, uint64_t now)
{
	for (unsigned i = 0; i < SL_TRAFFIC_SESSIONS; i++) {
		struct sl_bench_session *s = &server->sessions[i];

		if (s->id != 0 && now > s->heard && now - s->heard > SL_BENCH_SILENCE_NS)
			end_session(server, s, "session ended: its client is not heard from");
	}
}

void
sl_bench_server_fini(struct sl_bench_server *server)
{
	for (unsigned i = 0; i < SL_TRAFFIC_SESSIONS; i++)
		if (server->sessions[i].id != 0)
			end_session(server, &server->sessions[i], "session ended: the server stops");
	sl_wipe(server, sizeof(*server));
}
