/*
 * Sessions as workers see them: the receiving half (key, replay window), found by the
 * receiver index of a data message, and where the sending half is (dataplane/sender.h).
 * Control alone reserves, publishes, retires,
 * unpublishes and releases slots; workers find live sessions and use them
 * within one pass (RCU). A slot is reserved when a handshake begins, and the
 * session inherits its index (protocol.md 21).
 *
 * The sending half is in one of the two places of the session's peer where one is free when the session is published,
 * else in the session. It ends before the session does when another session is sent on (sl_session_retire); that one
 * then moves to the peer's first place, so that the next has the other.
 *
 * index on the wire = keyed permutation of (generation << slot_bits | slot), so
 * it is unpredictable, unique, and found without a hash.
 *
 * Memory: slots are reserved address space, touched when used.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include <rte_spinlock.h>

#include "crypto/index.h"
#include "crypto/protocol.h"
#include "dataplane/reclaim.h"
#include "dataplane/replay.h"
#include "dataplane/sender.h"

struct sl_peers; /* dataplane/peer.h */

#define SL_SESSION_NONE UINT32_MAX

/* Facts a worker sets once in `facts` and control reads. */
enum sl_session_fact {
	SL_SESSION_CONFIRMED = 1 << 0,   /* something authentic arrived on it (protocol.md 22) */
	SL_SESSION_REKEY_SENT = 1 << 1,  /* control: the one rekey on receive has been asked for (28) */
};

struct sl_session {
	/*
	 * What finding and opening need, and choosing a way. Written before publishing, then read-only but for `live` and `sender`.
	 */
	_Atomic uint32_t live;     /* generation << slot_bits | slot while live, never 0; else SL_SESSION_NONE */
	uint32_t remote_index;     /* the peer's, host order */
	uint32_t peer;             /* peer slot */
	uint16_t wg_if;            /* L3 interface id */
	bool initiator;            /* we sent the initiation */
	uint64_t created;          /* ns, boot clock */
	struct sl_sender *_Atomic sender; /* where the sending half is; retired: `own`, with nothing in it */
	uint8_t recv_key[SL_KEY_LEN];

	/* Receivers: one lock per run of packets in a burst; check and set are one step under it. */
	alignas(64) uint64_t receive_floor; /* counters below are refused as replays; read-only like the next two */
	uint32_t index;            /* ours, as it stands on the wire, host order */
	uint32_t incarnation;      /* of the peer in that slot */
	_Atomic uint32_t facts;    /* enum sl_session_fact */
	rte_spinlock_t lock;
	_Atomic uint32_t held;     /* by messages on their way that outlive a pass: receiving key and slot stay that long */
	struct sl_replay replay;

	/* Control only. */
	uint32_t generation;
	uint32_t next_free;
	bool reserved;
	bool sends;                /* it has a sending half */
	struct sl_sender *left;    /* the place it moved from, until no worker can be sealing by it; else NULL */
	bool retiring;             /* the sending half ends when every worker has let go of it */
	alignas(64) struct sl_sender own; /* where the peer's places were taken; then workers' too */
	struct sl_reclaim_node reclaim;
	struct sl_reclaim_node retire; /* handed in while it is `retiring` or has `left` a place */
};

static_assert(offsetof(struct sl_session, recv_key) + SL_KEY_LEN == 64, "one line to find and open by");
static_assert(offsetof(struct sl_session, replay.greatest) / 64 == 1, "one more for facts, lock and the window's edge");

struct sl_session_table {
	struct sl_session *slots;
	struct sl_index_key key;
	uint32_t capacity;
	uint8_t slot_bits;
	/* Control only: free slots, used first in first out so that an index rests as long as it can. */
	uint32_t free_first, free_last;
	uint32_t free;             /* slots in that list */
	_Atomic uint32_t used;     /* slots handed out at least once; workers read it */
	uint32_t reserved;         /* slots in use now */
	struct sl_reclaim *reclaim;
	struct sl_peers *peers;    /* whose records have places for sending halves; NULL: there are none */
};

