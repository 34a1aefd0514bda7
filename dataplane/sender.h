/*
 * The sending half of a session: the key and the counter, all that sealing needs of it. That of the session which a
 * peer sends on lies in the peer's line (struct sl_peer), so that a packet which goes out touches no memory of the
 * session, and its successor's in another place of the peer's; where both are taken, a session has a place of its own.
 * A session that is sent on from elsewhere moves to the peer's line when that is free (dataplane/session.c). A place
 * belongs to one session at a time (struct sl_session's `sender`); control alone gives and takes it, workers
 * take counters from it with atomic adds. A place that is nobody's is all zeros, and no counter is to be had from it.
 *
 * Why no nonce is used twice:
 * - A key is drawn for one session and written, with its first counter, to the one place that it begins in. Whoever seals by a
 *   place uses the key that stands in it with a counter that an atomic add took from the same place, and counters below
 *   the limit of protocol.md 25 never come round (dataplane/seal.c).
 * - Key and counter are complete before the session's `live` and before the peer's `current` names it, both
 *   stored with release. A worker comes to a place through `current` alone, loaded with acquire within the pass, or
 *   through a way kept from an earlier pass whose session `current` still names.
 * - When a session moves, the old place is closed by one exchange, which leaves no counter in it and returns the first that
 *   was not taken; the new place, which has the key by then, begins with that. So of one key's two counters one is closed before the other is
 *   open. The old place keeps the key and stays the session's until every worker has reported quiescent since, and ways
 *   that lead to it are good no longer from before that on (endpoint_seq).
 * - A session that `current` no longer names is never named again. Its place is retired after that: key and counter stay
 *   as they are until every worker has reported quiescent since, so until no pass is left that came to the place; only
 *   then is the key wiped and the place free. A key and a counter that are read together therefore belong together.
 */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "crypto/protocol.h"

/* Places of a peer: for the session sent on and for the one that follows it. */
#define SL_PEER_SENDERS 2

struct sl_sender {
	uint8_t key[SL_KEY_LEN];
	_Atomic uint64_t counter_less_limit; /* the next counter less SL_REJECT_AFTER_MESSAGES: 0 says that there is none */
};

static_assert(sizeof(struct sl_sender) == 40, "one in a line with a peer's state");

/*
 * The counter to be sent next. From SL_REJECT_AFTER_MESSAGES on nothing is sent; it may run past that by what workers asked for
 * in vain.
 */
static inline uint64_t
sl_sender_counter(const struct sl_sender *s)
{
	return atomic_load_explicit(&s->counter_less_limit, memory_order_relaxed) + SL_REJECT_AFTER_MESSAGES;
}

/* Worker: takes n counters, from the one returned on; those from SL_REJECT_AFTER_MESSAGES on are none. */
static inline uint64_t
sl_sender_take(struct sl_sender *s, uint64_t n)
{
	return atomic_fetch_add_explicit(&s->counter_less_limit, n, memory_order_relaxed) + SL_REJECT_AFTER_MESSAGES;
}

/* Control: leaves no counter in the place. Returns the first that nobody took, or one that is none. */
static inline uint64_t
sl_sender_close(struct sl_sender *s)
{
	return atomic_exchange_explicit(&s->counter_less_limit, 0, memory_order_acq_rel) + SL_REJECT_AFTER_MESSAGES;
}

/* Control, while no worker can come to the place; tests. */
static inline void
sl_sender_set_counter(struct sl_sender *s, uint64_t counter)
{
	atomic_store_explicit(&s->counter_less_limit, counter - SL_REJECT_AFTER_MESSAGES, memory_order_relaxed);
}
