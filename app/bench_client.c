#include "app/bench_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "crypto/protocol.h"
#include "crypto/random.h"
#include "crypto/wipe.h"

#define AGAIN_MS     200 /* an unanswered question is asked again */
#define TRIES        25
#define GOODBYES     3
#define INTERVAL_NS  SL_NSEC_PER_SEC
#define POLL_NS      (100 * SL_NSEC_PER_MSEC)
#define SETTLE_NS    (200 * SL_NSEC_PER_MSEC) /* nothing has come for so long: all that is under way has arrived */
#define SETTLE_MAX_NS (2 * SL_NSEC_PER_SEC)   /* RFC 2544 section 23 waits two seconds for it */
#define OVERTIME_NS  (5 * SL_NSEC_PER_SEC)    /* after the planned end a sender must have ended */

static bool
fail(struct sl_bench_client *c, const char *what)
{
	/* the path knows better, where it knows anything */
	snprintf(c->error, sizeof(c->error), "%s", c->path->error[0] ? c->path->error : what);
	return false;
}

static uint64_t
now_of(const struct sl_bench_client *c)
{
	return c->path->ops->now(c->path);
}

/* --- questions and answers --- */

static const char *
refusal_text(uint8_t refusal)
{
	switch ((enum sl_traffic_refusal)refusal) {
	case SL_TRAFFIC_REFUSED_VERSION:
		return "the server speaks another version of the protocol; use the same version of sluice at both ends";
	case SL_TRAFFIC_REFUSED_BUSY:
		return "the server has as many sessions as it takes; try again later";
	case SL_TRAFFIC_REFUSED_RATE:
		return "the server does not send that many packets per second; ask for a lower --rate";
	default:
		return "the server cannot carry out this plan";
	}
}

/* Whether a message is the server's answer of that type to the question. */
static bool
is_answer(const struct sl_bench_client *c, const struct sl_bench_mail *mail, const struct sl_traffic_message *question,
	uint8_t type, struct sl_traffic_message *m)
{
	enum sl_traffic_verdict verdict = sl_traffic_message_read(mail->bytes, sizeof(mail->bytes), m);

	if (!sl_endpoint_equal(&mail->from, &c->server))
		return false;
	if (verdict == SL_TRAFFIC_OTHER_VERSION && c->id == 0 && m->type == SL_TRAFFIC_REFUSED) {
		m->refusal = SL_TRAFFIC_REFUSED_VERSION;
		return true;
	}
	if (verdict != SL_TRAFFIC_OK || (m->type != type && m->type != SL_TRAFFIC_REFUSED))
		return false;
	if (c->id == 0)
		return m->nonce == c->nonce || m->refusal == SL_TRAFFIC_REFUSED_VERSION;
	return m->session == c->id && m->trial == question->trial && m->flow == question->flow &&
		sl_traffic_message_check(mail->bytes, c->key);
}

/* Asks until there is an answer of that type. False with c->error set. */
static bool
ask(struct sl_bench_client *c, const struct sl_traffic_message *question, uint8_t type, unsigned tries,
	struct sl_traffic_message *m)
{
	uint16_t way = question->type == SL_TRAFFIC_ATTACH ? question->flow : SL_TRAFFIC_FLOW_ALL;
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
	char text[SL_ENDPOINT_STRLEN];
	struct sl_bench_mail mail;

	sl_traffic_message_write(bytes, question, c->id ? c->key : NULL);
	for (unsigned i = 0; i < tries; i++) {
		uint64_t deadline = now_of(c) + AGAIN_MS * SL_NSEC_PER_MSEC, now;

		c->path->ops->send(c->path, way, &c->server, bytes);
		while ((now = now_of(c)) < deadline) {
			int got = c->path->ops->receive(c->path, (unsigned)((deadline - now) / SL_NSEC_PER_MSEC + 1), &mail);

			if (got < 0)
				return fail(c, "the way is broken");
			if (got == 0 || !is_answer(c, &mail, question, type, m))
				continue;
			return m->type == type ? true : fail(c, refusal_text(m->refusal));
		}
	}
	snprintf(c->error, sizeof(c->error), "no answer from %s; is `sluice bench server` running there, and reachable by UDP?",
		sl_endpoint_format(&c->server, text));
	return false;
}

