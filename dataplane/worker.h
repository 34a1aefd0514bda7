/*
 * A worker: bursts in, bursts out, tables given. It owns its vectors, its
 * AEAD context, its staged packets, its reassembly tables and its counters;
 * nothing of it is shared but what dataplane.h says. Ports are at its edge: rx
 * hands bursts in with sl_worker_receive, tx is a function given at creation.
 * Time is a parameter. So tests, benchmarks and replays drive the same code
 * from memory.
 *
 * The pass: packets wait in a vector per stage. sl_worker_run visits the
 * stages in their order until all vectors are empty; each takes its whole
 * vector and appends to the vectors of its exits. Re-entry (nested tunnels,
 * reassembled packets) is just an append to an earlier stage.
 */
#pragma once

#include <rte_branch_prediction.h>

#include "crypto/aead.h"
#include "dataplane/dataplane.h"
#include "dataplane/drops.h"

#define SL_BURST      64   /* packets taken from a port queue at once */
#define SL_VECTOR     1024 /* room of a stage's vector; what does not fit is dropped and counted (stage-full) */

/* X(identifier, name, function): in the order of a packet's way. Each is dataplane/<file of that name>.c, "help" is in order.c. */
#define SL_STAGES(X) \
	X(ETHERNET, "ethernet", sl_stage_ethernet) \
	X(IP_INPUT, "ip-input", sl_stage_ip_input) \
	X(REASSEMBLY, "reassembly", sl_stage_reassembly) \
	X(OUTER_UDP, "outer-udp", sl_stage_outer_udp) \
	X(HANDSHAKE, "handshake", sl_stage_handshake) \
	X(OPEN, "open", sl_stage_open) \
	X(ORDER, "order", sl_stage_order) \
	X(DECAP, "decap", sl_stage_decap) \
	X(FORWARD, "forward", sl_stage_forward) \
	X(ICMP_ERROR, "icmp-error", sl_stage_icmp_error) \
	X(ENCAP, "encap", sl_stage_encap) \
	X(SEAL, "seal", sl_stage_seal) \
	X(OUTER_ROUTE, "outer-route", sl_stage_outer_route) \
	X(FRAGMENT, "fragment", sl_stage_fragment) \
	X(NEIGHBOUR, "neighbour", sl_stage_neighbour) \
	X(PUNT, "punt", sl_stage_punt) \
	X(TX, "tx", sl_stage_tx) \
	X(HELP, "help", sl_stage_help)

enum sl_stage {
#define SL_STAGE_ENUM(id, name, fn) SL_STAGE_##id,
	SL_STAGES(SL_STAGE_ENUM)
#undef SL_STAGE_ENUM
	SL_STAGE_COUNT
};

const char *sl_stage_name(enum sl_stage stage);

struct sl_vector {
	uint32_t n;
	struct rte_mbuf *pkts[SL_VECTOR];
};

struct sl_stage_stats {
	_Atomic uint64_t packets;
	_Atomic uint64_t bursts;
	_Atomic uint64_t cycles; /* TSC */
};

/*
 * Written by the worker alone, read by control at any time. After any run:
 * received + generated + from_control = transmitted + sum(drops) + delivered + to_control + merged + queued
 */
struct sl_worker_stats {
	_Atomic uint64_t received;     /* from ports */
	_Atomic uint64_t generated;    /* made here: fragments, ICMP errors */
	_Atomic uint64_t from_control; /* packets in commands, keepalives made on command */
	_Atomic uint64_t transmitted;  /* taken by ports */
	_Atomic uint64_t delivered;    /* reached their end here: keepalives received, fragmented originals */
	_Atomic uint64_t to_control;   /* taken by rings to control */
	_Atomic uint64_t merged;       /* fragments that became part of another packet */
	_Atomic uint64_t queued;       /* now: staged packets, fragments in reassembly, messages in the order ring */
	_Atomic uint64_t drops[SL_DROP_COUNT];
	struct sl_stage_stats stages[SL_STAGE_COUNT];
	_Atomic uint64_t busy_cycles;  /* loops that had work */
	_Atomic uint64_t idle_cycles;  /* loops that had none, sleep included */
	_Atomic uint64_t ecn_mismatch; /* outer CE on a Not-ECT inner packet, delivered unchanged */
	_Atomic uint64_t helped[SL_WORKERS_MAX]; /* batches opened for each worker's order ring, its own too */
};

/* Takes n packets for DPDK port `port`; returns how many it took, the rest stay the caller's. */
typedef uint16_t (*sl_worker_tx_fn)(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n);

struct sl_staged;     /* dataplane/staged.h */
struct sl_reassembly; /* dataplane/reassembly.h */
struct sl_icmp_limit; /* dataplane/icmp_limit.h */
struct sl_outer_paths; /* dataplane/outer.h */
struct sl_order;      /* dataplane/order.h */

struct sl_worker {
	struct sl_dataplane *dp;
	uint16_t index;
	uint16_t ip_id;   /* identification of the next IPv4 packet made here; see sl_worker_ip_id */
	uint16_t ip_id_first, ip_id_last;
	uint32_t frag_id; /* of the next IPv6 packet fragmented here */
	uint64_t now;     /* ns, boot clock, of this pass */
	struct sl_aead *aead;
	struct sl_staged *staged;
	struct sl_reassembly *reassembly;
	struct sl_icmp_limit *icmp_limit;
	struct sl_outer_paths *paths;
	struct sl_order *order;
	struct rte_ring *commands;
	struct sl_waker waker; /* control wakes a sleeping worker with it */
	sl_worker_tx_fn tx;
	void *tx_ctx;
	uint64_t housekeeping_at; /* ns */
	uint32_t pending;         /* bit per stage with packets in its vector */
	struct sl_vector *stages[SL_STAGE_COUNT]; /* a stage's own vector is swapped with `spare` while it runs */
	struct sl_vector *spare;
	alignas(64) struct sl_worker_stats stats;
};

