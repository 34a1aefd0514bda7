/*
 * Sessions follow one another while workers seal: whatever these hold on to, no counter is used twice under one key.
 */
#include "dataplane/sender.h"

#include <pthread.h>
#include <sched.h>

#include "tests/unit/dataplane/sender_rig.h"

TestSuite(sender_workers, .init = sender_setup, .fini = sender_teardown);

/* --- rotations at random --- */

#define NUMBERS  20000 /* sessions */
#define LIMIT    24    /* counters of each, so that they run out now and then */

struct way {
	uint32_t live, number, seq;
	const struct sl_session *session;
	struct sl_sender *sender;
};

/* A worker as ENCAP and SEAL are one: ways are kept over passes and followed while `current` still names their session. */
struct worker {
	bool in_pass;
	struct way kept[PEERS], pass[PEERS]; /* pass: found in this pass; live 0: none */
};

static struct worker workers[WORKERS];
static uint32_t counters_used[NUMBERS]; /* bits */
static uint32_t numbers_of[SESSIONS];   /* by slot */
static unsigned sealed, sealed_late, sealed_elsewhere, fell_back, placed;

static uint64_t seed;

static uint32_t
draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % below);
}

/* Finds the way of a peer's packet, or goes on with that of this pass. */
static struct way *
find_way(struct worker *w, uint32_t peer)
{
	uint32_t seq = atomic_load(&peers.slots[peer].endpoint_seq);
	uint32_t current = atomic_load(&peers.slots[peer].current);
	struct sl_session *s;

	if (w->kept[peer].live == 0 || w->kept[peer].live != current || w->kept[peer].seq != seq) {
		s = current ? sl_session_find_opened(&table, current) : NULL;
		if (s == NULL || s->peer != peer)
			return w->pass[peer].live ? &w->pass[peer] : NULL;
		w->kept[peer] = (struct way){.live = current, .number = numbers_of[s - table.slots], .seq = seq, .session = s,
			.sender = s->sender};
	}
	w->pass[peer] = w->kept[peer];
	return &w->pass[peer];
}

static void
seal(struct way *way)
{
	uint64_t counter = sl_sender_counter(way->sender);
	uint32_t number;

	if (counter >= SL_REJECT_AFTER_MESSAGES && way->sender != way->session->sender) {
		way->sender = way->session->sender;
		counter = sl_sender_counter(way->sender);
		if (counter >= SL_REJECT_AFTER_MESSAGES)
			return;
		sealed_elsewhere++;
	}

	cr_assert(has_key(way->sender, way->number), "the key is the session's for as long as the pass lasts");
	if (counter < SL_REJECT_AFTER_MESSAGES)
		counter = sl_sender_take(way->sender, 1);
	if (counter >= SL_REJECT_AFTER_MESSAGES)
		return;
	memcpy(&number, way->sender->key, sizeof(number));
	counter -= SL_REJECT_AFTER_MESSAGES - LIMIT;
	cr_assert_lt(counter, LIMIT);
	cr_assert_eq(counters_used[number] >> counter & 1, 0, "counter %lu of session %u used twice", counter, number);
	counters_used[number] |= UINT32_C(1) << counter;
	sealed++;
}

static void
work(unsigned i)
{
	struct worker *w = &workers[i];
	uint32_t peer = draw(PEERS);
	struct way *way;

	if (!w->in_pass) {
		rte_rcu_qsbr_quiescent(rcu, i);
		memset(w->pass, 0, sizeof(w->pass));
		w->in_pass = true;
	}
	/* What was found before in the pass may be sealed much later in it. */
	if (w->pass[peer].live && draw(2)) {
		sealed_late += w->pass[peer].live != atomic_load(&peers.slots[peer].current);
		seal(&w->pass[peer]);
		return;
	}
	way = find_way(w, peer);
	if (way)
		seal(way);
	w->in_pass = draw(12) != 0;
}

struct roles {
	uint32_t previous, current, next;
};

static void
let_go(uint32_t *role)
{
	if (*role != SL_SESSION_NONE)
		sl_session_release(&table, *role);
	*role = SL_SESSION_NONE;
}

/* As control rotates: `current` first, then retirement, then release. */
static void
make_current(uint32_t peer, struct roles *r, uint32_t slot)
{
	uint32_t old = r->previous;

	r->previous = r->current;
	r->current = slot;
	atomic_store(&peers.slots[peer].current, slot == SL_SESSION_NONE ? 0 : sl_session_id(&table, slot));
	if (r->previous != SL_SESSION_NONE)
		sl_session_retire(&table, r->previous);
	let_go(&old);
}

static void
control(struct roles *roles, uint32_t *number)
{
	uint32_t peer = draw(PEERS), what = draw(10), slot;
	struct roles *r = &roles[peer];

	if (what < 5) {
		slot = publish(peer, *number, LIMIT);
		numbers_of[slot] = (*number)++;
		fell_back += place_of(slot) == SL_PEER_SENDERS;
		placed += place_of(slot) < SL_PEER_SENDERS;
		if (draw(2)) {
			make_current(peer, r, slot);
		} else {
			let_go(&r->next);
			r->next = slot;
		}
	} else if (what < 8) {
		slot = r->next;
		r->next = SL_SESSION_NONE;
		if (slot != SL_SESSION_NONE)
			make_current(peer, r, slot);
	} else if (what < 9) {
		make_current(peer, r, SL_SESSION_NONE);
		if (r->next != SL_SESSION_NONE)
			sl_session_retire(&table, r->next);
		let_go(&r->next);
	} else { /* removed; the slot has another peer at once */
		atomic_store(&peers.slots[peer].current, 0);
		let_go(&r->next);
		let_go(&r->current);
		let_go(&r->previous);
	}
}

