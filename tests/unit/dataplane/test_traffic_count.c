#include <criterion/criterion.h>

#include <stdlib.h>

#include "dataplane/traffic_count.h"

#define RUN UINT64_C(42)
#define END UINT64_MAX

struct tally {
	uint64_t received, lost, duplicates, reordered, late, extent;
};

static struct tally
tally_of(const struct sl_traffic_count *c, uint64_t run)
{
	struct sl_traffic_stats s = {0};
	struct sl_traffic_reading r = {0};

	sl_traffic_count_read(c, run, &r);
	sl_traffic_stats_add(&s, &r);
	return (struct tally){s.received, s.lost, s.duplicates, s.reordered, s.late, s.extent};
}

static void
expect_tally(struct tally found, struct tally wanted, const char *what)
{
	cr_expect_eq(found.received, wanted.received, "%s: received %lu", what, found.received);
	cr_expect_eq(found.lost, wanted.lost, "%s: lost %lu", what, found.lost);
	cr_expect_eq(found.duplicates, wanted.duplicates, "%s: duplicates %lu", what, found.duplicates);
	cr_expect_eq(found.reordered, wanted.reordered, "%s: reordered %lu", what, found.reordered);
	cr_expect_eq(found.late, wanted.late, "%s: late %lu", what, found.late);
	cr_expect_eq(found.extent, wanted.extent, "%s: extent %lu", what, found.extent);
}

Test(traffic_count, orders_of_arrival)
{
	static const struct {
		const char *what;
		uint64_t seqs[16];
		struct tally wanted;
	} cases[] = {
		{"nothing", {END}, {0}},
		{"in order", {0, 1, 2, 3, END}, {.received = 4}},
		{"the first one lost", {1, 2, END}, {.received = 2, .lost = 1}},
		{"one lost", {0, 1, 3, END}, {.received = 3, .lost = 1}},
		{"a gap", {0, 9, END}, {.received = 2, .lost = 8}},
		{"twice", {0, 1, 1, 2, END}, {.received = 3, .duplicates = 1}},
		{"the first twice, later", {0, 1, 2, 0, END}, {.received = 3, .duplicates = 1}},
		{"three times", {0, 0, 0, END}, {.received = 1, .duplicates = 2}},
		{"two swapped", {0, 2, 1, 3, END}, {.received = 4, .reordered = 1, .extent = 1}},
		/* the example of RFC 4737 section 7.1: packet 4 arrives after 5, 6, 7 and 8 */
		{"one comes four later", {1, 2, 3, 5, 6, 7, 8, 4, 9, 10, END},
			{.received = 10, .lost = 1, .reordered = 1, .extent = 4}},
		/* 7, 8 and 9 arrive early; extents are counted from the first of those that came too early */
		{"three come early", {1, 2, 3, 4, 7, 8, 9, 5, 6, 10, END},
			{.received = 10, .lost = 1, .reordered = 2, .extent = 4}},
		{"backwards", {3, 2, 1, 0, END}, {.received = 4, .reordered = 3, .extent = 3}},
		{"reordered and twice", {0, 2, 1, 1, END}, {.received = 3, .reordered = 1, .duplicates = 1, .extent = 1}},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_traffic_count *c = calloc(1, sizeof(*c));

		for (unsigned k = 0; cases[i].seqs[k] != END; k++)
			sl_traffic_count_add(c, RUN, cases[i].seqs[k], 0, 0, 100);
		expect_tally(tally_of(c, RUN), cases[i].wanted, cases[i].what);
		free(c);
	}
}

Test(traffic_count, the_window_tells_duplicates_from_late_ones)
{
	static struct sl_traffic_count c;
	const uint64_t top = 10 * SL_TRAFFIC_WINDOW;

	sl_traffic_count_add(&c, RUN, 5, 0, 0, 1);
	sl_traffic_count_add(&c, RUN, top, 0, 0, 1);
	/* the oldest place of the window, and one before it */
	sl_traffic_count_add(&c, RUN, top - SL_TRAFFIC_WINDOW + 1, 0, 0, 1);
	expect_tally(tally_of(&c, RUN), (struct tally){.received = 3, .lost = top + 1 - 3, .reordered = 1, .extent = 1}, "inside");
	sl_traffic_count_add(&c, RUN, top - SL_TRAFFIC_WINDOW + 1, 0, 0, 1);
	sl_traffic_count_add(&c, RUN, top - SL_TRAFFIC_WINDOW, 0, 0, 1);
	sl_traffic_count_add(&c, RUN, 5, 0, 0, 1);
	expect_tally(tally_of(&c, RUN),
		(struct tally){.received = 3, .lost = top + 1 - 3, .reordered = 1, .duplicates = 1, .late = 2, .extent = 1}, "outside");
	/* places are used again: what was seen a window ago is not seen now */
	for (uint64_t s = top + 1; s < top + 3 * SL_TRAFFIC_WINDOW; s += 2)
		sl_traffic_count_add(&c, RUN, s, 0, 0, 1);
	for (uint64_t s = top + 2 * SL_TRAFFIC_WINDOW + 2; s < top + 3 * SL_TRAFFIC_WINDOW; s += 2)
		sl_traffic_count_add(&c, RUN, s, 0, 0, 1);
	cr_expect_eq(tally_of(&c, RUN).duplicates, 1u);
}