static_assert(SL_STAGE_COUNT <= 32, "pending is a word");

struct sl_worker_config {
	enum sl_simd simd;
	sl_worker_tx_fn tx;
	void *tx_ctx;
	int socket;
	uint64_t icmp_seed; /* hash seed of the ICMP limiter */
};

/* Control, before workers run. Puts the worker into dp->workers[index]. 0 or a negative errno. */
int sl_worker_create(struct sl_dataplane *dp, uint16_t index, const struct sl_worker_config *cfg);
/* After it has stopped: frees what waits, wipes keys. */
void sl_worker_destroy(struct sl_worker *w);

/* Hands in n frames that came in on L3 interface in_if. They pass over; n ≤ SL_BURST per call and at most 4 calls a run. */
void sl_worker_receive(struct sl_worker *w, uint16_t in_if, struct rte_mbuf **frames, uint16_t n);
/*
 * One pass at `now` ns (boot clock): commands, stages until all are empty, housekeeping when due, RCU report.
 * Returns whether there was anything to do.
 */
bool sl_worker_run(struct sl_worker *w, uint64_t now);

/* --- for stages, on the worker's thread --- */

/* A stage's function: takes the n packets of its vector, all of which it hands on, drops or keeps queued. */
typedef void (*sl_stage_fn)(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n);

#define SL_STAGE_DECLARE(id, name, fn) void fn(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n);
SL_STAGES(SL_STAGE_DECLARE)
#undef SL_STAGE_DECLARE

/* Counters have one writer: a relaxed load and store, no locked instruction. */
static inline void
sl_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Counts a packet under that reason and frees it. Out of line, so that stages are laid out for packets that go on. */
void sl_worker_drop(struct sl_worker *w, struct rte_mbuf *m, enum sl_drop reason) __attribute__((cold, noinline));
/* The same for n packets. */
void sl_worker_drop_bulk(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n, enum sl_drop reason)
	__attribute__((cold, noinline));

/*
 * The identification of an IPv4 packet made here. Workers send to the same hosts, so each goes round in a part of the
 * numbers that is its own: no two packets of a round have the same one, whichever workers they are of (RFC 6864).
 */
static inline uint16_t
sl_worker_ip_id(struct sl_worker *w)
{
	uint16_t id = w->ip_id;

	w->ip_id = id == w->ip_id_last ? w->ip_id_first : (uint16_t)(id + 1);
	return id;
}

/* Appends one packet to a stage's vector. Packets stay in order; a full vector drops and counts. */
static inline void
sl_worker_enqueue(struct sl_worker *w, enum sl_stage stage, struct rte_mbuf *m)
{
	struct sl_vector *v = w->stages[stage];

	if (unlikely(v->n == SL_VECTOR)) {
		sl_worker_drop(w, m, SL_DROP_STAGE_FULL);
		return;
	}
	v->pkts[v->n++] = m;
	w->pending |= 1u << stage;
}

/* The same for n packets; those that do not fit are dropped. */
static inline void
sl_worker_enqueue_bulk(struct sl_worker *w, enum sl_stage stage, struct rte_mbuf **pkts, unsigned n)
{
	struct sl_vector *v = w->stages[stage];
	unsigned fit = SL_VECTOR - v->n;

	if (unlikely(n == 0))
		return;
	if (unlikely(n > fit))
		sl_worker_drop_bulk(w, pkts + fit, n - fit, SL_DROP_STAGE_FULL);
	else
		fit = n;
	memcpy(v->pkts + v->n, pkts, fit * sizeof(*pkts));
	v->n += fit;
	w->pending |= 1u << stage;
}

/* Where a packet goes that a stage drops, in the next[] of sl_worker_dispatch. */
#define SL_EXIT_DROP(reason) (SL_STAGE_COUNT + SL_DROP_##reason)

/* Hands n packets on: next[i] is packet i's stage, or SL_STAGE_COUNT and the reason why it is dropped. */
static inline void
sl_worker_dispatch(struct sl_worker *w, struct rte_mbuf **pkts, const uint8_t *next, unsigned n)
{
	for (unsigned first = 0, i = 0; first < n; first = i) {
		uint8_t exit = next[first];

		do
			i++;
		while (i < n && next[i] == exit);
		if (likely(exit < SL_STAGE_COUNT))
			sl_worker_enqueue_bulk(w, (enum sl_stage)exit, pkts + first, i - first);
		else
			sl_worker_drop_bulk(w, pkts + first, i - first, (enum sl_drop)(exit - SL_STAGE_COUNT));
	}
}

static_assert(SL_STAGE_COUNT + SL_DROP_COUNT <= UINT8_MAX, "an exit is a byte");

/* Free places in a stage's vector. */
static inline unsigned
sl_worker_room(const struct sl_worker *w, enum sl_stage stage)
{
	return SL_VECTOR - w->stages[stage]->n;
}