Test(sender_workers, bug_nonce_reuse_random_rotations)
{
	struct roles roles[PEERS];
	uint32_t number = 1;

	seed = 20;
	for (unsigned i = 0; i < PEERS; i++)
		roles[i] = (struct roles){SL_SESSION_NONE, SL_SESSION_NONE, SL_SESSION_NONE};
	for (unsigned i = 0; i < WORKERS; i++)
		begin_pass(i);
	while (number < NUMBERS) {
		work(draw(WORKERS));
		if (draw(4) == 0)
			control(roles, &number);
		if (draw(3) == 0)
			sl_reclaim_poll(&reclaim);
	}
	cr_expect_gt(sealed, NUMBERS, "%u", sealed);
	cr_expect_gt(sealed_late, NUMBERS / 10, "on sessions that were current when the pass began: %u", sealed_late);
	cr_expect_gt(sealed_elsewhere, NUMBERS / 100, "on sessions that have moved in the pass: %u", sealed_elsewhere);
	cr_expect_gt(fell_back, NUMBERS / 10, "%u", fell_back);
	cr_expect_gt(placed, NUMBERS / 10, "%u", placed);
	for (unsigned i = 0; i < PEERS; i++) {
		atomic_store(&peers.slots[i].current, 0);
		let_go(&roles[i].next);
		let_go(&roles[i].current);
		let_go(&roles[i].previous);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		rte_rcu_qsbr_thread_offline(rcu, i);
	sl_reclaim_drain(&reclaim);
	cr_expect_eq(table.free, table.used);
	for (unsigned i = 0; i < PEERS; i++)
		cr_expect(is_free(sl_peer_sender(&peers, i, 0)) && is_free(sl_peer_sender(&peers, i, 1)), "peer %u", i);
	for (uint32_t i = 0; i < table.used; i++)
		cr_expect(is_free(&table.slots[i].own), "session slot %u", i);
}

/* --- the same with threads, one peer --- */

#define ROTATIONS 3000

static _Atomic uint32_t counters_taken[ROTATIONS + 1]; /* bits */
static _Atomic uint64_t sealed_by_threads, wrong_keys, used_twice; /* no assertion but in the test's own thread */
static _Atomic bool stop;

static void
seal_in_thread(struct way *way)
{
	uint64_t counter = sl_sender_counter(way->sender);

	if (counter >= SL_REJECT_AFTER_MESSAGES) {
		way->sender = way->session->sender;
		counter = sl_sender_counter(way->sender);
	}
	if (counter < SL_REJECT_AFTER_MESSAGES)
		counter = sl_sender_take(way->sender, 1);
	if (counter >= SL_REJECT_AFTER_MESSAGES)
		return;
	counter -= SL_REJECT_AFTER_MESSAGES - LIMIT;
	if (!has_key(way->sender, way->number))
		atomic_fetch_add(&wrong_keys, 1);
	if (atomic_fetch_or(&counters_taken[way->number], UINT32_C(1) << counter) >> counter & 1)
		atomic_fetch_add(&used_twice, 1);
	atomic_fetch_add(&sealed_by_threads, 1);
}

static void *
worker_thread(void *arg)
{
	unsigned i = *(unsigned *)arg;
	struct way way = {0};

	rte_rcu_qsbr_thread_online(rcu, i);
	while (!atomic_load(&stop)) {
		uint32_t seq = atomic_load_explicit(&peers.slots[PEER].endpoint_seq, memory_order_acquire);
		uint32_t current = atomic_load_explicit(&peers.slots[PEER].current, memory_order_acquire);
		const struct sl_session *s;

		if (current != 0 && (current != way.live || seq != way.seq)) {
			s = sl_session_find_opened(&table, current);
			way = (struct way){0};
			if (s)
				way = (struct way){.live = current, .number = s->remote_index, .seq = seq, .session = s,
					.sender = s->sender};
		}
		for (unsigned k = 0; current != 0 && way.live == current && k < 3; k++)
			seal_in_thread(&way);
		rte_rcu_qsbr_quiescent(rcu, i);
		sched_yield();
	}
	rte_rcu_qsbr_thread_offline(rcu, i);
	return NULL;
}

Test(sender_workers, bug_nonce_reuse_workers_and_control, .timeout = 300)
{
	struct roles r = {SL_SESSION_NONE, SL_SESSION_NONE, SL_SESSION_NONE};
	unsigned index[WORKERS - 1], in_own = 0;
	pthread_t threads[WORKERS - 1];

	for (unsigned i = 0; i < WORKERS - 1; i++) {
		index[i] = i;
		rte_rcu_qsbr_thread_register(rcu, i);
		cr_assert_eq(pthread_create(&threads[i], NULL, worker_thread, &index[i]), 0);
	}
	for (uint32_t number = 1; number <= ROTATIONS; number++) {
		uint64_t before = atomic_load(&sealed_by_threads);
		uint32_t slot = publish(PEER, number, LIMIT);

		in_own += place_of(slot) == SL_PEER_SENDERS;
		make_current(PEER, &r, slot);
		/* Now and then several at once; else some packets, or all of the counters, come between. */
		while (number % 8 < 5 && atomic_load(&sealed_by_threads) < before + number % 7) {
			sl_reclaim_poll(&reclaim);
			sched_yield();
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < WORKERS - 1; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(wrong_keys, 0, "keys that went while they were sealed by: %lu", wrong_keys);
	cr_expect_eq(used_twice, 0, "counters used twice under one key: %lu", used_twice);
	cr_expect_gt(in_own, 0);
	cr_expect_lt(in_own, ROTATIONS);
	atomic_store(&peers.slots[PEER].current, 0);
	let_go(&r.current);
	let_go(&r.previous);
	sl_reclaim_drain(&reclaim);
	cr_expect_eq(table.free, table.used);
}
