/*
 * The sending half of a session: the key and the counter, all that sealing needs of it. That of the session which a
 * peer sends on, and that of its successor, lie in the peer's record (struct sl_peer), so that a packet which goes out
 * touches no memory of the session; where both places are taken, a session has a place of its own. A place belongs to
 * one session at a time (struct sl_session's `sender`); control alone gives and takes it (dataplane/session.c), workers
 * take counters from it with atomic adds.
 *
 * Why no nonce is used twice:
 * - A key is drawn for one session and written to one place once, with the session's first counter. Whoever seals by a
 *   place uses the key that stands in it with a counter that an atomic add took from the same place, and counters below
 *   the limit never come round (dataplane/seal.c).
 * - Key, counter and limit are complete before the session's `live` and before the peer's `current` names it, both
 *   stored with release. A worker comes to a place through `current` alone, loaded with acquire within the pass, or
 *   through a way kept from an earlier pass whose session `current` still names.
 * - A session that `current` no longer names is never named again. Its place is retired after that: key and counter stay
 *   as they are until every worker has reported quiescent since, so until no pass is left that came to the place; only
 *   then is the key wiped and the place free. A key and a counter that are read together therefore belong together.
 */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "crypto/protocol.h"

/* Places in a peer's record: for the session sent on and for the one that follows it. */
#define SL_PEER_SENDERS 2

struct sl_sender {
	uint8_t key[SL_KEY_LEN];
	_Atomic uint64_t counter; /* next to be sent; may run past the limit by what workers asked for in vain */
	uint64_t limit;           /* counters at or above are not sent; 0: nobody's place, nothing is sent by it */
};

static_assert(sizeof(struct sl_sender) == 48, "two beside a peer's state in two lines");
