/*
 * Counters and stamps of peers: every worker writes lines of its own, control
 * adds them up.
 *
 * What is hard is "first data sent since the last authenticated receive" where
 * one worker sends and another receives. A sender learns of a receive in two
 * ways: exactly from its own line, and at the grain of a tick from the shared
 * received_tick, which costs receivers a store once a millisecond instead of
 * a shared line per burst. Let F be the sender's own first stamp:
 *   received_tick after F's tick   something came after it: it is answered, the next data sent is a new first
 *   received_tick before F's tick  nothing came: it stands
 *   the same tick                  the shared stamp cannot tell: the other workers' lines, in ns, decide
 * The last is rare and only reads. Lines are stamped with the time of a pass,
 * so events of two workers are ordered as far as their passes are, to within
 * a tick; those of one worker exactly. Data received that nothing has been
 * sent after works the same way with the roles exchanged.
 *
 * Equal stamps: within a pass packets are opened before others are sealed. So
 * a receive stamped like F came before F and does not answer it, while a send
 * stamped like the first data received came after it and does.
 */
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "dataplane/peer.h"

/* A shared tick so little ahead of ours was written by a worker whose pass began later: it stays. */
#define TICKS_AHEAD 16

static inline uint64_t
get(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static inline void
put(_Atomic uint64_t *v, uint64_t value)
{
	atomic_store_explicit(v, value, memory_order_relaxed);
}

/* Never 0, which says "never". */
static inline uint32_t
tick_of(uint64_t ns)
{
	uint32_t tick = (uint32_t)(ns >> SL_STAMP_TICK_SHIFT);

	return tick ? tick : 1;
}

static inline void
stamp_tick(_Atomic uint32_t *shared, uint64_t now)
{
	uint32_t stands = atomic_load_explicit(shared, memory_order_relaxed);
	uint32_t tick = tick_of(now);

	if (stands == 0 || stands - tick >= TICKS_AHEAD)
		atomic_store_explicit(shared, tick, memory_order_relaxed);
}

enum order { EARLIER, SAME_TICK, LATER };

/*
 * Where the shared tick lies against the stamp `first`. Ticks wrap round after 52 days, so ages are compared, seen from
 * now; a tick older than that is taken for a younger one, which at worst moves a first stamp on once.
 */
static inline enum order
shared_order(uint32_t shared, uint64_t first, uint64_t now)
{
	uint32_t tick = tick_of(now);
	uint32_t age = tick - shared;
	uint64_t first_age = (now >> SL_STAMP_TICK_SHIFT) - (first >> SL_STAMP_TICK_SHIFT);

	if (shared == 0)
		return EARLIER;
	if (shared - tick < TICKS_AHEAD)
		age = 0;
	return age < first_age ? LATER : age == first_age ? SAME_TICK : EARLIER;
}

/* The newest of one stamp over all workers but `self`; field: its offset in the line. */
static uint64_t
newest_of_others(const struct sl_peers *p, uint16_t self, uint32_t slot, size_t field)
{
	uint64_t newest = 0;

	for (uint16_t w = 0; w < p->workers; w++) {
		const void *stamp = (const char *)sl_peer_line(p, w, slot) + field;

		if (w != self)
			newest = RTE_MAX(newest, get(stamp));
	}
	return newest;
}

void
sl_peer_stamp_received(struct sl_peers *p, uint16_t worker, uint32_t slot, uint64_t now, uint64_t bytes, bool data)
{
	struct sl_peer_line *line = sl_peer_line(p, worker, slot);
	struct sl_peer *peer = &p->slots[slot];

	put(&line->rx_bytes, get(&line->rx_bytes) + bytes);
	put(&line->received, now);
	if (data) {
		uint64_t first = get(&line->data_received_first);
		uint32_t shared = atomic_load_explicit(&peer->sent_tick, memory_order_relaxed);
		bool answered = first == 0 || get(&line->sent) >= first;

		if (!answered) {
			enum order order = shared_order(shared, first, now);

			answered = order == LATER;
			if (unlikely(order == SAME_TICK))
				answered = newest_of_others(p, worker, slot, offsetof(struct sl_peer_line, sent)) >= first;
		}
		if (answered)
			put(&line->data_received_first, now);
		put(&line->data_received, now);
	}
	stamp_tick(&peer->received_tick, now);
}

void
sl_peer_stamp_sent(struct sl_peers *p, uint16_t worker, uint32_t slot, uint64_t now, uint64_t bytes, bool data)
{
	struct sl_peer_line *line = sl_peer_line(p, worker, slot);
	struct sl_peer *peer = &p->slots[slot];

	put(&line->tx_bytes, get(&line->tx_bytes) + bytes);
	if (data) {
		uint64_t first = get(&line->data_sent_first);
		uint32_t shared = atomic_load_explicit(&peer->received_tick, memory_order_relaxed);
		bool answered = first == 0 || get(&line->received) > first;

		if (!answered) {
			enum order order = shared_order(shared, first, now);

			answered = order == LATER;
			if (unlikely(order == SAME_TICK))
				answered = newest_of_others(p, worker, slot, offsetof(struct sl_peer_line, received)) > first;
		}
		if (answered)
			put(&line->data_sent_first, now);
		put(&line->data_sent, now);
	}
	put(&line->sent, now);
	stamp_tick(&peer->sent_tick, now);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/*
 * A worker's first stamp counts if nothing came after it. Where something did, and the worker sent data since without
 * having seen that, the two were within a tick of each other, and its last stamp is that close to the first.
 */
void
sl_peer_totals(const struct sl_peers *p, uint32_t slot, struct sl_peer_totals *out)
{
	struct sl_peer_totals t = {0};

	for (uint16_t w = 0; w < p->workers; w++) {
		const struct sl_peer_line *line = sl_peer_line(p, w, slot);

		t.rx_bytes += get(&line->rx_bytes);
		t.tx_bytes += get(&line->tx_bytes);
		t.received = RTE_MAX(t.received, get(&line->received));
		t.sent = RTE_MAX(t.sent, get(&line->sent));
		t.data_sent = RTE_MAX(t.data_sent, get(&line->data_sent));
		t.data_received = RTE_MAX(t.data_received, get(&line->data_received));
	}
	for (uint16_t w = 0; w < p->workers; w++) {
		const struct sl_peer_line *line = sl_peer_line(p, w, slot);
		uint64_t first = get(&line->data_sent_first);
		uint64_t last = get(&line->data_sent);

		if (first != 0 && first >= t.received)
			t.unanswered_since = earlier(t.unanswered_since, first);
		else if (last > t.received)
			t.unanswered_since = earlier(t.unanswered_since, last);
		first = get(&line->data_received_first);
		last = get(&line->data_received);
		if (first > t.sent)
			t.owed_since = earlier(t.owed_since, first);
		else if (last > t.sent)
			t.owed_since = earlier(t.owed_since, last);
	}
	*out = t;
}

/* Where nothing was counted nothing is written: pages of peers that were never active stay away. */
static void
clear(_Atomic uint64_t *v)
{
	if (get(v) != 0)
		put(v, 0);
}

void
sl_peer_lines_clear(struct sl_peers *p, uint32_t slot)
{
	for (uint16_t w = 0; w < p->workers; w++) {
		struct sl_peer_line *line = sl_peer_line(p, w, slot);

		clear(&line->rx_bytes);
		clear(&line->tx_bytes);
		clear(&line->received);
		clear(&line->sent);
		clear(&line->data_sent_first);
		clear(&line->data_sent);
		clear(&line->data_received_first);
		clear(&line->data_received);
	}
	atomic_store_explicit(&p->slots[slot].received_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&p->slots[slot].sent_tick, 0, memory_order_relaxed);
}
