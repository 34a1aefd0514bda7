/*
 * The generator: which packets one sender of a trial has to send by now. It
 * serves some of the session's flows in turn: numbers data packets per flow,
 * paces them, and mixes in the client's probes. One thread or worker runs it;
 * any thread reads the counters. It makes headers, never packets: sockets and
 * workers fill their own buffers with them.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/traffic_pace.h"

struct sl_traffic_gen_config {
	uint32_t session;
	uint16_t trial;
	uint16_t first_flow, flow_step, n_flows; /* it serves n_flows flows: first, first + step, … */
	bool data;       /* send the plan's packets; else probes alone */
	uint64_t probes; /* per second, over its flows; 0: none */
	uint64_t rate;   /* its share of plan->rate; 0: no limit */
};

struct sl_traffic_gen {
	struct sl_traffic_gen_config cfg;
	uint64_t ends; /* ns */
	struct sl_traffic_pace data, probes;
	struct sl_traffic_mix mix;
	uint16_t turn, probe_turn; /* whose packet is next, as index of its flows */
	uint64_t seqs[SL_TRAFFIC_FLOWS_MAX]; /* next number, by index of its flows */
	uint64_t probe_seq;
	/* read by others */
	_Atomic uint64_t sent[SL_TRAFFIC_FLOWS_MAX]; /* data packets, by index of its flows */
	_Atomic uint64_t bytes;                      /* UDP payload of data packets */
	_Atomic uint64_t probes_sent;
	_Atomic bool ended; /* all that was due by the end has been taken */
};

/* What to send next. The header is complete save its check value. */
struct sl_traffic_packet {
	struct sl_traffic_header header;
	uint16_t payload; /* UDP payload bytes, header included */
	uint16_t index;   /* of its flow, for sl_traffic_gen_sent */
};

/* cfg->n_flows ≤ SL_TRAFFIC_FLOWS_MAX; the plan is valid. The trial begins at `now` ns and lasts plan->duration. */
void sl_traffic_gen_begin(struct sl_traffic_gen *g, const struct sl_traffic_gen_config *cfg,
	const struct sl_traffic_plan *plan, uint64_t now);

/* The share of `total` per second that falls to sender `index` of n; the shares' sum is the total. */
uint64_t sl_traffic_share(uint64_t total, unsigned index, unsigned n);

/*
 * Takes up to `most` packets that are due at `now`. They must be sent, and reported with sl_traffic_gen_sent, in this order; what is
 * never sent must be the last of its flow.
 */
unsigned sl_traffic_gen_take(struct sl_traffic_gen *g, uint64_t now, struct sl_traffic_packet *out, unsigned most);
void sl_traffic_gen_sent(struct sl_traffic_gen *g, const struct sl_traffic_packet *packets, unsigned n);
/* ns from `now` until there may be something to take; 0: at once, or it has ended. */
uint64_t sl_traffic_gen_wait(const struct sl_traffic_gen *g, uint64_t now);
/* Any thread: data packets of all its flows. */
uint64_t sl_traffic_gen_total(const struct sl_traffic_gen *g);
