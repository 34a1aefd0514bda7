/*
 * Sending halves: which place a session gets, when its key goes and the place is free again, and that whatever workers
 * hold on to, no counter is used twice under one key.
 */
#include "dataplane/sender.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "crypto/wipe.h"
#include "dataplane/peer.h"
#include "dataplane/session.h"
#include "tests/unit/dataplane/qsbr.h"
#include "tests/unit/dataplane/step.h"

#define PEERS    4
#define PEER     2
#define SESSIONS 4096
#define WORKERS  3

static const uint8_t secret[SL_INDEX_KEY_LEN] = {3, 1, 4, 1, 5, 9, 2, 6};

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim reclaim;
static struct sl_peers peers;
static struct sl_session_table table;

static void
setup(void)
{
	rcu = test_qsbr(WORKERS);
	sl_reclaim_init(&reclaim, rcu);
	cr_assert_eq(sl_peers_init(&peers, PEERS, 1), 0);
	cr_assert_eq(sl_session_table_init(&table, SESSIONS, secret, &reclaim, &peers), 0);
}

static void
teardown(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		rte_rcu_qsbr_thread_offline(rcu, i);
	sl_reclaim_drain(&reclaim);
	sl_session_table_fini(&table);
	sl_peers_fini(&peers);
	free(rcu);
}

TestSuite(sender, .init = setup, .fini = teardown);

static void
begin_pass(unsigned worker)
{
	rte_rcu_qsbr_thread_register(rcu, worker);
	rte_rcu_qsbr_thread_online(rcu, worker);
}

/* The grace period of everything handed in so far, with no worker in a pass. */
static void
grace(void)
{
	sl_reclaim_poll(&reclaim);
	sl_reclaim_poll(&reclaim);
}

/* A key that is no other session's: it begins with the number. */
static void
key_of(uint8_t key[SL_KEY_LEN], uint32_t number)
{
	memset(key, 0xa5, SL_KEY_LEN);
	memcpy(key, &number, sizeof(number));
}

/* left: how many counters it has. */
static uint32_t
publish(uint32_t peer, uint32_t number, uint64_t left)
{
	struct sl_session_keys keys = {
		.remote_index = number, .created = 5, .send_counter = SL_REJECT_AFTER_MESSAGES - left};
	uint32_t slot = sl_session_reserve(&table, peer, 0);

	cr_assert_neq(slot, SL_SESSION_NONE);
	key_of(keys.send, number);
	memset(keys.recv, 0x77, sizeof(keys.recv));
	sl_session_publish(&table, slot, &keys);
	return slot;
}

/* The place of a session: 0 and 1 are the peer's, 2 its own. */
static unsigned
place_of(uint32_t slot)
{
	const struct sl_session *s = &table.slots[slot];

	for (unsigned i = 0; i < SL_PEER_SENDERS; i++)
		if (s->sender == sl_peer_sender(&peers, s->peer, i))
			return i;
	cr_assert_eq(s->sender, &s->own);
	return SL_PEER_SENDERS;
}

static bool
is_free(const struct sl_sender *place)
{
	return sl_sender_counter(place) == SL_REJECT_AFTER_MESSAGES && sl_is_zero(place->key, SL_KEY_LEN);
}

static bool
has_key(const struct sl_sender *place, uint32_t number)
{
	uint8_t key[SL_KEY_LEN];

	key_of(key, number);
	return memcmp(place->key, key, SL_KEY_LEN) == 0;
}

Test(sender, two_places_then_its_own)
{
	uint32_t slots[4], other;

	for (uint32_t i = 0; i < 4; i++) {
		slots[i] = publish(PEER, 100 + i, 1000);
		cr_expect_eq(place_of(slots[i]), i < 2 ? i : 2, "session %u", i);
	}
	other = publish(PEER + 1, 200, 1000);
	cr_expect_eq(place_of(other), 0, "another peer's places are others");
	for (uint32_t i = 0; i < 4; i++) {
		cr_expect(has_key(table.slots[slots[i]].sender, 100 + i));
		cr_expect_eq(sl_sender_counter(table.slots[slots[i]].sender), SL_REJECT_AFTER_MESSAGES - 1000);
	}
}

/* A place whose counters have run out, or past their end, is its session's nevertheless. */
Test(sender, without_counters_a_place_is_taken)
{
	uint32_t first = publish(PEER, 1, 0), second = publish(PEER, 2, 1);

	cr_expect_eq(sl_sender_take(table.slots[second].sender, 3), SL_REJECT_AFTER_MESSAGES - 1);
	cr_expect_eq(sl_sender_counter(table.slots[second].sender), SL_REJECT_AFTER_MESSAGES + 2);
	cr_expect_eq(place_of(publish(PEER, 3, 1)), 2);
	cr_expect(has_key(table.slots[first].sender, 1));
	cr_expect(has_key(table.slots[second].sender, 2));
}

