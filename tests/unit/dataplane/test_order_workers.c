/*
 * Workers that open one peer's messages for one another: real messages, under seeded interleavings of one thread and
 * under threads with sessions and peers that come and go. SL_ORDER_PACKETS: messages of the threads' run, for a long one.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/order_rig.h"

#define WORKERS 3
#define HANDS   2 /* batches that somebody holds for long */

static struct order_rig o;

/* Everything that came in has an end with a name. */
static void
account(uint64_t replays)
{
	cr_expect_eq(rig_drops(o.r, SL_DROP_REPLAY), replays);
	cr_expect_eq(rig_all_drops(o.r),
		replays + rig_drops(o.r, SL_DROP_ORDER_FULL) + rig_drops(o.r, SL_DROP_NO_SESSION) +
			rig_drops(o.r, SL_DROP_BAD_TAG) + rig_drops(o.r, SL_DROP_INTERFACE_DOWN));
	cr_expect_eq(o.came + rig_all_drops(o.r), o.fed, "%lu came, %lu dropped of %lu", o.came, rig_all_drops(o.r), o.fed);
	cr_expect_eq(o.owner->stats.queued, 0);
	rig_check_conservation(o.r, 0);
	for (uint32_t i = 0; i < o.r->dp->sessions.used; i++)
		cr_expect_eq(o.r->dp->sessions.slots[i].held, 0);
}

/* The newest good message of this session. */
static struct {
	const struct sl_session *session;
	uint64_t counter, number;
} good;

/* The peer's session is replaced; the old one is taken away at once, whatever is out. */
static void
rotate(bool remove_peer)
{
	struct sl_peer *peer = &o.r->dp->peers.slots[ORDER_PEER];

	if (remove_peer)
		atomic_store(&peer->live, 0);
	sl_session_release(&o.r->dp->sessions, o.s.slot);
	if (remove_peer) {
		atomic_store(&peer->live, sl_peers_incarnation(&o.r->dp->peers));
	}
	o.s = rig_session(o.r, ORDER_PEER, false, true);
	o.counter = 0;
	good.session = NULL;
}

struct hand {
	bool has;
	unsigned place;
};

static void
step_hand(struct hand *h, uint16_t worker)
{
	struct sl_worker *w = o.r->dp->workers[worker];

	if (h->has) {
		order_done(&o, worker, h->place);
		h->has = false;
	} else {
		h->has = sl_order_ring_claim(&o.order->ring, &w->order->cursors[0], &h->place);
	}
}

static uint64_t
step_owner(void)
{
	unsigned n = (unsigned)(order_random(&o) % 3) * SL_BURST / 2;
	uint64_t replays = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t r = order_random(&o);

		if (r % 32 == 0) {
			order_receive(&o, order_message(&o, ORDER_BAD_TAG, 8));
		} else if (r % 32 == 1 && good.session == o.s.s && o.seen[good.number]) {
			order_receive(&o, order_replay(&o, good.counter, good.number));
			replays++;
		} else {
			good.session = o.s.s;
			good.counter = o.counter;
			good.number = o.number;
			order_receive(&o, order_message(&o, ORDER_GOOD, 8 + r % 40));
		}
	}
	rig_run(o.r, 0);
	order_collect(&o);
	return replays;
}

Test(order_workers, random_interleavings)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct hand hands[HANDS] = {{0}};
		uint64_t replays = 0;

		order_rig_create(&o, WORKERS, seed);
		for (unsigned step = 0; step < 800; step++) {
			uint64_t r = order_random(&o);

			if (r % 64 == 0)
				rotate(r / 64 % 4 == 0);
			else if (r % 64 == 1)
				o.order->on = !o.order->on;
			else if (r % 64 == 2)
				o.r->now += SL_NSEC_PER_MSEC / 2;
			else if (r % 8 == 3)
				rig_run(o.r, (uint16_t)(1 + r / 8 % (WORKERS - 1)));
			else if (r % (8 + 8 * (seed % 5)) == 5)
				step_hand(&hands[r / 64 % HANDS], (uint16_t)(1 + r / 64 % HANDS));
			else
				replays += step_owner();
			sl_reclaim_poll(o.r->dp->reclaim);
		}
		for (unsigned i = 0; i < HANDS; i++)
			if (hands[i].has)
				step_hand(&hands[i], (uint16_t)(i + 1));
		order_finish(&o);
		account(replays);
		cr_expect_gt(o.came, o.fed / 4, "seed %lu: %lu of %lu came", seed, o.came, o.fed);
		order_rig_destroy(&o);
	}
}

