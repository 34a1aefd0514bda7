/*
 * What `sluice bench client|server` sends and receives through: the sockets of
 * this host (app/bench_sockets.c) or the workers of a running gateway
 * (app/bench_gateway.c). The protocol, the server's rules and the client's
 * trials are the same over both.
 *
 * Called on the command's main thread. A path belongs to whoever made it, until
 * destroy. Sessions are named by their id; a path keeps SL_TRAFFIC_SESSIONS.
 */
#pragma once

#include "dataplane/traffic_gen.h"
#include "dataplane/traffic_sink.h"

#define SL_BENCH_ERROR_LEN 256
#define SL_BENCH_MAILS     64 /* control messages that a path keeps until they are fetched */

/* A control message that came. */
struct sl_bench_mail {
	struct sl_endpoint from;
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
};

struct sl_bench_path;

struct sl_bench_path_ops {
	/* A session with that key; its packets come from that address alone. 0 or a negative errno. */
	int (*open)(struct sl_bench_path *p, uint32_t id, const uint8_t key[SL_TRAFFIC_KEY_LEN], const struct sl_ip *peer);
	/* Where the packets of a flow go. */
	void (*attach)(struct sl_bench_path *p, uint32_t id, uint16_t flow, const struct sl_endpoint *to);
	/* From now on the packets of this trial count; what was sent for an earlier one ends. */
	void (*expect)(struct sl_bench_path *p, uint32_t id, uint16_t trial, const struct sl_traffic_plan *plan);
	/* Sends what was planned (data), with so many probes per second. Flows are attached. 0 or a negative errno. */
	int (*generate)(struct sl_bench_path *p, uint32_t id, bool data, uint64_t probes);
	/* What this end has sent and received of the trial: one flow, or SL_TRAFFIC_FLOW_ALL. */
	void (*stats)(struct sl_bench_path *p, uint32_t id, uint16_t flow, struct sl_traffic_stats *out);
	/* Adds the times of all probes that have come back since the path was made to a copy; *sent: probes sent in this trial. */
	void (*round_trip)(struct sl_bench_path *p, uint32_t id, struct sl_histogram_copy *copy, uint64_t *sent);
	void (*close)(struct sl_bench_path *p, uint32_t id);
	/* One control message, on the way of a flow or (SL_TRAFFIC_FLOW_ALL) of none. */
	void (*send)(struct sl_bench_path *p, uint16_t flow, const struct sl_endpoint *to,
		const uint8_t message[SL_TRAFFIC_CONTROL_LEN]);
	/* Waits up to `ms` for one. 1: there is one; 0: none; negative: the path is broken, `error` says why. */
	int (*receive)(struct sl_bench_path *p, unsigned ms, struct sl_bench_mail *mail);
	/* ns of a clock that only goes forward. */
	uint64_t (*now)(struct sl_bench_path *p);
	void (*destroy)(struct sl_bench_path *p);
};

struct sl_bench_path {
	const struct sl_bench_path_ops *ops;
	char error[SL_BENCH_ERROR_LEN]; /* what went wrong, and what to do; empty: nothing has */
};
