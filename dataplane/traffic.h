/*
 * `sluice bench` on the workers: while a bench runs at this gateway, workers
 * make its packets (a job) and take those that come for its port out of what
 * would go to control. There is at most one object of this kind, published as
 * dp->traffic; without it a pass pays one predictable branch, and a packet for
 * us another on its way to control.
 *
 * Control owns it: fills it, publishes it, puts jobs into it, and reclaims it
 * and them through RCU. Workers count into lines and generators of their own.
 */
#pragma once

#include <stdalign.h>

#include "dataplane/clock.h"
#include "dataplane/dataplane.h"
#include "dataplane/reclaim.h"
#include "dataplane/traffic_gen.h"
#include "dataplane/traffic_sink.h"

struct sl_worker;

#define SL_TRAFFIC_HDR_MAX (40 + 8) /* IPv6 and UDP */
#define SL_TRAFFIC_TTL     64

/* One worker's; on cache lines of its own. */
struct sl_traffic_worker_gen {
	alignas(64) struct sl_traffic_gen gen;
};

/* What a session sends in a trial, over all workers; flow f is worker f mod n's. */
struct sl_traffic_job {
	struct sl_reclaim_node node;
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	uint8_t family;
	struct {
		uint8_t bytes[SL_TRAFFIC_HDR_MAX]; /* IP and UDP header; lengths and checksums are zero */
	} headers[SL_TRAFFIC_FLOWS_MAX];
	uint16_t n_workers;
	struct sl_traffic_worker_gen workers[];
};

struct sl_traffic {
	struct sl_reclaim_node node;
	const struct sl_clock *clock; /* NULL: time of the pass */
	uint16_t l3_if; /* a WireGuard interface: packets of others are none of ours */
	uint16_t port;  /* UDP, host order */
	uint16_t n_workers;
	struct sl_traffic_sink sink;
	struct sl_traffic_lines *lines[SL_WORKERS_MAX];
	_Atomic(struct sl_traffic_job *) jobs[SL_TRAFFIC_SESSIONS];
};

/* --- control --- */

/* For packets that come in through l3_if for that port. Not yet published. NULL: out of memory. */
struct sl_traffic *sl_traffic_create(uint16_t l3_if, uint16_t port, uint16_t n_workers, const struct sl_clock *clock);
/* Makes workers see it. */
void sl_traffic_publish(struct sl_dataplane *dp, struct sl_traffic *t);
/* Takes it away from workers, with its jobs; memory goes when no worker is at it. Keys are wiped. */
void sl_traffic_withdraw(struct sl_dataplane *dp, struct sl_traffic *t);

/*
 * A job for the trial that `cfg` names: rate and probes in cfg are those of all workers together, flows are the plan's. to[f] is where
 * flow f goes. NULL: out of memory.
 */
struct sl_traffic_job *sl_traffic_job_create(const struct sl_traffic *t, const struct sl_traffic_gen_config *cfg,
	const struct sl_traffic_plan *plan, const uint8_t key[SL_TRAFFIC_KEY_LEN], const struct sl_ip *from,
	const struct sl_endpoint *to, uint64_t now);
/* Puts a job (NULL: none) in the place of the one of its session's slot, which is reclaimed. */
void sl_traffic_set_job(struct sl_dataplane *dp, struct sl_traffic *t, unsigned slot, struct sl_traffic_job *job);
/* Adds what a job has sent so far: of one flow, or of all. */
void sl_traffic_job_stats(const struct sl_traffic_job *job, uint16_t flow, struct sl_traffic_stats *out);

/* A UDP packet of control's own for `to`, from our address and the bench's port; NULL: no buffer. */
struct rte_mbuf *sl_traffic_packet(struct rte_mempool *pool, const struct sl_ip *from, uint16_t port,
	const struct sl_endpoint *to, const void *payload, uint16_t len);

/* --- worker --- */

/* Hands packets that are due to the forward stage. Whether there were any. */
bool sl_traffic_generate(struct sl_worker *w, struct sl_traffic *t);
/* ns until this worker may have something to send: it may sleep no longer. UINT64_MAX: it has no job. */
uint64_t sl_traffic_wait(const struct sl_worker *w, const struct sl_traffic *t);
/*
 * Of n packets on their way to control: takes those that are the bench's own, and marks its control messages (SL_PUNT_TRAFFIC). Returns how
 * many are left, moved to the front.
 */
unsigned sl_traffic_sift(struct sl_worker *w, struct sl_traffic *t, struct rte_mbuf **pkts, unsigned n);
