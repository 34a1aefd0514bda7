#include "bench/core.h"

#include <stdlib.h>

#include <rte_common.h>
#include <rte_rcu_qsbr.h>

#include "crypto/random.h"

#define LINES       2
#define L3_IF       7
#define LISTEN_PORT 51820

bool
bench_core_create(struct bench_core *c, uint32_t peers, uint32_t sessions, struct sl_proto_config cfg)
{
	static const struct sl_proto_if_config if_cfg = {.name = "wg0", .l3_if = L3_IF, .listen_port = LISTEN_PORT};
	const size_t size = RTE_ALIGN_CEIL(rte_rcu_qsbr_get_memsize(1), (size_t)RTE_CACHE_LINE_SIZE);
	uint8_t key[SL_KEY_LEN];

	c->rcu = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (!c->rcu || rte_rcu_qsbr_init(c->rcu, 1) != 0)
		return false;
	sl_reclaim_init(&c->reclaim, c->rcu);
	cfg.peers = &c->peers;
	cfg.sessions = &c->sessions;
	cfg.reclaim = &c->reclaim;
	cfg.line = BENCH_CONTROL_LINE;
	cfg.rng = sl_rng_kernel;
	sl_random_bytes(key, sizeof(key));
	if (sl_peers_init(&c->peers, rte_align32pow2(peers + 1), LINES) != 0 ||
		sl_session_table_init(&c->sessions, rte_align32pow2(sessions), key, &c->reclaim, &c->peers) != 0 ||
		sl_proto_create(&c->proto, &cfg) != 0 || sl_proto_if_create(c->proto, &if_cfg, &c->ifp) != 0)
		return false;
	sl_random_bytes(key, sizeof(key));
	sl_proto_if_set_key(c->ifp, key, cfg.now);
	return true;
}

void
bench_core_destroy(struct bench_core *c)
{
	sl_proto_if_destroy(c->ifp);
	sl_reclaim_drain(&c->reclaim);
	sl_proto_destroy(c->proto);
	sl_session_table_fini(&c->sessions);
	sl_peers_fini(&c->peers);
	free(c->rcu);
}
