/*
 * The rules of `sluice bench server`: which messages it answers and how. What
 * comes may come from anybody, so: nothing is kept for a stranger (a cookie
 * proves that an address is the asker's own), no answer is longer than its
 * question, data is sent only to the address that opened the session and only
 * while its client is heard from, and everything has a limit. Messages and time
 * go in, messages and calls of the path come out; main thread.
 */
#pragma once

#include <stdio.h>

#include "app/bench_path.h"

#define SL_BENCH_SESSIONS_PER_ADDRESS 4
#define SL_BENCH_SILENCE_NS   UINT64_C(5000000000)  /* a client that is not heard from for so long is gone */
#define SL_BENCH_COOKIE_NS    UINT64_C(10000000000) /* a cookie is good for this long, up to twice that */
#define SL_BENCH_ANSWERS_RATE 1000 /* answers per second to those who have no session */

struct sl_bench_session {
	uint32_t id; /* 0: none */
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	struct sl_endpoint client;
	uint64_t nonce;    /* of the message that opened it */
	uint64_t heard;    /* ns */
	uint64_t attached; /* bit per flow */
	uint16_t trial;
	struct sl_traffic_plan plan;
};

struct sl_bench_server {
	struct sl_bench_path *path;
	uint64_t rate_max; /* packets per second that it sends for one session */
	FILE *log;         /* NULL: says nothing */
	uint8_t secret[SL_TRAFFIC_KEY_LEN];
	uint64_t answers, answers_at; /* tokens for strangers, and when they were counted (ns) */
	uint64_t finished;            /* sessions that have ended */
	struct sl_bench_session sessions[SL_TRAFFIC_SESSIONS];
};

/* path and log are borrowed. */
void sl_bench_server_init(struct sl_bench_server *server, struct sl_bench_path *path, uint64_t rate_max, FILE *log);
/* Answers a message, or not. */
void sl_bench_server_message(struct sl_bench_server *server, const struct sl_bench_mail *mail, uint64_t now);
/* Ends sessions whose clients have gone. */
void sl_bench_server_tick(struct sl_bench_server *server, uint64_t now);
/* Ends all sessions, wipes keys. */
void sl_bench_server_fini(struct sl_bench_server *server);
