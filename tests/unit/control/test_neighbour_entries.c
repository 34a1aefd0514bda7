/* The set of neighbour entries against a plain list of the same. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "control/neighbour_entries.h"

#define N 300

static struct sl_ip
address(unsigned i)
{
	const uint8_t bytes[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};

	return sl_ip4(bytes);
}

Test(neighbour_entries, the_earliest_deadline_comes_first_whatever_is_changed)
{
	struct sl_neighbour_entries s;
	uint64_t deadlines[N] = {0}; /* 0: not there */
	unsigned there = 0;

	srand(1);
	cr_assert_eq(sl_neighbour_entries_init(&s, N - 50, 7), 0);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand() % N;
		struct sl_ip ip = address(i);
		struct sl_neighbour_entry *e = sl_neighbour_entries_find(&s, 1, &ip);
		uint64_t earliest = UINT64_MAX;

		cr_assert_eq(e != NULL, deadlines[i] != 0);
		if (!e) {
			e = sl_neighbour_entries_add(&s, 1, &ip);
			cr_assert_eq(e != NULL, there < N - 50);
			if (!e)
				continue;
			there++;
		} else if (rand() % 4 == 0) {
			sl_neighbour_entries_remove(&s, e);
			deadlines[i] = 0;
			there--;
			e = NULL;
		}
		if (e) {
			deadlines[i] = 1 + (uint64_t)rand() % 1000;
			sl_neighbour_entries_set_deadline(&s, e, deadlines[i]);
		}
		for (unsigned j = 0; j < N; j++)
			if (deadlines[j] && deadlines[j] < earliest)
				earliest = deadlines[j];
		e = sl_neighbour_entries_first(&s);
		cr_assert_eq(s.n, there);
		cr_assert_eq(e ? e->deadline : UINT64_MAX, earliest, "step %u", step);
	}
	sl_neighbour_entries_fini(&s);
}

Test(neighbour_entries, an_address_on_two_interfaces_is_two_neighbours)
{
	struct sl_neighbour_entries s;
	struct sl_ip ip = address(1);

	cr_assert_eq(sl_neighbour_entries_init(&s, 10, 7), 0);
	cr_assert_neq(sl_neighbour_entries_add(&s, 1, &ip), sl_neighbour_entries_add(&s, 2, &ip));
	sl_neighbour_entries_set_state(&s, sl_neighbour_entries_find(&s, 1, &ip), SL_NEIGHBOUR_INCOMPLETE);
	sl_neighbour_entries_remove_if(&s, 1);
	cr_expect_null(sl_neighbour_entries_find(&s, 1, &ip));
	cr_expect_not_null(sl_neighbour_entries_find(&s, 2, &ip));
	cr_expect_eq(s.n_unresolved, 0);
	cr_expect(TAILQ_EMPTY(&s.unresolved));
	sl_neighbour_entries_fini(&s);
}