/* Memory that nobody has written is no sending half: the counter in it is the first that may not be used. */
Test(sender, p25_zeros_have_no_counter)
{
	struct sl_sender s = {0};

	cr_expect_eq(sl_sender_counter(&s), SL_REJECT_AFTER_MESSAGES);
	cr_expect_eq(sl_sender_take(&s, 64), SL_REJECT_AFTER_MESSAGES);
	cr_expect_gt(sl_sender_counter(&s), SL_REJECT_AFTER_MESSAGES);
	sl_sender_set_counter(&s, 0);
	cr_expect_eq(sl_sender_take(&s, 2), 0);
	cr_expect_eq(sl_sender_counter(&s), 2);
}

Test(sender, p10_a_retired_key_goes_after_the_workers)
{
	/* In the peer's places and in the session's own. */
	for (unsigned place = 0; place <= SL_PEER_SENDERS; place++) {
		uint32_t slot = publish(PEER, 100 + place, 1000);
		struct sl_session *s = &table.slots[slot];
		struct sl_sender *sender = s->sender;

		cr_assert_eq(place_of(slot), place);
		sl_sender_set_counter(sender, 17);
		begin_pass(0);
		sl_session_retire(&table, slot);
		sl_session_retire(&table, slot);
		cr_expect_eq(reclaim.pending, 1, "once");
		grace();
		cr_expect(has_key(sender, 100 + place), "a worker may be sealing by it");
		cr_expect_eq(sl_sender_counter(sender), 17);
		cr_expect_eq(s->sender, sender);
		rte_rcu_qsbr_quiescent(rcu, 0);
		grace();
		cr_expect(is_free(sender));
		cr_expect_eq(place_of(slot), 2);
		cr_expect(is_free(s->sender));
		cr_expect_eq(sl_session_id(&table, slot), sl_index_open(&table.key, s->index), "it goes on receiving");
		cr_expect_eq(s->recv_key[0], 0x77);
		sl_session_retire(&table, slot);
		cr_expect_eq(reclaim.pending, 0, "what has ended does not end again");
		rte_rcu_qsbr_thread_offline(rcu, 0);
		if (place < SL_PEER_SENDERS)
			cr_assert_eq(place_of(publish(PEER, 200 + place, 1000)), place, "free again");
	}
}

/*
 * Retiring and releasing in any order and at any distance: r: retire, l: release, p: poll, q: the worker reports. Whatever
 * comes, the key stays until the worker has reported after the first of the two, and then place and slot return once.
 */
