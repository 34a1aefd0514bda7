/*
 * The path through a running gateway: its workers send and count, and this
 * process asks it over its socket (control/bench_api.h). It ends with the
 * process, whatever way that ends.
 */
#pragma once

#include "app/bench_path.h"

/*
 * Takes the interface and a UDP port of it (0: a free one). NULL with error (SL_BENCH_ERROR_LEN bytes) set, empty where stderr has been told.
 */
struct sl_bench_path *sl_bench_gateway_open(
	const char *command, const char *name, const char *interface, uint16_t port, char *error);
/* The address that is meant: `target` itself, or that of the peer of this name, of the family where one is asked for. False: p->error. */
bool sl_bench_gateway_target(struct sl_bench_path *p, const char *target, uint8_t family, struct sl_ip *out);
