/*
 * Data messages of the simulated peers: sealed and opened in batches, whose jobs point to keys of sessions. Sessions are
 * freed by sim_session_set alone, which first seals what is in a batch; its caller has opened what is in the other.
 */
#pragma once

#include "tests/peersim/sim.h"

/* The session that the peer sends on, NULL where it has none; asks for a handshake where that is due (protocol.md 24,
 * 27). */
struct sim_session *sim_sending(struct sim *s, uint32_t peer);

/*
 * Room for an inner packet of len bytes (0: a keepalive), to be written at once: it is sealed with the next batch. NULL
 * where the peer has no session or there is no buffer.
 */
uint8_t *sim_data_begin(struct sim *s, uint32_t peer, size_t len);
void sim_seal_flush(struct sim *s);

/* A data message whose payload begins at msg within m. The buffer is this module's from here on. */
void sim_data_take(struct sim *s, struct rte_mbuf *m, const uint8_t *msg, size_t len);
void sim_open_flush(struct sim *s);

/* Puts a session (NULL: none) into a peer's slot and frees what was there. */
void sim_session_set(struct sim *s, uint32_t peer, enum sim_slot slot, struct sim_session *session);

/* The peer's session with that index of its own; *slot says where. NULL: none. */
struct sim_session *sim_session_find(struct sim *s, uint32_t local, enum sim_slot *slot);

static inline uint32_t sim_index_peer(uint32_t local)
{
	return local & (SIM_PEERS_MAX - 1);
}

/* A new index of the peer's. */
static inline uint32_t sim_index_new(struct sim_peer *p, uint32_t peer)
{
	return (uint32_t)++p->generation << SIM_PEER_BITS | peer;
}
