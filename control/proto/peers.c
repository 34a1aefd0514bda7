#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/proto/internal.h"
#include "crypto/wipe.h"
#include "crypto/x25519_batch.h"

/* --- slots: used again first in first out, once so many rest --- */

#define SLOTS_REST 64

static uint32_t
take_slot(struct sl_proto *core)
{
	uint32_t slot;

	if (core->slots_free < SLOTS_REST && core->slots_used < core->peers->capacity)
		return core->slots_used++;
	if (core->free_first == 0)
		return SL_PEER_NONE;
	slot = core->free_first - 1;
	core->free_first = core->next_free[slot];
	if (core->free_first == 0)
		core->free_last = 0;
	core->slots_free--;
	return slot;
}

static void
put_slot(struct sl_proto *core, uint32_t slot)
{
	core->next_free[slot] = 0;
	if (core->free_last)
		core->next_free[core->free_last - 1] = slot + 1;
	else
		core->free_first = slot + 1;
	core->free_last = slot + 1;
	core->slots_free++;
}

struct sl_proto_peer *
sl_proto_peer_find(struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN])
{
	return sl_peer_hash_find(&ifp->core->by_key, ifp, public_key);
}

/* --- the interface's list --- */

static void
append(struct sl_proto_peer *peer)
{
	struct sl_proto_if *ifp = peer->ifp;

	peer->list_prev = ifp->last;
	if (ifp->last)
		ifp->last->list_next = peer;
	else
		ifp->first = peer;
	ifp->last = peer;
	ifp->n_peers++;
}

static void
unlist(struct sl_proto_peer *peer)
{
	struct sl_proto_if *ifp = peer->ifp;

	for (struct sl_proto_cursor *c = ifp->cursors; c; c = c->next)
		if (c->at == peer)
			c->at = peer->list_next;
	if (peer->list_prev)
		peer->list_prev->list_next = peer->list_next;
	else
		ifp->first = peer->list_next;
	if (peer->list_next)
		peer->list_next->list_prev = peer->list_prev;
	else
		ifp->last = peer->list_prev;
	ifp->n_peers--;
}

/* --- adding --- */

/* The slot as workers see it: no session, no endpoint. */
static void
open_slot(struct sl_proto_peer *peer)
{
	static const struct sl_endpoint nowhere;
	struct sl_peer *dp = sl_proto_dp_peer(peer);
	struct sl_outer outer;

	atomic_store_explicit(&dp->current, 0, memory_order_relaxed);
	atomic_store_explicit(&dp->watched, 0, memory_order_relaxed);
	atomic_store_explicit(&dp->received_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&dp->sent_tick, 0, memory_order_relaxed);
	dp->wg_if = peer->ifp->l3_if;
	sl_outer_make(&outer, &nowhere, NULL, 0);
	(void)sl_peer_outer_write(peer->ifp->core->peers, peer->slot, &outer); /* nobody else writes to a slot that is not live */
	atomic_store_explicit(&dp->live, sl_peers_incarnation(peer->ifp->core->peers), memory_order_release);
}

int
sl_proto_peer_add(struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN], void *owner, uint64_t now,
	struct sl_proto_peer **out)
{
	struct sl_proto *core = ifp->core;
	struct sl_proto_peer *peer = sl_proto_peer_find(ifp, public_key);

	if (peer) {
		*out = peer;
		return -EEXIST;
	}
	if (ifp->identity.valid && memcmp(ifp->identity.public_key, public_key, SL_KEY_LEN) == 0)
		return -ELOOP;
	if (ifp->previous.valid && memcmp(ifp->previous.public_key, public_key, SL_KEY_LEN) == 0)
		return -ELOOP;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->slot = take_slot(core);
	if (peer->slot == SL_PEER_NONE) {
		free(peer);
		return -ENOSPC;
	}
	peer->ifp = ifp;
	peer->owner = owner;
	sl_peer_enter_identity(peer, ifp->generation);
	peer->persist_floor = now;
	memcpy(peer->public_key, public_key, SL_KEY_LEN);
	for (unsigned i = 0; i < SL_SESSION_ROLES; i++)
		peer->sessions[i].slot = SL_SESSION_NONE;
	sl_peer_hash_add(&core->by_key, peer);
	append(peer);
	core->by_slot[peer->slot] = peer;
	open_slot(peer);
	*out = peer;
	return 0;
}

/* --- removing --- */

static void
free_peer(struct sl_proto *core, struct sl_proto_peer *peer)
{
	sl_peer_stamps_clear(core->peers, peer->slot);
	atomic_store_explicit(&core->peers->slots[peer->slot].facts, 0, memory_order_relaxed);
	put_slot(core, peer->slot);
	free(peer);
}

static bool
packets_wait(struct sl_proto *core, uint32_t slot)
{
	return atomic_load_explicit(&core->peers->rest[slot].staged, memory_order_acquire) != 0;
}

/* No worker can find the peer any more; packets may still wait for it at one until that has seen the purge. */
static void
reclaim_peer(void *ctx, void *ptr)
{
	struct sl_proto *core = ctx;
	struct sl_proto_peer *peer = ptr;

	if (!packets_wait(core, peer->slot)) {
		free_peer(core, peer);
		return;
	}
	core->ops->purge(core->ctx, peer->slot);
	peer->list_next = core->lingering;
	core->lingering = peer;
}

