/*
 * What `sluice bench client` tells: lines for people while it runs and after
 * it, and the same as JSON. Rates count whole IP packets, as --size does. Main
 * thread; JSON objects pass to the caller.
 */
#pragma once

#include <stdio.h>

#include <jansson.h>

#include "app/bench_client.h"
#include "app/bench_search.h"

/* Bytes of IP and UDP header before each payload. */
unsigned sl_bench_overhead(uint8_t family);

/* The directions of `plan` in one interval: a line each, and one of the probes. */
void sl_bench_print_interval(FILE *out, const struct sl_bench_interval *i, const struct sl_traffic_plan *plan, uint8_t family);
void sl_bench_print_result(FILE *out, const struct sl_bench_result *r, uint8_t family);
/* One line about a trial of a search. */
void sl_bench_print_trial(FILE *out, unsigned number, uint64_t wanted, const struct sl_bench_result *r, bool passed);
void sl_bench_print_search(FILE *out, const struct sl_bench_search *s, uint64_t mean_size);

json_t *sl_bench_json_interval(const struct sl_bench_interval *i, const struct sl_traffic_plan *plan, uint8_t family);
json_t *sl_bench_json_result(const struct sl_bench_result *r, uint8_t family);
json_t *sl_bench_json_trial(uint64_t wanted, const struct sl_bench_result *r, bool passed);
json_t *sl_bench_json_search(const struct sl_bench_search *s, uint64_t mean_size);
