/*
 * The command lines of `sluice bench client` and `sluice bench server`, and the
 * plan of a trial that follows from one. Pure but for the words on stderr; main
 * thread. Strings are argv's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/addr.h"
#include "dataplane/traffic_wire.h"

#define SL_BENCH_SIZES_MAX 16
#define SL_BENCH_IMIX      0 /* instead of a size: 64, 570 and 1420 bytes of IP, 7 : 4 : 1 */
#define SL_BENCH_PROBES_MAX 100000

/* A rate as it was asked for. */
struct sl_bench_rate {
	double value;
	bool bits; /* per second; else packets */
	bool max;  /* as many as the sender can */
};

struct sl_bench_client_options {
	const char *target;    /* ADDR, NAME, ADDR:PORT or [ADDR6]:PORT; a peer or address where a gateway sends */
	const char *name;      /* of a gateway; NULL: the only one */
	const char *interface; /* of the gateway that is to send; NULL: this host does */
	uint8_t family;        /* SL_AF_NONE: either */
	unsigned flows;
	struct sl_bench_rate rate;
	double seconds;
	uint8_t directions; /* SL_TRAFFIC_TO_SERVER and so on */
	uint32_t sizes[SL_BENCH_SIZES_MAX]; /* bytes of IP, or SL_BENCH_IMIX */
	unsigned n_sizes;
	uint64_t probes; /* per second */
	bool search;
	double trial_seconds;
	uint32_t resolution, loss; /* millionths */
	bool json;
};

struct sl_bench_server_options {
	const char *name, *interface;
	struct sl_ip bind; /* SL_AF_NONE: all */
	uint16_t port;
	uint64_t limit; /* packets per second that it sends for one session */
	bool once;      /* it ends with its first session */
};

/* False: help, the version or an error has been printed, and *code is the exit code. */
bool sl_bench_client_parse(int argc, char **argv, struct sl_bench_client_options *o, int *code);
bool sl_bench_server_parse(int argc, char **argv, struct sl_bench_server_options *o, int *code);

/* "10k", "1.5M" packets per second, "100Mbit" bits per second, or "max". */
bool sl_bench_rate_parse(const char *text, struct sl_bench_rate *rate);
/* "[host]:port", "host:port", "host": cuts text in place; *port stays as it was where none is named. */
bool sl_bench_target_split(char *text, char **host, uint16_t *port);

/* The sizes of one run as payloads of that family. False: smaller or larger than there can be. */
bool sl_bench_plan_sizes(struct sl_traffic_plan *plan, uint32_t size, uint8_t family);
/* The mean size of its packets, bytes of IP. */
uint64_t sl_bench_plan_mean(const struct sl_traffic_plan *plan, uint8_t family);
/* Packets per second; 0: as many as the sender can. */
uint64_t sl_bench_plan_rate(const struct sl_bench_rate *rate, const struct sl_traffic_plan *plan, uint8_t family);
