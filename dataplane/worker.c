#include "dataplane/worker.h"

#include <errno.h>
#include <stdio.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dataplane/icmp_limit.h"
#include "dataplane/order.h"
#include "dataplane/outer.h"
#include "dataplane/reassembly.h"
#include "dataplane/staged.h"
#include "dataplane/traffic.h"

#define COMMANDS_RING    4096
#define COMMANDS_BUDGET  64 /* commands of one pass */
#define HOUSEKEEPING_NS  SL_NSEC_PER_MSEC
#define PREFETCH_AHEAD   8
#define IP_IDS(workers)  ((UINT16_MAX + 1u) / (workers)) /* IPv4 identifications of each */

static const char *const stage_names[SL_STAGE_COUNT] = {
#define SL_STAGE_NAME(id, name, fn) [SL_STAGE_##id] = name,
	SL_STAGES(SL_STAGE_NAME)
#undef SL_STAGE_NAME
};

static const sl_stage_fn stage_fns[SL_STAGE_COUNT] = {
#define SL_STAGE_FN(id, name, fn) [SL_STAGE_##id] = fn,
	SL_STAGES(SL_STAGE_FN)
#undef SL_STAGE_FN
};

const char *
sl_stage_name(enum sl_stage stage)
{
	return stage_names[stage];
}

/* Memory near the worker, or anywhere where its node has none. */
static void *
alloc_near(size_t size, int socket)
{
	void *p = rte_zmalloc_socket("sl_worker", size, RTE_CACHE_LINE_SIZE, socket);

	return p ? p : rte_zmalloc_socket("sl_worker", size, RTE_CACHE_LINE_SIZE, SOCKET_ID_ANY);
}

static int
create_vectors(struct sl_worker *w, int socket)
{
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++) {
		w->stages[i] = alloc_near(sizeof(*w->stages[i]), socket);
		if (!w->stages[i])
			return -ENOMEM;
	}
	w->spare = alloc_near(sizeof(*w->spare), socket);
	return w->spare ? 0 : -ENOMEM;
}

static int
create_commands(struct sl_worker *w, int socket)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%.12s_cmd%u", w->dp->pool->name, w->index);
	w->commands = rte_ring_create_elem(
		name, sizeof(struct sl_command), COMMANDS_RING, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return w->commands ? 0 : -rte_errno;
}

static int
create_parts(struct sl_worker *w, const struct sl_worker_config *cfg)
{
	int err = create_vectors(w, cfg->socket);

	if (!err)
		err = create_commands(w, cfg->socket);
	if (!err)
		err = sl_waker_init(&w->waker);
	if (err)
		return err;
	w->aead = sl_aead_create(cfg->simd);
	if (!w->aead)
		return -errno;
	w->icmp_limit = sl_icmp_limit_create(cfg->icmp_seed, cfg->socket);
	w->reassembly = sl_reassembly_create(cfg->socket);
	w->paths = sl_outer_paths_create(w->dp->peers.sending[w->index], w->dp->peers.receiving[w->index],
		w->dp->peers.capacity, cfg->socket);
	if (!w->icmp_limit || !w->reassembly || !w->paths ||
		sl_peer_memory_add(&w->dp->peers.memory, w->paths->own, sizeof(*w->paths->own), w->paths->capacity) != 0)
		return -ENOMEM;
	err = sl_order_create(&w->order, w->dp, cfg->socket);
	return err ? err : sl_staged_create(&w->staged, w->dp, cfg->socket);
}

int
sl_worker_create(struct sl_dataplane *dp, uint16_t index, const struct sl_worker_config *cfg)
{
	struct sl_worker *w;
	int err;

	if (index >= dp->n_workers || dp->workers[index])
		return -EINVAL;
	w = alloc_near(sizeof(*w), cfg->socket);
	if (!w)
		return -ENOMEM;
	w->dp = dp;
	w->index = index;
	w->ip_id_first = (uint16_t)(index * IP_IDS(dp->n_workers));
	w->ip_id_last = (uint16_t)(w->ip_id_first + IP_IDS(dp->n_workers) - 1);
	w->ip_id = w->ip_id_first;
	w->waker.fd = -1;
	w->tx = cfg->tx;
	w->tx_ctx = cfg->tx_ctx;
	err = create_parts(w, cfg);
	if (err) {
		sl_worker_destroy(w);
		return err;
	}
	dp->workers[index] = w;
	return 0;
}

static void
free_commands(struct rte_ring *ring)
{
	struct sl_command cmd;

	while (ring && rte_ring_sc_dequeue_elem(ring, &cmd, sizeof(cmd)) == 0)
		rte_pktmbuf_free(cmd.packet);
	rte_ring_free(ring);
}

static void
free_vector(struct sl_vector *v)
{
	if (v)
		rte_pktmbuf_free_bulk(v->pkts, v->n);
	rte_free(v);
}

