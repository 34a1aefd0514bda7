/*
 * Deferred freeing under the gateway's one RCU variable. Control unpublishes
 * an object, hands it in with sl_reclaim_defer, and calls sl_reclaim_poll in
 * its loop; the object is freed once every worker has reported quiescent
 * since. Nothing here blocks but sl_reclaim_drain. All objects handed in
 * between two polls share one token. The list node lies inside the object,
 * so handing in needs no memory and cannot fail. Control thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>

/* Frees ptr; control thread. It may hand in further objects. */
typedef void (*sl_reclaim_fn)(void *ctx, void *ptr);

/* Part of every object that is freed this way. Needs no initialisation; may be touched only by this module after defer.
 */
struct sl_reclaim_node {
	struct sl_reclaim_node *next;
	uint64_t token; /* 0 until the first poll after defer */
	sl_reclaim_fn fn;
	void *ctx;
	void *ptr;
};

struct sl_reclaim {
	struct rte_rcu_qsbr *rcu;     /* borrowed */
	struct sl_reclaim_node *open; /* handed in since the last poll: no token yet */
	struct sl_reclaim_node **open_tail;
	struct sl_reclaim_node *waiting; /* oldest first, tokens ascending */
	struct sl_reclaim_node **waiting_tail;
	size_t pending; /* objects in both lists */
	uint64_t freed; /* objects freed since init */
};

/* Objects freed by one sl_reclaim_poll at most. */
#define SL_RECLAIM_BUDGET 256

/* The structure must not move afterwards. rcu is borrowed and must outlive it. */
void sl_reclaim_init(struct sl_reclaim *r, struct rte_rcu_qsbr *rcu);

/*
 * Call after the object became unreachable for new readers. fn(ctx, ptr) runs in a later poll or drain, when no reader
 * can hold the object. node must stay valid until then (it usually lies inside *ptr).
 */
void sl_reclaim_defer(struct sl_reclaim *r, struct sl_reclaim_node *node, sl_reclaim_fn fn, void *ctx, void *ptr);

/*
 * Whether the node was handed in and has no token yet, so that more memory of the same kind, unpublished by now, can
 * still go with it. Only for a node that was handed in and not yet freed.
 */
static inline bool sl_reclaim_is_open(const struct sl_reclaim_node *node)
{
	return node->token == 0;
}

/* Frees what every reader has let go of, at most SL_RECLAIM_BUDGET objects. Never blocks. Returns how many were freed.
 */
unsigned sl_reclaim_poll(struct sl_reclaim *r);

/*
 * Frees everything, objects handed in meanwhile included. Spins until all registered, online readers have reported, so
 * only for shutdown and tests; the calling thread must not be a registered, online reader itself.
 */
void sl_reclaim_drain(struct sl_reclaim *r);
