/*
 * A bad time for the two nodes of a simulation, all of it drawn from the
 * seed: the link, the traffic, and what happens to the nodes meanwhile. One
 * thread; the structure is the caller's and stands still from begin to heal.
 */
#pragma once

#include "sim.h"

#define CHAOS_PLANNED 96

struct chaos;
typedef void (*chaos_fn)(struct chaos *chaos, struct sim_node *node);

struct chaos_planned {
	struct chaos *chaos;
	chaos_fn fn;
	struct sim_node *node;
};

struct chaos_traffic {
	struct chaos *chaos;
	struct sim_node *node;
	uint64_t pause_max; /* ns between two payloads; 0: quiet until just before or after one of the protocol's times */
	unsigned burst_max; /* payloads at once */
};

/*
 * Whose wall clock steps. A node that restarts with its clock gone back is refused until the other one begins, by the
 * protocol: so only one node's may still be back in the end, and not the one whose address only it can tell.
 */
enum chaos_clocks { CHAOS_CLOCKS_STAND, CHAOS_CLOCKS_ONE, CHAOS_CLOCKS_BOTH };

struct chaos {
	struct sim *sim;
	uint64_t until;       /* ns: the end of the bad time; may move on while it lasts */
	uint64_t quiet_until; /* ns: no traffic before */
	uint64_t load_until[2]; /* ns; 0: not under load */
	struct chaos_planned load_ticks[2];
	struct sim_node *mobile; /* its address changes; both at once could never find each other */
	struct sim_node *stepper;
	enum chaos_clocks clocks;
	int64_t wall_max[2];
	uint8_t psk[SL_KEY_LEN];
	bool healed;
	struct chaos_traffic traffic[2];
	struct chaos_planned planned[CHAOS_PLANNED];
	unsigned n_planned;
};

/* Begins: sim_run up to chaos->until, which may have moved on then, lives through it. */
void chaos_begin(struct chaos *chaos, struct sim *sim);
/* The link is good, configurations agree, clocks are right where both were not; traffic goes on, both ways. */
void chaos_heal(struct chaos *chaos);
