/* Deferred freeing: order of events decides, no clock and no threads. */
#include "dataplane/reclaim.h"

#include <stdbool.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/qsbr.h"

struct object {
	struct sl_reclaim_node node;
	bool freed;
	struct sl_reclaim *again; /* handed in once more when freed */
};

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim r;

static void setup(void)
{
	rcu = test_qsbr(2);
	sl_reclaim_init(&r, rcu);
}

static void teardown(void)
{
	free(rcu);
}

TestSuite(reclaim, .init = setup, .fini = teardown);

static void release(void *ctx, void *ptr)
{
	struct object *o = ptr;

	cr_assert_eq(ctx, rcu);
	cr_assert_not(o->freed, "freed twice");
	o->freed = true;
	if (o->again != NULL) {
		struct sl_reclaim *again = o->again;

		o->again = NULL;
		o->freed = false;
		sl_reclaim_defer(again, &o->node, release, rcu, o);
	}
}

static void defer(struct object *o)
{
	sl_reclaim_defer(&r, &o->node, release, rcu, o);
}

static void reader_on(unsigned id)
{
	cr_assert_eq(rte_rcu_qsbr_thread_register(rcu, id), 0);
	rte_rcu_qsbr_thread_online(rcu, id);
}

Test(reclaim, without_readers_the_next_poll_frees)
{
	struct object o = {0};

	cr_expect_eq(sl_reclaim_poll(&r), 0);
	defer(&o);
	cr_expect_not(o.freed);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
	cr_expect(o.freed);
	cr_expect_eq(r.pending, 0);
	cr_expect_eq(r.freed, 1);
}

Test(reclaim, waits_for_every_online_reader)
{
	struct object o = {0};

	reader_on(0);
	reader_on(1);
	defer(&o);
	cr_expect_eq(sl_reclaim_poll(&r), 0);
	rte_rcu_qsbr_quiescent(rcu, 0);
	cr_expect_eq(sl_reclaim_poll(&r), 0);
	cr_expect_not(o.freed);
	rte_rcu_qsbr_quiescent(rcu, 1);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
	cr_expect(o.freed);
}

/* The token is taken in the poll, so a report before it is no evidence. */
Test(reclaim, a_report_before_the_poll_does_not_count)
{
	struct object o = {0};

	reader_on(0);
	defer(&o);
	rte_rcu_qsbr_quiescent(rcu, 0);
	cr_expect_eq(sl_reclaim_poll(&r), 0);
	rte_rcu_qsbr_quiescent(rcu, 0);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
}

Test(reclaim, a_reader_that_goes_offline_counts_as_done)
{
	struct object o = {0};

	reader_on(0);
	defer(&o);
	cr_expect_eq(sl_reclaim_poll(&r), 0);
	rte_rcu_qsbr_thread_offline(rcu, 0);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
}

Test(reclaim, objects_between_two_polls_share_a_token)
{
	struct object o[5] = {0};
	uint64_t token = rcu->token;

	reader_on(0);
	for (unsigned i = 0; i < 3; i++) {
		defer(&o[i]);
		cr_expect(sl_reclaim_is_open(&o[i].node));
	}
	sl_reclaim_poll(&r);
	cr_expect_eq(rcu->token, token + 1);
	cr_expect_not(sl_reclaim_is_open(&o[0].node));
	defer(&o[3]);
	defer(&o[4]);
	cr_expect(sl_reclaim_is_open(&o[4].node));
	rte_rcu_qsbr_quiescent(rcu, 0);
	cr_expect_eq(sl_reclaim_poll(&r), 3, "the later two wait for a later report");
	cr_expect(o[0].freed && o[1].freed && o[2].freed && !o[3].freed && !o[4].freed);
	cr_expect_eq(r.pending, 2);
	rte_rcu_qsbr_quiescent(rcu, 0);
	cr_expect_eq(sl_reclaim_poll(&r), 2);
	sl_reclaim_poll(&r);
	cr_expect_eq(rcu->token, token + 2, "a poll with nothing new takes no token");
}

Test(reclaim, a_poll_is_bounded)
{
	struct object *o = calloc(SL_RECLAIM_BUDGET * 2 + 1, sizeof(*o));

	cr_assert_not_null(o);
	for (unsigned i = 0; i < SL_RECLAIM_BUDGET * 2 + 1; i++)
		defer(&o[i]);
	cr_expect_eq(sl_reclaim_poll(&r), SL_RECLAIM_BUDGET);
	cr_expect_eq(sl_reclaim_poll(&r), SL_RECLAIM_BUDGET);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
	cr_expect_eq(r.pending, 0);
	free(o);
}

Test(reclaim, freeing_may_hand_in_more)
{
	struct object o = {.again = &r};

	defer(&o);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
	cr_expect_not(o.freed);
	cr_expect_eq(r.pending, 1);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
	cr_expect(o.freed);
}

Test(reclaim, drain_frees_everything)
{
	struct object o[3] = {0};

	o[0].again = &r;
	defer(&o[0]);
	sl_reclaim_poll(&r);
	defer(&o[1]);
	defer(&o[2]);
	sl_reclaim_drain(&r);
	cr_expect(o[0].freed && o[1].freed && o[2].freed);
	cr_expect_eq(r.pending, 0);
	cr_expect_eq(r.freed, 4);
}