/* --- session --- */

static bool
open_session(struct sl_bench_client *c)
{
	struct sl_traffic_message question = {.type = SL_TRAFFIC_HELLO}, m;

	sl_random_bytes(&c->nonce, sizeof(c->nonce));
	question.nonce = c->nonce;
	if (!ask(c, &question, SL_TRAFFIC_COOKIE, TRIES, &m))
		return false;
	question.type = SL_TRAFFIC_OPEN;
	question.cookie = m.cookie;
	if (!ask(c, &question, SL_TRAFFIC_OPENED, TRIES, &m))
		return false;
	if (m.session == 0)
		return fail(c, "the server's answer makes no sense");
	c->id = m.session;
	c->rate_max = m.rate_max;
	memcpy(c->key, m.key, sizeof(c->key));
	sl_wipe(m.key, sizeof(m.key));
	return true;
}

bool
sl_bench_client_open(
	struct sl_bench_client *c, struct sl_bench_path *path, const struct sl_endpoint *server, unsigned flows)
{
	struct sl_traffic_message m;

	*c = (struct sl_bench_client){.path = path, .server = *server};
	if (!open_session(c))
		return false;
	if (path->ops->open(path, c->id, c->key, &server->ip) != 0)
		return fail(c, "out of memory");
	for (uint16_t f = 0; f < flows; f++) {
		const struct sl_traffic_message attach = {.type = SL_TRAFFIC_ATTACH, .session = c->id, .flow = f};

		path->ops->attach(path, c->id, f, server);
		if (!ask(c, &attach, SL_TRAFFIC_ATTACHED, TRIES, &m))
			return false;
	}
	return true;
}

void
sl_bench_client_close(struct sl_bench_client *c)
{
	const struct sl_traffic_message close = {.type = SL_TRAFFIC_CLOSE, .session = c->id};
	char error[SL_BENCH_ERROR_LEN];
	struct sl_traffic_message m;

	if (c->id == 0)
		return;
	memcpy(error, c->error, sizeof(error));
	c->path->ops->close(c->path, c->id);
	ask(c, &close, SL_TRAFFIC_CLOSED, GOODBYES, &m);
	memcpy(c->error, error, sizeof(c->error)); /* a server that has gone already is no news */
	c->id = 0;
	sl_wipe(c->key, sizeof(c->key));
}

/* --- trials --- */

/* Both ends' numbers of the trial so far. */
struct snapshot {
	struct sl_traffic_stats here, there;
	struct sl_histogram_copy round_trip;
	uint64_t probes;
};

struct trial {
	struct sl_bench_client *c;
	const struct sl_traffic_plan *plan;
	uint64_t began, ends; /* ns of our clock */
	struct sl_histogram_copy before; /* round trips of earlier trials */
	struct snapshot last, now;
	struct sl_histogram_copy scratch;
};

static bool
server_stats(struct sl_bench_client *c, uint16_t flow, struct sl_traffic_stats *out)
{
	const struct sl_traffic_message poll = {
		.type = SL_TRAFFIC_POLL, .session = c->id, .trial = c->trial, .flow = flow};
	struct sl_traffic_message m;

	if (!ask(c, &poll, SL_TRAFFIC_STATS, TRIES, &m))
		return false;
	*out = m.stats;
	return true;
}

static bool
take_snapshot(struct trial *t, struct snapshot *s)
{
	struct sl_bench_path *path = t->c->path;

	memset(s, 0, sizeof(*s));
	if (!server_stats(t->c, SL_TRAFFIC_FLOW_ALL, &s->there))
		return false;
	path->ops->stats(path, t->c->id, SL_TRAFFIC_FLOW_ALL, &s->here);
	/* what is asked after the end is about the time until the end */
	s->there.elapsed = RTE_MIN(s->there.elapsed, t->plan->duration);
	s->here.elapsed = RTE_MIN(s->here.elapsed, t->plan->duration);
	path->ops->round_trip(path, t->c->id, &s->round_trip, &s->probes);
	return path->error[0] == '\0' ? true : fail(t->c, "");
}

