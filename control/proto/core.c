#include <errno.h>
#include <stdlib.h>

#include "control/proto/internal.h"
#include "crypto/wipe.h"
#include "dataplane/lazy.h"

int
sl_proto_create(struct sl_proto **out, const struct sl_proto_config *cfg)
{
	struct sl_proto *core = calloc(1, sizeof(*core));
	uint32_t capacity = cfg->peers->capacity;
	uint8_t hash_key[SL_SIPHASH_KEY_LEN];

	if (!core)
		return -ENOMEM;
	core->peers = cfg->peers;
	core->sessions = cfg->sessions;
	core->reclaim = cfg->reclaim;
	core->ops = cfg->ops;
	core->ctx = cfg->ctx;
	core->rng = cfg->rng;
	core->line = cfg->line;
	core->simd = cfg->simd == SL_SIMD_AUTO ? sl_simd_best() : cfg->simd;
	core->failure_limit = (struct sl_failure_limit){.tokens = SL_FAILURE_BURST * SL_NSEC_PER_SEC, .at = cfg->now};
	sl_rng_bytes(&core->rng, hash_key, sizeof(hash_key));
	sl_wheel_init(&core->wheel, cfg->now);
	core->by_slot = sl_lazy_alloc_dense(capacity * sizeof(*core->by_slot));
	core->next_free = sl_lazy_alloc(capacity * sizeof(*core->next_free));
	if (!core->by_slot || !core->next_free || sl_peer_hash_init(&core->by_key, capacity, hash_key) != 0) {
		sl_proto_destroy(core);
		return -ENOMEM;
	}
	*out = core;
	return 0;
}

void
sl_proto_reserve(struct sl_proto *core, uint32_t n)
{
	sl_peer_hash_reserve(&core->by_key, n);
}

void
sl_proto_destroy(struct sl_proto *core)
{
	uint32_t capacity;

	if (!core)
		return;
	capacity = core->peers->capacity;
	while (core->lingering) {
		struct sl_proto_peer *peer = core->lingering;

		core->lingering = peer->list_next;
		free(peer);
	}
	sl_lazy_free(core->next_free, capacity * sizeof(*core->next_free));
	sl_peer_hash_fini(&core->by_key);
	sl_lazy_free(core->by_slot, capacity * sizeof(*core->by_slot));
	sl_wipe(core, sizeof(*core));
	free(core);
}

static struct sl_proto_peer *
peer_of_timer(struct sl_wheel_node *node)
{
	return (struct sl_proto_peer *)((char *)node - offsetof(struct sl_proto_peer, timer));
}

bool
sl_proto_advance(struct sl_proto *core, uint64_t now, unsigned budget)
{
	struct sl_proto_gather gather;
	bool more = true;

	for (struct sl_proto_if *ifp = core->ifs; core->passes > 0 && ifp; ifp = ifp->next) {
		if (ifp->pass) {
			sl_if_pass(ifp, now);
			break;
		}
	}
	sl_peers_unlinger(core);
	sl_handshakes_gather(core, &gather);
	for (unsigned n = 0; n < budget && !gather.full; n++) {
		struct sl_wheel_node *node = sl_wheel_expire(&core->wheel, now);

		if (!node) {
			more = core->passes > 0;
			break;
		}
		sl_timers_run(peer_of_timer(node), now);
	}
	sl_handshakes_send(core, now);
	return more;
}

uint64_t
sl_proto_next(const struct sl_proto *core)
{
	return core->passes > 0 ? 0 : sl_wheel_next(&core->wheel);
}

struct sl_proto_peer *
sl_proto_peer_at(struct sl_proto *core, uint32_t slot)
{
	return slot < core->peers->capacity ? core->by_slot[slot] : NULL;
}