/* Against a plain model that remembers everything, over arrivals with loss, duplicates and displacements. */
Test(traffic_count, agrees_with_a_plain_model)
{
	enum { N = 20000 };
	static struct sl_traffic_count c;
	static unsigned char seen[N];
	struct tally wanted = {0};
	uint64_t next = 0;

	srandom(4737);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t seq = i;

		if (random() % 10 == 0)
			continue;
		if (random() % 10 == 0 && i > 50)
			seq = i - (uint64_t)(random() % 50);
		sl_traffic_count_add(&c, RUN, seq, 0, 0, 1);
		if (seen[seq]) {
			wanted.duplicates++;
			continue;
		}
		seen[seq] = 1;
		wanted.received++;
		wanted.reordered += seq < next;
		next = seq >= next ? seq + 1 : next;
	}
	wanted.lost = next - wanted.received;
	wanted.extent = tally_of(&c, RUN).extent;
	expect_tally(tally_of(&c, RUN), wanted, "model");
	cr_expect(wanted.extent > 10 && wanted.extent <= 50);
}

Test(traffic_count, trials_do_not_mix)
{
	static struct sl_traffic_count c;

	sl_traffic_count_add(&c, 1, 0, 0, 0, 10);
	sl_traffic_count_add(&c, 1, 5, 0, 0, 10);
	expect_tally(tally_of(&c, 2), (struct tally){0}, "the next trial, before it begins");
	sl_traffic_count_add(&c, 2, 0, 0, 0, 10);
	expect_tally(tally_of(&c, 2), (struct tally){.received = 1}, "the next trial");
	expect_tally(tally_of(&c, 1), (struct tally){0}, "the old one");
	cr_expect_neq(sl_traffic_run(8, 1), sl_traffic_run(16, 1));
}

Test(traffic_count, receivers_of_one_flow_are_merged)
{
	static struct sl_traffic_count a, b;
	struct sl_traffic_stats s = {0};
	struct sl_traffic_reading r = {0};

	for (uint64_t seq = 0; seq < 100; seq++)
		if (seq != 50)
			sl_traffic_count_add(seq % 2 ? &a : &b, RUN, seq, 0, 0, 10);
	sl_traffic_count_read(&a, RUN, &r);
	sl_traffic_count_read(&b, RUN, &r);
	sl_traffic_stats_add(&s, &r);
	cr_expect_eq(s.received, 99u);
	cr_expect_eq(s.lost, 1u);
	cr_expect_eq(s.received_bytes, 990u);
	cr_expect_eq(s.reordered, 0u);
}

/* RFC 3550 section 6.4.1: J += (|D| - J) / 16, the clocks' difference being of no account. */
Test(traffic_count, jitter)
{
	static const uint64_t offsets[] = {0, 1000000, UINT64_MAX - 500000}; /* the receiver's clock may be behind */

	for (unsigned o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
		static struct sl_traffic_count c;
		struct sl_traffic_reading r = {0};
		double jitter = 0;

		c = (struct sl_traffic_count){0};
		for (uint64_t seq = 0; seq < 200; seq++) {
			uint64_t stamp = 1000000 + seq * 1000, delay = 300 + (seq % 2) * 64;

			sl_traffic_count_add(&c, RUN, seq, stamp, stamp + delay + offsets[o], 1);
			if (seq > 0)
				jitter += (64 - jitter) / 16;
		}
		sl_traffic_count_read(&c, RUN, &r);
		cr_expect_float_eq((double)r.jitter, jitter, 2, "%lu for %f", r.jitter, jitter);
		cr_expect(r.jitter >= 60 && r.jitter <= 64);
	}
}
