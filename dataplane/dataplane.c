#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "dataplane/worker.h"

/* Packets of 64 KB less what mbuf lengths of 16 bits leave: the largest reassembled packet. */
#define JUMBO_FRAME     (UINT16_MAX - RTE_PKTMBUF_HEADROOM - SL_HEADROOM - SL_TAILROOM)
#define JUMBO_CACHE     0
#define TO_CONTROL_RING 2048
#define MISSES_RING     4096
#define POOL_CACHE      256

static void
free_if(void *ctx, void *ptr)
{
	free(ptr);
}

static int
create_pools(struct sl_dataplane *dp, const struct sl_dataplane_config *cfg)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "%.16s_pool", cfg->name);
	dp->pool = sl_packet_pool_create(name, cfg->pool_size, POOL_CACHE, cfg->frame_len, cfg->socket);
	if (!dp->pool)
		return -rte_errno;
	dp->pool_size = cfg->pool_size;
	snprintf(name, sizeof(name), "%.16s_jumbo", cfg->name);
	dp->jumbo = sl_packet_pool_create(name, cfg->jumbo_size, JUMBO_CACHE, JUMBO_FRAME, cfg->socket);
	return dp->jumbo ? 0 : -rte_errno;
}

static int
create_rings(struct sl_dataplane *dp, const struct sl_dataplane_config *cfg)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%.12s_control", cfg->name);
	dp->to_control = rte_ring_create(name, TO_CONTROL_RING, cfg->socket, RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "%.12s_misses", cfg->name);
	dp->misses =
		rte_ring_create_elem(name, sizeof(struct sl_neighbour_miss), MISSES_RING, cfg->socket, RING_F_SC_DEQ);
	return dp->to_control && dp->misses ? 0 : -rte_errno;
}

static int
create_tables(struct sl_dataplane *dp, const struct sl_dataplane_config *cfg)
{
	size_t size = rte_rcu_qsbr_get_memsize(cfg->workers);
	int err;

	dp->rcu = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(size, RTE_CACHE_LINE_SIZE));
	dp->reclaim = calloc(1, sizeof(*dp->reclaim));
	if (!dp->rcu || !dp->reclaim)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(dp->rcu, cfg->workers) != 0)
		return -rte_errno;
	sl_reclaim_init(dp->reclaim, dp->rcu);
	err = sl_lpm_create(&dp->routes.lpm, dp->reclaim, 0);
	if (err)
		return err;
	err = sl_neighbours_create(&dp->neighbours, cfg->neighbours, dp->reclaim);
	if (err)
		return err;
	/* one line more than there are workers: control stamps handshake messages in the last one */
	err = sl_peers_init(&dp->peers, cfg->peers, cfg->workers + 1);
	if (err)
		return err;
	return sl_session_table_init(&dp->sessions, cfg->sessions, cfg->random, dp->reclaim, &dp->peers);
}

int
sl_dataplane_create(struct sl_dataplane **out, const struct sl_dataplane_config *cfg)
{
	struct sl_dataplane *dp;
	int err;

	if (cfg->workers == 0 || cfg->workers > SL_WORKERS_MAX)
		return -EINVAL;
	dp = calloc(1, sizeof(*dp));
	if (!dp)
		return -ENOMEM;
	dp->n_workers = cfg->workers;
	err = sl_waker_init(&dp->control);
	if (!err)
		err = create_tables(dp, cfg);
	if (!err)
		err = create_pools(dp, cfg);
	if (!err)
		err = create_rings(dp, cfg);
	if (err) {
		sl_dataplane_destroy(dp);
		return err;
	}
	*out = dp;
	return 0;
}

static void
free_ring(struct rte_ring *ring)
{
	void *m;

	if (!ring)
		return;
	while (rte_ring_sc_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(ring);
}

void
sl_dataplane_destroy(struct sl_dataplane *dp)
{
	if (!dp)
		return;
	for (unsigned i = 0; i < dp->n_workers; i++)
		if (dp->workers[i])
			sl_worker_destroy(dp->workers[i]);
	for (unsigned i = 0; i < SL_IF_MAX; i++)
		free(atomic_load_explicit(&dp->ifs[i], memory_order_relaxed));
	if (dp->reclaim && dp->reclaim->rcu) {
		sl_localaddr_retire(atomic_exchange(&dp->localaddr, NULL), dp->reclaim);
		sl_lpm_destroy(dp->routes.lpm);
		sl_reclaim_drain(dp->reclaim);
	}
	sl_neighbours_destroy(dp->neighbours);
	if (dp->sessions.slots)
		sl_session_table_fini(&dp->sessions);
	if (dp->peers.slots)
		sl_peers_fini(&dp->peers);
	free_ring(dp->to_control);
	sl_waker_fini(&dp->control);
	rte_ring_free(dp->misses);
	rte_mempool_free(dp->jumbo);
	rte_mempool_free(dp->pool);
	free(dp->reclaim);
	free(dp->rcu);
	free(dp);
}

static void
retire_if(struct sl_dataplane *dp, struct sl_if *ifp)
{
	atomic_fetch_add_explicit(&dp->if_changes, 1, memory_order_release);
	if (ifp)
		sl_reclaim_defer(dp->reclaim, &ifp->reclaim, free_if, NULL, ifp);
}

void
sl_dataplane_set_if(struct sl_dataplane *dp, struct sl_if *ifp)
{
	assert(ifp->id < SL_IF_MAX);
	retire_if(dp, atomic_exchange(&dp->ifs[ifp->id], ifp));
}

void
sl_dataplane_clear_if(struct sl_dataplane *dp, uint16_t id)
{
	assert(id < SL_IF_MAX);
	retire_if(dp, atomic_exchange(&dp->ifs[id], NULL));
}

bool
sl_dataplane_command(struct sl_dataplane *dp, uint16_t worker, const struct sl_command *cmd)
{
	struct sl_worker *w = dp->workers[worker];

	if (rte_ring_sp_enqueue_elem(w->commands, (void *)(uintptr_t)cmd, sizeof(*cmd)) != 0)
		return false;
	sl_waker_wake(&w->waker);
	return true;
}
