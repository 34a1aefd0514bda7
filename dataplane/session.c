#include "dataplane/session.h"

#include <errno.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#include "crypto/wipe.h"
#include "dataplane/lazy.h"
#include "dataplane/peer.h"

#define CAPACITY_MAX (1u << 24)
#define BURST_MAX    64

/*
 * Slots are taken from fresh memory until this many rest in the free list, so that even a quiet gateway does not reuse an
 * index after 2^(32 - slot_bits) handshakes in a row.
 */
#define FREE_REST 1024

static inline uint32_t
plain_index(const struct sl_session_table *t, uint32_t slot, uint32_t generation)
{
	return generation << t->slot_bits | slot;
}

int
sl_session_table_init(struct sl_session_table *t, uint32_t capacity, const uint8_t random[8], struct sl_reclaim *reclaim,
	struct sl_peers *peers)
{
	if (capacity == 0 || capacity > CAPACITY_MAX || !rte_is_power_of_2(capacity))
		return -EINVAL;
	*t = (struct sl_session_table){
		.slots = sl_lazy_alloc_dense(capacity * sizeof(struct sl_session)),
		.capacity = capacity,
		.slot_bits = (uint8_t)rte_log2_u32(capacity),
		.free_first = SL_SESSION_NONE,
		.free_last = SL_SESSION_NONE,
		.reclaim = reclaim,
		.peers = peers,
	};
	if (t->slots == NULL)
		return -ENOMEM;
	sl_index_key_init(&t->key, random);
	return 0;
}

void
sl_session_table_fini(struct sl_session_table *t)
{
	if (t->slots) {
		for (uint32_t i = 0; i < t->used; i++) {
			sl_wipe(t->slots[i].own.key, sizeof(t->slots[i].own.key));
			sl_wipe(t->slots[i].recv_key, sizeof(t->slots[i].recv_key));
		}
		sl_lazy_free(t->slots, t->capacity * sizeof(struct sl_session));
	}
	sl_wipe(t, sizeof(*t));
}

static uint32_t
take_slot(struct sl_session_table *t)
{
	uint32_t used = atomic_load_explicit(&t->used, memory_order_relaxed);
	uint32_t slot;

	if (used < t->capacity && t->free < FREE_REST) {
		atomic_store_explicit(&t->slots[used].live, SL_SESSION_NONE, memory_order_relaxed);
		rte_spinlock_init(&t->slots[used].lock);
		/* Workers look at slots below `used` alone: an unused one would cost them a page fault. */
		atomic_store_explicit(&t->used, used + 1, memory_order_release);
		return used;
	}
	slot = t->free_first;
	if (slot == SL_SESSION_NONE)
		return SL_SESSION_NONE;
	t->free_first = t->slots[slot].next_free;
	if (t->free_first == SL_SESSION_NONE)
		t->free_last = SL_SESSION_NONE;
	t->free--;
	return slot;
}

static void
put_slot(struct sl_session_table *t, uint32_t slot)
{
	t->slots[slot].next_free = SL_SESSION_NONE;
	if (t->free_last == SL_SESSION_NONE)
		t->free_first = slot;
	else
		t->slots[t->free_last].next_free = slot;
	t->free_last = slot;
	t->free++;
}

uint32_t
sl_session_reserve(struct sl_session_table *t, uint32_t peer, uint16_t wg_if)
{
	uint32_t slot = take_slot(t);
	struct sl_session *s;
	uint32_t plain;

	if (slot == SL_SESSION_NONE)
		return SL_SESSION_NONE;
	s = &t->slots[slot];
	/* The last slot's last generation would look like "not live", the first slot's generation 0 like "no session". */
	do {
		s->generation++;
		plain = plain_index(t, slot, s->generation);
	} while (plain == SL_SESSION_NONE || plain == 0);
	s->index = sl_index_seal(&t->key, plain);
	s->remote_index = 0;
	s->peer = peer;
	s->wg_if = wg_if;
	s->reserved = true;
	t->reserved++;
	return slot;
}

uint32_t
sl_session_slot_of(const struct sl_session_table *t, uint32_t index)
{
	uint32_t slot = sl_index_open(&t->key, index) & ((1u << t->slot_bits) - 1);

	if (slot >= t->used || !t->slots[slot].reserved || t->slots[slot].index != index)
		return SL_SESSION_NONE;
	return slot;
}

/* --- the sending half --- */

/* Takes a free place of the peer's; the session's own where there is none. */
static struct sl_sender *
take_place(struct sl_session_table *t, struct sl_session *s)
{
	struct sl_peer_rest *rest = t->peers ? &t->peers->rest[s->peer] : NULL;

	for (unsigned i = 0; rest && i < SL_PEER_SENDERS; i++) {
		if (rest->taken & 1u << i)
			continue;
		rest->taken |= (uint8_t)(1u << i);
		if (s->peer >= t->peers->had_sessions) /* workers read what stands beside it */
			t->peers->had_sessions = s->peer + 1;
		return sl_peer_sender(t->peers, s->peer, i);
	}
	return &s->own;
}

/* No worker seals by the place any more, so what is there may change: it is wiped and free. */
static void
free_place(struct sl_session_table *t, const struct sl_session *s, struct sl_sender *place)
{
	for (unsigned i = 0; t->peers && i < SL_PEER_SENDERS; i++)
		if (place == sl_peer_sender(t->peers, s->peer, i))
			t->peers->rest[s->peer].taken &= (uint8_t)~(1u << i);
	sl_wipe(place, sizeof(*place));
}

