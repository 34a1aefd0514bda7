/* The timing wheel against a plain array of deadlines. */
#include "control/proto/wheel.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#define NODES 500
#define STEPS 4000

static struct sl_wheel wheel;
static struct sl_wheel_node nodes[NODES];
static uint64_t model[NODES]; /* deadline; 0: not armed */

static uint64_t
random64(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 20 ^ *seed << 30;
}

static uint64_t
earliest(void)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < NODES; i++)
		if (model[i] && model[i] < first)
			first = model[i];
	return first;
}

/* All that expires at now is what the model says, no more and no less. */
static void
expire(uint64_t now)
{
	struct sl_wheel_node *node;

	while ((node = sl_wheel_expire(&wheel, now)) != NULL) {
		size_t i = (size_t)(node - nodes);

		cr_assert_neq(model[i], 0, "node %zu was not armed", i);
		cr_assert_leq(model[i], now, "node %zu early: %lu at %lu", i, model[i], now);
		cr_assert_not(sl_wheel_armed(node));
		model[i] = 0;
	}
	cr_assert_gt(earliest(), now, "a deadline of %lu was missed at %lu", earliest(), now);
}

static void
run_model(uint64_t seed, unsigned reach_bits)
{
	uint64_t now = 1 + random64(&seed) % (UINT64_C(1) << 50);

	sl_wheel_init(&wheel, now);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)(random64(&seed) % NODES);
		uint64_t next;

		switch (random64(&seed) % 8) {
		case 0:
			sl_wheel_cancel(&wheel, &nodes[i]);
			model[i] = 0;
			break;
		case 1:
			now += random64(&seed) % (UINT64_C(1) << random64(&seed) % reach_bits);
			expire(now);
			break;
		case 2:
			next = sl_wheel_next(&wheel);
			cr_assert_leq(next, earliest());
			if (next != UINT64_MAX && next > now)
				expire(now = next);
			break;
		default:
			model[i] = now + random64(&seed) % (UINT64_C(1) << random64(&seed) % reach_bits);
			sl_wheel_arm(&wheel, &nodes[i], model[i]);
			cr_assert(sl_wheel_armed(&nodes[i]));
		}
	}
	while (earliest() != UINT64_MAX)
		expire(now = earliest());
	cr_assert_eq(wheel.armed, 0);
	cr_assert_eq(sl_wheel_next(&wheel), UINT64_MAX);
}

Test(proto_wheel, as_a_plain_array)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		run_model(seed, 30);
		run_model(seed, 45);
		run_model(seed, 56); /* beyond the last level */
	}
}

/* The exact nanosecond, not the tick. */
Test(proto_wheel, exact)
{
	static const uint64_t ahead[] = {0, 1, 999, 1 << 20, (1 << 20) + 1, UINT64_C(1) << 28, UINT64_C(15333000000),
		UINT64_C(1) << 36, UINT64_C(540000000000), UINT64_C(65535000000000), UINT64_C(1) << 54};
	uint64_t start = UINT64_C(123456789123);

	for (unsigned i = 0; i < sizeof(ahead) / sizeof(*ahead); i++) {
		sl_wheel_init(&wheel, start);
		nodes[0] = (struct sl_wheel_node){0};
		sl_wheel_arm(&wheel, &nodes[0], start + ahead[i]);
		if (ahead[i] > 0)
			cr_assert_null(sl_wheel_expire(&wheel, start + ahead[i] - 1), "%lu", ahead[i]);
		cr_assert_eq(sl_wheel_expire(&wheel, start + ahead[i]), &nodes[0], "%lu", ahead[i]);
		cr_assert_null(sl_wheel_expire(&wheel, start + ahead[i]));
	}
}

/* Following sl_wheel_next alone reaches a far deadline in few steps. */
Test(proto_wheel, sleeps_long)
{
	uint64_t now = 5, deadline = UINT64_C(3600000000000);
	unsigned steps = 0;

	sl_wheel_init(&wheel, now);
	nodes[0] = (struct sl_wheel_node){0};
	sl_wheel_arm(&wheel, &nodes[0], deadline);
	while (sl_wheel_expire(&wheel, now) == NULL) {
		now = sl_wheel_next(&wheel);
		cr_assert_leq(now, deadline);
		cr_assert_lt(++steps, 6);
	}
	cr_assert_eq(now, deadline);
}
