/*
 * The client of `sluice bench`: opens a session with a server, attaches its
 * flows and runs trials, over whichever path. Main thread of the command; calls
 * wait for answers.
 */
#pragma once

#include <signal.h>

#include "app/bench_path.h"

/* Of one direction: a trial's, or of one interval of it. Bytes are UDP payloads. */
struct sl_bench_way {
	uint64_t elapsed; /* ns at the receiver; of a whole trial what was planned */
	uint64_t sent, sent_bytes;
	uint64_t received, received_bytes;
	uint64_t lost; /* an interval's: gaps that have shown up; a trial's: sent and never received */
	uint64_t duplicates, reordered, late;
	uint64_t extent; /* the trial's so far */
	uint64_t jitter; /* ns, at the end of the time */
};

/* Of the probes: sent by the client, answered by the server. */
struct sl_bench_round_trip {
	uint64_t sent, answered;
	uint64_t min, mean, p50, p90, p99, p999, max; /* ns */
};

struct sl_bench_interval {
	uint64_t begin, end; /* ns since the trial's start */
	struct sl_bench_way to_server, from_server;
	struct sl_bench_round_trip round_trip;
};

struct sl_bench_result {
	struct sl_traffic_plan plan;
	bool cut_short;   /* it was stopped: gaps are all that is known of loss, and nothing of single flows */
	uint64_t elapsed; /* ns that it ran */
	struct sl_bench_way to_server, from_server;
	struct sl_bench_round_trip round_trip;
	struct {
		struct sl_bench_way to_server, from_server;
	} flows[SL_TRAFFIC_FLOWS_MAX];
};

/* Called once a second while a trial runs. */
typedef void (*sl_bench_interval_fn)(void *ctx, const struct sl_bench_interval *interval);

struct sl_bench_client {
	struct sl_bench_path *path;
	struct sl_endpoint server;
	uint32_t id; /* 0: no session */
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	uint64_t nonce;
	uint64_t rate_max; /* that the server sends */
	uint16_t trial;
	const volatile sig_atomic_t *stop; /* not 0: ends a trial early, which then counts as far as it went; may be NULL */
	char error[SL_BENCH_ERROR_LEN];
};

/*
 * Opens a session and attaches `flows` flows. False with client->error set. path is borrowed; *client is filled save `stop`, which the
 * caller may set.
 */
bool sl_bench_client_open(struct sl_bench_client *client, struct sl_bench_path *path, const struct sl_endpoint *server,
	unsigned flows);
/* Runs one trial to its end. on_interval may be NULL. False with client->error set. */
bool sl_bench_client_trial(struct sl_bench_client *client, const struct sl_traffic_plan *plan, uint64_t probes,
	sl_bench_interval_fn on_interval, void *ctx, struct sl_bench_result *result);
/* Says good-bye and wipes the key. */
void sl_bench_client_close(struct sl_bench_client *client);
