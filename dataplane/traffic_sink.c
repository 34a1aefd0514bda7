#include "dataplane/traffic_sink.h"

#include <string.h>

static void
count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void
put_words(_Atomic uint64_t *to, const void *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t word;

		memcpy(&word, (const uint8_t *)from + i * sizeof(word), sizeof(word));
		atomic_store_explicit(&to[i], word, memory_order_relaxed);
	}
}

static void
get_words(void *to, const _Atomic uint64_t *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t word = atomic_load_explicit(&from[i], memory_order_relaxed);

		memcpy((uint8_t *)to + i * sizeof(word), &word, sizeof(word));
	}
}

void
sl_traffic_sink_open(
	struct sl_traffic_sink *s, uint32_t id, const uint8_t key[SL_TRAFFIC_KEY_LEN], const struct sl_ip *peer)
{
	struct sl_traffic_session *session = &s->sessions[sl_traffic_slot(id)];

	atomic_store_explicit(&session->id, 0, memory_order_release);
	atomic_store_explicit(&session->trial, 0, memory_order_relaxed);
	put_words(session->key, key, SL_TRAFFIC_KEY_LEN / sizeof(uint64_t));
	put_words(session->peer, peer->bytes, sizeof(peer->bytes) / sizeof(uint64_t));
	atomic_store_explicit(&session->family, peer->family, memory_order_relaxed);
	atomic_store_explicit(&session->id, id, memory_order_release);
}

void
sl_traffic_sink_trial(struct sl_traffic_sink *s, uint32_t id, uint16_t trial)
{
	atomic_store_explicit(&s->sessions[sl_traffic_slot(id)].trial, trial, memory_order_release);
}

void
sl_traffic_sink_close(struct sl_traffic_sink *s, uint32_t id)
{
	static const uint8_t none[SL_TRAFFIC_KEY_LEN];
	struct sl_traffic_session *session = &s->sessions[sl_traffic_slot(id)];

	atomic_store_explicit(&session->id, 0, memory_order_release);
	atomic_store_explicit(&session->trial, 0, memory_order_relaxed);
	put_words(session->key, none, SL_TRAFFIC_KEY_LEN / sizeof(uint64_t));
}

static bool
is_from_peer(const struct sl_traffic_session *session, const struct sl_ip *from)
{
	struct sl_ip peer = {.family = atomic_load_explicit(&session->family, memory_order_relaxed)};

	get_words(peer.bytes, session->peer, sizeof(peer.bytes) / sizeof(uint64_t));
	return sl_ip_equal(&peer, from);
}

/* What a packet of the session's own brings. */
static enum sl_traffic_fate
accept(struct sl_traffic_lines *lines, const struct sl_traffic_header *h, const uint8_t *key, uint8_t *payload, size_t n,
	uint64_t now)
{
	struct sl_traffic_header echo = *h;

	switch (h->type) {
	case SL_TRAFFIC_DATA:
		sl_traffic_count_add(&lines->counts[sl_traffic_slot(h->session)][h->flow],
			sl_traffic_run(h->session, h->trial), h->seq, h->stamp, now, (uint32_t)n);
		return SL_TRAFFIC_COUNTED;
	case SL_TRAFFIC_PROBE:
		echo.type = SL_TRAFFIC_ECHO;
		sl_traffic_header_write(payload, &echo, key);
		count(&lines->probes);
		return SL_TRAFFIC_ANSWER;
	default:
		/* the clock of another core may be a little behind the one that stamped */
		sl_histogram_add(&lines->round_trip, now > h->stamp ? now - h->stamp : 0);
		count(&lines->echoes);
		return SL_TRAFFIC_COUNTED;
	}
}

enum sl_traffic_fate
sl_traffic_sink_take(struct sl_traffic_sink *s, struct sl_traffic_lines *lines, uint8_t *payload, size_t n,
	const struct sl_ip *from, uint64_t now)
{
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	struct sl_traffic_session *session;
	struct sl_traffic_header h;

	if (!sl_traffic_header_read(payload, n, &h))
		/* a message of another version or a damaged one gets its answer from control too */
		return n == SL_TRAFFIC_CONTROL_LEN ? SL_TRAFFIC_CONTROL : SL_TRAFFIC_REFUSE;
	session = &s->sessions[sl_traffic_slot(h.session)];
	if (h.session == 0 || atomic_load_explicit(&session->id, memory_order_acquire) != h.session || h.trial == 0 ||
		h.trial != atomic_load_explicit(&session->trial, memory_order_acquire) || h.flow >= SL_TRAFFIC_FLOWS_MAX ||
		!is_from_peer(session, from)) {
		count(&lines->refused);
		return SL_TRAFFIC_REFUSE;
	}
	get_words(key, session->key, SL_TRAFFIC_KEY_LEN / sizeof(uint64_t));
	if (!sl_traffic_header_check(payload, key)) {
		count(&lines->refused);
		return SL_TRAFFIC_REFUSE;
	}
	return accept(lines, &h, key, payload, n, now);
}

void
sl_traffic_sink_stats(struct sl_traffic_lines *const *lines, unsigned n, uint32_t id, uint16_t trial, uint16_t flow,
	unsigned flows, struct sl_traffic_stats *out)
{
	bool all = flow == SL_TRAFFIC_FLOW_ALL;
	unsigned first = all ? 0 : flow, end = all ? flows : flow + 1u;

	for (unsigned f = first; f < end; f++) {
		struct sl_traffic_reading r = {0};

		for (unsigned i = 0; i < n; i++)
			sl_traffic_count_read(
				&lines[i]->counts[sl_traffic_slot(id)][f], sl_traffic_run(id, trial), &r);
		sl_traffic_stats_add(out, &r);
	}
	sl_traffic_stats_mean(out, end - first);
}
