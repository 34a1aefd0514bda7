/*
 * Counters and stamps of peers: every worker writes records of its own, control
 * adds them up.
 *
 * What is hard is "first data sent since the last authenticated receive" where
 * one worker sends and another receives. A sender learns of a receive at the
 * grain of a tick from the shared received_tick, which costs receivers a store
 * once a millisecond instead of a shared line per burst. Let F be the sender's
 * own first stamp:
 *   received_tick after F's tick   something came after it: it is answered, the next data sent is a new first
 *   received_tick before F's tick  nothing came: it stands
 *   the same tick                  the shared stamp cannot tell: the workers' own ones, in ns, decide, its own first
 * The last only reads. So a worker that only sends to a peer looks at nothing that receivers write but the tick, which is
 * in a line that it has. Records are stamped with the time of a pass,
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

/* Whether any worker has sent something at `from` or later. That `self` has is the likeliest, and in its caches. */
static bool
any_sent(const struct sl_peers *p, uint16_t self, uint32_t slot, uint64_t from)
{
	if (get(&p->sending[self][slot].sent.last) >= from)
		return true;
	for (uint16_t w = 0; w < p->workers; w++)
		if (w != self && get(&p->sending[w][slot].sent.last) >= from)
			return true;
	return false;
}

/* The same of what was received after `first`. */
static bool
any_received(const struct sl_peers *p, uint16_t self, uint32_t slot, uint64_t first)
{
	if (get(&p->receiving[self][slot].received.last) > first)
		return true;
	for (uint16_t w = 0; w < p->workers; w++)
		if (w != self && get(&p->receiving[w][slot].received.last) > first)
			return true;
	return false;
}

void
sl_peer_stamp_received(struct sl_peers *p, uint16_t worker, uint32_t slot, uint64_t now, uint64_t bytes, bool data)
{
	struct sl_peer_received *received = &p->receiving[worker][slot].received;
	struct sl_peer *peer = &p->slots[slot];

	put(&received->bytes, get(&received->bytes) + bytes);
	put(&received->last, now);
	if (data) {
		uint64_t first = get(&received->data_first);
		enum order order = shared_order(atomic_load_explicit(&peer->sent_tick, memory_order_relaxed), first, now);

		if (first == 0 || order == LATER ||
			(order == SAME_TICK && any_sent(p, worker, slot, first)))
			put(&received->data_first, now);
		put(&received->data_last, now);
	}
	stamp_tick(&peer->received_tick, now);
}

void
sl_peer_stamp_sent(struct sl_peers *p, uint16_t worker, uint32_t slot, uint64_t now, uint64_t bytes, bool data)
{
	struct sl_peer_sent *sent = &p->sending[worker][slot].sent;
	struct sl_peer *peer = &p->slots[slot];

	put(&sent->bytes, get(&sent->bytes) + bytes);
	if (data) {
		uint64_t first = get(&sent->data_first);
		enum order order = shared_order(atomic_load_explicit(&peer->received_tick, memory_order_relaxed), first, now);

		if (first == 0 || order == LATER ||
			(order == SAME_TICK && any_received(p, worker, slot, first)))
			put(&sent->data_first, now);
		put(&sent->data_last, now);
	}
	put(&sent->last, now);
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
		const struct sl_peer_sent *sent = &p->sending[w][slot].sent;
		const struct sl_peer_received *received = &p->receiving[w][slot].received;

		t.rx_bytes += get(&received->bytes);
		t.tx_bytes += get(&sent->bytes);
		t.received = RTE_MAX(t.received, get(&received->last));
		t.sent = RTE_MAX(t.sent, get(&sent->last));
		t.data_sent = RTE_MAX(t.data_sent, get(&sent->data_last));
		t.data_received = RTE_MAX(t.data_received, get(&received->data_last));
	}
	for (uint16_t w = 0; w < p->workers; w++) {
		const struct sl_peer_sent *sent = &p->sending[w][slot].sent;
		const struct sl_peer_received *received = &p->receiving[w][slot].received;
		uint64_t first = get(&sent->data_first);
		uint64_t last = get(&sent->data_last);

		if (first != 0 && first >= t.received)
			t.unanswered_since = earlier(t.unanswered_since, first);
		else if (last > t.received)
			t.unanswered_since = earlier(t.unanswered_since, last);
		first = get(&received->data_first);
		last = get(&received->data_last);
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
sl_peer_stamps_clear(struct sl_peers *p, uint32_t slot)
{
	for (uint16_t w = 0; w < p->workers; w++) {
		struct sl_peer_sent *sent = &p->sending[w][slot].sent;
		struct sl_peer_received *received = &p->receiving[w][slot].received;

		clear(&sent->bytes);
		clear(&sent->last);
		clear(&sent->data_first);
		clear(&sent->data_last);
		clear(&received->bytes);
		clear(&received->last);
		clear(&received->data_first);
		clear(&received->data_last);
	}
	atomic_store_explicit(&p->slots[slot].received_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&p->slots[slot].sent_tick, 0, memory_order_relaxed);
}
