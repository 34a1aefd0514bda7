/*
 * The order ring: order, one taker per ticket, nothing lost, under every interleaving that seeds and threads bring about.
 * The model of order_model.c runs here too, and once more under the thread sanitizer (order_threads.c).
 */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/order_ring.h"
#include "tests/unit/dataplane/order_model.h"

#define CLAIMERS 4

static struct sl_order_ring ring;

static uint64_t
rnd(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ z >> 29;
}

Test(order_ring, a_ticket_is_taken_back_only_when_it_is_done)
{
	uint64_t cursor = 0, other = 0;
	unsigned place, first;

	sl_order_ring_init(&ring);
	cr_expect(!sl_order_ring_next_done(&ring, &place), "nothing is out");
	cr_expect(!sl_order_ring_claim(&ring, &cursor, &place));
	first = sl_order_ring_place(&ring);
	sl_order_ring_append(&ring);
	sl_order_ring_append(&ring);
	cr_expect_eq(sl_order_ring_out(&ring), 2);
	cr_expect(!sl_order_ring_next_done(&ring, &place), "nobody has it");
	cr_assert(sl_order_ring_claim(&ring, &cursor, &place));
	cr_expect_eq(place, first, "the oldest goes first");
	cr_expect(!sl_order_ring_next_done(&ring, &place), "somebody has it");
	cr_assert(sl_order_ring_claim(&ring, &other, &place));
	cr_expect_neq(place, first);
	sl_order_ring_done(&ring, place);
	cr_expect(!sl_order_ring_next_done(&ring, &place), "the second is done, but not the first");
	cr_expect(!sl_order_ring_claim(&ring, &other, &place));
	sl_order_ring_done(&ring, first);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert(sl_order_ring_next_done(&ring, &place));
		cr_expect_eq(place, first + i);
		sl_order_ring_take(&ring);
	}
	cr_expect(!sl_order_ring_next_done(&ring, &place));
	cr_expect_eq(sl_order_ring_out(&ring), 0);
}

Test(order_ring, the_owners_own_ticket_is_nobody_elses)
{
	uint64_t cursor = 0;
	unsigned place;

	sl_order_ring_init(&ring);
	sl_order_ring_append_claimed(&ring);
	cr_expect(!sl_order_ring_waiting(&ring, &cursor));
	cr_expect(!sl_order_ring_claim(&ring, &cursor, &place));
	cr_expect(!sl_order_ring_next_done(&ring, &place));
	sl_order_ring_done(&ring, 0);
	cr_expect(sl_order_ring_next_done(&ring, &place));
}

Test(order_ring, a_place_is_free_only_when_it_is_freed)
{
	uint64_t cursor = 0;
	unsigned place;

	sl_order_ring_init(&ring);
	for (unsigned i = 0; i < SL_ORDER_TICKETS; i++) {
		cr_assert(!sl_order_ring_full(&ring));
		sl_order_ring_append(&ring);
	}
	cr_expect(sl_order_ring_full(&ring));
	cr_assert(sl_order_ring_claim(&ring, &cursor, &place));
	sl_order_ring_done(&ring, place);
	sl_order_ring_take(&ring);
	cr_expect(sl_order_ring_full(&ring), "it still holds what it stands for");
	sl_order_ring_free(&ring);
	cr_expect(!sl_order_ring_full(&ring));
}

Test(order_ring, a_cursor_left_behind_finds_what_is_there_now)
{
	uint64_t cursor = 0, left_behind = 0;
	unsigned place, mine;

	sl_order_ring_init(&ring);
	for (unsigned i = 0; i < 5 * SL_ORDER_TICKETS + 7; i++) {
		sl_order_ring_append(&ring);
		cr_assert(sl_order_ring_claim(&ring, &cursor, &place));
		sl_order_ring_done(&ring, place);
		sl_order_ring_take(&ring);
		sl_order_ring_free(&ring);
	}
	cr_expect(!sl_order_ring_waiting(&ring, &left_behind));
	mine = sl_order_ring_place(&ring);
	sl_order_ring_append(&ring);
	cr_assert(sl_order_ring_claim(&ring, &left_behind, &place));
	cr_expect_eq(place, mine);
}

