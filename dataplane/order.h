/*
 * One peer's traffic over many workers, in order. A tunnel comes to one queue,
 * so one worker owns the order of what it receives there. While it is the
 * bottleneck and another worker has time, it does not open messages itself:
 * it puts batches of at most SL_ORDER_BATCH of them into its order ring, idle
 * workers take batches and do all payload work (outer UDP checksum, open, judge
 * the plaintext), and the owner takes them back in the order in which they came: replay
 * window, counters, endpoint, key confirmation, and the rest of the way.
 *
 * The owner works on batches too, the oldest first, but leaves some for its
 * helpers while more keeps coming; when nothing new has come it takes what
 * nobody has. It never waits. It stops handing out by itself; while anything
 * is out, all it opens goes through the ring, so a change never reorders.
 *
 * Owner and helper touch the same batch by turns, as the ring says
 * (dataplane/order_ring.h); helpers see no mbuf, count for nobody but
 * themselves, and look up interfaces and allowed IPs within their own pass. A
 * batch outlives passes, so it holds its sessions (sl_session_hold).
 *
 * Packets in the ring are the owner's, counted as `queued` with it. Memory: the
 * worker's; everything here runs on a worker's thread but create and destroy.
 */
#pragma once

#include "crypto/aead.h"
#include "dataplane/order_ring.h"
#include "dataplane/worker.h"

#define SL_ORDER_BATCH 32

/* What an owner hands out. */
struct sl_order_batch {
	/* Filled by the owner. */
	alignas(64) uint32_t congested; /* bit per packet: its outer header was marked */
	uint8_t n, n_runs;
	uint8_t ends[SL_ORDER_BATCH]; /* per run of one session: its packets end before this one */
	alignas(64) struct sl_session *sessions[SL_ORDER_BATCH]; /* per run; held */
	uint8_t *data[SL_ORDER_BATCH];                           /* ciphertext, the message's header before it */
	uint16_t len[SL_ORDER_BATCH];                            /* of the plaintext */
	uint16_t udp_sum[SL_ORDER_BATCH];                        /* 0, or of the pseudo-header: the checksum is to be checked */
	/* Filled by who claimed it. */
	alignas(64) uint16_t total[SL_ORDER_BATCH]; /* length without padding */
	uint8_t verdict[SL_ORDER_BATCH];            /* enum sl_inner_verdict */
	/* The owner's alone. */
	alignas(64) struct rte_mbuf *pkts[SL_ORDER_BATCH];
};

struct sl_order {
	struct sl_order_ring ring;
	/* This worker's alone. */
	alignas(64) bool on;      /* it hands out */
	bool appended;            /* in this pass */
	bool stopped;
	unsigned reserve;         /* batches it leaves for helpers */
	unsigned opened;          /* messages opened or appended in this pass */
	uint32_t opened_load;     /* average of that over passes, in 1/256 */
	uint32_t received_load;   /* the same of frames received */
	uint32_t packets, limit;  /* in the ring */
	unsigned passes;          /* until it looks for helpers again */
	uint64_t busy_at;         /* ns: last had much to open */
	uint64_t wake_at;         /* ns: may wake a sleeping helper again */
	uint64_t cursors[SL_WORKERS_MAX]; /* its place in every worker's ring, its own too */
	/* Read by others, written when it changes. */
	alignas(64) _Atomic bool available; /* has time to help */
	struct sl_order_batch batches[SL_ORDER_TICKETS];
};

/* Control, as part of a worker. 0 or -ENOMEM. */
int sl_order_create(struct sl_order **out, const struct sl_dataplane *dp, int socket);
/* Frees packets and lets go of sessions in the ring; when no worker runs any more. */
void sl_order_destroy(struct sl_order *o);

/* --- the worker's pass --- */

/* Before its stages: measures, switches, and has stages run that go on with what is out. */
void sl_order_begin(struct sl_worker *w);
/* After its stages: sessions are let go of that this pass was the last to use. */
void sl_order_end(struct sl_worker *w);
/* Whether any other worker's ring has a batch that nobody has taken: for a worker without work of its own. */
bool sl_order_wanted(struct sl_worker *w);
/* The payload work of a batch of worker `owner` that w has claimed: all before sl_order_ring_done. */
void sl_order_work(struct sl_worker *w, struct sl_order_batch *b, uint16_t owner);
/* The worker will stop: it helps no one and hands out nothing more. Passes go on until its ring is empty. */
void sl_order_stop(struct sl_worker *w);

static inline bool
sl_order_any(const struct sl_worker *w)
{
	return sl_order_ring_out(&w->order->ring) > 0;
}

/* --- for the open stage --- */

/* Whether what is to be opened now has to go through the ring. */
static inline bool
sl_order_engaged(const struct sl_worker *w)
{
	return w->order->on || sl_order_any(w);
}

/*
 * Takes over n ≤ SL_BURST messages that may be opened, with their jobs (src and len are used), session and counter set.
 * What has no room is dropped (order-full).
 */
void sl_order_append(struct sl_worker *w, struct rte_mbuf **pkts, const struct sl_aead_job *jobs, unsigned n);