static uint64_t
grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* What a direction came to between two moments. */
static void
way_between(struct sl_bench_way *way, const struct sl_traffic_stats *tx, const struct sl_traffic_stats *tx_before,
	const struct sl_traffic_stats *rx, const struct sl_traffic_stats *rx_before)
{
	*way = (struct sl_bench_way){
		.elapsed = grown(rx->elapsed, rx_before->elapsed),
		.sent = grown(tx->sent, tx_before->sent),
		.sent_bytes = grown(tx->sent_bytes, tx_before->sent_bytes),
		.received = grown(rx->received, rx_before->received),
		.received_bytes = grown(rx->received_bytes, rx_before->received_bytes),
		.lost = grown(rx->lost, rx_before->lost),
		.duplicates = grown(rx->duplicates, rx_before->duplicates),
		.reordered = grown(rx->reordered, rx_before->reordered),
		.late = grown(rx->late, rx_before->late),
		.extent = rx->extent,
		.jitter = rx->jitter,
	};
}

static void
round_trip_of(struct sl_bench_round_trip *rtt, const struct sl_histogram_copy *times, uint64_t sent)
{
	*rtt = (struct sl_bench_round_trip){
		.sent = sent,
		.answered = times->n,
		.min = sl_histogram_percentile(times, 0),
		.mean = sl_histogram_mean(times),
		.p50 = sl_histogram_percentile(times, 500000),
		.p90 = sl_histogram_percentile(times, 900000),
		.p99 = sl_histogram_percentile(times, 990000),
		.p999 = sl_histogram_percentile(times, 999000),
		.max = sl_histogram_percentile(times, 1000000),
	};
}

static void
tell_interval(struct trial *t, uint64_t begin, uint64_t end, sl_bench_interval_fn on_interval, void *ctx)
{
	struct sl_bench_interval i = {.begin = begin, .end = end};

	way_between(&i.to_server, &t->now.here, &t->last.here, &t->now.there, &t->last.there);
	way_between(&i.from_server, &t->now.there, &t->last.there, &t->now.here, &t->last.here);
	sl_histogram_since(&t->scratch, &t->now.round_trip, &t->last.round_trip);
	round_trip_of(&i.round_trip, &t->scratch, grown(t->now.probes, t->last.probes));
	if (on_interval)
		on_interval(ctx, &i);
	t->last = t->now;
}

static bool
stopped(const struct sl_bench_client *c)
{
	return c->stop && *c->stop;
}

/* Waits, and takes what comes meanwhile: nothing that anybody asked for. */
static void
wait_until(struct sl_bench_client *c, uint64_t deadline)
{
	struct sl_bench_mail mail;
	uint64_t now;

	while ((now = now_of(c)) < deadline && !stopped(c))
		c->path->ops->receive(c->path, (unsigned)((deadline - now) / SL_NSEC_PER_MSEC + 1), &mail);
}

static bool
begin_trial(struct trial *t, uint64_t probes)
{
	struct sl_bench_client *c = t->c;
	struct sl_traffic_message start = {.type = SL_TRAFFIC_START, .session = c->id, .trial = ++c->trial, .plan = *t->plan};
	struct sl_traffic_message m;

	c->path->ops->round_trip(c->path, c->id, &t->before, &(uint64_t){0});
	t->last.round_trip = t->before;
	c->path->ops->expect(c->path, c->id, c->trial, t->plan);
	if (!ask(c, &start, SL_TRAFFIC_STARTED, TRIES, &m))
		return false;
	t->began = now_of(c);
	t->ends = t->began + t->plan->duration;
	if (c->path->ops->generate(c->path, c->id, t->plan->directions & SL_TRAFFIC_TO_SERVER, probes) != 0)
		return fail(c, "the senders cannot be started");
	return true;
}