void
sl_worker_destroy(struct sl_worker *w)
{
	if (!w)
		return;
	if (w->dp->workers[w->index] == w)
		w->dp->workers[w->index] = NULL;
	sl_staged_destroy(w->staged);
	sl_reassembly_destroy(w->reassembly);
	sl_icmp_limit_destroy(w->icmp_limit);
	sl_outer_paths_destroy(w->paths);
	sl_order_destroy(w->order);
	sl_aead_destroy(w->aead);
	free_commands(w->commands);
	sl_waker_fini(&w->waker);
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++)
		free_vector(w->stages[i]);
	free_vector(w->spare);
	rte_free(w);
}

void
sl_worker_drop(struct sl_worker *w, struct rte_mbuf *m, enum sl_drop reason)
{
	sl_count(&w->stats.drops[reason], 1);
	rte_pktmbuf_free(m);
}

void
sl_worker_drop_bulk(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n, enum sl_drop reason)
{
	sl_count(&w->stats.drops[reason], n);
	rte_pktmbuf_free_bulk(pkts, n);
}

void
sl_worker_receive(struct sl_worker *w, uint16_t in_if, struct rte_mbuf **frames, uint16_t n)
{
	for (uint16_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(sl_packet(frames[i]));
	for (uint16_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(sl_packet(frames[i + PREFETCH_AHEAD]));
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
		sl_packet_init(frames[i], in_if);
	}
	sl_worker_enqueue_bulk(w, SL_STAGE_ETHERNET, frames, n);
	sl_count(&w->stats.received, n);
}

static void
run_command(struct sl_worker *w, const struct sl_command *cmd)
{
	static const enum sl_stage entry[] = {
		[SL_CMD_OUTPUT] = SL_STAGE_FORWARD,
		[SL_CMD_OUTER] = SL_STAGE_OUTER_ROUTE,
		[SL_CMD_FRAME] = SL_STAGE_TX,
	};

	switch ((enum sl_command_op)cmd->op) {
	case SL_CMD_OUTPUT:
	case SL_CMD_OUTER:
	case SL_CMD_FRAME:
		sl_count(&w->stats.from_control, 1);
		sl_worker_enqueue(w, entry[cmd->op], cmd->packet);
		break;
	case SL_CMD_KEEPALIVE:
	case SL_CMD_DRAIN_PEER:
	case SL_CMD_PURGE_PEER:
		sl_staged_command(w, cmd);
		break;
	case SL_CMD_NUDGE:
		break;
	}
}

static bool
run_commands(struct sl_worker *w)
{
	struct sl_command cmds[COMMANDS_BUDGET];
	unsigned n = rte_ring_sc_dequeue_burst_elem(w->commands, cmds, sizeof(cmds[0]), COMMANDS_BUDGET, NULL);

	for (unsigned i = 0; i < n; i++)
		run_command(w, &cmds[i]);
	return n > 0;
}

/*
 * The lowest stage first, so that what re-enters an earlier stage joins what is there before it goes on. One reading of
 * the TSC ends a stage and begins the next.
 */
static bool
run_stages(struct sl_worker *w)
{
	uint64_t began;

	if (w->pending == 0)
		return false;
	began = rte_rdtsc();
	do {
		unsigned stage = (unsigned)__builtin_ctz(w->pending);
		struct sl_stage_stats *stats = &w->stats.stages[stage];
		struct sl_vector *v = w->stages[stage];
		uint64_t ended;

		w->stages[stage] = w->spare;
		w->pending &= w->pending - 1;
		sl_count(&stats->packets, v->n);
		sl_count(&stats->bursts, 1);
		stage_fns[stage](w, v->pkts, v->n);
		v->n = 0;
		w->spare = v;
		ended = rte_rdtsc();
		sl_count(&stats->cycles, ended - began);
		began = ended;
	} while (w->pending);
	return true;
}

bool
sl_worker_run(struct sl_worker *w, uint64_t now)
{
	struct sl_traffic *traffic;
	bool any;

	w->now = now;
	sl_outer_paths_begin(w->paths, sl_dataplane_generation(w->dp));
	sl_order_begin(w);
	any = run_commands(w);
	traffic = atomic_load_explicit(&w->dp->traffic, memory_order_acquire);
	if (unlikely(traffic != NULL))
		any |= sl_traffic_generate(w, traffic);
	any |= run_stages(w);
	if (now >= w->housekeeping_at) {
		w->housekeeping_at = now + HOUSEKEEPING_NS;
		sl_staged_housekeeping(w);
		sl_reassembly_expire(w);
		any |= run_stages(w);
	}
	if (!any && sl_order_wanted(w)) {
		w->pending |= 1u << SL_STAGE_HELP;
		any = run_stages(w);
	}
	sl_order_end(w);
	rte_rcu_qsbr_quiescent(w->dp->rcu, w->index);
	return any;
}