static void reclaim_sending(void *ctx, void *ptr);

static void
reclaim_left(void *ctx, void *ptr)
{
	struct sl_session_table *t = ctx;
	struct sl_session *s = ptr;

	free_place(t, s, s->left);
	s->left = NULL;
	if (s->retiring)
		sl_reclaim_defer(t->reclaim, &s->retire, reclaim_sending, t, s);
}

/* The session is sealed by from the peer's first place from now on, which is free. Why no nonce is used twice: sender.h. */
static void
move_to_first(struct sl_session_table *t, struct sl_session *s)
{
	struct sl_sender *to = sl_peer_sender(t->peers, s->peer, 0);

	t->peers->rest[s->peer].taken |= 1;
	s->left = s->sender;
	memcpy(to->key, s->left->key, sizeof(to->key));
	sl_sender_set_counter(to, sl_sender_close(s->left));
	atomic_store_explicit(&s->sender, to, memory_order_release);
	sl_peer_end_ways(t->peers, s->peer);
	sl_reclaim_defer(t->reclaim, &s->retire, reclaim_left, t, s);
}

/* A place of the peer's has become free: the session that it sends on, which is not being retired, moves there. */
static void
settle(struct sl_session_table *t, uint32_t peer)
{
	struct sl_session *s;
	uint32_t current;

	if (t->peers == NULL || t->peers->rest[peer].taken & 1)
		return;
	current = atomic_load_explicit(&t->peers->slots[peer].current, memory_order_relaxed);
	s = current ? sl_session_find_opened(t, current) : NULL;
	if (s && s->peer == peer && s->left == NULL)
		move_to_first(t, s);
}

static void
end_sending(struct sl_session_table *t, struct sl_session *s)
{
	free_place(t, s, s->sender);
	atomic_store_explicit(&s->sender, &s->own, memory_order_relaxed);
	s->sends = false;
	settle(t, s->peer);
}

static void
reclaim_sending(void *ctx, void *ptr)
{
	struct sl_session *s = ptr;

	end_sending(ctx, s);
	s->retiring = false;
}

void
sl_session_retire(struct sl_session_table *t, uint32_t slot)
{
	struct sl_session *s = &t->slots[slot];

	if (s->retiring || !s->sends)
		return;
	s->retiring = true;
	if (s->left == NULL)
		sl_reclaim_defer(t->reclaim, &s->retire, reclaim_sending, t, s);
}

/* --- life --- */

void
sl_session_publish(struct sl_session_table *t, uint32_t slot, const struct sl_session_keys *keys)
{
	struct sl_session *s = &t->slots[slot];
	struct sl_sender *sender = take_place(t, s);

	memcpy(sender->key, keys->send, sizeof(sender->key));
	sl_sender_set_counter(sender, keys->send_counter);
	atomic_store_explicit(&s->sender, sender, memory_order_relaxed);
	s->sends = true;
	memcpy(s->recv_key, keys->recv, sizeof(s->recv_key));
	s->remote_index = keys->remote_index;
	s->initiator = keys->initiator;
	s->incarnation = keys->incarnation;
	s->created = keys->created;
	s->receive_floor = keys->receive_floor;
	atomic_store_explicit(&s->facts, 0, memory_order_relaxed);
	sl_replay_init(&s->replay);
	atomic_store_explicit(&s->live, sl_index_open(&t->key, s->index), memory_order_release);
}

/*
 * No worker can find the session any more, nor seals by it. Messages that hold it end soon; until then it is asked again. What
 * `retire` was handed in for before has come before; should it be out, the slot and its node wait for it.
 */
static void
reclaim_slot(void *ctx, void *ptr)
{
	struct sl_session_table *t = ctx;
	struct sl_session *s = ptr;

	if (s->sends)
		end_sending(t, s);
	if (unlikely(atomic_load_explicit(&s->held, memory_order_acquire) != 0 || s->retiring)) {
		sl_reclaim_defer(t->reclaim, &s->reclaim, reclaim_slot, t, s);
		return;
	}
	sl_wipe(s->recv_key, sizeof(s->recv_key));
	put_slot(t, (uint32_t)(s - t->slots));
}

void
sl_session_release(struct sl_session_table *t, uint32_t slot)
{
	struct sl_session *s = &t->slots[slot];
	uint32_t live = atomic_load_explicit(&s->live, memory_order_relaxed);

	s->reserved = false;
	t->reserved--;
	if (live == SL_SESSION_NONE) { /* was never live in this use: no worker has seen it */
		put_slot(t, slot);
		return;
	}
	atomic_store_explicit(&s->live, SL_SESSION_NONE, memory_order_release);
	sl_reclaim_defer(t->reclaim, &s->reclaim, reclaim_slot, t, s);
}

void
sl_session_find_burst(const struct sl_session_table *t, const uint32_t *indices, struct sl_session **out, unsigned n)
{
	uint32_t opened[BURST_MAX];
	uint32_t mask = (1u << t->slot_bits) - 1;

	sl_index_open_burst(&t->key, indices, opened, n);
	for (unsigned i = 0; i < n; i++) {
		const struct sl_session *s = &t->slots[opened[i] & mask];

		rte_prefetch0(s);
		rte_prefetch0(s->recv_key + sizeof(s->recv_key) - 1);
	}
	for (unsigned i = 0; i < n; i++) {
		out[i] = sl_session_find_opened(t, opened[i]);
		if (likely(out[i] != NULL))
			rte_prefetch0(&out[i]->lock);
	}
}
