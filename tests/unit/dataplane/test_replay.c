/* The replay window as a table of counters and verdicts, and against a plain set. */
#include "dataplane/replay.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#define W   SL_COUNTER_WINDOW_SIZE
#define REJ SL_REJECT_AFTER_MESSAGES

struct step {
	uint64_t counter;
	bool accept;
};

struct sequence {
	const char *name;
	struct step steps[24];
	unsigned n;
};

#define SEQUENCE(name, ...)                                                                                            \
	{                                                                                                              \
		name, {__VA_ARGS__}, sizeof((struct step[]){__VA_ARGS__}) / sizeof(struct step)                        \
	}

static const struct sequence sequences[] = {
        SEQUENCE("counter 0 is valid, once", {0, true}, {0, false}, {1, true}, {0, false}),
        SEQUENCE("1 before 0", {1, true}, {0, true}, {0, false}, {1, false}),
        SEQUENCE("gaps stay open", {0, true}, {1, true}, {1, false}, {9, true}, {8, true}, {7, true}, {7, false},
                {8, false}, {9, false}, {2, true}, {2, false}),
        SEQUENCE("the oldest of the window", {W, true}, {0, true}, {0, false}, {W + 1, true}, {0, false}, {1, true},
                {1, false}),
        SEQUENCE("one behind the window", {W + 1, true}, {0, false}, {1, true}, {2, true}, {W + 2, true}, {1, false},
                {2, false}, {3, true}),
        SEQUENCE("the word that is reused is empty", {63, true}, {W + 64, true}, {63, false}, {64, true}, {W, true},
                {W, false}),
        SEQUENCE("ring length further is another counter", {5, true}, {SL_COUNTER_BITS + 5, true}, {5, false},
                {SL_COUNTER_BITS + 5, false}, {SL_COUNTER_BITS + 4, true}),
        SEQUENCE("a jump by several rings", {3, true}, {10 * SL_COUNTER_BITS, true}, {10 * SL_COUNTER_BITS - 1, true},
                {10 * SL_COUNTER_BITS - W, true}, {10 * SL_COUNTER_BITS - W - 1, false}, {3, false}),
        SEQUENCE("a jump of 127, 128 and 129 words", {64, true}, {64 + 127 * 64, true}, {64, false},
                {64 + 255 * 64, true}, {64 + 127 * 64, false}, {64 + 384 * 64, true}, {64 + 255 * 64, false},
                {65 + 257 * 64, true}),
        SEQUENCE("the first is large", {W * 4, true}, {0, false}, {W * 3, true}, {W * 3, false}, {W * 3 - 1, false}),
        SEQUENCE("limit of messages", {REJ, false}, {REJ - 1, true}, {REJ, false}, {REJ + 1, false},
                {UINT64_MAX, false}, {REJ - 1, false}, {REJ - 2, true}, {REJ - 2, false}, {0, false}),
        SEQUENCE("no overflow near 2^64", {UINT64_MAX, false}, {0, true}, {UINT64_MAX - 1, false}, {REJ - 1 - W, true},
                {REJ - 1, true}, {REJ - 1 - W, false}, {REJ - W, true}, {REJ - 2 - W, false}),
        SEQUENCE(
                "a refused one moves nothing", {100, true}, {UINT64_MAX, false}, {99, true}, {100, false}, {101, true}),
};

Test(replay, p26_table)
{
	for (unsigned s = 0; s < sizeof(sequences) / sizeof(*sequences); s++) {
		struct sl_replay r;

		memset(&r, 0xff, sizeof(r));
		sl_replay_init(&r);
		for (unsigned i = 0; i < sequences[s].n; i++) {
			const struct step *step = &sequences[s].steps[i];

			cr_expect_eq(sl_replay_accept(&r, step->counter), step->accept, "%s, step %u: counter %lu",
			        sequences[s].name, i, step->counter);
		}
	}
}

/* Every counter of three rings forwards; backwards within the window; each refused the second time. */
Test(replay, p26_every_counter_once)
{
	struct sl_replay r = {0};

	for (uint64_t c = 0; c < 3 * SL_COUNTER_BITS; c++) {
		cr_assert(sl_replay_accept(&r, c), "%lu", c);
		cr_assert_not(sl_replay_accept(&r, c), "%lu", c);
	}
	for (uint64_t c = 0; c < 3 * SL_COUNTER_BITS; c++)
		cr_assert_not(sl_replay_accept(&r, c), "%lu", c);
	sl_replay_init(&r);
	cr_assert(sl_replay_accept(&r, W + 1));
	for (uint64_t c = W; c >= 1; c--)
		cr_assert(sl_replay_accept(&r, c), "%lu", c);
	cr_assert_not(sl_replay_accept(&r, 0));
	for (uint64_t c = W + 1; c >= 1; c--)
		cr_assert_not(sl_replay_accept(&r, c), "%lu", c);
}

/* Random walks against an array of all counters. */
Test(replay, p26_random_against_plain_set)
{
	enum { SPAN = 200000 };
	bool *seen = calloc(SPAN, sizeof(*seen));
	struct sl_replay r = {0};
	uint64_t greatest = 0, state = 42;

	cr_assert_not_null(seen);
	for (unsigned i = 0; i < 400000; i++) {
		uint64_t step, c;
		bool want;

		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		step = state >> 40;
		c = step % 16 == 0     ? greatest + (step >> 4) % 50
		    : step % 1999 == 1 ? greatest + (step >> 4) % 20000
		                       : greatest - (greatest < (step >> 4) % 9000 ? greatest : (step >> 4) % 9000);
		if (c >= SPAN)
			break;
		want = !seen[c] && (c > greatest || greatest - c <= W);
		cr_assert_eq(sl_replay_accept(&r, c), want, "counter %lu, greatest %lu", c, greatest);
		seen[c] |= want;
		greatest = want && c > greatest ? c : greatest;
	}
	cr_assert_gt(greatest, SPAN / 4);
	free(seen);
}