/* --- threads --- */

static struct {
	_Atomic bool stop, go;
	_Atomic uint16_t up;
} t;

static void *
worker_main(void *arg)
{
	struct sl_worker *w = arg;
	uint64_t random = w->index;

	rte_rcu_qsbr_thread_register(w->dp->rcu, w->index);
	rte_rcu_qsbr_thread_online(w->dp->rcu, w->index);
	atomic_fetch_add(&t.up, 1);
	while (!atomic_load_explicit(&t.stop, memory_order_relaxed)) {
		sl_worker_run(w, RIG_START_NS);
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		if (random >> 60 == 0)
			for (volatile unsigned i = 0; i < random >> 48 % 4096; i++)
				;
		else if (random >> 62 == 1)
			sched_yield();
	}
	sl_order_stop(w);
	while (sl_order_any(w))
		sl_worker_run(w, RIG_START_NS);
	rte_rcu_qsbr_thread_offline(w->dp->rcu, w->index);
	rte_rcu_qsbr_thread_unregister(w->dp->rcu, w->index);
	return NULL;
}

static void
start(pthread_t *threads)
{
	atomic_store(&t.stop, false);
	atomic_store(&t.up, 0);
	for (uint16_t i = 1; i < WORKERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, worker_main, o.r->dp->workers[i]), 0);
	while (atomic_load(&t.up) < WORKERS - 1)
		sched_yield();
}

static void
stop(pthread_t *threads)
{
	atomic_store(&t.stop, true);
	for (uint16_t i = 1; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
}

/* This thread is the first worker and control by turns. */
Test(order_workers, threads, .timeout = 600)
{
	const char *text = getenv("SL_ORDER_PACKETS");
	uint64_t packets = text ? strtoull(text, NULL, 10) : 150000, helped = 0;
	struct rte_rcu_qsbr *rcu;
	pthread_t threads[WORKERS];

	order_rig_create(&o, WORKERS, 77);
	rcu = o.r->dp->rcu;
	start(threads);
	rte_rcu_qsbr_thread_register(rcu, 0);
	rte_rcu_qsbr_thread_online(rcu, 0);
	while (o.fed < packets) {
		uint64_t r = order_random(&o);

		/* numbers start again where there are more packets than places to tick them off */
		if (o.number + 4 * SL_BURST >= ORDER_SEEN) {
			order_finish(&o);
			memset(o.seen, 0, ORDER_SEEN);
			o.number = 1;
			o.last = 0;
			good.session = NULL;
		}
		if (r % 256 == 0)
			rotate(r / 256 % 8 == 0);
		else if (r % 256 == 1)
			o.order->on = !o.order->on;
		else if (r % 4096 == 2) {
			stop(threads);
			for (uint16_t i = 1; i < WORKERS; i++)
				o.r->dp->workers[i]->order->stopped = false;
			start(threads);
		}
		if (o.owner->stats.queued + 2 * SL_BURST < o.order->limit || r % 64 == 3)
			step_owner();
		else
			rig_run(o.r, 0);
		order_collect(&o);
		sl_reclaim_poll(o.r->dp->reclaim);
	}
	while (sl_order_any(o.owner)) {
		rig_run(o.r, 0);
		order_collect(&o);
	}
	stop(threads);
	rte_rcu_qsbr_thread_offline(rcu, 0);
	rte_rcu_qsbr_thread_unregister(rcu, 0);
	for (uint16_t i = 1; i < WORKERS; i++)
		helped += o.r->dp->workers[i]->stats.helped[0];
	cr_expect_gt(helped, 0);
	cr_expect_gt(o.owner->stats.helped[0], 0);
	account(rig_drops(o.r, SL_DROP_REPLAY));
	order_rig_destroy(&o);
}
