/*
 * Everything the workers of one gateway read, in one object: interfaces,
 * tables, peers, sessions, and the rings between workers and control. Control
 * creates it, publishes into it and destroys it after the workers have
 * stopped; workers hold pointers into it within one pass only (RCU: each
 * worker is a reader of `rcu` under its index).
 */
#pragma once

#include <stdatomic.h>

#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "dataplane/iface.h"
#include "dataplane/localaddr.h"
#include "dataplane/neighbour.h"
#include "dataplane/peer.h"
#include "dataplane/route.h"
#include "dataplane/session.h"
#include "dataplane/waker.h"

#define SL_WORKERS_MAX 64

/* A neighbour that a worker missed: control resolves it. Elements of `misses`. */
struct sl_neighbour_miss {
	struct sl_ip ip;
	uint8_t pad;
	uint16_t out_if;
};

static_assert(sizeof(struct sl_neighbour_miss) == 20, "ring element, a multiple of 4");

/* Control → worker, elements of a worker's `commands` ring (single producer: control). */
enum sl_command_op {
	SL_CMD_OUTPUT,     /* packet: L3 packet made by control, routed like any other (flags carry SL_PKT_LOCAL) */
	SL_CMD_OUTER,      /* packet: outer WireGuard packet with complete headers save a zero source (chosen by route),
	                      identification and checksums; sl_packet.wg_if is set */
	SL_CMD_FRAME,      /* packet: complete Ethernet frame for sl_packet.out_if */
	SL_CMD_KEEPALIVE,  /* peer: seal and send an empty packet if there is a valid session */
	SL_CMD_DRAIN_PEER, /* peer: a session is there: send what waits; where nothing waits at any worker, a keepalive */
	SL_CMD_PURGE_PEER, /* peer: drop what waits (STAGED_GIVEN_UP) */
	SL_CMD_NUDGE,      /* nothing: a worker that sleeps is to look at what was published */
};

struct sl_command {
	uint32_t op; /* enum sl_command_op */
	uint32_t peer;
	struct rte_mbuf *packet; /* passes to the worker */
};

static_assert(sizeof(struct sl_command) == 16, "ring element, a multiple of 4");

struct sl_worker;
struct sl_traffic; /* dataplane/traffic.h */

struct sl_dataplane {
	struct rte_rcu_qsbr *rcu;
	struct sl_reclaim *reclaim;
	struct rte_mempool *pool;  /* packets: one per gateway */
	struct rte_mempool *jumbo; /* few large buffers: reassembled packets */
	uint32_t pool_size;
	_Atomic(struct sl_traffic *) traffic; /* of `sluice bench`; NULL: none runs here */

	_Atomic(struct sl_if *) ifs[SL_IF_MAX];
	_Atomic uint64_t if_changes;
	_Atomic uint16_t listen[UINT16_MAX + 1]; /* outer UDP port, host order → WireGuard interface id + 1; 0: none */
	_Atomic(struct sl_localaddr *) localaddr;
	struct sl_route_table routes;
	struct sl_neighbours *neighbours;
	struct sl_peers peers;
	struct sl_session_table sessions;

	struct rte_ring *to_control; /* class 2: mbufs with sl_packet.punt; many producers, control consumes */
	struct sl_waker control; /* workers that have slept wake control with it */
	struct rte_ring *misses;     /* struct sl_neighbour_miss; many producers, control consumes */
	struct sl_worker *workers[SL_WORKERS_MAX];
	uint16_t n_workers;
};

struct sl_dataplane_config {
	const char *name;       /* prefix of pool and ring names; unique within the process */
	uint32_t pool_size;     /* mbufs */
	uint16_t frame_len;     /* largest frame of any port */
	uint32_t jumbo_size;    /* mbufs of the jumbo pool */
	uint32_t peers;         /* slots */
	uint32_t sessions;      /* slots, a power of two */
	uint32_t neighbours;    /* entries */
	uint16_t workers;
	int socket;             /* NUMA node or SOCKET_ID_ANY */
	uint8_t random[8];      /* secret, for session indices */
};

/* Needs EAL. 0, or a negative errno with everything undone. Workers are created with sl_worker_create afterwards. */
int sl_dataplane_create(struct sl_dataplane **out, const struct sl_dataplane_config *cfg);
/* After the workers have stopped; frees packets in rings, wipes keys. */
void sl_dataplane_destroy(struct sl_dataplane *dp);

/* The published interface or NULL. Worker: within one pass; control: any time. */
static inline const struct sl_if *
sl_dataplane_if(const struct sl_dataplane *dp, uint16_t id)
{
	return id < SL_IF_MAX ? atomic_load_explicit(&dp->ifs[id], memory_order_acquire) : NULL;
}

/*
 * Worker: a number that changes, and is never 0, when routes, neighbours or interfaces did. What was found out by them
 * after it was read holds as long as it stays; what they hold pointers to, within the pass alone.
 */
static inline uint64_t
sl_dataplane_generation(const struct sl_dataplane *dp)
{
	return 1 + atomic_load_explicit(&dp->if_changes, memory_order_acquire) + sl_lpm_changes(dp->routes.lpm) +
		sl_neighbours_changes(dp->neighbours);
}

/* Control: publishes ifp (malloc'ed, passes over) in place of the one of that id, which is freed when no worker holds it. */
void sl_dataplane_set_if(struct sl_dataplane *dp, struct sl_if *ifp);
void sl_dataplane_clear_if(struct sl_dataplane *dp, uint16_t id);

/* Control: queues a command to a worker and wakes it. False where the ring is full: the packet stays the caller's. */
bool sl_dataplane_command(struct sl_dataplane *dp, uint16_t worker, const struct sl_command *cmd);
