/*
 * A protocol core with one interface, wg0, without workers: what benches about control measure. Everything is in memory. One
 * thread; all of it is the struct's own.
 */
#pragma once

#include "control/proto/proto.h"

/* Of peers' stamps: the bench's, in a worker's place, and the core's. */
#define BENCH_WORKER_LINE  0
#define BENCH_CONTROL_LINE 1

struct bench_core {
	struct sl_peers peers;
	struct sl_session_table sessions;
	struct sl_reclaim reclaim;
	struct rte_rcu_qsbr *rcu;
	struct sl_proto *proto;
	struct sl_proto_if *ifp;
};

/*
 * Room for so many peers and sessions. cfg: simd, ops, ctx and now; the rest is set here. The interface has a key at random. False:
 * out of memory, and what there is stays.
 */
bool bench_core_create(struct bench_core *c, uint32_t peers, uint32_t sessions, struct sl_proto_config cfg);
/* After its peers are removed. */
void bench_core_destroy(struct bench_core *c);
