#include "dataplane/reclaim.h"

void sl_reclaim_init(struct sl_reclaim *r, struct rte_rcu_qsbr *rcu)
{
	*r = (struct sl_reclaim){.rcu = rcu};
	r->open_tail = &r->open;
	r->waiting_tail = &r->waiting;
}

void sl_reclaim_defer(struct sl_reclaim *r, struct sl_reclaim_node *node, sl_reclaim_fn fn, void *ctx, void *ptr)
{
	*node = (struct sl_reclaim_node){.fn = fn, .ctx = ctx, .ptr = ptr};
	*r->open_tail = node;
	r->open_tail = &node->next;
	r->pending++;
}

/* Gives everything handed in so far one token. */
static void close_open(struct sl_reclaim *r)
{
	uint64_t token;

	if (r->open == NULL)
		return;
	token = rte_rcu_qsbr_start(r->rcu);
	for (struct sl_reclaim_node *n = r->open; n != NULL; n = n->next)
		n->token = token;
	*r->waiting_tail = r->open;
	r->waiting_tail = r->open_tail;
	r->open = NULL;
	r->open_tail = &r->open;
}

/* Frees the oldest objects whose token is at most `token`, `budget` of them at most. */
static unsigned free_passed(struct sl_reclaim *r, uint64_t token, unsigned budget)
{
	unsigned freed = 0;

	while (freed < budget && r->waiting != NULL && r->waiting->token <= token) {
		struct sl_reclaim_node n = *r->waiting;

		r->waiting = n.next;
		if (r->waiting == NULL)
			r->waiting_tail = &r->waiting;
		r->pending--;
		r->freed++;
		freed++;
		n.fn(n.ctx, n.ptr);
	}
	return freed;
}

unsigned sl_reclaim_poll(struct sl_reclaim *r)
{
	unsigned freed = 0;

	close_open(r);
	while (freed < SL_RECLAIM_BUDGET && r->waiting != NULL) {
		uint64_t token = r->waiting->token;

		if (rte_rcu_qsbr_check(r->rcu, token, false) == 0)
			break;
		freed += free_passed(r, token, SL_RECLAIM_BUDGET - freed);
	}
	return freed;
}

void sl_reclaim_drain(struct sl_reclaim *r)
{
	while (r->pending > 0) {
		close_open(r);
		rte_rcu_qsbr_check(r->rcu, r->waiting->token, true);
		free_passed(r, r->waiting->token, UINT32_MAX);
	}
}