void
sl_peers_unlinger(struct sl_proto *core)
{
	struct sl_proto_peer **link = &core->lingering;

	while (*link) {
		struct sl_proto_peer *peer = *link;

		if (packets_wait(core, peer->slot)) {
			link = &peer->list_next;
			continue;
		}
		*link = peer->list_next;
		free_peer(core, peer);
	}
}

void
sl_peer_stop(struct sl_proto_peer *peer)
{
	sl_timers_stop(peer);
	sl_handshake_free(peer);
	sl_sessions_wipe(peer);
	peer->last_sent = 0;
	peer->unconfirmed = 0;
	peer->ifp->core->ops->purge(peer->ifp->core->ctx, peer->slot);
}

void
sl_proto_peer_remove(struct sl_proto_peer *peer)
{
	struct sl_proto *core = peer->ifp->core;

	atomic_store_explicit(&sl_proto_dp_peer(peer)->live, 0, memory_order_release);
	sl_peer_stop(peer);
	sl_peer_leave_identity(peer);
	sl_peer_hash_remove(&core->by_key, peer);
	unlist(peer);
	core->by_slot[peer->slot] = NULL;
	free(peer->name);
	free(peer->failures);
	peer->name = NULL;
	peer->failures = NULL;
	sl_wipe(peer->psk, sizeof(peer->psk));
	sl_wipe(peer->static_static, sizeof(peer->static_static));
	peer->ifp = NULL;
	sl_reclaim_defer(core->reclaim, &peer->reclaim, reclaim_peer, core, peer);
}

/* --- changes --- */

void
sl_peers_static_static(struct sl_proto *core, struct sl_proto_peer *const *peers, unsigned n)
{
	struct sl_x25519_job jobs[SL_PROTO_BATCH];
	unsigned missing = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sl_proto_peer *peer = peers[i];
		const struct sl_noise_identity *identity = sl_identity_of(peer->ifp, peer->generation);

		if (peer->static_generation == peer->generation || !identity || !identity->valid)
			continue;
		/* A zero result is cached like any other: the verdict is drawn from it when it is used. */
		jobs[missing++] = (struct sl_x25519_job){
			.private_key = identity->private_key, .public_key = peer->public_key, .out = peer->static_static};
		peer->static_generation = peer->generation;
	}
	sl_x25519_batch(core->simd, jobs, missing);
}

bool
sl_peer_static_static(struct sl_proto_peer *peer)
{
	sl_peers_static_static(peer->ifp->core, &peer, 1);
	return peer->static_generation == peer->generation && !sl_is_zero(peer->static_static, SL_KEY_LEN);
}

void
sl_peer_sync_identity(struct sl_proto_peer *peer, uint64_t now)
{
	if (sl_identity_of(peer->ifp, peer->generation))
		return;
	sl_peer_leave_identity(peer);
	sl_peer_enter_identity(peer, peer->ifp->generation);
	sl_handshake_clear(peer);
	sl_sessions_expire_sending(peer);
	peer->last_sent = 0;
	if (peer->ifp->key_was_absent && peer->keepalive_interval > 0)
		sl_timers_persistent_on(peer, now);
}

int
sl_proto_peer_set_name(struct sl_proto_peer *peer, const char *name)
{
	char *copy = name ? strdup(name) : NULL;

	if (name && !copy)
		return -ENOMEM;
	free(peer->name);
	peer->name = copy;
	return 0;
}

void
sl_proto_peer_set_psk(struct sl_proto_peer *peer, const uint8_t psk[SL_KEY_LEN])
{
	memcpy(peer->psk, psk, SL_KEY_LEN);
	peer->has_psk = !sl_is_zero(psk, SL_KEY_LEN);
}

void
sl_proto_peer_set_keepalive(struct sl_proto_peer *peer, uint16_t seconds, uint64_t now)
{
	bool on = peer->keepalive_interval == 0 && seconds > 0;

	peer->keepalive_interval = seconds;
	if (seconds == 0)
		peer->keepalive_due = false;
	if (on)
		sl_timers_persistent_on(peer, now);
	sl_timers_update(peer, now);
}

void
sl_proto_peer_info(const struct sl_proto_peer *peer, uint64_t now, struct sl_proto_peer_info *out)
{
	const struct sl_proto_handshake *hs = peer->handshake;
	const struct sl_session *current = sl_sessions_current(peer);
	struct sl_peer_totals totals;
	struct sl_outer outer;

	sl_peer_outer_read(peer->ifp->core->peers, peer->slot, &outer);
	sl_peer_totals(peer->ifp->core->peers, peer->slot, &totals);
	*out = (struct sl_proto_peer_info){
		.rx_bytes = totals.rx_bytes,
		.tx_bytes = totals.tx_bytes,
		.latest_handshake = peer->latest_handshake,
		.received = totals.received,
		.sent = totals.sent,
		.session = sl_sessions_sendable(peer, now),
		.session_age = current ? now - current->created : 0,
		.handshaking = hs && hs->retransmit_at != 0,
		.attempts = hs ? hs->sends : 0,
	};
	sl_outer_remote(&outer, &out->endpoint);
}
