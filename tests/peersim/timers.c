#include "tests/peersim/timers.h"

#include "tests/peersim/data.h"
#include "tests/peersim/handshake.h"

#define MS(ns)   ((uint32_t)((ns) / SL_NSEC_PER_MSEC))
#define SWEEP_MS 100

void sim_timer_sent(struct sim *s, uint32_t peer, bool data)
{
	struct sim_peer *p = &s->peers[peer];

	p->sent_ms = s->now_ms;
	p->keepalive_ms = 0;
	p->more = false;
	if (data && !p->unanswered_ms) {
		p->unanswered_ms =
		        s->now_ms + MS(SL_NEW_HANDSHAKE_TIME_NS) + sim_random(s, MS(SL_TIMER_JITTER_MAX_NS) + 1);
		sim_due(s, peer, p->unanswered_ms);
	}
}

void sim_timer_received(struct sim *s, uint32_t peer, bool data)
{
	struct sim_peer *p = &s->peers[peer];

	p->heard_ms = s->now_ms;
	p->unanswered_ms = 0;
	if (!data)
		return;
	if (p->keepalive_ms) {
		p->more = true;
		return;
	}
	p->keepalive_ms = s->now_ms + MS(SL_KEEPALIVE_TIMEOUT_NS);
	sim_due(s, peer, p->keepalive_ms);
}

static uint32_t persistent_due(const struct sim_peer *p)
{
	const uint32_t last = p->sent_ms > p->heard_ms ? p->sent_ms : p->heard_ms;

	return p->persistent ? last + p->persistent * 1000u : SIM_NONE;
}

/* The earliest of a peer's timers. */
static uint32_t earliest(const struct sim_peer *p)
{
	uint32_t due = persistent_due(p);

	if (p->pending && !p->pending->prepared && p->pending->retry_ms < due)
		due = p->pending->retry_ms;
	if (p->keepalive_ms && p->keepalive_ms < due)
		due = p->keepalive_ms;
	if (p->unanswered_ms && p->unanswered_ms < due)
		due = p->unanswered_ms;
	return due;
}

static void keepalive(struct sim *s, uint32_t peer)
{
	const bool more = s->peers[peer].more;

	s->peers[peer].keepalive_ms = 0;
	sim_data_begin(s, peer, 0);
	if (more) {
		s->peers[peer].keepalive_ms = s->now_ms + MS(SL_KEEPALIVE_TIMEOUT_NS);
		s->peers[peer].more = false;
	}
}

static void fire(struct sim *s, uint32_t peer)
{
	struct sim_peer *p = &s->peers[peer];

	if (p->pending && !p->pending->prepared && p->pending->retry_ms <= s->now_ms)
		sim_handshake_timeout(s, peer);
	if (p->keepalive_ms && p->keepalive_ms <= s->now_ms)
		keepalive(s, peer);
	if (p->unanswered_ms && p->unanswered_ms <= s->now_ms) {
		p->unanswered_ms = 0;
		sim_want_handshake(s, peer, SIM_NONE);
	}
	if (persistent_due(p) <= s->now_ms) {
		sim_data_begin(s, peer, 0);
		p->sent_ms = s->now_ms; /* also where there was no session */
	}
	s->due[peer] = earliest(p);
}

bool sim_timers_run(struct sim *s)
{
	bool any = false;

	if (s->now_ms - s->swept_ms < SWEEP_MS)
		return false;
	s->swept_ms = s->now_ms;
	for (uint32_t peer = 0; peer < s->o.peers; peer++) {
		if (s->due[peer] > s->now_ms)
			continue;
		fire(s, peer);
		any = true;
	}
	sim_seal_flush(s);
	return any;
}
