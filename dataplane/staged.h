/*
 * Packets that wait at a worker: for a session of a peer, or for the MAC
 * address of a neighbour. The worker that met them keeps them and alone
 * touches them. Bounds: SL_MAX_STAGED_PACKETS per peer over all workers, the oldest goes
 * (staged-old); SL_STAGED_NEIGHBOUR_PACKETS per neighbour and SL_STAGED_NEIGHBOURS neighbours per worker;
 * over all an eighth of the packet pool, shared out over workers, the oldest of
 * all goes (staged-full). All memory is taken at creation: a queue head per
 * peer slot is address space until used, links live in struct sl_packet.
 *
 * Order: what waits leaves before anything newer of the same peer or
 * neighbour; stages ask for that with the functions of the last section.
 */
#pragma once

#include "dataplane/worker.h"

#define SL_STAGED_NEIGHBOUR_PACKETS 64   /* per neighbour */
#define SL_STAGED_NEIGHBOURS        1024 /* per worker */
#define SL_STAGED_NEIGHBOUR_NS      (3 * SL_NSEC_PER_SEC) /* how long packets wait for a neighbour */
#define SL_STAGED_MISS_NS           (1 * SL_NSEC_PER_SEC) /* a neighbour still missing is reported again this often */
#define SL_STAGED_SHARE             8    /* staged packets take at most 1/8 of the pool */

/* For a worker of that dataplane; needs its pool_size, n_workers and peers. 0 or -ENOMEM. */
int sl_staged_create(struct sl_staged **out, const struct sl_dataplane *dp, int socket);
/* Frees what waits. */
void sl_staged_destroy(struct sl_staged *st);

/* Worker loop: about every millisecond. Neighbours that came or did not come in time; drains that had no room. */
void sl_staged_housekeeping(struct sl_worker *w);
/* Worker loop: SL_CMD_KEEPALIVE, SL_CMD_DRAIN_PEER, SL_CMD_PURGE_PEER (counts from_control for keepalives it makes). */
void sl_staged_command(struct sl_worker *w, const struct sl_command *cmd);

/* --- for stages --- */

/* Queues m until peer `slot` has a session; it re-enters at ENCAP with its out_peer, which may be another one (nesting). */
void sl_staged_add_peer(struct sl_worker *w, struct rte_mbuf *m, uint32_t slot);
/* Packets waiting here for that peer. */
unsigned sl_staged_peer_count(const struct sl_staged *st, uint32_t slot);
/* Takes all of them, in order; out has room for SL_MAX_STAGED_PACKETS. */
unsigned sl_staged_take_peer(struct sl_worker *w, uint32_t slot, struct rte_mbuf **out);

/*
 * Queues m until the neighbour has a MAC address, and reports the miss to control. It re-enters at ENCAP where out_peer is
 * set, else at NEIGHBOUR.
 */
void sl_staged_add_neighbour(struct sl_worker *w, struct rte_mbuf *m, uint16_t out_if, const struct sl_ip *ip);
/* Whether packets wait here for that neighbour. */
bool sl_staged_has_neighbour(const struct sl_staged *st, uint16_t out_if, const struct sl_ip *ip);
/* Sends all of them on: appended to ENCAP and NEIGHBOUR, in order. */
void sl_staged_release_neighbour(struct sl_worker *w, uint16_t out_if, const struct sl_ip *ip);
/* Any packets here at all. */
bool sl_staged_any(const struct sl_staged *st);
