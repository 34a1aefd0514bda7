/*
 * What the commands of tests/peersim/control.h do. One thread.
 */
#pragma once

#include <stdio.h>

#include "tests/peersim/sim.h"

#define SIM_LINE_MAX 512

/* What a client waits for. */
struct sim_await {
	bool handshakes;
	uint32_t flow;     /* SIM_NONE: no flow */
	uint64_t returned; /* 0: until the flow is done */
	uint32_t until_ms;
};

/* Does the command of a line, which is taken apart, and writes its answer. True: there is none yet, `await` says for
 * what it has to wait. */
bool sim_command(struct sim *s, char *line, FILE *out, struct sim_await *await);

bool sim_await_met(const struct sim *s, const struct sim_await *await);