/* One thread does what the owner and some claimers do, step by step in a random order. */
struct steps {
	uint64_t random;
	uint64_t cursors[CLAIMERS];
	int has[CLAIMERS];                  /* place, or -1 */
	uint64_t number[SL_ORDER_TICKETS];  /* what stands at each place */
	bool opened[SL_ORDER_TICKETS];
	uint64_t appended, taken, claims;
};

static void
step_owner(struct steps *s, unsigned kind)
{
	unsigned place;

	switch (kind) {
	case 0:
	case 1:
		if (sl_order_ring_full(&ring))
			return;
		place = sl_order_ring_place(&ring);
		s->number[place] = s->appended++;
		s->opened[place] = false;
		if (rnd(&s->random) % 8 == 0) {
			sl_order_ring_append_claimed(&ring);
			s->opened[place] = true;
			s->claims++;
			sl_order_ring_done(&ring, place);
		} else {
			sl_order_ring_append(&ring);
		}
		return;
	case 2:
		if (!sl_order_ring_next_done(&ring, &place))
			return;
		cr_assert(s->opened[place], "ticket %lu was taken back unopened", s->number[place]);
		cr_assert_eq(s->number[place], s->taken, "in order");
		s->taken++;
		sl_order_ring_take(&ring);
		return;
	case 3:
		sl_order_ring_free(&ring);
		return;
	}
}

static void
step_claimer(struct steps *s, unsigned i)
{
	unsigned place;

	if (s->has[i] >= 0) {
		cr_assert(!s->opened[s->has[i]], "ticket %lu was claimed twice", s->number[s->has[i]]);
		s->opened[s->has[i]] = true;
		sl_order_ring_done(&ring, (unsigned)s->has[i]);
		s->has[i] = -1;
	} else if (sl_order_ring_claim(&ring, &s->cursors[i], &place)) {
		for (unsigned k = 0; k < CLAIMERS; k++)
			cr_assert_neq(s->has[k], (int)place, "two have ticket %lu", s->number[place]);
		s->has[i] = (int)place;
		s->claims++;
	}
}

Test(order_ring, random_interleavings)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct steps s = {.random = seed, .has = {-1, -1, -1, -1}};
		unsigned slow = (unsigned)seed % 20;

		sl_order_ring_init(&ring);
		for (unsigned i = 0; i < 50000; i++) {
			unsigned who = (unsigned)(rnd(&s.random) % (CLAIMERS + 4));

			if (who >= CLAIMERS)
				step_owner(&s, (unsigned)(rnd(&s.random) % 4));
			else if (who > 0 || rnd(&s.random) % 20 >= slow)
				step_claimer(&s, who);
		}
		for (unsigned i = 0; s.taken < s.appended; i++) {
			cr_assert_lt(i, 1000000, "the rest does not come");
			for (unsigned k = 0; k < CLAIMERS; k++)
				step_claimer(&s, k);
			step_owner(&s, 2);
		}
		cr_expect_eq(s.claims, s.appended, "each once");
		cr_expect_gt(s.appended, 1000);
	}
}

static uint64_t
packets(uint64_t fewer)
{
	const char *text = getenv("SL_ORDER_PACKETS");

	return text ? strtoull(text, NULL, 10) : fewer;
}

static void
run_model(struct order_model_config cfg)
{
	struct order_model_result r = order_model_run(&cfg);

	cr_expect_null(r.wrong, "seed %lu: %s", cfg.seed, r.wrong);
	cr_expect_geq(r.received, cfg.packets);
	cr_expect_eq(r.received, r.delivered + r.replayed + r.full + r.gone);
	cr_expect_gt(r.replayed, 0);
	cr_expect_gt(r.helped, 0);
	cr_expect_gt(r.own, 0);
	if (cfg.control)
		cr_expect_gt(r.rotations, 0);
}

Test(order_ring, threads_keep_the_order)
{
	run_model((struct order_model_config){.seed = 11, .packets = packets(1000000), .helpers = 1, .full = SL_ORDER_TICKETS});
	run_model((struct order_model_config){.seed = 12, .packets = packets(1000000), .helpers = 3, .full = SL_ORDER_TICKETS});
}

Test(order_ring, threads_switch_rotate_remove_and_stop)
{
	run_model((struct order_model_config){.seed = 21, .packets = packets(1000000), .helpers = 2, .full = SL_ORDER_TICKETS,
		.switching = true, .control = true});
	run_model((struct order_model_config){
		.seed = 22, .packets = packets(1000000), .helpers = 4, .full = 5, .switching = true, .control = true});
}