/* Tells each second until both ends have sent all. */
static bool
run_trial(struct trial *t, sl_bench_interval_fn on_interval, void *ctx)
{
	uint64_t told = t->began, next = t->began + INTERVAL_NS;

	for (;;) {
		uint64_t now = now_of(t->c);
		uint64_t until = now < t->ends ? t->ends : now + POLL_NS;

		wait_until(t->c, until < next ? until : next);
		if (!take_snapshot(t, &t->now))
			return false;
		now = now_of(t->c);
		if (now >= next) {
			tell_interval(t, told - t->began, RTE_MIN(now, t->ends) - t->began, on_interval, ctx);
			told = now;
			next += INTERVAL_NS * (1 + (now - next) / INTERVAL_NS);
		}
		if (stopped(t->c))
			return true;
		if (now >= t->ends && !t->now.here.sending && !t->now.there.sending) {
			/* the rest of a second, unless it is the wait for the end */
			if (t->ends > told && t->ends - told > INTERVAL_NS / 10)
				tell_interval(t, told - t->began, t->ends - t->began, on_interval, ctx);
			return true;
		}
		if (now > t->ends + OVERTIME_NS)
			return fail(t->c, "a sender does not come to an end");
	}
}

/* Whether all that was sent has arrived. */
static bool
all_there(const struct snapshot *s)
{
	return s->there.received >= s->here.sent && s->here.received >= s->there.sent;
}

/* Packets that are still under way arrive, or never will. */
static bool
settle(struct trial *t)
{
	uint64_t began = now_of(t->c), quiet = began;

	while (!all_there(&t->now) && now_of(t->c) < began + SETTLE_MAX_NS && now_of(t->c) < quiet + SETTLE_NS) {
		uint64_t there = t->now.there.received, here = t->now.here.received;

		wait_until(t->c, now_of(t->c) + POLL_NS);
		if (!take_snapshot(t, &t->now))
			return false;
		if (t->now.there.received != there || t->now.here.received != here)
			quiet = now_of(t->c);
	}
	return true;
}

/* A whole trial: what was sent and has never come is lost, whether or not a later packet has shown the gap. */
static void
way_of(struct sl_bench_way *way, const struct sl_traffic_stats *tx, const struct sl_traffic_stats *rx, uint64_t duration)
{
	static const struct sl_traffic_stats nothing;

	way_between(way, tx, &nothing, rx, &nothing);
	way->lost = grown(tx->sent, rx->received);
	way->elapsed = duration;
}

static bool
flow_results(struct trial *t, struct sl_bench_result *result)
{
	struct sl_bench_path *path = t->c->path;
	struct sl_traffic_stats here, there;

	for (uint16_t f = 0; f < t->plan->flows; f++) {
		path->ops->stats(path, t->c->id, f, &here);
		if (!server_stats(t->c, f, &there))
			return false;
		way_of(&result->flows[f].to_server, &here, &there, t->plan->duration);
		way_of(&result->flows[f].from_server, &there, &here, t->plan->duration);
	}
	return true;
}

static bool
run_and_sum(struct trial *t, uint64_t probes, sl_bench_interval_fn on_interval, void *ctx, struct sl_bench_result *result)
{
	static const struct sl_traffic_stats nothing;

	if (!begin_trial(t, probes) || !run_trial(t, on_interval, ctx))
		return false;
	result->cut_short = stopped(t->c);
	result->elapsed = result->cut_short ? now_of(t->c) - t->began : t->plan->duration;
	if (result->cut_short) {
		way_between(&result->to_server, &t->now.here, &nothing, &t->now.there, &nothing);
		way_between(&result->from_server, &t->now.there, &nothing, &t->now.here, &nothing);
	} else {
		if (!settle(t) || !flow_results(t, result))
			return false;
		way_of(&result->to_server, &t->now.here, &t->now.there, t->plan->duration);
		way_of(&result->from_server, &t->now.there, &t->now.here, t->plan->duration);
	}
	sl_histogram_since(&t->scratch, &t->now.round_trip, &t->before);
	round_trip_of(&result->round_trip, &t->scratch, t->now.probes);
	return true;
}

bool
sl_bench_client_trial(struct sl_bench_client *c, const struct sl_traffic_plan *plan, uint64_t probes,
	sl_bench_interval_fn on_interval, void *ctx, struct sl_bench_result *result)
{
	struct trial *t = calloc(1, sizeof(*t));
	bool ok;

	if (t == NULL)
		return fail(c, "out of memory");
	t->c = c;
	t->plan = plan;
	*result = (struct sl_bench_result){.plan = *plan};
	ok = run_and_sum(t, probes, on_interval, ctx, result);
	free(t);
	return ok;
}
