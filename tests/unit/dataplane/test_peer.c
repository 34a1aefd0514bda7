/* Facts, endpoint records, and the stamps that timers are made of. */
#include "crypto/protocol.h"
#include "dataplane/peer.h"

#include <pthread.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#define CAPACITY 10000
#define WORKERS  3
#define TICK     (UINT64_C(1) << SL_STAMP_TICK_SHIFT)

static struct sl_peers peers;

static void
setup(void)
{
	cr_assert_eq(sl_peers_init(&peers, CAPACITY, WORKERS), 0);
}

static void
teardown(void)
{
	sl_peers_fini(&peers);
}

TestSuite(peer, .init = setup, .fini = teardown);

Test(peer, facts_are_taken_once)
{
	static const uint32_t raised[] = {0, 1, 63, 64, 65, 4095, 4096, 8191, 9999};
	const unsigned n_raised = sizeof(raised) / sizeof(raised[0]);
	uint32_t slots[32], facts[32], cursor = 0;

	cr_expect_eq(sl_peers_take_facts(&peers, &cursor, slots, facts, 32), 0);
	for (unsigned i = 0; i < n_raised; i++) {
		sl_peer_raise(&peers, raised[i], SL_FACT_ACTIVE);
		sl_peer_raise(&peers, raised[i], SL_FACT_ENDPOINT | SL_FACT_ACTIVE);
	}
	cr_assert_eq(sl_peers_take_facts(&peers, &cursor, slots, facts, 32), n_raised);
	for (unsigned i = 0; i < n_raised; i++) {
		cr_expect_eq(slots[i], raised[i]);
		cr_expect_eq(facts[i], SL_FACT_ACTIVE | SL_FACT_ENDPOINT);
	}
	cr_expect_eq(sl_peers_take_facts(&peers, &cursor, slots, facts, 32), 0);
	sl_peer_raise(&peers, 64, SL_FACT_ACTIVE);
	cr_expect_eq(sl_peers_take_facts(&peers, &cursor, slots, facts, 32), 1, "a fact can be raised again");
}

Test(peer, no_peer_starves_another)
{
	unsigned seen[CAPACITY] = {0};
	uint32_t cursor = 0;

	for (unsigned i = 0; i < CAPACITY; i++)
		sl_peer_raise(&peers, i, SL_FACT_ACTIVE);
	for (unsigned round = 0; round < CAPACITY / 7 + 1; round++) {
		uint32_t slots[7], facts[7];
		unsigned n = sl_peers_take_facts(&peers, &cursor, slots, facts, 7);

		for (unsigned i = 0; i < n; i++) {
			seen[slots[i]]++;
			sl_peer_raise(&peers, slots[i], SL_FACT_ACTIVE); /* a busy peer comes back at once */
		}
	}
	for (unsigned i = 0; i < CAPACITY; i++)
		cr_assert_geq(seen[i], 1, "peer %u", i);
}

Test(peer, bug_peer_counts_odd_capacities)
{
	static const uint32_t sizes[] = {1, 2, 63, 64, 65, 4095, 4096, 4097};

	for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct sl_peers p;
		uint32_t slots[2], facts[2], cursor = 0, last = UINT32_MAX;

		cr_assert_eq(sl_peers_init(&p, sizes[k], 1), 0);
		sl_peer_raise(&p, sizes[k] - 1, SL_FACT_ACTIVE);
		sl_peer_raise(&p, 0, SL_FACT_ACTIVE);
		for (unsigned i = 0; i < 2 && sl_peers_take_facts(&p, &cursor, slots, facts, 1) == 1; i++)
			last = slots[0];
		cr_expect_eq(last, sizes[k] - 1);
		cr_expect_eq(sl_peers_take_facts(&p, &cursor, slots, facts, 2), 0);
		sl_peers_fini(&p);
	}
}

#define RAISES 200000

static void *
raiser(void *arg)
{
	uint32_t fact = *(uint32_t *)arg;

	for (unsigned i = 0; i < RAISES; i++)
		sl_peer_raise(&peers, i * 61 % CAPACITY, fact);
	return NULL;
}