/*
 * capacity: slots, a power of two up to 2^24. random: 8 secret bytes for the permutation. reclaim and peers (NULL: none)
 * are borrowed; peers must be there until reclaim is drained. 0, -EINVAL or -ENOMEM.
 */
int sl_session_table_init(struct sl_session_table *t, uint32_t capacity, const uint8_t random[8], struct sl_reclaim *reclaim,
	struct sl_peers *peers);
/* After workers have stopped and reclaim was drained. Wipes all keys but those in peers' records: sl_peers_fini does that. */
void sl_session_table_fini(struct sl_session_table *t);

/* Control: takes a free slot for a handshake of `peer`. SL_SESSION_NONE when all are taken. */
uint32_t sl_session_reserve(struct sl_session_table *t, uint32_t peer, uint16_t wg_if);
/* Control: the reserved (live or not) slot of a wire index, or SL_SESSION_NONE. */
uint32_t sl_session_slot_of(const struct sl_session_table *t, uint32_t index);

struct sl_session_keys {
	uint8_t send[SL_KEY_LEN];
	uint8_t recv[SL_KEY_LEN];
	uint32_t remote_index;
	bool initiator;
	uint32_t incarnation;   /* struct sl_peer's `live` */
	uint64_t created;       /* ns */
	uint64_t send_counter;  /* first to be sent, normally 0 */
	uint64_t receive_floor; /* normally 0 */
};

/*
 * Control: makes a reserved slot a live session that workers find, its sending half in a free place of the peer's or in its
 * own. keys are copied; the caller wipes its own.
 */
void sl_session_publish(struct sl_session_table *t, uint32_t slot, const struct sl_session_keys *keys);
/* Control: what a peer's `current` holds for the live session in that slot. */
static inline uint32_t
sl_session_id(const struct sl_session_table *t, uint32_t slot)
{
	return atomic_load_explicit(&t->slots[slot].live, memory_order_relaxed);
}

/*
 * Control: the live session in that slot is not sent on any more: no peer's `current` names it, nor ever will. It goes on
 * receiving; its sending key is wiped and the place free again when no worker can be sealing by it. Nothing where that has
 * been said before. sl_session_release says it too.
 */
void sl_session_retire(struct sl_session_table *t, uint32_t slot);
/*
 * Control: takes the slot away from workers at once; its keys are wiped and the slot is free again when no worker
 * can hold it any more and no message that was received on it. Also for slots that were only reserved. The caller
 * first sees to it that no peer's `current` names the slot.
 */
void sl_session_release(struct sl_session_table *t, uint32_t slot);

/* Worker: the live session of a wire index, or NULL. */
static inline struct sl_session *
sl_session_find_opened(const struct sl_session_table *t, uint32_t opened)
{
	struct sl_session *s;
	uint32_t slot = opened & ((1u << t->slot_bits) - 1);

	/* What no session is called is also what the last slot holds while none is in it. */
	if (slot >= atomic_load_explicit(&t->used, memory_order_acquire) || opened == SL_SESSION_NONE)
		return NULL;
	s = &t->slots[slot];
	return atomic_load_explicit(&s->live, memory_order_acquire) == opened ? s : NULL;
}

/* Worker: keeps a session that it has found in this pass beyond the pass. */
static inline void
sl_session_hold(struct sl_session *s)
{
	atomic_fetch_add_explicit(&s->held, 1, memory_order_relaxed);
}

/* Worker: ends that. It must not look at the session afterwards. */
static inline void
sl_session_let_go(struct sl_session *s)
{
	atomic_fetch_sub_explicit(&s->held, 1, memory_order_release);
}

/* Worker: sessions of n wire indices (host order); out[i] is NULL where there is none. n ≤ 64. */
void sl_session_find_burst(const struct sl_session_table *t, const uint32_t *indices, struct sl_session **out, unsigned n);