Test(sender, retired_and_released)
{
	static const struct {
		const char *steps;
		bool place_free, slot_free; /* after them */
	} cases[] = {
		{"r", false, false},
		{"rp", false, false},
		{"rqp", false, false}, /* the token came after the report */
		{"rpqp", true, false},
		{"l", false, false},
		{"lp", false, false},
		{"lpqp", true, true},
		{"rl", false, false},
		{"rlp", false, false},
		{"rlpqp", true, true},
		{"rpl", false, false},
		{"rplp", false, false},
		{"rplqp", true, false}, /* the release has no token yet */
		{"rplqpqp", true, true},
		{"rplpqp", true, true},
		{"rpqplp", true, false},
		{"rpqplpqp", true, true},
		{"rrlpqp", true, true},
		{"rpqprlpqp", true, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t slot = publish(PEER, 100, 1000), next, free = table.free;
		struct sl_sender *sender = table.slots[slot].sender;

		begin_pass(0);
		cr_assert_eq(place_of(slot), 0);
		for (const char *c = cases[i].steps; *c; c++) {
			if (*c == 'r')
				sl_session_retire(&table, slot);
			else if (*c == 'l')
				sl_session_release(&table, slot);
			else if (*c == 'p')
				sl_reclaim_poll(&reclaim);
			else
				rte_rcu_qsbr_quiescent(rcu, 0);
			cr_assert(is_free(sender) ||
					(has_key(sender, 100) && sl_sender_counter(sender) == SL_REJECT_AFTER_MESSAGES - 1000),
				"%s", cases[i].steps);
		}
		cr_expect_eq(is_free(sender), cases[i].place_free, "place after %s", cases[i].steps);
		cr_expect_eq(table.free - free, cases[i].slot_free, "slot after %s", cases[i].steps);
		next = publish(PEER, 101, 1000);
		cr_expect_eq(place_of(next), cases[i].place_free ? 0 : 1, "the next session after %s", cases[i].steps);
		rte_rcu_qsbr_thread_offline(rcu, 0);
		if (!strchr(cases[i].steps, 'l'))
			sl_session_release(&table, slot);
		grace();
		cr_expect(has_key(table.slots[next].sender, 101), "the old session leaves alone what is no longer its own");
		sl_session_release(&table, next);
		grace();
		grace();
		cr_expect_eq(reclaim.pending, 0);
		cr_expect_eq(table.free, table.used, "after %s", cases[i].steps);
		cr_expect(is_free(sl_peer_sender(&peers, PEER, 0)) && is_free(sl_peer_sender(&peers, PEER, 1)));
	}
}

/* Messages that a released session was found for keep its receiving half, and no more. */
Test(sender, messages_on_their_way_do_not_keep_the_place)
{
	uint32_t slot = publish(PEER, 100, 1000), next;
	struct sl_session *s = &table.slots[slot];

	sl_session_hold(s);
	sl_session_release(&table, slot);
	grace();
	cr_expect(is_free(sl_peer_sender(&peers, PEER, 0)));
	cr_expect_eq(s->recv_key[0], 0x77);
	cr_expect_eq(table.free, 0);
	next = publish(PEER, 101, 1000);
	cr_expect_eq(place_of(next), 0);
	for (unsigned i = 0; i < 5; i++)
		grace(); /* the old session is asked again */
	cr_expect(has_key(sl_peer_sender(&peers, PEER, 0), 101), "it does not wipe another's place");
	sl_session_let_go(s);
	grace();
	cr_expect(sl_is_zero(s->recv_key, SL_KEY_LEN));
	cr_expect_eq(table.free, 1);
	cr_expect(has_key(sl_peer_sender(&peers, PEER, 0), 101));
}

/* A peer's slot that another peer has got shares no place with the sessions of the one before. */
Test(sender, a_peer_slot_used_again)
{
	uint32_t old[2] = {publish(PEER, 100, 1000), publish(PEER, 101, 1000)}, new;

	begin_pass(0);
	for (unsigned i = 0; i < 2; i++)
		sl_session_release(&table, old[i]);
	sl_reclaim_poll(&reclaim);
	atomic_store(&peers.slots[PEER].live, sl_peers_incarnation(&peers));
	new = publish(PEER, 300, 1000);
	cr_expect_eq(place_of(new), 2, "a worker may still be sealing by both");
	for (unsigned i = 0; i < 2; i++)
		cr_expect(has_key(sl_peer_sender(&peers, PEER, i), 100 + i));
	rte_rcu_qsbr_quiescent(rcu, 0);
	sl_reclaim_poll(&reclaim);
	cr_expect(has_key(table.slots[new].sender, 300));
	cr_expect_eq(place_of(new), 2, "it stays where it is");
	cr_expect_eq(place_of(publish(PEER, 301, 1000)), 0);
}

/* --- a session that is sent on moves to the peer's first place --- */

static void
make_current_of(uint32_t peer, uint32_t slot)
{
	atomic_store(&peers.slots[peer].current, sl_session_id(&table, slot));
}

/* Two sessions, the second sent on from its place, the first retired; a worker is in a pass that began before. */
static void
about_to_move(uint32_t slots[2])
{
	slots[0] = publish(PEER, 100, 1000);
	make_current_of(PEER, slots[0]);
	slots[1] = publish(PEER, 101, 1000);
	begin_pass(0);
	make_current_of(PEER, slots[1]);
	sl_session_retire(&table, slots[0]);
	sl_reclaim_poll(&reclaim);
	cr_assert_eq(place_of(slots[1]), 1);
}

static void
reported(void)
{
	rte_rcu_qsbr_quiescent(rcu, 0);
	sl_reclaim_poll(&reclaim);
}

Test(sender, the_session_that_is_sent_on_moves)
{
	struct sl_sender *first = sl_peer_sender(&peers, PEER, 0), *second = sl_peer_sender(&peers, PEER, 1);
	uint32_t slots[2], seq, next;

	about_to_move(slots);
	seq = atomic_load(&peers.slots[PEER].endpoint_seq);
	for (unsigned i = 0; i < 7; i++)
		sl_sender_take(second, 1);
	reported();
	cr_expect_eq(place_of(slots[1]), 0, "nobody seals by the first place any more");
	cr_expect(has_key(first, 101));
	cr_expect_eq(sl_sender_counter(first), SL_REJECT_AFTER_MESSAGES - 1000 + 7, "the counter goes on");
	cr_expect_eq(sl_sender_counter(second), SL_REJECT_AFTER_MESSAGES, "and is not to be had twice");
	cr_expect(has_key(second, 101), "a worker may be sealing by it");
	cr_expect_eq(atomic_load(&peers.slots[PEER].endpoint_seq), seq + 2, "kept ways are found anew");
	next = publish(PEER, 102, 1000);
	cr_expect_eq(place_of(next), 2, "so it is not free yet");
	sl_reclaim_poll(&reclaim);
	reported();
	cr_expect(is_free(second));
	cr_expect_eq(place_of(publish(PEER, 103, 1000)), 1);
	cr_expect_eq(place_of(next), 2);
	cr_expect_eq(sl_sender_counter(first), SL_REJECT_AFTER_MESSAGES - 1000 + 7);
	rte_rcu_qsbr_thread_offline(rcu, 0);
}

/* Only the session that is sent on moves, and counters that have run out stay so. */
Test(sender, what_moves)
{
	uint32_t first = publish(PEER, 100, 1000), second = publish(PEER, 101, 0), own = publish(PEER, 102, 1000);

	sl_session_retire(&table, first);
	grace();
	grace();
	cr_expect_eq(place_of(second), 1, "none is sent on");
	make_current_of(PEER, second);
	sl_session_retire(&table, own);
	grace();
	grace();
	cr_expect_eq(place_of(second), 0);
	sl_sender_take(table.slots[second].sender, 9);
	grace();
	first = publish(PEER, 103, 1000);
	cr_expect_eq(place_of(first), 1);
	own = publish(PEER, 104, 1000);
	make_current_of(PEER, own);
	sl_session_retire(&table, second);
	grace();
	grace();
	cr_expect_eq(place_of(own), 0, "from its own place too");
	cr_expect(is_free(&table.slots[own].own));
	cr_expect_eq(place_of(first), 1);
	make_current_of(PEER, first);
	sl_session_release(&table, own);
	grace();
	grace();
	cr_expect_eq(place_of(first), 0, "where the other was released, not retired");
	cr_expect_eq(sl_sender_counter(table.slots[first].sender), SL_REJECT_AFTER_MESSAGES - 1000);
}

Test(sender, counters_that_have_run_out_move_with_the_session)
{
	uint32_t slots[2];

	about_to_move(slots);
	cr_expect_lt(sl_sender_take(table.slots[slots[1]].sender, 1003), SL_REJECT_AFTER_MESSAGES);
	reported();
	cr_expect_eq(place_of(slots[1]), 0);
	cr_expect_eq(sl_sender_counter(table.slots[slots[1]].sender), SL_REJECT_AFTER_MESSAGES + 3);
	rte_rcu_qsbr_thread_offline(rcu, 0);
}

/* Retired and released at any time after it has moved, steps as above: both places return, once, and not too early. */
Test(sender, moved_and_retired_and_released)
{
	static const char *const cases[] = {"r", "l", "rl", "rpl", "rpqp", "rpqpl", "rplqp", "lpqp", "rpqplpqp", "pr", "pl", "prl",
		"pqprpqpl", "prpqpl", "pqpl", "pqprl", "qprqpl", "rqpqplqp"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_sender *first = sl_peer_sender(&peers, PEER, 0), *second = sl_peer_sender(&peers, PEER, 1);
		uint32_t slots[2], next;
		unsigned reports = 0;

		about_to_move(slots);
		reported();
		cr_assert_eq(place_of(slots[1]), 0);
		atomic_store(&peers.slots[PEER].current, 0);
		for (const char *c = cases[i]; *c; c++) {
			if (*c == 'r')
				sl_session_retire(&table, slots[1]);
			else if (*c == 'l')
				sl_session_release(&table, slots[1]);
			else if (*c == 'p')
				sl_reclaim_poll(&reclaim);
			else if (++reports)
				rte_rcu_qsbr_quiescent(rcu, 0);
			cr_assert(is_free(first) || has_key(first, 101), "%s", cases[i]);
			cr_assert(is_free(second) || has_key(second, 101), "%s", cases[i]);
			cr_assert(reports > 0 || (has_key(first, 101) && has_key(second, 101)), "%s: a worker holds both", cases[i]);
		}
		rte_rcu_qsbr_thread_offline(rcu, 0);
		if (!strchr(cases[i], 'l'))
			sl_session_release(&table, slots[1]);
		sl_session_release(&table, slots[0]);
		for (unsigned k = 0; k < 4; k++)
			grace();
		cr_expect_eq(reclaim.pending, 0);
		cr_expect_eq(table.free, table.used, "after %s", cases[i]);
		cr_expect(is_free(first) && is_free(second), "after %s", cases[i]);
		cr_expect_eq(peers.rest[PEER].taken, 0);
		next = publish(PEER, 200, 1000);
		cr_expect_eq(place_of(next), 0);
		sl_session_release(&table, next);
		grace();
	}
}

/*
 * Between any two instructions of the move a worker seals: by the place that it found before, by what that one's session says
 * where there is nothing left in it, and by what it finds now.
 */
static struct {
	const struct sl_session *session;
	struct sl_sender *found;
	uint8_t used[4096];
	unsigned took, in_vain, twice, wrong;
} between;

static void
take_between(struct sl_sender *place)
{
	uint64_t counter = sl_sender_counter(place);

	if (counter < SL_REJECT_AFTER_MESSAGES)
		counter = sl_sender_take(place, 1);
	if (counter >= SL_REJECT_AFTER_MESSAGES) {
		between.in_vain++;
		return;
	}
	between.took++;
	between.wrong += !has_key(place, 101);
	between.twice += between.used[counter]++ != 0;
}

static void
seal_between(int signal)
{
	(void)signal;
	take_between(between.found);
	take_between(between.session->sender);
}

Test(sender, bug_nonce_reuse_between_any_two_instructions_of_the_move)
{
	struct sigaction action = {.sa_handler = seal_between}, before;
	struct sl_session_keys keys = {.remote_index = 101, .created = 5};
	uint32_t old = publish(PEER, 100, 1000), slot = sl_session_reserve(&table, PEER, 0);

	key_of(keys.send, 101);
	sl_session_publish(&table, slot, &keys);
	make_current_of(PEER, slot);
	begin_pass(0);
	sl_session_retire(&table, old);
	sl_reclaim_poll(&reclaim);
	between.session = &table.slots[slot];
	between.found = between.session->sender;
	cr_assert_eq(place_of(slot), 1);
	cr_assert_eq(sigaction(SIGTRAP, &action, &before), 0);
	rte_rcu_qsbr_quiescent(rcu, 0);
	step(true);
	sl_reclaim_poll(&reclaim);
	step(false);
	sigaction(SIGTRAP, &before, NULL);
	cr_expect_eq(place_of(slot), 0);
	cr_expect_gt(between.took, 100, "%u", between.took);
	cr_expect_gt(between.in_vain, 0, "some came between closing and opening");
	cr_expect_eq(between.twice, 0, "counters used twice under one key: %u", between.twice);
	cr_expect_eq(between.wrong, 0, "sealed with another key: %u", between.wrong);
	cr_expect_eq(sl_sender_counter(between.session->sender), between.took);
	rte_rcu_qsbr_thread_offline(rcu, 0);
}

/* --- publishing, looked at between any two instructions of it --- */

static uint32_t watched;
static unsigned steps, found, incomplete;

static void
look(int signal)
{
	uint32_t current = atomic_load(&peers.slots[PEER].current);
	const struct sl_session *s = current ? sl_session_find_opened(&table, current) : NULL;
	const struct sl_session *live = &table.slots[watched];

	(void)signal;
	steps++;
	if (s == NULL && atomic_load(&live->live) != SL_SESSION_NONE)
		s = live;
	if (s == NULL)
		return;
	found++;
	incomplete += !has_key(s->sender, 500) || sl_sender_counter(s->sender) != 3;
}

Test(sender, bug_nonce_reuse_nothing_is_named_before_it_is_complete)
{
	struct sl_session_keys keys = {.created = 5, .send_counter = 3};
	struct sigaction action = {.sa_handler = look}, before;

	key_of(keys.send, 500);
	cr_assert_eq(sigaction(SIGTRAP, &action, &before), 0);
	for (unsigned place = 0; place <= SL_PEER_SENDERS; place++) {
		watched = sl_session_reserve(&table, PEER, 0);
		atomic_store(&peers.slots[PEER].current, 0);
		steps = found = 0;
		step(true);
		sl_session_publish(&table, watched, &keys);
		atomic_store_explicit(&peers.slots[PEER].current, sl_session_id(&table, watched), memory_order_release);
		step(false);
		cr_assert_eq(place_of(watched), place);
		cr_expect_gt(steps, 50, "the thread was stepped");
		cr_expect_gt(found, 0, "the last steps saw it");
		cr_expect_eq(incomplete, 0, "place %u", place);
	}
	sigaction(SIGTRAP, &before, NULL);
}

/* --- rotations at random, with workers that hold on to a pass --- */

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

Test(sender, bug_nonce_reuse_random_rotations)
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

Test(sender, bug_nonce_reuse_workers_and_control, .timeout = 300)
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