/* Whatever interleaves, at the end every raised fact has been or can be taken. */
Test(peer, facts_under_contention, .timeout = 60)
{
	static uint32_t seen[CAPACITY];
	uint32_t kinds[2] = {SL_FACT_ACTIVE, SL_FACT_NEED_SESSION};
	uint32_t slots[64], facts[64], cursor = 0;
	pthread_t threads[2];
	unsigned n;

	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, raiser, &kinds[i]), 0);
	for (unsigned i = 0; i < 2000; i++) {
		n = sl_peers_take_facts(&peers, &cursor, slots, facts, 64);
		for (unsigned k = 0; k < n; k++)
			seen[slots[k]] |= facts[k];
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	while ((n = sl_peers_take_facts(&peers, &cursor, slots, facts, 64)) > 0)
		for (unsigned k = 0; k < n; k++)
			seen[slots[k]] |= facts[k];
	for (unsigned i = 0; i < CAPACITY; i++)
		cr_assert_eq(seen[i], kinds[0] | kinds[1], "peer %u: %#x", i, seen[i]);
}

Test(peer, endpoint_records)
{
	static const struct {
		const char *remote, *local;
		uint8_t len;
		bool keeps_local;
	} cases[] = {
		{"192.0.2.7:51820", NULL, 28, false},
		{"192.0.2.7:1", "203.0.113.10", 28, true},
		{"192.0.2.7:65535", "2001:db8::1", 28, false},
		{"[2001:db8::7]:4000", NULL, 48, false},
		{"[2001:db8::7]:4000", "2001:db8::1", 48, true},
		{"[2001:db8::7]:4000", "203.0.113.10", 48, false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_endpoint remote, back;
		struct sl_outer outer, copy;
		struct sl_ip local, got;
		bool has_local = cases[i].local != NULL;

		cr_assert(sl_endpoint_parse(cases[i].remote, &remote));
		if (has_local)
			cr_assert(sl_ip_parse(cases[i].local, &local));
		sl_outer_make(&outer, &remote, has_local ? &local : NULL, 51820);
		cr_expect_eq(outer.len, cases[i].len);
		cr_assert(sl_peer_outer_write(&peers, 5, &outer));
		sl_peer_outer_read(&peers, 5, &copy);
		cr_expect_arr_eq(&copy, &outer, sizeof(outer));
		sl_outer_remote(&copy, &back);
		cr_expect(sl_endpoint_equal(&back, &remote), "%s", cases[i].remote);
		cr_expect_eq(sl_outer_local(&copy, &got), cases[i].keeps_local, "%s", cases[i].remote);
		if (cases[i].keeps_local)
			cr_expect(sl_ip_equal(&got, &local));
		cr_expect_eq(outer.hdr[outer.len - 8] << 8 | outer.hdr[outer.len - 7], 51820, "source port");
		cr_expect_eq(outer.hdr[0] >> 4, outer.family);
		cr_expect_eq(outer.hdr[outer.family == SL_AF_INET ? 8 : 7], SL_OUTER_TTL);
		cr_expect_eq(outer.hdr[outer.family == SL_AF_INET ? 9 : 6], 17);
	}
}

Test(peer, no_endpoint)
{
	struct sl_endpoint none = {0}, back = {.port = 9};
	struct sl_outer outer;
	struct sl_ip local;

	sl_outer_make(&outer, &none, NULL, 51820);
	cr_expect_eq(outer.family, SL_AF_NONE);
	sl_outer_remote(&outer, &back);
	cr_expect(sl_endpoint_equal(&back, &none));
	sl_peer_outer_read(&peers, 77, &outer);
	cr_expect_eq(outer.family, SL_AF_NONE, "a fresh slot has none");
	cr_expect(!sl_outer_local(&outer, &local));
}

static _Atomic bool stop;

static void *
rewriter(void *arg)
{
	uint8_t fill = *(uint8_t *)arg;
	struct sl_outer outer;

	while (!atomic_load(&stop)) {
		memset(&outer, fill, sizeof(outer));
		sl_peer_outer_write(&peers, 0, &outer);
		fill += 2;
	}
	return NULL;
}

Test(peer, endpoint_is_never_torn, .timeout = 60)
{
	uint8_t fills[2] = {0, 1};
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, rewriter, &fills[i]), 0);
	for (unsigned i = 0; i < 300000; i++) {
		uint8_t bytes[sizeof(struct sl_outer)];

		sl_peer_outer_read(&peers, 0, (struct sl_outer *)bytes);
		for (unsigned k = 1; k < sizeof(bytes); k++)
			cr_assert_eq(bytes[k], bytes[0], "torn at byte %u", k);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

Test(peer, a_busy_record_refuses_a_second_writer)
{
	struct sl_outer outer = {.family = SL_AF_INET};

	atomic_store(&peers.slots[0].endpoint_seq, 7);
	cr_expect(!sl_peer_outer_write(&peers, 0, &outer));
	atomic_store(&peers.slots[0].endpoint_seq, 8);
	cr_expect(sl_peer_outer_write(&peers, 0, &outer));
	cr_expect_eq(atomic_load(&peers.slots[0].endpoint_seq), 10);
}

/* --- stamps --- */

enum event { END, SEND, KEEPALIVE_OUT, RECV, KEEPALIVE_IN };

struct step {
	enum event event;
	uint16_t worker;
	uint64_t at; /* ns */
};

#define T (1000 * TICK)

/* What happens, by which worker, and what the timers must see; off: how much later than exact it may be. */
static const struct stamp_case {
	const char *what;
	struct step steps[10];
	uint64_t unanswered, owed, off;
} stamp_cases[] = {
	{"nothing", {{END}}, 0, 0, 0},
	{"data sent", {{SEND, 0, T}}, T, 0, 0},
	{"the first of several counts", {{SEND, 0, T}, {SEND, 0, T + 5}, {SEND, 0, T + 9 * TICK}}, T, 0, 0},
	{"keepalives sent do not count", {{KEEPALIVE_OUT, 0, T}}, 0, 0, 0},
	{"a keepalive answers", {{SEND, 0, T}, {KEEPALIVE_IN, 0, T + 1}}, 0, 0, 0},
	{"sent again after the answer", {{SEND, 0, T}, {RECV, 0, T + 1}, {SEND, 0, T + 2}}, T + 2, 0, 0},
	{"received, then sent in one pass", {{RECV, 0, T}, {SEND, 0, T}}, T, 0, 0},
	{"the same with an older first", {{SEND, 0, T - 9}, {RECV, 0, T}, {SEND, 0, T}, {SEND, 0, T + 9}}, T, 0, 0},
	{"data received", {{RECV, 0, T}, {RECV, 0, T + 3 * TICK}}, 0, T, 0},
	{"keepalives received oblige to nothing", {{KEEPALIVE_IN, 0, T}}, 0, 0, 0},
	{"a keepalive sent settles", {{RECV, 0, T}, {KEEPALIVE_OUT, 0, T}}, 0, 0, 0},
	{"received again after that", {{RECV, 0, T}, {KEEPALIVE_OUT, 0, T + 1}, {RECV, 0, T + 2}}, 0, T + 2, 0},
	{"received after a send in the pass before", {{KEEPALIVE_OUT, 0, T}, {RECV, 0, T + 1}, {RECV, 0, T + 2}}, 0, T + 1, 0},
	/* several workers */
	{"answered at another worker, long after", {{SEND, 0, T}, {RECV, 1, T + 5 * TICK}}, 0, T + 5 * TICK, 0},
	{"answered at another, within the tick", {{SEND, 0, T}, {KEEPALIVE_IN, 1, T + 100}}, 0, 0, 0},
	{"and sent again much later",
		{{SEND, 0, T}, {KEEPALIVE_IN, 1, T + 100}, {SEND, 0, T + 50 * TICK}, {SEND, 0, T + 60 * TICK}}, T + 50 * TICK, 0, 0},
	{"received at another within the tick, but before",
		{{KEEPALIVE_IN, 1, T}, {SEND, 0, T + 100}, {SEND, 0, T + 50 * TICK}}, T + 100, 0, 0},
	{"received before and after within the tick",
		{{KEEPALIVE_IN, 1, T}, {SEND, 0, T + 100}, {KEEPALIVE_IN, 1, T + 200}, {SEND, 0, T + 50 * TICK}}, T + 50 * TICK, 0, 0},
	{"two send, the earlier first counts", {{SEND, 0, T + 100}, {SEND, 1, T}, {SEND, 0, T + 7 * TICK}}, T, 0, 0},
	{"only one was answered in time", {{SEND, 0, T}, {KEEPALIVE_IN, 2, T + 4 * TICK}, {SEND, 1, T + 5 * TICK}}, T + 5 * TICK, 0, 0},
	{"a pass that began earlier stamps late",
		{{SEND, 0, T + 3}, {KEEPALIVE_IN, 2, T + 3 * TICK}, {KEEPALIVE_IN, 1, T + 3 * TICK - 1}, {SEND, 0, T + 4 * TICK}},
		T + 4 * TICK, 0, 0},
	{"settled by another worker's send", {{RECV, 0, T}, {KEEPALIVE_OUT, 1, T + 10}}, 0, 0, 0},
	{"settled within the tick, then owed anew",
		{{RECV, 0, T}, {KEEPALIVE_OUT, 1, T + 10}, {RECV, 0, T + 20 * TICK}, {RECV, 0, T + 30 * TICK}}, 0, T + 20 * TICK, 0},
	{"the other sent before", {{KEEPALIVE_OUT, 1, T}, {RECV, 0, T + 10}, {RECV, 0, T + 30 * TICK}}, 0, T + 10, 0},
	{"first ticks of the clock", {{SEND, 0, 1}, {RECV, 1, 2}, {SEND, 0, 3}}, 3, 0, TICK},
	{"52 days later",
		{{KEEPALIVE_IN, 1, T}, {SEND, 0, T + 10}, {SEND, 0, T + (TICK << 32) + 5}, {SEND, 0, T + (TICK << 32) + 6}}, T + 10, 0,
		TICK << 33},
};

Test(peer, stamps)
{
	for (unsigned i = 0; i < sizeof(stamp_cases) / sizeof(stamp_cases[0]); i++) {
		const struct stamp_case *c = &stamp_cases[i];
		struct sl_peer_totals t;

		for (const struct step *s = c->steps; s->event != END; s++) {
			bool data = s->event == SEND || s->event == RECV;

			if (s->event == SEND || s->event == KEEPALIVE_OUT)
				sl_peer_stamp_sent(&peers, s->worker, i, s->at, 32, data);
			else
				sl_peer_stamp_received(&peers, s->worker, i, s->at, 32, data);
		}
		sl_peer_totals(&peers, i, &t);
		cr_expect_geq(t.unanswered_since, c->unanswered, "%s: unanswered since %lu", c->what, t.unanswered_since);
		cr_expect_leq(t.unanswered_since, c->unanswered + c->off, "%s: unanswered since T%+ld", c->what,
			(long)(t.unanswered_since - T));
		cr_expect_eq(t.owed_since > T ? t.owed_since : c->owed, c->owed, "%s: owed since T%+ld", c->what,
			(long)(t.owed_since - T));
		if (c->off == 0)
			cr_expect_eq(t.owed_since, c->owed, "%s: owed since T%+ld", c->what, (long)(t.owed_since - T));
	}
}

Test(peer, totals_add_up_and_are_cleared)
{
	struct sl_peer_totals t;

	sl_peer_stamp_sent(&peers, 0, 9, T, 100, true);
	sl_peer_stamp_sent(&peers, 2, 9, T + 7, 32, false);
	sl_peer_stamp_received(&peers, 1, 9, T + 1, 1000, true);
	sl_peer_stamp_received(&peers, 2, 9, T + 9, 32, false);
	sl_peer_totals(&peers, 9, &t);
	cr_expect_eq(t.tx_bytes, 132);
	cr_expect_eq(t.rx_bytes, 1032);
	cr_expect_eq(t.sent, T + 7);
	cr_expect_eq(t.received, T + 9);
	cr_expect_eq(t.data_sent, T);
	cr_expect_eq(t.data_received, T + 1);
	sl_peer_stamps_clear(&peers, 9);
	sl_peer_totals(&peers, 9, &t);
	cr_expect_eq(t.tx_bytes + t.rx_bytes + t.sent + t.received + t.data_sent + t.data_received, 0);
	cr_expect_eq(t.unanswered_since + t.owed_since, 0);
	cr_expect_eq(atomic_load(&peers.slots[9].received_tick), 0);
}
